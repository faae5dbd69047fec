//! Full-text search over prompts, diagnoses, and the notes of reviews and references.

use rusqlite::Connection;

use crate::studio::ids::{OutputId, ReferenceId, RunId, SubjectId};
use crate::studio::subject::{Handle, ReferenceName, TaskId};

use super::{Reader, Result, subjects};

/// Where a hit is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The prompt or the diagnosis of a run.
    Run(RunId, TaskId),
    /// A review's note.
    Review(OutputId, TaskId),
    /// A reference's label or note.
    Reference(ReferenceId, ReferenceName),
}

/// A text that contains all words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    pub place: Place,
    /// The text around the first match; matches are between [`FOUND`] and [`END`].
    pub snippet: String,
}

/// Marks in snippets. Stored texts have no control characters, so the marks are unambiguous.
pub const FOUND: char = '\u{1}';
pub const END: char = '\u{2}';

impl Reader {
    /// Finds texts that contain all words of the query; the last word may be the start of a word. Returns runs, then
    /// reviews, then references, each newest first. No character of the query has a special meaning.
    pub fn search(&self, query: &str, limit: u32) -> Result<Vec<Hit>> {
        self.found(None, query, limit)
    }

    /// Like [`Reader::search`], within one subject.
    pub fn search_subject(&self, subject: SubjectId, query: &str, limit: u32) -> Result<Vec<Hit>> {
        self.found(Some(subject), query, limit)
    }

    fn found(&self, subject: Option<SubjectId>, query: &str, limit: u32) -> Result<Vec<Hit>> {
        let Some(words) = words(query) else { return Ok(Vec::new()) };
        let wanted = Wanted { words, subject: subject.map(|subject| subject.0), limit };
        self.read(|connection| {
            let run = |id, subject, number| Place::Run(RunId(id), TaskId { subject, number });
            let review = |id, subject, number| Place::Review(OutputId(id), TaskId { subject, number });
            let reference = |id, subject, number| Place::Reference(ReferenceId(id), ReferenceName { subject, number });
            let mut hits = find(connection, RUNS, &wanted, run)?;
            hits.extend(find(connection, REVIEWS, &wanted, review)?);
            hits.extend(find(connection, REFERENCES, &wanted, reference)?);
            hits.truncate(limit as usize);
            Ok(hits)
        })
    }
}

/// The parameters of the three queries.
struct Wanted {
    words: String,
    subject: Option<i64>,
    limit: u32,
}

// The index returns rows by ID, so nothing is ranked and snippets are made only for the rows returned. The subject's IDs
// are looked up once: the plus keeps SQLite from querying the index for each of them, so a frequent word reads IDs only.
const RUNS: &str = "SELECT runs.id, subjects.handle, runs.number, snippet(runs_text, -1, char(1), char(2), '…', 12)
    FROM runs_text JOIN runs ON runs.id = runs_text.rowid JOIN subjects ON subjects.id = runs.subject_id
    WHERE runs_text MATCH ?1
        AND (?2 IS NULL OR +runs_text.rowid IN (SELECT runs.id FROM runs WHERE runs.subject_id = ?2))
    ORDER BY runs_text.rowid DESC LIMIT ?3";
const REVIEWS: &str =
    "SELECT outputs.id, subjects.handle, runs.number, snippet(reviews_text, -1, char(1), char(2), '…', 12)
    FROM reviews_text JOIN reviews ON reviews.id = reviews_text.rowid JOIN outputs ON outputs.id = reviews.output_id
    JOIN runs ON runs.id = outputs.run_id JOIN subjects ON subjects.id = runs.subject_id
    WHERE reviews_text MATCH ?1
        AND (?2 IS NULL OR +reviews_text.rowid IN (
            SELECT reviews.id FROM runs JOIN outputs ON outputs.run_id = runs.id
            JOIN reviews ON reviews.output_id = outputs.id WHERE runs.subject_id = ?2))
    ORDER BY reviews_text.rowid DESC LIMIT ?3";
const REFERENCES: &str =
    "SELECT refs.id, subjects.handle, refs.number, snippet(refs_text, -1, char(1), char(2), '…', 12)
    FROM refs_text JOIN refs ON refs.id = refs_text.rowid JOIN subjects ON subjects.id = refs.subject_id
    WHERE refs_text MATCH ?1
        AND (?2 IS NULL OR +refs_text.rowid IN (SELECT refs.id FROM refs WHERE refs.subject_id = ?2))
    ORDER BY refs_text.rowid DESC LIMIT ?3";

fn find(
    connection: &Connection,
    sql: &str,
    wanted: &Wanted,
    place: impl Fn(i64, Handle, u32) -> Place,
) -> Result<Vec<Hit>> {
    let mut statement = connection.prepare_cached(sql)?;
    let hits = statement.query_and_then((&wanted.words, wanted.subject, wanted.limit), |row| {
        let place = place(row.get(0)?, subjects::handle(row, "handle")?, row.get(2)?);
        Ok(Hit { place, snippet: row.get(3)? })
    })?;
    hits.collect()
}

/// The query in FTS5 syntax: each word quoted, the last one as a prefix. `None` if it has no word.
pub(super) fn words(query: &str) -> Option<String> {
    let words: Vec<_> = query
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(|word| format!("\"{word}\""))
        .collect();
    (!words.is_empty()).then(|| format!("{} *", words.join(" ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_words_and_nothing_else() {
        assert_eq!(words("soft light").as_deref(), Some("\"soft\" \"light\" *"));
        assert_eq!(words("a\" OR (b* NEAR c:d").as_deref(), Some("\"a\" \"OR\" \"b\" \"NEAR\" \"c\" \"d\" *"));
        assert_eq!(words(" \"*(-^ "), None);
    }
}

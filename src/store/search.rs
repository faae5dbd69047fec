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
        let wanted = Wanted { query: query.to_owned(), words, subject: subject.map(|subject| subject.0), limit };
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
    query: String,
    /// The query in FTS5 syntax.
    words: String,
    subject: Option<i64>,
    limit: u32,
}

/// FTS5's snippets take time in the square of the matches, so they are only made of texts up to this length. A longer
/// text gets one of [`excerpt`].
const SNIPPET_UP_TO: u32 = 4096;

// The index returns rows by ID, so nothing is ranked and snippets are made only for the rows returned. The subject's IDs
// are looked up once: the plus keeps SQLite from querying the index for each of them, so a frequent word reads IDs only.
const RUNS: &str = "SELECT runs.id, subjects.handle, runs.number,
        CASE WHEN length(runs.prompt_subject) + length(runs.prompt_camera) + length(runs.prompt_lighting)
            + length(runs.prompt_style) + length(runs.prompt_constraints) + length(runs.negative) + length(runs.diagnosis)
            <= ?4 THEN snippet(runs_text, -1, char(1), char(2), '…', 12) END,
        runs.prompt_subject, runs.prompt_camera, runs.prompt_lighting, runs.prompt_style, runs.prompt_constraints,
        runs.negative, runs.diagnosis
    FROM runs_text JOIN runs ON runs.id = runs_text.rowid JOIN subjects ON subjects.id = runs.subject_id
    WHERE runs_text MATCH ?1
        AND (?2 IS NULL OR +runs_text.rowid IN (SELECT runs.id FROM runs WHERE runs.subject_id = ?2))
    ORDER BY runs_text.rowid DESC LIMIT ?3";
const REVIEWS: &str = "SELECT outputs.id, subjects.handle, runs.number,
        CASE WHEN length(reviews.note) <= ?4 THEN snippet(reviews_text, -1, char(1), char(2), '…', 12) END, reviews.note
    FROM reviews_text JOIN reviews ON reviews.id = reviews_text.rowid JOIN outputs ON outputs.id = reviews.output_id
    JOIN runs ON runs.id = outputs.run_id JOIN subjects ON subjects.id = runs.subject_id
    WHERE reviews_text MATCH ?1
        AND (?2 IS NULL OR +reviews_text.rowid IN (
            SELECT reviews.id FROM runs JOIN outputs ON outputs.run_id = runs.id
            JOIN reviews ON reviews.output_id = outputs.id WHERE runs.subject_id = ?2))
    ORDER BY reviews_text.rowid DESC LIMIT ?3";
const REFERENCES: &str = "SELECT refs.id, subjects.handle, refs.number,
        CASE WHEN length(refs.label) + length(refs.note) <= ?4
            THEN snippet(refs_text, -1, char(1), char(2), '…', 12) END, refs.label, refs.note
    FROM refs_text JOIN refs ON refs.id = refs_text.rowid JOIN subjects ON subjects.id = refs.subject_id
    WHERE refs_text MATCH ?1
        AND (?2 IS NULL OR +refs_text.rowid IN (SELECT refs.id FROM refs WHERE refs.subject_id = ?2))
    ORDER BY refs_text.rowid DESC LIMIT ?3";
/// The first column with a text.
const TEXTS: usize = 4;

fn find(
    connection: &Connection,
    sql: &str,
    wanted: &Wanted,
    place: impl Fn(i64, Handle, u32) -> Place,
) -> Result<Vec<Hit>> {
    let mut statement = connection.prepare_cached(sql)?;
    let columns = statement.column_count();
    let hits = statement.query_and_then((&wanted.words, wanted.subject, wanted.limit, SNIPPET_UP_TO), |row| {
        let place = place(row.get(0)?, subjects::handle(row, "handle")?, row.get(2)?);
        let snippet = match row.get::<_, Option<String>>(3)? {
            Some(snippet) => snippet,
            None => {
                let texts = (TEXTS..columns).map(|column| row.get::<_, Option<String>>(column));
                let texts = texts.map(|text| Ok(text?.unwrap_or_default())).collect::<Result<Vec<_>>>()?;
                excerpt(&texts, &wanted.query)
            }
        };
        Ok(Hit { place, snippet })
    })?;
    hits.collect()
}

/// The words around the first word of the query in a long text, or the beginning of the text if its spelling differs.
fn excerpt(texts: &[String], query: &str) -> String {
    const BEFORE: usize = 4;
    const WORDS: usize = 12;
    let query: Vec<String> = query_words(query).map(str::to_lowercase).collect();
    let is_match = |word: &str| {
        let word = word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
        query.contains(&word) || query.last().is_some_and(|last| word.starts_with(last))
    };
    let first = |text: &String| text.split_whitespace().position(is_match);
    let found = texts.iter().find_map(|text| Some((text, first(text)?)));
    let longest = texts.iter().max_by_key(|text| text.len());
    let Some((text, at)) = found.or(longest.map(|text| (text, 0))) else { return String::new() };
    let start = at.saturating_sub(BEFORE);
    let mut words = text.split_whitespace().skip(start);
    // A word without spaces can be as long as the text.
    let marked = |word: &str| {
        let cut: String = word.chars().take(80).collect();
        if is_match(word) { format!("{FOUND}{cut}{END}") } else { cut }
    };
    let shown: Vec<String> = words.by_ref().take(WORDS).map(marked).collect();
    let (before, after) = (if start > 0 { "…" } else { "" }, if words.next().is_some() { "…" } else { "" });
    format!("{before}{}{after}", shown.join(" "))
}

/// The query in FTS5 syntax: each word quoted, the last one as a prefix. `None` if it has no word.
pub(super) fn words(query: &str) -> Option<String> {
    let words: Vec<_> = query_words(query).map(|word| format!("\"{word}\"")).collect();
    (!words.is_empty()).then(|| format!("{} *", words.join(" ")))
}

fn query_words(query: &str) -> impl Iterator<Item = &str> {
    query.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_shows_the_words_around_the_first_match() {
        let texts = [String::new(), "a b c d e f Soft, light g h i j k l m n o p".to_owned()];
        assert_eq!(excerpt(&texts, "soft lig"), "…c d e f \u{1}Soft,\u{2} \u{1}light\u{2} g h i j k l…");
        assert_eq!(excerpt(&texts, "sôft"), "a b c d e f Soft, light g h i j…");
        assert_eq!(excerpt(&["x".repeat(9000)], "y"), "x".repeat(80));
        assert_eq!(excerpt(&[], "y"), "");
    }

    #[test]
    fn a_query_is_words_and_nothing_else() {
        assert_eq!(words("soft light").as_deref(), Some("\"soft\" \"light\" *"));
        assert_eq!(words("a\" OR (b* NEAR c:d").as_deref(), Some("\"a\" \"OR\" \"b\" \"NEAR\" \"c\" \"d\" *"));
        assert_eq!(words(" \"*(-^ "), None);
    }
}

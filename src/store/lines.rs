//! Rows for lists: subjects, and the outputs that match a filter.

use std::cmp::Ordering;

use jiff::Timestamp;
use rusqlite::types::Value;
use rusqlite::{Row, ToSql};

use crate::studio::delta::Delta;
use crate::studio::filter::{Filter, Number, Term};
use crate::studio::ids::{ReferenceId, RunId, SubjectId};
use crate::studio::output::Output;
use crate::studio::reference::Picture;
use crate::studio::review::{Key, Verdict};
use crate::studio::subject::{Subject, TaskId};

use super::columns::bad;
use super::{Reader, Result, outputs, references, search, subjects};

/// A subject with its counts.
#[derive(Clone, Debug, PartialEq)]
pub struct SubjectLine {
    pub subject: Subject,
    /// How many consents are valid, and how many are withdrawn.
    pub rights: u32,
    pub withdrawn: u32,
    pub approved: u32,
    pub candidates: u32,
    pub runs: u32,
    pub has_baseline: bool,
    /// The verdict of the newest reviewed output.
    pub last_verdict: Option<Verdict>,
    /// Accepted and reviewed outputs among the newest [`JUDGED`] reviewed ones.
    pub stability: (u32, u32),
    /// The newest approved reference.
    pub face: Option<Picture>,
    /// The newest output.
    pub newest: Option<Picture>,
}

/// How many reviewed outputs count for a subject's stability.
pub const JUDGED: u32 = 20;

/// An output with details of its run.
#[derive(Clone, Debug, PartialEq)]
pub struct OutputLine {
    pub output: Output,
    pub task: TaskId,
    pub subject: SubjectId,
    pub parent: Option<RunId>,
    pub reference: Option<ReferenceId>,
    pub guidance_scale: f64,
    pub steps: u32,
    pub delta: Option<Delta>,
    pub failures: Vec<Key>,
    pub is_baseline: bool,
}

/// Whose outputs a list shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    All,
    Subject(SubjectId),
    Run(RunId),
}

/// The order of a list of outputs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    #[default]
    Newest,
    Oldest,
    Guidance,
    Seed,
}

impl Order {
    pub const ALL: [Self; 4] = [Self::Newest, Self::Oldest, Self::Guidance, Self::Seed];

    pub fn name(self) -> &'static str {
        match self {
            Self::Newest => "newest first",
            Self::Oldest => "oldest first",
            Self::Guidance => "by guidance",
            Self::Seed => "by seed",
        }
    }

    fn sql(self) -> &'static str {
        match self {
            Self::Newest => "outputs.id DESC",
            Self::Oldest => "outputs.id",
            Self::Guidance => "runs.guidance, outputs.id",
            Self::Seed => "outputs.seed, outputs.id",
        }
    }
}

impl Reader {
    /// All subjects, sorted by handle. Consents count if they are valid at the time.
    pub fn subject_lines(&self, at: Timestamp) -> Result<Vec<SubjectLine>> {
        let sql = format!(
            "SELECT subjects.*,
               (SELECT count(*) FROM consents WHERE subject_id = subjects.id AND withdrawn IS NULL
                  AND granted <= ?1 AND (expires IS NULL OR expires > ?1)) AS rights,
               (SELECT count(*) FROM consents WHERE subject_id = subjects.id AND withdrawn IS NOT NULL) AS gone,
               (SELECT count(*) FROM refs WHERE subject_id = subjects.id AND state = 'approved') AS approved,
               (SELECT count(*) FROM refs WHERE subject_id = subjects.id AND state = 'candidate') AS candidates,
               (SELECT count(*) FROM runs WHERE subject_id = subjects.id) AS runs,
               EXISTS (SELECT 1 FROM baselines WHERE subject_id = subjects.id AND until IS NULL) AS baseline,
               (SELECT group_concat(verdict) FROM (
                  SELECT verdict FROM runs JOIN outputs ON outputs.run_id = runs.id
                  WHERE runs.subject_id = subjects.id AND verdict <> 'open'
                  ORDER BY runs.number DESC, outputs.id DESC LIMIT {JUDGED})) AS verdicts,
               face.picture AS face_picture, face.thumbnail AS face_thumbnail, face.width AS face_width,
               face.height AS face_height, newest.picture AS new_picture, newest.thumbnail AS new_thumbnail,
               newest.width AS new_width, newest.height AS new_height
             FROM subjects
             LEFT JOIN refs AS face ON face.id = (SELECT refs.id FROM refs
               WHERE refs.subject_id = subjects.id AND refs.state = 'approved' ORDER BY refs.number DESC LIMIT 1)
             LEFT JOIN outputs AS newest ON newest.id = (SELECT outputs.id FROM runs JOIN outputs ON outputs.run_id = runs.id
               WHERE runs.subject_id = subjects.id ORDER BY runs.number DESC, outputs.id DESC LIMIT 1)
             ORDER BY subjects.handle"
        );
        self.read(|connection| {
            let mut statement = connection.prepare_cached(&sql)?;
            statement.query_and_then([at.as_millisecond()], subject_line)?.collect()
        })
    }

    /// The outputs that a filter finds in a scope.
    pub fn output_lines(
        &self,
        scope: Scope,
        filter: &Filter,
        order: Order,
        limit: u32,
        at: Timestamp,
    ) -> Result<Vec<OutputLine>> {
        let (conditions, mut values) = conditions(scope, filter, at);
        values.push(i64::from(limit).into());
        let sql = format!(
            "SELECT outputs.*, runs.number, runs.subject_id, runs.parent_id, runs.ref_id, runs.guidance, runs.steps,
               runs.delta, subjects.handle,
               (SELECT group_concat(DISTINCT failure) FROM reviews JOIN review_failures ON review_id = reviews.id
                  WHERE output_id = outputs.id) AS failures,
               EXISTS (SELECT 1 FROM baselines WHERE output_id = outputs.id AND until IS NULL) AS baseline
             FROM outputs JOIN runs ON runs.id = outputs.run_id JOIN subjects ON subjects.id = runs.subject_id
             WHERE {conditions} ORDER BY {} LIMIT ?",
            order.sql()
        );
        self.read(|connection| {
            let mut statement = connection.prepare_cached(&sql)?;
            let values: Vec<&dyn ToSql> = values.iter().map(|value| value as &dyn ToSql).collect();
            statement.query_and_then(values.as_slice(), output_line)?.collect()
        })
    }
}

/// The filter as SQL conditions, and their parameters in order.
fn conditions(scope: Scope, filter: &Filter, at: Timestamp) -> (String, Vec<Value>) {
    let mut conditions = vec!["1".to_owned()];
    let mut values: Vec<Value> = Vec::new();
    let mut add = |condition: &str, value: Value| {
        conditions.push(condition.to_owned());
        values.push(value);
    };
    match scope {
        Scope::All => {}
        Scope::Subject(subject) => add("runs.subject_id = ?", subject.0.into()),
        Scope::Run(run) => add("outputs.run_id = ?", run.0.into()),
    }
    for term in &filter.terms {
        match term {
            Term::Subject(handle) => add("subjects.handle = ?", handle.to_string().into()),
            Term::Reference(name) => add(
                "runs.ref_id = (SELECT refs.id FROM refs JOIN subjects AS owner ON owner.id = refs.subject_id
                   WHERE owner.handle || '-r' || refs.number = ?)",
                name.to_string().into(),
            ),
            Term::Failure(key) => add(
                "outputs.id IN (SELECT output_id FROM reviews JOIN review_failures ON review_id = reviews.id
                   WHERE failure = ?)",
                key.to_string().into(),
            ),
            Term::Verdict(verdict) => add("outputs.verdict = ?", verdict.name().to_owned().into()),
            Term::Changed(variable) => add(
                "EXISTS (SELECT 1 FROM json_each(runs.delta) WHERE json_extract(value, '$.variable') = ?)",
                variable.name().to_owned().into(),
            ),
            Term::Since(seconds) => add("outputs.created >= ?", (at.as_millisecond() - 1000 * seconds).into()),
            Term::Number(number, order, value) => {
                let column = match number {
                    Number::Guidance => "runs.guidance",
                    Number::Steps => "runs.steps",
                    Number::Seed => "outputs.seed",
                };
                let sign = match order {
                    Ordering::Less => '<',
                    Ordering::Equal => '=',
                    Ordering::Greater => '>',
                };
                add(&format!("{column} {sign} ?"), (*value).into());
            }
        }
    }
    if let Some(words) = search::words(&filter.words) {
        conditions.push(
            "(runs.id IN (SELECT rowid FROM runs_text WHERE runs_text MATCH ?) OR outputs.id IN
               (SELECT output_id FROM reviews WHERE id IN (SELECT rowid FROM reviews_text WHERE reviews_text MATCH ?)))"
                .to_owned(),
        );
        values.extend([Value::from(words.clone()), Value::from(words)]);
    }
    (conditions.join(" AND "), values)
}

fn subject_line(row: &Row<'_>) -> Result<SubjectLine> {
    let verdicts: Option<String> = row.get("verdicts")?;
    let verdicts: Vec<Verdict> =
        verdicts.iter().flat_map(|list| list.split(',')).filter_map(Verdict::from_name).collect();
    let accepted = verdicts.iter().filter(|verdict| **verdict == Verdict::Accepted).count();
    Ok(SubjectLine {
        subject: subjects::subject(row)?,
        rights: row.get("rights")?,
        withdrawn: row.get("gone")?,
        approved: row.get("approved")?,
        candidates: row.get("candidates")?,
        runs: row.get("runs")?,
        has_baseline: row.get("baseline")?,
        last_verdict: verdicts.first().copied(),
        stability: (accepted as u32, verdicts.len() as u32),
        face: references::picture(row, "face_")?,
        newest: references::picture(row, "new_")?,
    })
}

fn output_line(row: &Row<'_>) -> Result<OutputLine> {
    let delta: Option<String> = row.get("delta")?;
    let delta = delta.map(|delta| serde_json::from_str(&delta).map_err(|error| bad("delta", error))).transpose()?;
    let failures: Option<String> = row.get("failures")?;
    let keys = failures.iter().flat_map(|list| list.split(','));
    let keys = keys.map(|key| key.parse().map_err(|error: crate::studio::review::BadReview| bad("failure", error)));
    Ok(OutputLine {
        output: outputs::output(row)?,
        task: TaskId { subject: subjects::handle(row, "handle")?, number: row.get("number")? },
        subject: SubjectId(row.get("subject_id")?),
        parent: row.get::<_, Option<i64>>("parent_id")?.map(RunId),
        reference: row.get::<_, Option<i64>>("ref_id")?.map(ReferenceId),
        guidance_scale: row.get("guidance")?,
        steps: row.get("steps")?,
        delta,
        failures: keys.collect::<Result<_>>()?,
        is_baseline: row.get("baseline")?,
    })
}

//! Reviews of outputs, and each subject's baseline.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row};
use uuid::Uuid;

use crate::studio::ids::{BaselineId, OutputId, ReviewId, SubjectId};
use crate::studio::review::{Judgement, Key, Review, Rubric, Score, Verdict};
use crate::studio::rules::Refusal;
use crate::studio::text;

use super::columns::{Id, Time, bad, insert, named};
use super::{Durability, Reader, Result, Store, outputs, runs};

/// The output that a subject's runs are compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Baseline {
    pub id: BaselineId,
    pub uuid: Uuid,
    pub output: OutputId,
    pub set_by: String,
    pub note: String,
    pub since: Timestamp,
    /// When another output replaced it; `None`: it is the current baseline.
    pub until: Option<Timestamp>,
}

impl Store {
    /// Stores a review. Its verdict, unless open, becomes the output's verdict.
    pub fn add_review(&self, output: OutputId, judgement: &Judgement, at: Timestamp) -> Result<ReviewId> {
        self.write(Durability::Full, |transaction| insert_review(transaction, output, judgement, at))
    }

    /// Records a review, a diagnosis of the output's run, or both, in one transaction.
    pub fn add_review_and_diagnosis(
        &self,
        output: OutputId,
        judgement: Option<&Judgement>,
        diagnosis: Option<&str>,
        at: Timestamp,
    ) -> Result<()> {
        self.write(Durability::Full, |transaction| {
            let run = outputs::by_id(transaction, output)?.run;
            if let Some(judgement) = judgement {
                insert_review(transaction, output, judgement, at)?;
            }
            if let Some(diagnosis) = diagnosis {
                runs::set_diagnosis(transaction, run, diagnosis)?;
            }
            Ok(())
        })
    }

    /// Sets or removes a reviewer's mark of a failure. Reviews that say nothing without the mark are deleted.
    pub fn mark_failure(
        &self,
        output: OutputId,
        reviewer: &str,
        failure: &Key,
        marked: bool,
        at: Timestamp,
    ) -> Result<()> {
        self.write(Durability::Full, |transaction| {
            outputs::by_id(transaction, output)?;
            let reviewer = text::clean(reviewer);
            let marks = "review_failures WHERE failure = ?3 AND review_id IN
                           (SELECT id FROM reviews WHERE output_id = ?1 AND reviewer = ?2)";
            let of_reviewer = (output.0, &reviewer, failure.as_str());
            if !marked {
                transaction.execute(&format!("DELETE FROM {marks}"), of_reviewer)?;
                return delete_empty(transaction, output, &reviewer);
            }
            let exists = format!("SELECT EXISTS (SELECT 1 FROM {marks})");
            if transaction.query_row(&exists, of_reviewer, |row| row.get(0))? {
                return Ok(());
            }
            let failures = [failure.clone()].into();
            insert_review(transaction, output, &Judgement { reviewer, failures, ..Judgement::default() }, at)?;
            Ok(())
        })
    }

    /// Removes an output's verdict, and the verdict in this reviewer's reviews of it. Reviews left empty are deleted.
    pub fn clear_verdict(&self, output: OutputId, reviewer: &str) -> Result<()> {
        self.write(Durability::Full, |transaction| {
            outputs::by_id(transaction, output)?;
            let (open, reviewer) = (Verdict::Open.name(), text::clean(reviewer));
            transaction.execute("UPDATE outputs SET verdict = ?2 WHERE id = ?1", (output.0, open))?;
            transaction.execute(
                "UPDATE reviews SET verdict = ?3 WHERE output_id = ?1 AND reviewer = ?2",
                (output.0, &reviewer, open),
            )?;
            delete_empty(transaction, output, &reviewer)
        })
    }

    /// Makes an output its subject's baseline, in place of the current one. Refused unless the output is accepted, and
    /// scored high enough on every criterion of the rubric.
    pub fn set_baseline(
        &self,
        output: OutputId,
        rubric: &Rubric,
        set_by: &str,
        note: &str,
        at: Timestamp,
    ) -> Result<BaselineId> {
        self.write(Durability::Full, |transaction| {
            let found = outputs::by_id(transaction, output)?;
            let scores = scores(transaction, output)?;
            let (missing, criteria) = (rubric.missing(&scores), rubric.too_low(&scores));
            if !missing.is_empty() {
                return Err(Refusal::RubricIncomplete { missing }.into());
            }
            if found.verdict != Verdict::Accepted {
                return Err(Refusal::NotAccepted.into());
            }
            if !criteria.is_empty() {
                return Err(Refusal::RubricTooLow { criteria }.into());
            }
            let sql = "SELECT subject_id FROM runs WHERE id = ?1";
            let subject: i64 = transaction.query_row(sql, [found.run.0], |row| row.get(0))?;
            transaction.execute(
                "UPDATE baselines SET until = ?2 WHERE subject_id = ?1 AND until IS NULL",
                (subject, Time(at)),
            )?;
            let columns: [(&str, &dyn rusqlite::ToSql); 6] = [
                ("uuid", &Id::new()),
                ("subject_id", &subject),
                ("output_id", &output.0),
                ("set_by", &text::clean(set_by)),
                ("note", &text::clean(note)),
                ("since", &Time(at)),
            ];
            Ok(BaselineId(insert(transaction, "baselines", &columns)?))
        })
    }
}

impl Reader {
    /// An output's reviews, oldest first.
    pub fn reviews(&self, output: OutputId) -> Result<Vec<Review>> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached("SELECT * FROM reviews WHERE output_id = ?1 ORDER BY id")?;
            statement.query_and_then([output.0], |row| review(connection, row))?.collect()
        })
    }

    /// The newest score of an output on each criterion, from any reviewer.
    pub fn scores(&self, output: OutputId) -> Result<BTreeMap<Key, Score>> {
        self.read(|connection| scores(connection, output))
    }

    /// A subject's current baseline.
    pub fn baseline(&self, subject: SubjectId) -> Result<Option<Baseline>> {
        self.read(|connection| {
            let sql = "SELECT * FROM baselines WHERE subject_id = ?1 AND until IS NULL";
            Ok(connection.prepare_cached(sql)?.query_row([subject.0], baseline).optional()?)
        })
    }

    /// A subject's current and earlier baselines, oldest first.
    pub fn baselines(&self, subject: SubjectId) -> Result<Vec<Baseline>> {
        self.read(|connection| {
            let mut statement =
                connection.prepare_cached("SELECT * FROM baselines WHERE subject_id = ?1 ORDER BY id")?;
            Ok(statement.query_map([subject.0], baseline)?.collect::<rusqlite::Result<_>>()?)
        })
    }
}

fn insert_review(connection: &Connection, output: OutputId, judgement: &Judgement, at: Timestamp) -> Result<ReviewId> {
    outputs::by_id(connection, output)?;
    let columns: [(&str, &dyn rusqlite::ToSql); 6] = [
        ("uuid", &Id::new()),
        ("output_id", &output.0),
        ("reviewer", &text::clean(&judgement.reviewer)),
        ("note", &text::clean(&judgement.note)),
        ("verdict", &judgement.verdict.name()),
        ("created", &Time(at)),
    ];
    let review = insert(connection, "reviews", &columns)?;
    insert_details(connection, review, judgement)?;
    if judgement.verdict != Verdict::Open {
        let verdict = judgement.verdict.name();
        connection.execute("UPDATE outputs SET verdict = ?2 WHERE id = ?1", (output.0, verdict))?;
    }
    Ok(ReviewId(review))
}

/// Deletes a reviewer's reviews of an output that say nothing any more.
fn delete_empty(connection: &Connection, output: OutputId, reviewer: &str) -> Result<()> {
    connection.execute(
        "DELETE FROM reviews WHERE output_id = ?1 AND reviewer = ?2 AND note = '' AND verdict = 'open'
           AND id NOT IN (SELECT review_id FROM review_failures) AND id NOT IN (SELECT review_id FROM rubric_scores)",
        (output.0, reviewer),
    )?;
    Ok(())
}

/// Stores the failures and scores of a review.
pub(super) fn insert_details(connection: &Connection, review: i64, judgement: &Judgement) -> Result<()> {
    for failure in &judgement.failures {
        insert(connection, "review_failures", &[("review_id", &review), ("failure", &failure.as_str())])?;
    }
    for (criterion, score) in &judgement.scores {
        let columns: [(&str, &dyn rusqlite::ToSql); 3] =
            [("review_id", &review), ("criterion", &criterion.as_str()), ("score", &score.get())];
        insert(connection, "rubric_scores", &columns)?;
    }
    Ok(())
}

fn scores(connection: &Connection, output: OutputId) -> Result<BTreeMap<Key, Score>> {
    let mut statement = connection.prepare_cached(
        "SELECT criterion, score FROM rubric_scores JOIN reviews ON reviews.id = review_id
         WHERE output_id = ?1 ORDER BY reviews.id",
    )?;
    statement.query_and_then([output.0], score)?.collect()
}

fn score(row: &Row<'_>) -> Result<(Key, Score)> {
    let key = row.get::<_, String>("criterion")?.parse().map_err(|error| bad("criterion", error))?;
    Ok((key, Score::new(row.get("score")?).map_err(|error| bad("score", error))?))
}

fn review(connection: &Connection, row: &Row<'_>) -> Result<Review> {
    let id: i64 = row.get("id")?;
    let mut failures = connection.prepare_cached("SELECT failure FROM review_failures WHERE review_id = ?1")?;
    let failure = |row: &Row<'_>| row.get::<_, String>(0)?.parse().map_err(|error| bad("failure", error));
    let mut scores = connection.prepare_cached("SELECT criterion, score FROM rubric_scores WHERE review_id = ?1")?;
    Ok(Review {
        id: ReviewId(id),
        uuid: row.get::<_, Id>("uuid")?.0,
        output: OutputId(row.get("output_id")?),
        judgement: Judgement {
            reviewer: row.get("reviewer")?,
            note: row.get("note")?,
            failures: failures.query_and_then([id], failure)?.collect::<Result<_>>()?,
            scores: scores.query_and_then([id], score)?.collect::<Result<_>>()?,
            verdict: named(row, "verdict", Verdict::from_name)?,
        },
        at: row.get::<_, Time>("created")?.0,
    })
}

fn baseline(row: &Row<'_>) -> rusqlite::Result<Baseline> {
    Ok(Baseline {
        id: BaselineId(row.get("id")?),
        uuid: row.get::<_, Id>("uuid")?.0,
        output: OutputId(row.get("output_id")?),
        set_by: row.get("set_by")?,
        note: row.get("note")?,
        since: row.get::<_, Time>("since")?.0,
        until: row.get::<_, Option<Time>>("until")?.map(|time| time.0),
    })
}

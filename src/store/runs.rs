//! Runs: added under the rules, and read as history.

use jiff::Timestamp;
use rusqlite::types::Value;
use rusqlite::{Connection, Row};

use crate::studio::delta::Delta;
use crate::studio::ids::{ReferenceId, RunId, SubjectId};
use crate::studio::prompt::{Block, Prompt};
use crate::studio::recipe::{Model, ModelHashes, Recipe};
use crate::studio::rules::Refusal;
use crate::studio::run::{Progress, Run};
use crate::studio::seeds::Seeds;
use crate::studio::state::{Priority, RunState};
use crate::studio::subject::TaskId;
use crate::studio::text;

use super::columns::{Hash, Id, Time, bad, insert, json, named, settings, to_json};
use super::{Durability, Error, Reader, Result, Store, references, subjects};

/// How many times a run is started without progress before it fails. Workers also die for reasons outside the run: on a
/// busy machine, several may die before one saves a resume point. A limit of five was too low.
pub(super) const ATTEMPTS: u32 = 12;

/// A run to add.
#[derive(Clone, Debug)]
pub struct NewRun {
    pub subject: SubjectId,
    pub recipe: Recipe,
    pub seeds: Seeds,
    pub parent: Option<RunId>,
    /// Why several variables change at once.
    pub debug_reason: Option<String>,
    pub profile: Option<String>,
    pub priority: Priority,
    /// Not queued until [`Store::enqueue`].
    pub draft: bool,
    /// How many times it may be started without progress; `None`: [`ATTEMPTS`].
    pub attempts: Option<u32>,
}

impl NewRun {
    pub fn new(subject: SubjectId, recipe: Recipe, seeds: Seeds) -> Self {
        Self {
            subject,
            recipe,
            seeds,
            parent: None,
            debug_reason: None,
            profile: None,
            priority: Priority::Normal,
            draft: false,
            attempts: None,
        }
    }
}

impl Store {
    /// Adds a run as queued or as a draft, if the rules allow it.
    pub fn add_run(&self, new: &NewRun, at: Timestamp) -> Result<RunId> {
        let recipe = &new.recipe;
        let reason = new.debug_reason.as_deref().map(|reason| text::clean(reason).trim().to_owned());
        let reason = reason.filter(|reason| !reason.is_empty());
        let attempts = new.attempts.unwrap_or(ATTEMPTS).max(1);
        self.write(Durability::Full, |transaction| {
            let delta = allowed(transaction, new, reason.as_deref(), at)?;
            let state = if new.draft { RunState::Draft } else { RunState::Queued };
            let mut columns: Vec<(&str, Value)> = vec![
                ("uuid", Value::Blob(Id::new().0.as_bytes().to_vec())),
                ("subject_id", new.subject.0.into()),
                ("number", subjects::next_number(transaction, new.subject, "last_run")?.into()),
                ("ref_id", recipe.reference.map(|reference| reference.0).into()),
                ("parent_id", new.parent.map(|parent| parent.0).into()),
                ("negative", recipe.prompt.negative().to_owned().into()),
                ("seeds", to_json(&new.seeds.as_slice())?.into()),
                ("settings", to_json(&recipe.settings)?.into()),
                ("checkpoint", recipe.model.checkpoint.clone().into()),
                ("adapter", recipe.model.adapter.clone().into()),
                ("image_encoder", recipe.model.image_encoder.clone().into()),
                ("delta", delta.as_ref().map(to_json).transpose()?.into()),
                ("debug_reason", reason.clone().into()),
                ("profile", new.profile.as_deref().map(text::clean).into()),
                ("state", state.name().to_owned().into()),
                ("priority", (new.priority as i64).into()),
                ("place", next_place(transaction)?.into()),
                ("attempts_allowed", attempts.into()),
                ("attempts_left", attempts.into()),
                ("created", at.as_millisecond().into()),
            ];
            columns.extend(Block::ALL.map(|block| (block_column(block), recipe.prompt.block(block).to_owned().into())));
            let columns: Vec<_> = columns.iter().map(|(name, value)| (*name, value as &dyn rusqlite::ToSql)).collect();
            Ok(RunId(insert(transaction, "runs", &columns)?))
        })
    }

    /// Queues a draft, after checking the rules again.
    pub fn enqueue(&self, run: RunId, at: Timestamp) -> Result<()> {
        self.write(Durability::Full, |transaction| {
            let found = by_id(transaction, run)?;
            if found.state != RunState::Draft {
                let allowed = "only a draft can be queued";
                return Err(Refusal::RunState { task: found.task, state: found.state, allowed }.into());
            }
            if let Some(reference) = found.recipe.reference {
                references::usable(transaction, reference, found.subject, at)?;
            }
            transaction.execute(
                "UPDATE runs SET state = 'queued', place = ?2 WHERE id = ?1",
                (run.0, next_place(transaction)?),
            )?;
            Ok(())
        })
    }

    /// Deletes a draft.
    pub fn discard_draft(&self, run: RunId) -> Result<()> {
        self.write(Durability::Full, |transaction| {
            let found = by_id(transaction, run)?;
            if found.state != RunState::Draft {
                let allowed = "only a draft can be discarded; the history keeps everything else";
                return Err(Refusal::RunState { task: found.task, state: found.state, allowed }.into());
            }
            transaction.execute("DELETE FROM runs WHERE id = ?1", [run.0])?;
            Ok(())
        })
    }

    /// Sets the diagnosis of a run.
    pub fn set_diagnosis(&self, run: RunId, diagnosis: &str) -> Result<()> {
        self.write(Durability::Full, |transaction| set_diagnosis(transaction, run, diagnosis))
    }
}

pub(super) fn set_diagnosis(connection: &Connection, run: RunId, diagnosis: &str) -> Result<()> {
    match connection.execute("UPDATE runs SET diagnosis = ?2 WHERE id = ?1", (run.0, text::clean(diagnosis)))? {
        0 => Err(missing(run)),
        _ => Ok(()),
    }
}

/// A line of the history.
#[derive(Clone, Debug, PartialEq)]
pub struct RunLine {
    pub run: Run,
    /// How many outputs it has, and how many of them are accepted and rejected.
    pub outputs: u32,
    pub accepted: u32,
    pub rejected: u32,
    /// The newest note of a review of its outputs, or empty.
    pub note: String,
}

impl Reader {
    pub fn run(&self, task: &TaskId) -> Result<Run> {
        self.read(|connection| by_task(connection, task))
    }

    pub fn run_by_id(&self, run: RunId) -> Result<Run> {
        self.read(|connection| by_id(connection, run))
    }

    /// A subject's runs, newest first. `before`: only runs with a lower number.
    pub fn runs(&self, subject: SubjectId, before: Option<u32>, limit: u32) -> Result<Vec<RunLine>> {
        self.read(|connection| {
            let filter = "runs.subject_id = ?1 AND runs.number < ?2 ORDER BY runs.number DESC LIMIT ?3";
            lines(connection, filter, (subject.0, before.map_or(i64::MAX, i64::from), limit))
        })
    }

    /// The runs of the project, newest first.
    pub fn newest_runs(&self, limit: u32) -> Result<Vec<RunLine>> {
        self.read(|connection| lines(connection, "TRUE ORDER BY runs.id DESC LIMIT ?1", [limit]))
    }

    /// A run and its ancestors, the oldest first.
    pub fn lineage(&self, run: RunId) -> Result<Vec<Run>> {
        self.read(|connection| {
            let sql = format!(
                "WITH RECURSIVE line (id, depth) AS (
                     SELECT ?1, 0 UNION
                     SELECT runs.parent_id, line.depth + 1 FROM runs JOIN line ON runs.id = line.id
                     WHERE runs.parent_id IS NOT NULL)
                 {SELECT} JOIN line ON line.id = runs.id ORDER BY line.depth DESC"
            );
            connection.prepare_cached(&sql)?.query_and_then([run.0], self::run)?.collect()
        })
    }

    /// The children of a run, the oldest first.
    pub fn children(&self, parent: RunId) -> Result<Vec<Run>> {
        self.read(|connection| {
            let sql = format!("{SELECT} WHERE runs.parent_id = ?1 ORDER BY runs.id");
            connection.prepare_cached(&sql)?.query_and_then([parent.0], run)?.collect()
        })
    }

    /// Compares two runs, which need not be related.
    pub fn diff(&self, before: RunId, after: RunId) -> Result<Delta> {
        self.read(|connection| {
            between(connection, &by_id(connection, before)?.recipe, &by_id(connection, after)?.recipe)
        })
    }
}

/// Checks a new run against the rules. Returns what changed compared with its parent.
fn allowed(connection: &Connection, new: &NewRun, reason: Option<&str>, at: Timestamp) -> Result<Option<Delta>> {
    if let Some(reference) = new.recipe.reference {
        references::usable(connection, reference, new.subject, at)?;
    }
    let Some(parent) = new.parent else { return Ok(None) };
    let parent = by_id(connection, parent)?;
    if parent.subject != new.subject {
        let subject = subjects::by_id(connection, new.subject)?.handle;
        return Err(Refusal::OtherSubjectsRun { parent: parent.task, subject }.into());
    }
    let delta = between(connection, &parent.recipe, &new.recipe)?;
    delta.check(&parent.seeds, &new.seeds, reason)?;
    Ok(Some(delta))
}

fn between(connection: &Connection, before: &Recipe, after: &Recipe) -> Result<Delta> {
    let name = |recipe: &Recipe| match recipe.reference {
        None => Ok("none".to_owned()),
        Some(reference) => references::by_id(connection, reference).map(|reference| reference.name.to_string()),
    };
    let (old, new) = (name(before)?, name(after)?);
    let is_before = |recipe: &Recipe| std::ptr::eq(recipe, before);
    Ok(Delta::between(before, after, |recipe| if is_before(recipe) { old.clone() } else { new.clone() }))
}

/// Takes the next place at the end of the queue. Places are not reused, so that a requeued run keeps its turn.
pub(super) fn next_place(connection: &Connection) -> Result<i64> {
    let sql = "UPDATE queue SET next_place = next_place + 1 RETURNING next_place - 1";
    Ok(connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
}

pub(super) const SELECT: &str =
    "SELECT runs.*, subjects.handle FROM runs JOIN subjects ON subjects.id = runs.subject_id";

pub(super) fn by_id(connection: &Connection, id: RunId) -> Result<Run> {
    let mut statement = connection.prepare_cached(&format!("{SELECT} WHERE runs.id = ?1"))?;
    statement.query_and_then([id.0], run)?.next().unwrap_or_else(|| Err(missing(id)))
}

fn by_task(connection: &Connection, task: &TaskId) -> Result<Run> {
    let mut statement =
        connection.prepare_cached(&format!("{SELECT} WHERE subjects.handle = ?1 AND runs.number = ?2"))?;
    let found = statement.query_and_then((task.subject.as_str(), task.number), run)?.next();
    found.unwrap_or_else(|| Err(Error::NotFound { what: "run", name: task.to_string() }))
}

fn lines(connection: &Connection, filter: &str, parameters: impl rusqlite::Params) -> Result<Vec<RunLine>> {
    let sql = format!(
        "SELECT runs.*, subjects.handle,
                (SELECT count(*) FROM outputs WHERE run_id = runs.id) AS outputs,
                (SELECT count(*) FROM outputs WHERE run_id = runs.id AND verdict = 'accepted') AS accepted,
                (SELECT count(*) FROM outputs WHERE run_id = runs.id AND verdict = 'rejected') AS rejected,
                (SELECT reviews.note FROM reviews JOIN outputs ON outputs.id = reviews.output_id
                 WHERE outputs.run_id = runs.id AND reviews.note <> '' ORDER BY reviews.id DESC LIMIT 1) AS newest_note
         FROM runs JOIN subjects ON subjects.id = runs.subject_id WHERE {filter}"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let line = |row: &Row<'_>| {
        Ok(RunLine {
            run: run(row)?,
            outputs: row.get("outputs")?,
            accepted: row.get("accepted")?,
            rejected: row.get("rejected")?,
            note: row.get::<_, Option<String>>("newest_note")?.unwrap_or_default(),
        })
    };
    statement.query_and_then(parameters, line)?.collect()
}

pub(super) fn block_column(block: Block) -> &'static str {
    match block {
        Block::Subject => "prompt_subject",
        Block::Camera => "prompt_camera",
        Block::Lighting => "prompt_lighting",
        Block::Style => "prompt_style",
        Block::Constraints => "prompt_constraints",
    }
}

fn missing(run: RunId) -> Error {
    Error::NotFound { what: "run", name: format!("number {}", run.0) }
}

pub(super) fn run(row: &Row<'_>) -> Result<Run> {
    let time = |column| Ok::<_, Error>(row.get::<_, Option<Time>>(column)?.map(|time| time.0));
    let hash = |column| Ok::<_, Error>(row.get::<_, Option<Hash>>(column)?.map(|hash| hash.0));
    let mut prompt = Prompt::new().with_negative(&row.get::<_, String>("negative")?);
    for block in Block::ALL {
        prompt.set(block, &row.get::<_, String>(block_column(block))?);
    }
    let seeds = json(row, "seeds")?.ok_or_else(|| Error::BadValue("seeds are empty".to_owned()))?;
    let priority: usize = row.get::<_, u32>("priority")? as usize;
    Ok(Run {
        id: RunId(row.get("id")?),
        uuid: row.get::<_, Id>("uuid")?.0,
        task: TaskId { subject: subjects::handle(row, "handle")?, number: row.get("number")? },
        subject: SubjectId(row.get("subject_id")?),
        parent: row.get::<_, Option<i64>>("parent_id")?.map(RunId),
        recipe: Recipe {
            prompt,
            reference: row.get::<_, Option<i64>>("ref_id")?.map(ReferenceId),
            settings: settings(row)?,
            model: Model {
                checkpoint: row.get("checkpoint")?,
                adapter: row.get("adapter")?,
                image_encoder: row.get("image_encoder")?,
            },
        },
        seeds: Seeds::new(seeds).map_err(|error| bad("seeds", error))?,
        profile: row.get("profile")?,
        delta: json(row, "delta")?,
        debug_reason: row.get("debug_reason")?,
        diagnosis: row.get("diagnosis")?,
        hashes: ModelHashes {
            checkpoint: hash("checkpoint_hash")?,
            adapter: hash("adapter_hash")?,
            image_encoder: hash("image_encoder_hash")?,
        },
        state: named(row, "state", RunState::from_name)?,
        progress: Progress {
            priority: *Priority::ALL.get(priority).ok_or_else(|| bad("priority", priority))?,
            attempt: row.get("attempt")?,
            owner: row.get("owner")?,
            heartbeat: time("heartbeat")?,
            step: row.get("step")?,
            steps: row.get("steps_in_all")?,
            cancel_requested: row.get("cancel_requested")?,
        },
        error: row.get("error")?,
        timings: json(row, "timings")?,
        peak_memory: row.get::<_, Option<i64>>("peak_memory")?.map(|bytes| bytes as u64),
        created: row.get::<_, Time>("created")?.0,
        started: time("started")?,
        finished: time("finished")?,
    })
}

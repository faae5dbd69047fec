//! The objects of `--json`. Scripts read them, so fields keep their names.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::service::Deletion;
use crate::store::Reader;
use crate::studio::consent::{Consent, ConsentStatus};
use crate::studio::output::Output;
use crate::studio::prompt::{Block, Prompt};
use crate::studio::recipe::Recipe;
use crate::studio::reference::Reference;
use crate::studio::review::Review;
use crate::studio::run::Run;
use crate::studio::subject::{OutputName, Subject};
use crate::studio::worker::WorkerReport;

pub fn subject(subject: &Subject) -> Value {
    json!({
        "subject": subject.handle.as_str(),
        "name": subject.name,
        "note": subject.note,
        "created": subject.created.to_string(),
    })
}

/// A consent; `number` counts a subject's consents from 1, oldest first.
pub fn consent(number: usize, consent: &Consent, at: Timestamp) -> Value {
    json!({
        "number": number,
        "kind": consent.grant.kind().name(),
        "statement": consent.grant.statement(),
        "granted": consent.grant.granted().to_string(),
        "expires": time(consent.grant.expires()),
        "withdrawn": time(consent.withdrawn),
        "standing": standing(consent.status(at)),
    })
}

fn standing(standing: ConsentStatus) -> &'static str {
    match standing {
        ConsentStatus::Valid => "in-force",
        ConsentStatus::NotYetValid(_) => "not-yet",
        ConsentStatus::Expired(_) => "expired",
        ConsentStatus::Withdrawn(_) => "withdrawn",
    }
}

/// What a worker says about itself.
pub fn worker(worker: &WorkerReport, now: Timestamp) -> Value {
    json!({
        "worker": worker.owner,
        "device": worker.device,
        "host": worker.process.host,
        "pid": worker.process.pid,
        "started": worker.started.to_string(),
        "activity": worker.activity.name(),
        "since": worker.since.to_string(),
        "run": worker.run.as_ref().map(|(_, task)| task.to_string()),
        "detail": worker.detail,
        "silent": worker.is_silent(now),
    })
}

pub fn reference(reader: &Reader, reference: &Reference) -> Value {
    let picture = reference.picture.map(|picture| {
        json!({
            "hash": picture.blob.to_hex().as_str(),
            "path": reader.blobs().path(&picture.blob).to_string_lossy(),
            "width": picture.width,
            "height": picture.height,
        })
    });
    json!({
        "reference": reference.name.to_string(),
        "subject": reference.name.subject.as_str(),
        "state": reference.state.name(),
        "label": reference.label,
        "picture": picture,
        "gate": reference.gate.name(),
        "report": reference.report,
        "overruled": reference.overruled,
        "note": reference.note,
        "reviewer": reference.reviewer,
        "added": reference.added.to_string(),
        "reviewed": time(reference.reviewed),
    })
}

pub fn run(reader: &Reader, run: &Run) -> anyhow::Result<Value> {
    let parent = run.parent.map(|parent| reader.run_by_id(parent)).transpose()?;
    let hash = |hash: Option<blake3::Hash>| hash.map(|hash| hash.to_hex().to_string());
    let mut facts = Map::from_iter([
        ("task".to_owned(), json!(run.task.to_string())),
        ("subject".to_owned(), json!(run.task.subject.as_str())),
        ("state".to_owned(), json!(run.state.name())),
        ("parent".to_owned(), json!(parent.map(|parent| parent.task.to_string()))),
        ("delta".to_owned(), serde_json::to_value(&run.delta)?),
        ("debug_reason".to_owned(), json!(run.debug_reason)),
        ("seeds".to_owned(), json!(run.seeds.as_slice())),
        ("profile".to_owned(), json!(run.profile)),
        ("diagnosis".to_owned(), json!(run.diagnosis)),
        ("priority".to_owned(), json!(run.progress.priority.name())),
        ("attempt".to_owned(), json!(run.progress.attempt)),
        ("step".to_owned(), json!(run.progress.step)),
        ("steps_in_all".to_owned(), json!(run.progress.steps)),
        ("error".to_owned(), json!(run.error)),
        ("timings".to_owned(), json!(run.timings)),
        ("peak_memory_bytes".to_owned(), json!(run.peak_memory)),
        (
            "hashes".to_owned(),
            json!({
                "checkpoint": hash(run.hashes.checkpoint),
                "adapter": hash(run.hashes.adapter),
                "image_encoder": hash(run.hashes.image_encoder),
            }),
        ),
        ("created".to_owned(), json!(run.created.to_string())),
        ("started".to_owned(), json!(time(run.started))),
        ("finished".to_owned(), json!(time(run.finished))),
    ]);
    facts.extend(recipe(reader, &run.recipe)?);
    Ok(Value::Object(facts))
}

fn recipe(reader: &Reader, recipe: &Recipe) -> anyhow::Result<Map<String, Value>> {
    let reference = recipe.reference.map(|reference| reader.reference_by_id(reference)).transpose()?;
    Ok(Map::from_iter([
        ("prompt".to_owned(), prompt(&recipe.prompt)),
        ("negative".to_owned(), json!(recipe.prompt.negative())),
        ("reference".to_owned(), json!(reference.map(|reference| reference.name.to_string()))),
        ("settings".to_owned(), json!(recipe.settings)),
        (
            "model".to_owned(),
            json!({
                "checkpoint": recipe.model.checkpoint,
                "adapter": recipe.model.adapter,
                "image_encoder": recipe.model.image_encoder,
            }),
        ),
    ]))
}

fn prompt(prompt: &Prompt) -> Value {
    let mut facts: Map<String, Value> =
        Block::ALL.map(|block| (block.name().to_owned(), json!(prompt.block(block)))).into_iter().collect();
    facts.insert("assembled".to_owned(), json!(prompt.assembled()));
    Value::Object(facts)
}

pub fn output(reader: &Reader, run: &Run, output: &Output) -> anyhow::Result<Value> {
    let name = OutputName { task: run.task.clone(), seed: output.seed };
    let scores = reader.scores(output.id)?.into_iter().map(|(key, score)| (key.to_string(), json!(score.get())));
    let baseline = reader.baseline(run.subject)?.is_some_and(|baseline| baseline.output == output.id);
    Ok(json!({
        "output": name.to_string(),
        "seed": output.seed,
        "hash": output.picture.blob.to_hex().as_str(),
        "path": reader.blobs().path(&output.picture.blob).to_string_lossy(),
        "width": output.picture.width,
        "height": output.picture.height,
        "measures": output.measures,
        "verdict": output.verdict.name(),
        "baseline": baseline,
        "scores": scores.collect::<Map<String, Value>>(),
        "reviews": reader.reviews(output.id)?.iter().map(review).collect::<Vec<_>>(),
        "created": output.created.to_string(),
    }))
}

fn review(review: &Review) -> Value {
    let judgement = &review.judgement;
    let scores = judgement.scores.iter().map(|(key, score)| (key.to_string(), json!(score.get())));
    json!({
        "reviewer": judgement.reviewer,
        "note": judgement.note,
        "failures": judgement.failures.iter().map(|key| key.as_str()).collect::<Vec<_>>(),
        "scores": scores.collect::<Map<String, Value>>(),
        "verdict": judgement.verdict.name(),
        "at": review.at.to_string(),
    })
}

/// What was permanently deleted.
pub fn deletion(deletion: &Deletion) -> Value {
    json!({
        "references": deletion.references,
        "runs": deletion.runs,
        "outputs": deletion.outputs,
        "reviews": deletion.reviews,
        "files": deletion.files.len(),
        "verified": deletion.pending.is_none() && deletion.proof.remains.is_empty(),
        "pending": deletion.pending.map(|pending| pending.to_string()),
        "search": {
            "files": deletion.proof.files,
            "bytes": deletion.proof.bytes,
            "searched_for": deletion.proof.searched_for,
            "names_in_use": deletion.proof.in_use,
            "pictures_that_mention_it": deletion.proof.mentions,
            "remains": deletion.proof.remains.iter().map(|path| path.to_string_lossy()).collect::<Vec<_>>(),
        },
    })
}

fn time(at: Option<Timestamp>) -> Option<String> {
    at.map(|at| at.to_string())
}

//! The share of a run that is spent on the store and the worker instead of the pictures.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use pentimento::diffusion::compute::DeviceChoice;
use pentimento::store::Store;
use pentimento::store::blobs::Content;
use pentimento::store::references::{NewReference, Opinion};
use pentimento::store::runs::NewRun;
use pentimento::studio::consent::{ConsentKind, Grant};
use pentimento::studio::prompt::{Block, Prompt};
use pentimento::studio::recipe::{Model, Recipe};
use pentimento::studio::reference::{Decision, Gate};
use pentimento::studio::settings::Settings;
use pentimento::studio::state::RunState;
use pentimento::worker::{Options, Until, Worker};

use crate::report::Row;

const RUNS: u32 = 7;
const STEPS: usize = 30;

/// Measures the time from claim to end without the recorded times of loading, encoding, denoising and decoding. That
/// leaves claiming, reading the reference, previews, saved states, heartbeats, writing the pictures, and the last commit.
pub fn measure() -> Result<Row> {
    let folder = tempfile::tempdir()?;
    let store = Arc::new(Store::create(&folder.path().join("project"))?);
    let at = Timestamp::now();
    let subject = store.add_subject(&"ada".parse()?, "Ada", "", at)?;
    store.add_consent(subject, &Grant::new(ConsentKind::Synthetic, "drawn by a program", at, None)?)?;
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/mini/subject/reference.png");
    let picture = Content { bytes: std::fs::read(&file)?, media_type: "image/png" };
    let (width, height) = image::image_dimensions(&file)?;
    let (label, gate) = ("reference.png".to_owned(), Gate::Unmeasured);
    let reference = NewReference { consent: None, picture, thumbnail: None, width, height, label, gate, report: None };
    let reference = store.add_reference(subject, &reference, at)?;
    let opinion = Opinion { reviewer: "kim".to_owned(), note: String::new(), overrule: None };
    store.decide(reference, Decision::Approve, &opinion, at)?;
    for run in 0..RUNS {
        let recipe = Recipe {
            prompt: Prompt::new().with(Block::Subject, "portrait of a calm person"),
            reference: Some(reference),
            settings: Settings { steps: STEPS, ..Settings::default() },
            model: Model::named("mini"),
        };
        store.add_run(&NewRun::new(subject, recipe, format!("{}x3", 3 * run).parse()?), at)?;
    }
    let options = Options { device: DeviceChoice::Cpu, until: Until::QueueEmpty, ..Options::default() };
    Worker::start(store.clone(), options)?.join()?;

    let lines = store.reader()?.newest_runs(RUNS)?;
    let shares = lines.into_iter().map(|line| {
        ensure!(line.run.state == RunState::Done, "{}: {:?}", line.run.task, line.run.error);
        let (started, finished) = line.run.started.zip(line.run.finished).context("the run has no start or end")?;
        let timings = line.run.timings.context("the run has no timings")?;
        let whole = finished.duration_since(started).as_secs_f64();
        let picture = timings.load_s + timings.encode_s + timings.denoise_s + timings.decode_s;
        Ok(100.0 * (whole - picture).max(0.0) / whole)
    });
    let name = format!("store and worker: share of a run (3 pictures, {STEPS} steps)");
    Ok(Row { name, unit: "%", limit: Some(2.0), figures: shares.collect::<Result<_>>()? })
}

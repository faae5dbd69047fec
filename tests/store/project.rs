//! Shared helpers: a project with a subject, and short ways to make runs, outputs and references.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use pentimento::store::blobs::Content;
use pentimento::store::outputs::NewOutput;
use pentimento::store::queue::{Claim, Claimed, Finish, Next};
use pentimento::store::references::{NewReference, Opinion};
use pentimento::store::runs::NewRun;
use pentimento::store::{Error, Reader, Store};
use pentimento::studio::consent::{ConsentKind, Grant};
use pentimento::studio::ids::{ConsentId, OutputId, ReferenceId, RunId, SubjectId};
use pentimento::studio::prompt::{Block, Prompt};
use pentimento::studio::recipe::{Model, Recipe};
use pentimento::studio::reference::{Decision, Gate, GateReport};
use pentimento::studio::seeds::Seeds;
use pentimento::studio::settings::Settings;

pub const LEASE: Duration = Duration::from_secs(30);

/// A time, in seconds after a fixed start.
pub fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

pub struct Project {
    pub folder: tempfile::TempDir,
    pub path: PathBuf,
    pub store: Store,
    pub ada: SubjectId,
    pub consent: ConsentId,
}

impl Project {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("project");
        let store = Store::create(&path).unwrap();
        let ada = store.add_subject(&"ada".parse().unwrap(), "Ada Lovelace", "", at(0)).unwrap();
        let consent = store.add_consent(ada, &grant(None)).unwrap();
        Self { folder, path, store, ada, consent }
    }

    pub fn reader(&self) -> Reader {
        self.store.reader().unwrap()
    }

    pub fn candidate(&self, bytes: &str) -> ReferenceId {
        self.store.add_reference(self.ada, &picture(bytes), at(1)).unwrap()
    }

    pub fn approved(&self, bytes: &str) -> ReferenceId {
        let reference = self.candidate(bytes);
        self.store.decide(reference, Decision::Approve, &opinion(), at(2)).unwrap();
        reference
    }

    pub fn queued(&self, recipe: Recipe, seeds: &str) -> RunId {
        self.store.add_run(&NewRun::new(self.ada, recipe, self::seeds(seeds)), at(3)).unwrap()
    }

    pub fn child(&self, parent: RunId, recipe: Recipe, seeds: &str) -> Result<RunId, Error> {
        let new = NewRun { parent: Some(parent), ..NewRun::new(self.ada, recipe, self::seeds(seeds)) };
        self.store.add_run(&new, at(4))
    }

    pub fn claim(&self, owner: &str, second: i64) -> Option<Box<Claimed>> {
        claim(&self.store, owner, second)
    }

    /// Completes a claimed run, with a few bytes for each output. Returns the outputs.
    pub fn work(&self, claimed: &Claimed) -> Vec<OutputId> {
        let outputs = claimed.run.seeds.as_slice().iter();
        let outputs =
            outputs.map(|&seed| self.store.add_output(&claimed.claim, &output(&claimed.claim, seed), at(6)).unwrap());
        let outputs = outputs.collect();
        self.store.complete(&claimed.claim, &Finish::default(), at(7)).unwrap();
        outputs
    }

    /// Makes a run and completes it. Returns the run and its outputs.
    pub fn done(&self, recipe: Recipe, seeds: &str) -> (RunId, Vec<OutputId>) {
        let run = self.queued(recipe, seeds);
        let claimed = self.claim("w", 5).unwrap();
        assert_eq!(claimed.claim.run, run, "another run was queued");
        (run, self.work(&claimed))
    }

    /// Asserts that `verify` finds no problem.
    pub fn assert_verified(&self) {
        let report = self.store.verify().unwrap();
        assert_eq!(report.problems, []);
    }
}

pub fn claim(store: &Store, owner: &str, second: i64) -> Option<Box<Claimed>> {
    match store.claim(owner, LEASE, at(second)).unwrap() {
        Next::Run(claimed) => Some(claimed),
        Next::Empty => None,
        Next::Paused(pause) => panic!("paused: {pause}"),
    }
}

pub fn grant(expires: Option<i64>) -> Grant {
    Grant::new(ConsentKind::Consent, "release signed on paper, folder 7", at(-100), expires.map(at)).unwrap()
}

pub fn content(bytes: &str) -> Content {
    Content { bytes: bytes.as_bytes().to_vec(), media_type: "image/png" }
}

pub fn picture(bytes: &str) -> NewReference {
    NewReference {
        consent: None,
        picture: content(bytes),
        thumbnail: Some(content(&format!("small {bytes}"))),
        width: 512,
        height: 512,
        label: "portrait.png".to_owned(),
        gate: Gate::Pass,
        report: Some(GateReport(serde_json::json!({"sharp": 4.2}))),
    }
}

pub fn opinion() -> Opinion {
    Opinion { reviewer: "kim".to_owned(), note: "even light".to_owned(), overrule: None }
}

pub fn recipe() -> Recipe {
    Recipe {
        prompt: Prompt::new().with(Block::Subject, "a woman with red hair").with(Block::Style, "warm cinematic"),
        reference: None,
        settings: Settings::default(),
        model: Model::named("mini"),
    }
}

pub fn with_reference(reference: ReferenceId) -> Recipe {
    Recipe { reference: Some(reference), ..recipe() }
}

pub fn seeds(list: &str) -> Seeds {
    list.parse().unwrap()
}

pub fn output(claim: &Claim, seed: u64) -> NewOutput {
    NewOutput {
        seed,
        key: blake3::hash(format!("{} {seed}", claim.task).as_bytes()),
        picture: content(&format!("picture of {} {seed}", claim.task)),
        thumbnail: Some(content(&format!("thumbnail of {} {seed}", claim.task))),
        latents: None,
        width: 64,
        height: 64,
        measures: None,
    }
}

/// Asserts that a rule refused the action.
#[track_caller]
pub fn refused<T: std::fmt::Debug>(result: Result<T, Error>, rule: &str) {
    let error = result.expect_err("the rule should have refused this");
    assert_eq!(error.rule(), Some(rule), "{error}");
}

/// All files below a folder.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

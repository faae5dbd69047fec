//! The rows of a bundle. Handles and numbers may change on import.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::studio::delta::Delta;
use crate::studio::output::Measures;
use crate::studio::reference::GateReport;
use crate::studio::run::Timings;
use crate::studio::settings::Settings;
use crate::studio::variable::Variable;

/// A blob's BLAKE3 hash, in hexadecimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(pub blake3::Hash);

impl TryFrom<String> for Digest {
    type Error = blake3::HexError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        blake3::Hash::from_hex(text).map(Self)
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.0.to_hex().to_string()
    }
}

/// Everything in a bundle except the bytes of the blobs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bundle {
    pub subjects: Vec<SubjectRow>,
    pub presets: Vec<PresetRow>,
    /// Sorted by hash.
    pub blobs: Vec<BlobRow>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlobRow {
    pub hash: Digest,
    pub media_type: String,
}

// Times are milliseconds since 1970, as in the database.

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubjectRow {
    pub uuid: Uuid,
    pub handle: String,
    pub name: String,
    pub note: String,
    pub created: i64,
    /// The last numbers given to a run and to a reference.
    pub last_run: u32,
    pub last_reference: u32,
    pub consents: Vec<ConsentRow>,
    pub references: Vec<ReferenceRow>,
    /// By number, so that parents come before their children.
    pub runs: Vec<RunRow>,
    pub baselines: Vec<BaselineRow>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsentRow {
    pub uuid: Uuid,
    pub kind: String,
    pub statement: String,
    pub granted: i64,
    pub expires: Option<i64>,
    pub withdrawn: Option<i64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReferenceRow {
    pub uuid: Uuid,
    pub number: u32,
    pub consent: Uuid,
    pub label: String,
    pub state: String,
    pub picture: Option<PictureRow>,
    pub gate: String,
    pub report: Option<GateReport>,
    pub overruled: Option<String>,
    pub note: String,
    pub reviewer: Option<String>,
    pub added: i64,
    pub reviewed: Option<i64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PictureRow {
    pub blob: Digest,
    pub thumbnail: Option<Digest>,
    pub width: u32,
    pub height: u32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunRow {
    pub uuid: Uuid,
    pub number: u32,
    pub reference: Option<Uuid>,
    pub parent: Option<Uuid>,
    pub prompt: PromptRow,
    pub seeds: Vec<u64>,
    pub settings: SettingsRow,
    pub checkpoint: String,
    pub adapter: Option<String>,
    pub image_encoder: Option<String>,
    pub checkpoint_hash: Option<Digest>,
    pub adapter_hash: Option<Digest>,
    pub image_encoder_hash: Option<Digest>,
    pub delta: Option<Delta>,
    pub debug_reason: Option<String>,
    pub profile: Option<String>,
    pub diagnosis: String,
    pub state: String,
    pub error: Option<String>,
    pub timings: Option<Timings>,
    pub peak_memory: Option<u64>,
    pub created: i64,
    pub started: Option<i64>,
    pub finished: Option<i64>,
    pub outputs: Vec<OutputRow>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PromptRow {
    pub subject: String,
    pub camera: String,
    pub lighting: String,
    pub style: String,
    pub constraints: String,
    pub negative: String,
}

/// The settings of a run or preset. Two of their fields have names of their own in bundles.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Map<String, Value>", into = "Map<String, Value>")]
pub struct SettingsRow(pub Settings);

/// Field names in records, and the names of the same fields in bundles.
const RENAMED: [(&str, &str); 2] = [("scheduler", "sampler"), ("karras", "karras_sigmas")];

impl From<SettingsRow> for Map<String, Value> {
    fn from(row: SettingsRow) -> Self {
        let mut record = row.0.record();
        for (name, renamed) in RENAMED {
            if let Some(value) = record.remove(name) {
                record.insert(renamed.to_owned(), value);
            }
        }
        record
    }
}

impl TryFrom<Map<String, Value>> for SettingsRow {
    type Error = String;

    /// Checks the names and types of all fields; ranges are checked on import.
    fn try_from(mut record: Map<String, Value>) -> Result<Self, String> {
        for (name, renamed) in RENAMED {
            if record.contains_key(name) {
                return Err(format!("unknown field `{name}`"));
            }
            let value = record.remove(renamed).unwrap_or_default();
            record.insert(name.to_owned(), value);
        }
        serde_json::from_value(Value::Object(record)).map(Self).map_err(|error| error.to_string())
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutputRow {
    pub uuid: Uuid,
    pub seed: u64,
    pub picture: PictureRow,
    pub latents: Option<Digest>,
    pub measures: Option<Measures>,
    pub verdict: String,
    pub created: i64,
    pub reviews: Vec<ReviewRow>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReviewRow {
    pub uuid: Uuid,
    pub reviewer: String,
    pub note: String,
    pub failures: BTreeSet<String>,
    pub scores: BTreeMap<String, u8>,
    pub verdict: String,
    pub created: i64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BaselineRow {
    pub uuid: Uuid,
    pub output: Uuid,
    pub set_by: String,
    pub note: String,
    pub since: i64,
    pub until: Option<i64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PresetRow {
    pub uuid: Uuid,
    pub name: String,
    pub note: String,
    pub run: Option<Uuid>,
    pub settings: SettingsRow,
    pub created: i64,
    pub promoted: Option<i64>,
}

impl Bundle {
    /// Removes what people wrote and what was derived from it: prompts, notes, diagnoses, reasons, labels, error messages,
    /// measures and latents. Consents, names, scores and settings stay. Text inside picture files is not touched.
    pub fn strip(&mut self) {
        for subject in &mut self.subjects {
            subject.note.clear();
            for reference in &mut subject.references {
                reference.label.clear();
                reference.note.clear();
                reference.report = None;
                left_out(&mut reference.overruled);
            }
            subject.runs.iter_mut().for_each(RunRow::strip);
            subject.baselines.iter_mut().for_each(|baseline| baseline.note.clear());
        }
        self.presets.iter_mut().for_each(|preset| preset.note.clear());
        let needed = self.needed();
        self.blobs.retain(|blob| needed.contains(&blob.hash));
    }

    /// The blobs that the rows refer to.
    pub fn needed(&self) -> HashSet<Digest> {
        self.references().chain(self.outputs()).collect()
    }

    /// The blobs of references.
    pub fn references(&self) -> impl Iterator<Item = Digest> {
        let pictures = self.subjects.iter().flat_map(|subject| &subject.references).filter_map(|r| r.picture.as_ref());
        pictures.flat_map(|picture| [Some(picture.blob), picture.thumbnail]).flatten()
    }

    /// The blobs of outputs, including latents.
    pub fn outputs(&self) -> impl Iterator<Item = Digest> {
        let outputs = self.subjects.iter().flat_map(|subject| &subject.runs).flat_map(|run| &run.outputs);
        outputs.flat_map(|output| [Some(output.picture.blob), output.picture.thumbnail, output.latents]).flatten()
    }

    /// Replaces the blobs of outputs by others, which are PNG files.
    pub fn replace_outputs(&mut self, other: &HashMap<Digest, Digest>) {
        let replace = |blob: &mut Digest| *blob = other.get(blob).copied().unwrap_or(*blob);
        for output in self.subjects.iter_mut().flat_map(|subject| &mut subject.runs).flat_map(|run| &mut run.outputs) {
            replace(&mut output.picture.blob);
            output.picture.thumbnail.as_mut().map(replace);
        }
        let needed = self.needed();
        self.blobs.retain(|blob| needed.contains(&blob.hash));
        let known: HashSet<Digest> = self.blobs.iter().map(|blob| blob.hash).collect();
        let new = needed.into_iter().filter(|blob| !known.contains(blob));
        self.blobs.extend(new.map(|hash| BlobRow { hash, media_type: "image/png".to_owned() }));
        self.blobs.sort_by_key(|blob| String::from(blob.hash));
    }
}

impl RunRow {
    fn strip(&mut self) {
        self.prompt = PromptRow::default();
        if let Some(delta) = &mut self.delta {
            delta.changes.iter_mut().filter(|change| is_private(change.variable)).for_each(|change| {
                change.before.clear();
                change.after.clear();
                change.words.clear();
            });
        }
        left_out(&mut self.debug_reason);
        self.profile = None;
        self.diagnosis.clear();
        self.error = None;
        let models = [Some(&mut self.checkpoint), self.adapter.as_mut(), self.image_encoder.as_mut()];
        for name in models.into_iter().flatten() {
            // Paths may reveal who made the run; the file's name stays.
            *name = name.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned();
        }
        for output in &mut self.outputs {
            output.measures = None;
            output.latents = None;
            output.reviews.iter_mut().for_each(|review| review.note.clear());
        }
    }
}

/// Replaces a reason by a placeholder, because the rules require one.
fn left_out(reason: &mut Option<String>) {
    if let Some(reason) = reason {
        *reason = "(left out)".to_owned();
    }
}

/// Whether a variable's values contain prompt text or file names.
fn is_private(variable: Variable) -> bool {
    matches!(variable, Variable::Block(_) | Variable::Negative | Variable::Model)
}

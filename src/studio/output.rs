//! Outputs: one image for each seed of a run.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::ids::{OutputId, RunId};
use super::reference::Picture;
use super::review::Verdict;

/// The image of one seed.
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    pub id: OutputId,
    pub uuid: Uuid,
    pub run: RunId,
    pub seed: u64,
    /// See [`output_key`](super::output_key::output_key).
    pub key: blake3::Hash,
    pub picture: Picture,
    /// The final latents, if they were kept.
    pub latents: Option<blake3::Hash>,
    pub measures: Option<Measures>,
    pub verdict: Verdict,
    pub created: Timestamp,
}

/// What was measured of an output, such as drift or sharpness, by name.
///
/// Nothing writes measures yet. The JSON stays as it is, so that measures of a newer version survive import, export and
/// migration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Measures(pub serde_json::Value);

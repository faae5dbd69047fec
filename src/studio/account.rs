//! How a picture was made, according to its file. Nothing in it is verified.

use super::prompt::Prompt;
use super::recipe::{Model, ModelHashes};
use super::settings::Settings;
use super::subject::TaskId;

/// The program that wrote the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Writer {
    /// This program.
    Pentimento,
    /// AUTOMATIC1111's web UI, or a tool that uses its format.
    WebUi,
}

/// How a picture was made, according to its file. Settings that the file does not name have their defaults.
#[derive(Clone, Debug, PartialEq)]
pub struct Account {
    pub writer: Writer,
    /// A prompt that is not split into blocks is in the subject block.
    pub prompt: Prompt,
    pub seed: Option<u64>,
    pub settings: Settings,
    pub model: Model,
    pub hashes: ModelHashes,
    /// BLAKE3 of the reference picture.
    pub reference: Option<blake3::Hash>,
    /// The run that made it and that run's parent, in the project where it was made.
    pub task: Option<TaskId>,
    pub parent: Option<TaskId>,
    /// Fields that are unknown or invalid, for people to read.
    pub not_understood: Vec<String>,
}

/// The checkpoint's name if the file does not give one.
pub const UNKNOWN_MODEL: &str = "unknown";

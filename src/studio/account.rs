//! What a picture's file tells of its making. None of it is proven: a file says what its writer liked.

use super::prompt::Prompt;
use super::run::{Model, ModelHashes};
use super::settings::Settings;
use super::subject::TaskId;

/// Who wrote down how a picture was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Writer {
    /// This program.
    Pentimento,
    /// AUTOMATIC1111's web UI, or one of the many tools that write as it does.
    WebUi,
}

/// How a picture was made. Where its file says nothing, settings have their defaults.
#[derive(Clone, Debug, PartialEq)]
pub struct Account {
    pub writer: Writer,
    /// A prompt written in one piece lies whole in the block of the subject.
    pub prompt: Prompt,
    pub seed: Option<u64>,
    pub settings: Settings,
    pub model: Model,
    pub hashes: ModelHashes,
    /// The hash of the reference's picture.
    pub reference: Option<blake3::Hash>,
    /// The run that made it, in the project where it was made, and the one that was made from.
    pub task: Option<TaskId>,
    pub parent: Option<TaskId>,
    /// What it says beyond this, or says in a way that makes no sense; for people to read.
    pub not_understood: Vec<String>,
}

/// The name of a checkpoint that a file does not tell.
pub const UNKNOWN_MODEL: &str = "unknown";

//! How a picture was made, according to its file. Nothing in it is verified.

use super::prompt::Prompt;
use super::recipe::{Model, ModelHashes};
use super::settings::Settings;
use super::subject::TaskId;

/// The program that wrote the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Program {
    Pentimento,
    /// AUTOMATIC1111's web UI, or another program that uses its format and does not say its name.
    WebUi,
    ComfyUi,
    DrawThings,
    EasyDiffusion,
    Fooocus,
    InvokeAi,
    NovelAi,
    StableDiffusionCpp,
    SwarmUi,
    Civitai,
}

impl Program {
    pub fn name(self) -> &'static str {
        match self {
            Self::Pentimento => "pentimento",
            Self::WebUi => "AUTOMATIC1111's web UI or a program with its format",
            Self::ComfyUi => "ComfyUI",
            Self::DrawThings => "Draw Things",
            Self::EasyDiffusion => "Easy Diffusion",
            Self::Fooocus => "Fooocus",
            Self::InvokeAi => "InvokeAI",
            Self::NovelAi => "NovelAI",
            Self::StableDiffusionCpp => "stable-diffusion.cpp",
            Self::SwarmUi => "SwarmUI",
            Self::Civitai => "Civitai",
        }
    }
}

/// How a picture was made, according to its file. Settings that the file does not name have their defaults.
#[derive(Clone, Debug, PartialEq)]
pub struct Account {
    pub program: Program,
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
    /// What the file says but the run does not have, for people to read: `name: value` with the program's own names.
    pub not_applied: Vec<String>,
}

/// The checkpoint's name if the file does not give one.
pub const UNKNOWN_MODEL: &str = "unknown";

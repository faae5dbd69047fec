//! Runs: what is asked for (the recipe and its seeds), and how far it has come.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use uuid::Uuid;

use super::delta::Delta;
use super::ids::{OutputId, ReferenceId, RunId, SubjectId};
use super::prompt::Prompt;
use super::review::Verdict;
use super::settings::Settings;
use super::subject::TaskId;
use super::text;

/// The checkpoint, and the adapter that brings the reference into it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Model {
    /// `mini`, or where the checkpoint's folder is.
    pub checkpoint: String,
    pub adapter: Option<String>,
    pub image_encoder: Option<String>,
}

impl Model {
    pub fn named(checkpoint: &str) -> Self {
        Self { checkpoint: checkpoint.to_owned(), adapter: None, image_encoder: None }
    }
}

/// BLAKE3 of the files that a run used, known once they are loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ModelHashes {
    pub checkpoint: Option<blake3::Hash>,
    pub adapter: Option<blake3::Hash>,
    pub image_encoder: Option<blake3::Hash>,
}

/// Everything that decides a picture but its seed. At most one reference, by its type.
#[derive(Clone, Debug, PartialEq)]
pub struct Recipe {
    pub prompt: Prompt,
    /// None: the prompt alone.
    pub reference: Option<ReferenceId>,
    pub settings: Settings,
    pub model: Model,
}

/// The seeds of a run: at least one, none twice, in the order they were given.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Seeds(Vec<u64>);

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSeeds {
    #[error("a run needs at least one seed")]
    None,
    #[error("the seed {0} is given twice; the same seed makes the same picture")]
    Twice(u64),
    #[error("{0:?} is no list of seeds; write 7,8,9, or 7x3 for three seeds from 7 on")]
    Unreadable(String),
    #[error("{0} seeds are more than one run makes; at most {most} at once", most = Seeds::MOST)]
    TooMany(usize),
}

impl Seeds {
    /// So many pictures a run makes at most.
    pub const MOST: usize = 1000;

    pub fn new(seeds: Vec<u64>) -> Result<Self, BadSeeds> {
        if seeds.is_empty() {
            return Err(BadSeeds::None);
        }
        if seeds.len() > Self::MOST {
            return Err(BadSeeds::TooMany(seeds.len()));
        }
        let mut sorted = seeds.clone();
        sorted.sort_unstable();
        match sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(BadSeeds::Twice(pair[0])),
            None => Ok(Self(seeds)),
        }
    }

    pub fn as_slice(&self) -> &[u64] {
        &self.0
    }

    /// As many others: those after the largest, or the first where none come after it.
    pub fn following(&self) -> Self {
        let count = self.0.len() as u64;
        let after = self.0.iter().max().and_then(|largest| largest.checked_add(1));
        let first = after.filter(|first| first.checked_add(count).is_some()).unwrap_or(0);
        Self((first..first + count).collect())
    }
}

/// `7,8,9`, or `7x3` for three seeds from 7 on.
impl FromStr for Seeds {
    type Err = BadSeeds;

    fn from_str(list: &str) -> Result<Self, Self::Err> {
        let unreadable = || BadSeeds::Unreadable(text::clean(list));
        if let Some((first, count)) = list.split_once(['x', '×']) {
            let first: u64 = first.trim().parse().map_err(|_| unreadable())?;
            let count: usize = count.trim().parse().map_err(|_| unreadable())?;
            if count > Self::MOST {
                return Err(BadSeeds::TooMany(count));
            }
            let last = first.checked_add(count as u64).ok_or_else(unreadable)?;
            return Self::new((first..last).collect());
        }
        let seeds: Result<Vec<u64>, _> = list.split(',').map(|seed| seed.trim().parse()).collect();
        Self::new(seeds.map_err(|_| unreadable())?)
    }
}

/// As they are read: `7x3` where they follow one another, `7,9,12` otherwise.
impl fmt::Display for Seeds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let follow = |pair: &[u64]| pair[0].checked_add(1) == Some(pair[1]);
        // The count's end must be a number that can be said.
        let end = self.0[0].checked_add(self.0.len() as u64);
        if self.0.len() > 1 && end.is_some() && self.0.windows(2).all(follow) {
            return write!(f, "{}x{}", self.0[0], self.0.len());
        }
        let seeds: Vec<String> = self.0.iter().map(u64::to_string).collect();
        f.write_str(&seeds.join(","))
    }
}

/// Which runs go first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Priority {
    Low,
    #[default]
    Normal,
    High,
}

impl Priority {
    pub const ALL: [Self; 3] = [Self::Low, Self::Normal, Self::High];

    pub fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
        }
    }
}

/// How far a run has come: draft → queued → running → done, failed, cancelled or interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    Draft,
    Queued,
    Running,
    Done,
    Failed,
    Cancelled,
    /// Its worker stopped before it was done; it goes back to the queue.
    Interrupted,
}

impl State {
    pub const ALL: [Self; 7] =
        [Self::Draft, Self::Queued, Self::Running, Self::Done, Self::Failed, Self::Cancelled, Self::Interrupted];

    pub fn name(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Interrupted => "interrupted",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    /// Whether nothing more will happen by itself.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Cancelled)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where the seconds of a run went.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Timings {
    pub load_s: f64,
    pub encode_s: f64,
    pub denoise_s: f64,
    pub decode_s: f64,
    /// The store's and the worker's share.
    pub other_s: f64,
}

/// A run as the history keeps it.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    pub id: RunId,
    pub uuid: Uuid,
    pub task: TaskId,
    pub subject: SubjectId,
    pub parent: Option<RunId>,
    pub recipe: Recipe,
    pub seeds: Seeds,
    /// The balance it was made for (balanced, style exploration, …), by the name the rules give it.
    pub profile: Option<String>,
    /// What changed against the parent, as it was when the run was made; None where it had no parent.
    pub delta: Option<Delta>,
    pub debug_reason: Option<String>,
    pub diagnosis: String,
    pub hashes: ModelHashes,
    pub state: State,
    pub progress: Progress,
    pub error: Option<String>,
    pub timings: Option<Timings>,
    /// In bytes.
    pub peak_memory: Option<u64>,
    pub created: Timestamp,
    pub started: Option<Timestamp>,
    pub finished: Option<Timestamp>,
}

/// The part of a run that its worker keeps up to date.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    pub priority: Priority,
    /// How often it was begun.
    pub attempt: u32,
    pub owner: Option<String>,
    pub heartbeat: Option<Timestamp>,
    /// Steps done, and of how many, over all seeds.
    pub step: u32,
    pub steps: u32,
    pub cancel_requested: bool,
}

/// One seed's picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    pub id: OutputId,
    pub uuid: Uuid,
    pub run: RunId,
    pub seed: u64,
    /// See [`output_key`].
    pub key: blake3::Hash,
    pub picture: super::reference::Picture,
    pub latents: Option<blake3::Hash>,
    pub measures: Option<serde_json::Value>,
    pub verdict: Verdict,
    pub created: Timestamp,
}

/// What decides a picture to the pixel, as one hash: the models' files, the assembled prompt, every setting, the
/// reference's picture, the seed, and what computes it: a GPU rounds otherwise than a processor. Two outputs with one
/// key are the same picture.
pub fn output_key(
    recipe: &Recipe,
    reference: Option<&blake3::Hash>,
    models: &ModelHashes,
    computed_by: &str,
    seed: u64,
) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new_derive_key("pentimento 2026-11 output key");
    let mut part = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    for hash in [models.checkpoint, models.adapter, models.image_encoder, reference.copied()] {
        part(hash.as_ref().map_or(&[], |hash| hash.as_bytes()));
    }
    part(recipe.model.checkpoint.as_bytes());
    part(recipe.prompt.assembled().as_bytes());
    part(recipe.prompt.negative().as_bytes());
    // Debug output of plain data: every field in its order, floats so that they read back the same.
    part(format!("{:?}", recipe.settings).as_bytes());
    part(computed_by.as_bytes());
    part(&seed.to_le_bytes());
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::studio::prompt::Block;

    #[test]
    fn seeds_are_lists_or_counts() {
        let seeds = |list: &str| list.parse::<Seeds>().map(|seeds| seeds.as_slice().to_vec());
        assert_eq!(seeds("7, 8,18446744073709551615"), Ok(vec![7, 8, u64::MAX]));
        assert_eq!(seeds("7x3"), Ok(vec![7, 8, 9]));
        assert_eq!(seeds("7x0"), Err(BadSeeds::None));
        assert_eq!(seeds("7,8,7"), Err(BadSeeds::Twice(7)));
        assert_eq!(seeds("7x100000000000"), Err(BadSeeds::TooMany(100_000_000_000)));
        for list in ["", "a", "-1", "1,,2", "18446744073709551615x2"] {
            assert!(matches!(seeds(list), Err(BadSeeds::Unreadable(_))), "{list}");
        }
    }

    #[test]
    fn the_seeds_that_follow_are_others() {
        let following = |list: &str| list.parse::<Seeds>().unwrap().following().to_string();
        assert_eq!((following("7x3"), following("9,2")), ("10x3".to_owned(), "10x2".to_owned()));
        assert_eq!(following("3,18446744073709551615"), "0x2");
    }

    #[test]
    fn seeds_are_written_as_they_are_read() {
        for list in ["7", "7x3", "9,8,7", "7,9", "0,18446744073709551615", "18446744073709551614,18446744073709551615"]
        {
            assert_eq!(list.parse::<Seeds>().unwrap().to_string(), list);
        }
        assert_eq!("3,4,5".parse::<Seeds>().unwrap().to_string(), "3x3");
    }

    #[test]
    fn the_key_changes_with_everything_that_changes_the_picture() {
        let hash = |text: &str| blake3::hash(text.as_bytes());
        let recipe = Recipe {
            prompt: Prompt::new().with(Block::Subject, "a man"),
            reference: None,
            settings: Settings::default(),
            model: Model::named("mini"),
        };
        let models = ModelHashes { checkpoint: Some(hash("m")), ..Default::default() };
        let mut keys = vec![
            output_key(&recipe, None, &models, "cpu", 1),
            output_key(&recipe, None, &models, "cpu", 2),
            output_key(&recipe, None, &models, "cuda:0", 1),
            output_key(&recipe, Some(&hash("r")), &models, "cpu", 1),
            output_key(&recipe, None, &ModelHashes { adapter: Some(hash("r")), ..models }, "cpu", 1),
        ];
        let mut other = recipe.clone();
        other.prompt.set_negative("blurry");
        keys.push(output_key(&other, None, &models, "cpu", 1));
        let mut other = recipe.clone();
        other.settings.guidance_scale += 1e-12;
        keys.push(output_key(&other, None, &models, "cpu", 1));
        let again = output_key(&recipe, None, &models, "cpu", 1);
        assert_eq!(keys[0], again);
        let different: std::collections::HashSet<_> = keys.iter().collect();
        assert_eq!(different.len(), keys.len());
    }
}

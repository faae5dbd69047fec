//! What `--set NAME=VALUE` does to a recipe. Values read as the history shows them.

use std::path::Path;

use super::{Wanted, settings};
use crate::cli::failure::Usage;
use crate::cli::model::MINI;
use crate::store::Reader;
use crate::studio::ids::ReferenceId;
use crate::studio::prompt::Block;
use crate::studio::recipe::{Model, Recipe};
use crate::studio::settings::{AdapterScale, LongPrompt, Settings};
use crate::studio::variable::Variable;

/// `guidance=6.5`
pub fn parse(text: &str) -> Result<(Variable, String), String> {
    let (name, value) = text.split_once('=').ok_or("say it as NAME=VALUE, such as guidance=6.5")?;
    let variable: Variable = name.trim().parse().map_err(|error| format!("{error}"))?;
    Ok((variable, value.trim().to_owned()))
}

pub fn apply(recipe: &mut Recipe, variable: Variable, value: &str, reader: &Reader) -> anyhow::Result<()> {
    let bad = |reason: String| Usage(format!("--set {variable}={value}: {reason}"));
    let settings = &mut recipe.settings;
    match variable {
        Variable::Subject => recipe.prompt.set(Block::Subject, value),
        Variable::Camera => recipe.prompt.set(Block::Camera, value),
        Variable::Lighting => recipe.prompt.set(Block::Lighting, value),
        Variable::Style => recipe.prompt.set(Block::Style, value),
        Variable::Constraints => recipe.prompt.set(Block::Constraints, value),
        Variable::Negative => recipe.prompt.set_negative(value),
        Variable::Reference => recipe.reference = reference(&super::reference(value).map_err(bad)?, reader)?,
        Variable::Guidance => settings.guidance_scale = settings::number(value).map_err(bad)?,
        Variable::AdapterWeight => adapter_weight(settings, value).map_err(bad)?,
        Variable::Steps => settings.steps = steps(value).map_err(bad)?,
        Variable::Scheduler if value == "own" => settings.sampler = None,
        Variable::Scheduler => settings.sampler = Some(value.parse().map_err(|error| bad(format!("{error}")))?),
        Variable::Model => recipe.model = Model::named(&checkpoint(value)?),
        Variable::Size => (settings.width, settings.height) = size(value).map_err(bad)?,
        Variable::LongPrompt => settings.long_prompt = long_prompt(value).map_err(bad)?,
    }
    Ok(())
}

/// The reference that is wanted, if one is; whether it may be used is for the store to say.
pub fn reference(wanted: &Wanted, reader: &Reader) -> anyhow::Result<Option<ReferenceId>> {
    Ok(wanted.as_ref().map(|name| reader.reference(name)).transpose()?.map(|reference| reference.id))
}

/// `mini`, or a folder by its whole path: a worker may run elsewhere.
pub fn checkpoint(name: &str) -> anyhow::Result<String> {
    if name == MINI { Ok(name.to_owned()) } else { whole(Path::new(name)) }
}

/// A path that means the same everywhere. One that is not there stays as it is, for the error that will name it.
pub fn whole(path: &Path) -> anyhow::Result<String> {
    let whole = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let name =
        || Usage(format!("the history cannot keep the name {}, which is not UTF-8; choose another", path.display()));
    Ok(whole.to_str().ok_or_else(name)?.to_owned())
}

/// A weight, or weights of blocks with spaces between them; then perhaps the share of the steps: `0.6 from 0.1 to 0.9`.
fn adapter_weight(settings: &mut Settings, value: &str) -> Result<(), String> {
    let (weight, share) = value.split_once(" from ").map_or((value, None), |(weight, share)| (weight, Some(share)));
    let scale = if weight.contains('=') {
        AdapterScale::PerBlock(weight.split_whitespace().map(settings::block).collect::<Result<_, _>>()?)
    } else {
        AdapterScale::Uniform(settings::number(weight.trim())?)
    };
    if let Some(share) = share {
        let (start, end) = share.split_once(" to ").ok_or("say the share of the steps as: 0.6 from 0.1 to 0.9")?;
        (settings.adapter_start, settings.adapter_end) = (settings::share(start.trim())?, settings::share(end.trim())?);
    }
    settings.adapter_scale = scale;
    Ok(())
}

fn steps(value: &str) -> Result<usize, String> {
    value.parse().ok().filter(|steps| (1..=1000).contains(steps)).ok_or_else(|| "it must be from 1 to 1000".to_owned())
}

/// `512x768`, or `own`.
fn size(value: &str) -> Result<(Option<usize>, Option<usize>), String> {
    if value == "own" {
        return Ok((None, None));
    }
    let side = |text: &str| text.trim().parse().ok().filter(|side: &usize| *side > 0 && side.is_multiple_of(8));
    let sides = value.split_once(['x', '×']).and_then(|(width, height)| Some((side(width)?, side(height)?)));
    let (width, height) = sides.ok_or("say it as 512x768, in multiples of 8, or own for the model's own size")?;
    Ok((Some(width), Some(height)))
}

fn long_prompt(value: &str) -> Result<LongPrompt, String> {
    match value {
        "truncate" => Ok(LongPrompt::Truncate),
        "chunk" => Ok(LongPrompt::Chunk),
        _ => Err("choose truncate or chunk".to_owned()),
    }
}

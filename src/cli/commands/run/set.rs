//! Applies `--set NAME=VALUE` to a recipe. Values are written as the history shows them.

use std::path::Path;

use crate::cli::args::values::{self, ReferenceChoice};
use crate::cli::failure::UsageError;
use crate::service::models::MINI;
use crate::store::Reader;
use crate::studio::ids::ReferenceId;
use crate::studio::prompt::Block;
use crate::studio::recipe::{Model, Recipe};
use crate::studio::settings::{AdapterScale, LongPrompt, Settings};
use crate::studio::variable::Variable;

/// `guidance=6.5`
pub fn parse(text: &str) -> Result<(Variable, String), String> {
    let (name, value) = text.split_once('=').ok_or("use NAME=VALUE, such as guidance=6.5")?;
    let variable: Variable = name.trim().parse().map_err(|error| format!("{error}"))?;
    Ok((variable, value.trim().to_owned()))
}

pub fn apply(recipe: &mut Recipe, variable: Variable, value: &str, reader: &Reader) -> anyhow::Result<()> {
    let bad = |reason: String| UsageError(format!("invalid --set {variable}={value}: {reason}"));
    let settings = &mut recipe.settings;
    match variable {
        Variable::Subject => recipe.prompt.set(Block::Subject, value),
        Variable::Camera => recipe.prompt.set(Block::Camera, value),
        Variable::Lighting => recipe.prompt.set(Block::Lighting, value),
        Variable::Style => recipe.prompt.set(Block::Style, value),
        Variable::Constraints => recipe.prompt.set(Block::Constraints, value),
        Variable::Negative => recipe.prompt.set_negative(value),
        Variable::Reference => recipe.reference = reference(&values::reference(value).map_err(bad)?, reader)?,
        Variable::Guidance => settings.guidance_scale = values::number(value).map_err(bad)?,
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

/// The chosen reference. The store decides later whether a run may use it.
pub fn reference(choice: &ReferenceChoice, reader: &Reader) -> anyhow::Result<Option<ReferenceId>> {
    Ok(choice.as_ref().map(|name| reader.reference(name)).transpose()?.map(|reference| reference.id))
}

/// `mini`, or the absolute path of a folder, because a worker may run elsewhere.
pub fn checkpoint(name: &str) -> anyhow::Result<String> {
    if name == MINI { Ok(name.to_owned()) } else { absolute(Path::new(name)) }
}

/// The absolute path. A missing file keeps its path, which the later error names.
pub fn absolute(path: &Path) -> anyhow::Result<String> {
    let whole = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let name = || UsageError(format!("the path {} is not UTF-8, so it cannot be stored: rename it", path.display()));
    Ok(whole.to_str().ok_or_else(name)?.to_owned())
}

/// One scale, or block scales separated by spaces, and optionally a range of the steps: `0.6 from 0.1 to 0.9`.
fn adapter_weight(settings: &mut Settings, value: &str) -> Result<(), String> {
    let (weight, range) = value.split_once(" from ").map_or((value, None), |(weight, range)| (weight, Some(range)));
    let scale = if weight.contains('=') {
        AdapterScale::PerBlock(weight.split_whitespace().map(values::block_scale).collect::<Result<_, _>>()?)
    } else {
        AdapterScale::Uniform(values::number(weight.trim())?)
    };
    if let Some(range) = range {
        let (start, end) = range.split_once(" to ").ok_or("use a range of the steps such as 0.6 from 0.1 to 0.9")?;
        (settings.adapter_start, settings.adapter_end) =
            (values::fraction(start.trim())?, values::fraction(end.trim())?);
    }
    settings.adapter_scale = scale;
    Ok(())
}

fn steps(value: &str) -> Result<usize, String> {
    value
        .parse()
        .ok()
        .filter(|steps| (1..=1000).contains(steps))
        .ok_or_else(|| "use a number from 1 to 1000".to_owned())
}

/// `512x768`, or `own`.
fn size(value: &str) -> Result<(Option<usize>, Option<usize>), String> {
    if value == "own" {
        return Ok((None, None));
    }
    let side = |text: &str| text.trim().parse().ok().filter(|side: &usize| *side > 0 && side.is_multiple_of(8));
    let sides = value.split_once(['x', '×']).and_then(|(width, height)| Some((side(width)?, side(height)?)));
    let (width, height) = sides.ok_or("use 512x768 with multiples of 8, or own for the model's size")?;
    Ok((Some(width), Some(height)))
}

fn long_prompt(value: &str) -> Result<LongPrompt, String> {
    match value {
        "truncate" => Ok(LongPrompt::Truncate),
        "chunk" => Ok(LongPrompt::Chunk),
        _ => Err("use truncate or chunk".to_owned()),
    }
}

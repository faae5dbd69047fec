//! Applies `--set NAME=VALUE` to a recipe. Values are written as the history shows them.

use std::path::Path;

use crate::cli::args::values::{self, ReferenceChoice};
use crate::cli::failure::UsageError;
use crate::service::models::MINI;
use crate::store::Reader;
use crate::studio::ids::ReferenceId;
use crate::studio::recipe::{Model, Recipe};
use crate::studio::variable::Variable;

/// `guidance=6.5`
pub fn parse(text: &str) -> Result<(Variable, String), String> {
    let (name, value) = text.split_once('=').ok_or("use NAME=VALUE, such as guidance=6.5")?;
    if name.trim() == "seeds" {
        return Err("seeds are not a variable: use --seeds".to_owned());
    }
    let variable: Variable = name.trim().parse().map_err(|error| format!("{error}"))?;
    Ok((variable, value.trim().to_owned()))
}

/// Sets a variable of a recipe.
pub fn apply(recipe: &mut Recipe, variable: Variable, value: &str, reader: &Reader) -> anyhow::Result<()> {
    let bad = |reason: String| UsageError(format!("invalid --set {variable}={value}: {reason}"));
    match variable {
        Variable::Block(block) => recipe.prompt.set(block, value),
        Variable::Negative => recipe.prompt.set_negative(value),
        Variable::Reference => recipe.reference = reference(&values::reference(value).map_err(bad)?, reader)?,
        Variable::Setting(setting) => setting.set(&mut recipe.settings, value).map_err(bad)?,
        Variable::Model => recipe.model = Model::named(&checkpoint(value)?),
    }
    Ok(())
}

/// The chosen reference. The store checks whether a run may use it when the run is queued.
pub fn reference(choice: &ReferenceChoice, reader: &Reader) -> anyhow::Result<Option<ReferenceId>> {
    Ok(choice.as_ref().map(|name| reader.reference(name)).transpose()?.map(|reference| reference.id))
}

/// `mini`, or the absolute path of a folder, because a worker may run elsewhere.
pub fn checkpoint(name: &str) -> anyhow::Result<String> {
    if name == MINI { Ok(name.to_owned()) } else { absolute(Path::new(name)) }
}

/// The absolute path. The path of a missing file stays as it is, and the error about the file names it.
pub fn absolute(path: &Path) -> anyhow::Result<String> {
    let whole = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let name = || UsageError(format!("the path {} is not UTF-8, so it cannot be stored: rename it", path.display()));
    Ok(whole.to_str().ok_or_else(name)?.to_owned())
}

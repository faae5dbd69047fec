//! The variables of a run: what a person changes, one at a time.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::prompt::Block;
use super::settings::{SETTINGS, Setting};
use super::text;

/// A variable of a run. Seeds are not variables: they are replicates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
pub enum Variable {
    Block(Block),
    Negative,
    Reference,
    Setting(&'static Setting),
    /// The checkpoint, its adapter and the image encoder.
    Model,
}

impl Variable {
    /// Every variable, in the order in which deltas list them.
    pub fn all() -> impl Iterator<Item = Self> {
        let blocks = Block::ALL.into_iter().map(Self::Block);
        let settings = SETTINGS.iter().map(Self::Setting);
        blocks.chain([Self::Negative, Self::Reference]).chain(settings).chain([Self::Model])
    }

    /// The name in `--set`, in deltas and in filters.
    pub fn name(self) -> &'static str {
        match self {
            Self::Block(block) => block.name(),
            Self::Negative => "negative",
            Self::Reference => "reference",
            Self::Setting(setting) => setting.key,
            Self::Model => "model",
        }
    }
}

impl fmt::Display for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A name that is not one of [`Variable::all`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown variable {name:?}: choose one of {}", names())]
pub struct UnknownVariable {
    pub name: String,
}

fn names() -> String {
    Variable::all().map(Variable::name).collect::<Vec<_>>().join(", ")
}

impl FromStr for Variable {
    type Err = UnknownVariable;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let unknown = || UnknownVariable { name: text::clean(name) };
        Self::all().find(|variable| variable.name() == name).ok_or_else(unknown)
    }
}

impl TryFrom<String> for Variable {
    type Error = UnknownVariable;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        name.parse()
    }
}

impl From<Variable> for &'static str {
    fn from(variable: Variable) -> Self {
        variable.name()
    }
}

impl From<Block> for Variable {
    fn from(block: Block) -> Self {
        Self::Block(block)
    }
}

//! The variables of a run: what a person changes, one at a time.

use serde::{Deserialize, Serialize};
use strum::{Display, EnumCount, EnumString, IntoStaticStr, VariantArray};

use super::names::named;
use super::prompt::Block;
use super::text;

/// A variable of a run. Seeds are not variables: they are replicates.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    Serialize,
    Deserialize,
    Display,
    EnumCount,
    EnumString,
    IntoStaticStr,
    VariantArray,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case", parse_err_ty = UnknownVariable, parse_err_fn = unknown)]
pub enum Variable {
    Subject,
    Camera,
    Lighting,
    Style,
    Constraints,
    Negative,
    Reference,
    Guidance,
    /// The weight, and the share of the steps over which it counts.
    AdapterWeight,
    Steps,
    /// The sampler, and Karras sigmas.
    Scheduler,
    /// The checkpoint, its adapter and the image encoder.
    Model,
    Size,
    /// What happens to a prompt that is too long.
    LongPrompt,
}

named!(Variable);

/// A name that is not one of [`Variable::ALL`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown variable {name:?}: choose one of {}", Variable::ALL.map(Variable::name).join(", "))]
pub struct UnknownVariable {
    pub name: String,
}

fn unknown(name: &str) -> UnknownVariable {
    UnknownVariable { name: text::clean(name) }
}

impl From<Block> for Variable {
    fn from(block: Block) -> Self {
        match block {
            Block::Subject => Self::Subject,
            Block::Camera => Self::Camera,
            Block::Lighting => Self::Lighting,
            Block::Style => Self::Style,
            Block::Constraints => Self::Constraints,
        }
    }
}

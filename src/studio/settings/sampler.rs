//! The samplers.

use serde::{Deserialize, Serialize};
use strum::{Display, EnumCount, EnumString, IntoStaticStr, VariantArray};

use crate::studio::names::named;
use crate::studio::text;

/// A sampler, named as on the command line.
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
#[serde(try_from = "String", into = "&'static str")]
#[strum(serialize_all = "kebab-case", parse_err_ty = UnknownSampler, parse_err_fn = unknown)]
pub enum Sampler {
    Ddim,
    Euler,
    #[strum(serialize = "euler-a")]
    EulerAncestral,
    #[strum(serialize = "dpmpp-2m")]
    DpmSolverPp2M,
    #[strum(serialize = "unipc")]
    UniPc,
    Lcm,
    /// PNDM without its Runge-Kutta warm-up (PLMS), the default of Stable Diffusion 1.x checkpoints.
    Pndm,
}

named!(Sampler);

/// A sampler's name that is not one of [`Sampler::ALL`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown scheduler {name:?}: choose one of {}", Sampler::ALL.map(Sampler::name).join(", "))]
pub struct UnknownSampler {
    pub name: String,
}

fn unknown(name: &str) -> UnknownSampler {
    UnknownSampler { name: text::clean(name) }
}

impl TryFrom<String> for Sampler {
    type Error = UnknownSampler;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        name.parse()
    }
}

//! The fields of the form: their names and the variables they change.

use crate::studio::controls::{Control, Controls};
use crate::studio::prompt::Block;
use crate::studio::settings::Setting;
use crate::studio::variable::Variable;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    Block(Block),
    Negative,
    Reference,
    Guidance,
    AdapterWeight,
    Steps,
    Scheduler,
    Seeds,
}

/// All fields, from top to bottom.
pub const FIELDS: [Field; 12] = [
    Field::Block(Block::Subject),
    Field::Block(Block::Camera),
    Field::Block(Block::Lighting),
    Field::Block(Block::Style),
    Field::Block(Block::Constraints),
    Field::Negative,
    Field::Reference,
    Field::Guidance,
    Field::AdapterWeight,
    Field::Steps,
    Field::Scheduler,
    Field::Seeds,
];

impl Field {
    pub fn name(self) -> &'static str {
        match self {
            Self::Block(block) => block.name(),
            Self::Negative => "negative",
            Self::Reference => "reference",
            Self::Guidance => "guidance",
            Self::AdapterWeight => "adapter",
            Self::Steps => "steps",
            Self::Scheduler => "scheduler",
            Self::Seeds => "seeds",
        }
    }

    /// Whether the value is prompt text, which can need several lines.
    pub fn is_text(self) -> bool {
        matches!(self, Self::Block(_) | Self::Negative)
    }

    /// Whether the value is chosen from a list instead of typed.
    pub fn is_chosen(self) -> bool {
        matches!(self, Self::Reference | Self::Scheduler)
    }

    /// The setting that it shows, if it is one.
    pub fn setting(self) -> Option<&'static Setting> {
        let key = match self {
            Self::Guidance => "guidance",
            Self::AdapterWeight => "adapter-weight",
            Self::Steps => "steps",
            Self::Scheduler => "scheduler",
            _ => return None,
        };
        Setting::by_key(key)
    }

    pub fn variable(self) -> Option<Variable> {
        match self {
            Self::Block(block) => Some(block.into()),
            Self::Negative => Some(Variable::Negative),
            Self::Reference => Some(Variable::Reference),
            _ => self.setting().map(Variable::Setting),
        }
    }

    /// What the field controls, from `rules/controls.toml`.
    pub fn control(self) -> Option<&'static Control> {
        Controls::embedded().get(match self {
            Self::Block(_) | Self::Negative => "prompt",
            Self::Reference => "reference",
            Self::AdapterWeight => "adapter-weight",
            Self::Guidance => "guidance",
            Self::Steps => "steps",
            Self::Scheduler => "scheduler",
            Self::Seeds => "seeds",
        })
    }
}

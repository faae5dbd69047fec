//! The prompt: five blocks in a fixed order, and a negative prompt.

use std::ops::Range;

use strum::{Display, EnumCount, EnumString, IntoStaticStr, VariantArray};

use super::names::named;
use super::text;

/// The blocks of a prompt, in the order in which they are written.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Display,
    EnumCount,
    EnumString,
    IntoStaticStr,
    VariantArray,
)]
#[strum(serialize_all = "kebab-case", parse_err_ty = UnknownBlock, parse_err_fn = unknown)]
pub enum Block {
    Subject,
    Camera,
    Lighting,
    Style,
    Constraints,
}

named!(Block);

/// A name that is not one of [`Block::ALL`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown prompt block {name:?}: choose one of {}", Block::ALL.map(Block::name).join(", "))]
pub struct UnknownBlock {
    pub name: String,
}

fn unknown(name: &str) -> UnknownBlock {
    UnknownBlock { name: text::clean(name) }
}

/// Five blocks and a negative prompt. Setters clean and trim the text: it is one line and safe to print.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Prompt {
    blocks: [String; 5],
    negative: String,
}

impl Prompt {
    pub fn new() -> Self {
        Self::default()
    }

    #[must_use]
    pub fn with(mut self, block: Block, words: &str) -> Self {
        self.set(block, words);
        self
    }

    #[must_use]
    pub fn with_negative(mut self, words: &str) -> Self {
        self.set_negative(words);
        self
    }

    pub fn set(&mut self, block: Block, words: &str) {
        self.blocks[block as usize] = tidy(words);
    }

    pub fn set_negative(&mut self, words: &str) {
        self.negative = tidy(words);
    }

    pub fn block(&self, block: Block) -> &str {
        &self.blocks[block as usize]
    }

    pub fn negative(&self) -> &str {
        &self.negative
    }

    /// The text for the encoder: the non-empty blocks in order, joined by commas.
    pub fn assembled(&self) -> String {
        self.assembled_with_ranges().0
    }

    /// The text for the encoder, and the byte range of each non-empty block in it.
    pub fn assembled_with_ranges(&self) -> (String, Vec<(Block, Range<usize>)>) {
        let mut text = String::new();
        let mut ranges = Vec::new();
        for block in Block::ALL {
            let words = self.block(block).trim_end_matches([',', ';', ' ']);
            if words.is_empty() {
                continue;
            }
            if !text.is_empty() {
                text.push_str(", ");
            }
            let start = text.len();
            text.push_str(words);
            ranges.push((block, start..text.len()));
        }
        (text, ranges)
    }
}

fn tidy(words: &str) -> String {
    text::clean(words).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_assembled_in_a_fixed_order() {
        let prompt = Prompt::new()
            .with(Block::Style, "oil painting,")
            .with(Block::Subject, " a woman with red hair ")
            .with(Block::Constraints, "plain background")
            .with(Block::Camera, "85 mm");
        assert_eq!(prompt.assembled(), "a woman with red hair, 85 mm, oil painting, plain background");
    }

    #[test]
    fn ranges_point_at_the_blocks() {
        let prompt = Prompt::new().with(Block::Lighting, "weiches Licht; ").with(Block::Subject, "müder Mann");
        let (text, ranges) = prompt.assembled_with_ranges();
        let found: Vec<_> = ranges.into_iter().map(|(block, range)| (block, &text[range])).collect();
        assert_eq!(found, [(Block::Subject, "müder Mann"), (Block::Lighting, "weiches Licht")]);
    }

    #[test]
    fn control_characters_are_removed() {
        let prompt = Prompt::new().with(Block::Subject, "a\u{1b}[2Jb\u{202e}c").with_negative("x\ny");
        assert_eq!((prompt.block(Block::Subject), prompt.negative()), ("a[2Jbc", "x y"));
    }

    #[test]
    fn block_names_parse() {
        for block in Block::ALL {
            assert_eq!(block.name().parse::<Block>().unwrap(), block);
        }
        assert!("mood".parse::<Block>().unwrap_err().to_string().contains("lighting"));
    }
}

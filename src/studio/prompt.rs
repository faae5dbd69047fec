//! The prompt: five blocks in a fixed order, and what the picture should not have.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use super::text;

/// The blocks of a prompt, in the order in which they are always written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Block {
    Subject,
    Camera,
    Lighting,
    Style,
    Constraints,
}

impl Block {
    pub const ALL: [Self; 5] = [Self::Subject, Self::Camera, Self::Lighting, Self::Style, Self::Constraints];

    pub fn name(self) -> &'static str {
        match self {
            Self::Subject => "subject",
            Self::Camera => "camera",
            Self::Lighting => "lighting",
            Self::Style => "style",
            Self::Constraints => "constraints",
        }
    }
}

impl fmt::Display for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is not one of [`Block::ALL`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no prompt block called {name:?}; choose one of subject, camera, lighting, style, constraints")]
pub struct UnknownBlock {
    pub name: String,
}

impl FromStr for Block {
    type Err = UnknownBlock;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|block| block.name() == name).ok_or_else(|| UnknownBlock { name: name.to_owned() })
    }
}

/// Every text in it is on one line, trimmed, and harmless to show: it is cleaned on the way in.
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

    /// The text for the encoder: the blocks that say something, in their order, with a comma between them.
    pub fn assembled(&self) -> String {
        self.assembled_with_places().0
    }

    /// The text for the encoder, and where in it (in bytes) each block lies; empty blocks are left out.
    pub fn assembled_with_places(&self) -> (String, Vec<(Block, Range<usize>)>) {
        let mut text = String::new();
        let mut places = Vec::new();
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
            places.push((block, start..text.len()));
        }
        (text, places)
    }
}

fn tidy(words: &str) -> String {
    text::clean(words).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_fixed_whatever_was_written_first() {
        let prompt = Prompt::new()
            .with(Block::Style, "oil painting,")
            .with(Block::Subject, " a woman with red hair ")
            .with(Block::Constraints, "plain background")
            .with(Block::Camera, "85 mm");
        assert_eq!(prompt.assembled(), "a woman with red hair, 85 mm, oil painting, plain background");
    }

    #[test]
    fn places_point_at_the_blocks() {
        let prompt = Prompt::new().with(Block::Lighting, "weiches Licht; ").with(Block::Subject, "müder Mann");
        let (text, places) = prompt.assembled_with_places();
        let found: Vec<_> = places.into_iter().map(|(block, place)| (block, &text[place])).collect();
        assert_eq!(found, [(Block::Subject, "müder Mann"), (Block::Lighting, "weiches Licht")]);
    }

    #[test]
    fn nothing_that_steers_a_terminal_gets_in() {
        let prompt = Prompt::new().with(Block::Subject, "a\u{1b}[2Jb\u{202e}c").with_negative("x\ny");
        assert_eq!((prompt.block(Block::Subject), prompt.negative()), ("a[2Jbc", "x y"));
    }

    #[test]
    fn names_go_both_ways() {
        for block in Block::ALL {
            assert_eq!(block.name().parse::<Block>().unwrap(), block);
        }
        assert!("mood".parse::<Block>().unwrap_err().to_string().contains("lighting"));
    }
}

//! Settings that are one of a list.

use std::fmt::Display;
use std::str::FromStr;

use strum::VariantArray;

/// How the user wants images to be shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, strum::Display, VariantArray)]
#[strum(serialize_all = "lowercase")]
pub enum ImageMode {
    /// The best protocol that the terminal has.
    #[default]
    Auto,
    Kitty,
    Sixel,
    Iterm2,
    HalfBlocks,
    Off,
}

/// How much goes to the log: each level includes the ones before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, strum::Display, VariantArray)]
#[strum(serialize_all = "lowercase")]
pub enum LogLevel {
    /// No log file is written.
    Off,
    Error,
    Warn,
    #[default]
    Info,
    Debug,
    Trace,
}

impl FromStr for ImageMode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        by_name(text)
    }
}

impl FromStr for LogLevel {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        by_name(text)
    }
}

/// The variant of this name. The error lists all names: `use auto, kitty or off`.
fn by_name<T: VariantArray + Display + Copy>(text: &str) -> Result<T, String> {
    let known = T::VARIANTS.iter().find(|variant| variant.to_string() == text);
    known.copied().ok_or_else(|| format!("use {}", names::<T>()))
}

fn names<T: VariantArray + Display>() -> String {
    let names: Vec<String> = T::VARIANTS.iter().map(ToString::to_string).collect();
    match names.split_last() {
        Some((last, others)) if !others.is_empty() => format!("{} or {last}", others.join(", ")),
        _ => names.concat(),
    }
}

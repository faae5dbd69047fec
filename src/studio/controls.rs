//! What each control affects. The table is `rules/controls.toml`.

use std::sync::OnceLock;

use serde::Deserialize;

/// The description of one control.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Control {
    pub key: String,
    pub name: String,
    /// What it controls.
    pub strong: String,
    /// What it barely affects.
    pub weak: String,
    /// How it is typically misused.
    pub misuse: String,
    /// The useful range, and the warnings below and above it.
    low: Option<f64>,
    high: Option<f64>,
    #[serde(default)]
    below: String,
    #[serde(default)]
    above: String,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Controls {
    #[serde(rename = "control")]
    all: Vec<Control>,
}

impl Controls {
    /// The table embedded in the program.
    pub fn embedded() -> &'static Self {
        static TABLE: OnceLock<Controls> = OnceLock::new();
        TABLE.get_or_init(|| {
            toml::from_str(include_str!("../../rules/controls.toml")).expect("a test reads the embedded table")
        })
    }

    pub fn get(&self, key: &str) -> Option<&Control> {
        self.all.iter().find(|control| control.key == key)
    }
}

impl Control {
    /// The warning for a value outside the useful range.
    pub fn warning(&self, value: f64) -> Option<&str> {
        if self.low.is_some_and(|low| value < low) {
            return Some(&self.below);
        }
        self.high.is_some_and(|high| value > high).then_some(&self.above)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_control_warns_outside_its_range_only() {
        let table = Controls::embedded();
        for key in ["prompt", "reference", "adapter-weight", "guidance", "steps", "scheduler", "seeds"] {
            let control = table.get(key).unwrap_or_else(|| panic!("{key} is missing"));
            for (end, words) in [(control.low, &control.below), (control.high, &control.above)] {
                assert_eq!(end.is_some(), !words.is_empty(), "{key}");
            }
        }
        let guidance = table.get("guidance").unwrap();
        assert_eq!(guidance.warning(5.5), None);
        assert!(guidance.warning(12.0).unwrap().contains("waxy"));
        assert!(guidance.warning(1.0).unwrap().contains("little effect"));
    }
}

//! `scheduler/scheduler_config.json`, which every scheduler reads with its own defaults.

use std::path::PathBuf;

use serde_json::{Map, Value};

use super::{Prediction, Spacing};
use crate::diffusion::checkpoint::{Checkpoint, Files};
use crate::diffusion::{Error, Result};
use crate::studio::settings::Sampler;

const FILE: &str = "scheduler_config.json";

/// The values of a checkpoint's scheduler configuration. The meaning of a missing key depends on the scheduler that
/// reads it, as with `from_config` in diffusers (`configuration_utils.py`).
#[derive(Clone, Debug)]
pub struct SchedulerConfig {
    path: PathBuf,
    /// The class that model_index.json names, and the path of that file.
    indexed: Option<(PathBuf, String)>,
    values: Map<String, Value>,
}

impl SchedulerConfig {
    /// Reads a checkpoint's `scheduler_config.json`. The class that its model_index.json names counts, as in diffusers
    /// (`pipelines/pipeline_loading_utils.py`).
    pub fn of(checkpoint: &Checkpoint) -> Result<Self> {
        let indexed = checkpoint.scheduler_class()?;
        Ok(Self { indexed, ..Self::load(&checkpoint.folder(checkpoint.parts().scheduler))? })
    }

    /// Reads `scheduler_config.json` from a `scheduler` folder.
    pub fn load(folder: &Files) -> Result<Self> {
        let bytes = folder.read(FILE)?;
        let path = folder.path_of(FILE);
        match std::str::from_utf8(&bytes) {
            Ok(text) => Self::parse(path, text),
            Err(error) => Err(Error::BadConfig { path, reason: error.to_string() }),
        }
    }

    /// Parses JSON text. Errors name the usual file name.
    pub fn from_json(text: &str) -> Result<Self> {
        Self::parse(FILE.into(), text)
    }

    fn parse(path: PathBuf, text: &str) -> Result<Self> {
        let mut values: Map<String, Value> = match serde_json::from_str(&quote_non_finite(text)) {
            Ok(values) => values,
            Err(error) => return Err(Error::BadConfig { path, reason: error.to_string() }),
        };
        // These keys were at the writing scheduler's default. diffusers replaces them by the reading scheduler's.
        if let Some(Value::Array(keys)) = values.remove("_use_default_values") {
            values.retain(|key, _| !keys.iter().any(|default| default == key));
        }
        Ok(Self { path, indexed: None, values })
    }

    /// Says which class counts if the checkpoint names two.
    pub fn note(&self) -> Option<String> {
        let (_, indexed) = self.indexed.as_ref()?;
        let own = self.values.get("_class_name")?.as_str()?;
        (own != indexed).then(|| {
            format!("model_index.json names {indexed} and {FILE} names {own}: the first one counts, as in diffusers")
        })
    }

    /// The scheduler that the checkpoint names.
    pub fn own_sampler(&self) -> Result<Sampler> {
        let (path, class) = match (&self.indexed, self.values.get("_class_name")) {
            (Some((path, class)), _) => (path, class.as_str()),
            (None, Some(Value::String(class))) => (&self.path, class.as_str()),
            (None, _) => {
                let remedy = super::choose_another(self, None);
                return Err(self.invalid(format!("_class_name is missing or not a string. To go on, {remedy}")));
            }
        };
        match class {
            "DDIMScheduler" => Ok(Sampler::Ddim),
            "EulerDiscreteScheduler" => Ok(Sampler::Euler),
            "EulerAncestralDiscreteScheduler" => Ok(Sampler::EulerAncestral),
            "DPMSolverMultistepScheduler" => Ok(Sampler::DpmSolverPp2M),
            "UniPCMultistepScheduler" => Ok(Sampler::UniPc),
            "LCMScheduler" => Ok(Sampler::Lcm),
            "PNDMScheduler" => Ok(Sampler::Pndm),
            _ => {
                let remedy = super::choose_another(self, None);
                Err(Error::UnsupportedScheduler { path: path.clone(), class: class.to_owned(), remedy })
            }
        }
    }

    /// What the model predicts (`prediction_type`).
    pub fn prediction_type(&self) -> Result<Prediction> {
        match self.text("prediction_type", "epsilon")? {
            "epsilon" => Ok(Prediction::Epsilon),
            "v_prediction" => Ok(Prediction::Velocity),
            "sample" => Ok(Prediction::Sample),
            _ => Err(self.unknown_value("prediction_type", "epsilon, v_prediction or sample")),
        }
    }

    pub(super) fn spacing(&self, default: &str) -> Result<Spacing> {
        match self.text("timestep_spacing", default)? {
            "leading" => Ok(Spacing::Leading),
            "trailing" => Ok(Spacing::Trailing),
            "linspace" => Ok(Spacing::Linspace),
            _ => Err(self.unknown_value("timestep_spacing", "leading, trailing or linspace")),
        }
    }

    /// Whether the schedule ends without noise, or at the lowest noise level of the training (`final_sigmas_type`).
    pub(super) fn ends_at_zero(&self) -> Result<bool> {
        match self.text("final_sigmas_type", "zero")? {
            "zero" => Ok(true),
            "sigma_min" => Ok(false),
            _ => Err(self.unknown_value("final_sigmas_type", "zero or sigma_min")),
        }
    }

    /// The number of training timesteps, from 2 to 1,000,000.
    pub(super) fn num_train_timesteps(&self) -> Result<usize> {
        match self.integer("num_train_timesteps", 1000)? {
            count @ 2..=1_000_000 => Ok(count as usize),
            count => Err(self.invalid(format!("num_train_timesteps is {count}, but must be between 2 and 1000000"))),
        }
    }

    /// Added to each timestep when the spacing is "leading". Its magnitude is at most the largest number of timesteps.
    pub(super) fn steps_offset(&self) -> Result<i64> {
        match self.integer("steps_offset", 0)? {
            offset @ -1_000_000..=1_000_000 => Ok(offset),
            offset => Err(self.invalid(format!("steps_offset is {offset}, but must be between -1000000 and 1000000"))),
        }
    }

    /// The range that `clip_sample` limits values to, if it is on.
    pub(super) fn clip(&self, on_by_default: bool) -> Result<Option<f64>> {
        let range = self.number("clip_sample_range", 1.0)?;
        if !self.flag("clip_sample", on_by_default)? {
            return Ok(None);
        }
        if range < 0.0 {
            return Err(self.invalid(format!("clip_sample_range is {range}, but must not be negative")));
        }
        Ok(Some(range))
    }

    /// A boolean. `null` counts as false, as in Python.
    pub(super) fn flag(&self, key: &str, default: bool) -> Result<bool> {
        match self.values.get(key) {
            None => Ok(default),
            Some(Value::Null) => Ok(false),
            Some(Value::Bool(value)) => Ok(*value),
            Some(other) => Err(self.invalid(format!("{key} is {other}, but must be true or false"))),
        }
    }

    pub(super) fn integer(&self, key: &str, default: i64) -> Result<i64> {
        match self.values.get(key) {
            None => Ok(default),
            Some(value) => {
                value.as_i64().ok_or_else(|| self.invalid(format!("{key} is {value}, but must be a whole number")))
            }
        }
    }

    /// A finite number.
    pub(super) fn number(&self, key: &str, default: f64) -> Result<f64> {
        match self.values.get(key) {
            None => Ok(default),
            Some(value) => {
                value.as_f64().ok_or_else(|| self.invalid(format!("{key} is {value}, but must be a number")))
            }
        }
    }

    /// A number greater than 0, if the key is present.
    pub(super) fn optional_positive(&self, key: &str) -> Result<Option<f64>> {
        match self.get(key) {
            None => Ok(None),
            Some(value) => match value.as_f64() {
                Some(number) if number > 0.0 => Ok(Some(number)),
                _ => Err(self.invalid(format!("{key} is {value}, but must be a number greater than 0"))),
            },
        }
    }

    pub(super) fn text<'a>(&'a self, key: &str, default: &'a str) -> Result<&'a str> {
        match self.values.get(key) {
            None => Ok(default),
            Some(Value::String(text)) => Ok(text),
            Some(other) => Err(self.invalid(format!("{key} is {other}, but must be a string"))),
        }
    }

    /// The value of `key`, unless it is missing or `null`.
    pub(super) fn get(&self, key: &str) -> Option<&Value> {
        self.values.get(key).filter(|value| !value.is_null())
    }

    /// Fails if one of these options is on. They would change the output, and `sampler` does not implement them.
    pub(super) fn refuse_flags(&self, sampler: Sampler, keys: &[&str]) -> Result<()> {
        for key in keys {
            if self.flag(key, false)? {
                return Err(self.unsupported(sampler, key));
            }
        }
        Ok(())
    }

    /// The error for an option of diffusers that `sampler` does not implement.
    pub(super) fn unsupported(&self, sampler: Sampler, key: &str) -> Error {
        let option = format!("{key} {}", self.values.get(key).unwrap_or(&Value::Bool(false)));
        // `build` replaces the remedy by schedulers that work.
        Error::UnsupportedOption { path: self.path.clone(), sampler, option, remedy: String::new() }
    }

    /// The error for a value that is not one of the `known` ones.
    pub(super) fn unknown_value(&self, key: &str, known: &str) -> Error {
        let value = self.values.get(key).unwrap_or(&Value::Null);
        self.invalid(format!("{key} is {value}, but must be {known}"))
    }

    /// The error for an invalid file.
    pub(super) fn invalid(&self, reason: impl Into<String>) -> Error {
        Error::BadConfig { path: self.path.clone(), reason: reason.into() }
    }
}

/// Puts quotes around Python's `Infinity` and `NaN`, which are not JSON. Many files contain
/// `"lambda_min_clipped": -Infinity`.
fn quote_non_finite(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let length = match next {
            '"' => string_length(rest),
            _ => match ["-Infinity", "Infinity", "NaN"].into_iter().find(|word| rest.starts_with(word)) {
                Some(word) => {
                    out.extend(["\"", word, "\""]);
                    rest = &rest[word.len()..];
                    continue;
                }
                None => next.len_utf8(),
            },
        };
        out.push_str(&rest[..length]);
        rest = &rest[length..];
    }
    out
}

/// The length in bytes of the quoted string that `text` starts with, including both quotes; the length of `text` if the
/// string does not end.
fn string_length(text: &str) -> usize {
    let mut escaped = false;
    for (index, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return index + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn infinity_and_nan_are_read_as_strings() {
        let text = r#"{"a": -Infinity, "b": [NaN, Infinity], "say \"NaN": "-Infinity\\", "c": 1}"#;
        let config = SchedulerConfig::from_json(text).unwrap();
        assert_eq!(config.get("a").unwrap(), "-Infinity");
        assert_eq!(config.get("say \"NaN").unwrap(), "-Infinity\\");
        assert_eq!(config.integer("c", 0).unwrap(), 1);
        assert!(SchedulerConfig::from_json(r#"{"a": "NaN"#).is_err());
    }

    #[test]
    fn an_unknown_scheduler_is_rejected_by_name() {
        let config = SchedulerConfig::from_json(r#"{"_class_name": "DDPMScheduler"}"#).unwrap();
        assert!(
            matches!(config.own_sampler(), Err(Error::UnsupportedScheduler { class, .. }) if class == "DDPMScheduler")
        );
        assert!(matches!(SchedulerConfig::from_json("{}").unwrap().own_sampler(), Err(Error::BadConfig { .. })));
        assert!(SchedulerConfig::from_json("[1]").is_err());
    }
}

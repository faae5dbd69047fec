//! The settings of a generation: everything but prompt, reference, model and seed.
//!
//! To add a setting: add a field to [`Settings`] and a row (or an entry in a row) to [`table::SETTINGS`]. The field
//! needs `#[serde(default, skip_serializing_if = "…")]` that leaves it out at the value that means "as before this
//! field existed": stored runs then read as they were, and output keys stay (see
//! [`output_key`](super::output_key)). `--set`, screens, deltas, database, bundles and provenance read the table and
//! serde; a flag of its own on the command line is optional.

mod sampler;
pub mod table;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use strum::{Display, EnumCount, EnumString, IntoStaticStr, VariantArray};

pub use sampler::{Sampler, UnknownSampler};
pub use table::{SETTINGS, Setting};

use super::names::named;

/// The name of the built-in checkpoint.
pub const MINI: &str = "mini";

/// How strongly the adapter's image branch counts in each cross-attention.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum AdapterScale {
    /// One weight everywhere: 0 switches the image branch off, 1 is the strength of training.
    Uniform(f64),
    /// A weight per UNet block, by the prefix of its name in the checkpoint (`down_blocks.1`,
    /// `up_blocks.0.attentions.1`, `mid_block`). The longest matching prefix counts; blocks without one get 0, as in
    /// diffusers.
    PerBlock(BTreeMap<String, f64>),
}

/// What to do with a prompt that has more tokens than the text encoder reads at once.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    Display,
    EnumCount,
    EnumString,
    IntoStaticStr,
    VariantArray,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum LongPrompt {
    /// Keep what fits, and report what was cut off.
    #[default]
    Truncate,
    /// Encode in chunks and join their states.
    Chunk,
}

named!(LongPrompt);

/// The settings of a generation. The names in JSON are those of provenance records; they must not change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Denoising steps, at least 1.
    pub steps: usize,
    /// Classifier-free guidance scale; 1 or less switches guidance off.
    #[serde(rename = "guidance")]
    pub guidance_scale: f64,
    pub adapter_scale: AdapterScale,
    /// The share of the steps, from 0 to 1, before which the adapter is off.
    pub adapter_start: f64,
    /// The share of the steps, from 0 to 1, from which the adapter is off again.
    pub adapter_end: f64,
    /// `None`: the checkpoint's default.
    #[serde(rename = "scheduler")]
    pub sampler: Option<Sampler>,
    /// Karras sigmas, for samplers that support them; `None`: as the checkpoint says.
    #[serde(rename = "karras")]
    pub karras_sigmas: Option<bool>,
    /// In pixels, a multiple of 8; `None`: the size the checkpoint was trained at.
    pub width: Option<usize>,
    /// In pixels, a multiple of 8; `None`: the size the checkpoint was trained at.
    pub height: Option<usize>,
    pub long_prompt: LongPrompt,
}

impl Default for Settings {
    /// Stable Diffusion's defaults: 25 steps at guidance 5.5.
    fn default() -> Self {
        Self {
            steps: 25,
            guidance_scale: 5.5,
            adapter_scale: AdapterScale::Uniform(1.0),
            adapter_start: 0.0,
            adapter_end: 1.0,
            sampler: None,
            karras_sigmas: None,
            width: None,
            height: None,
            long_prompt: LongPrompt::Truncate,
        }
    }
}

impl Settings {
    /// The defaults for a checkpoint. The built-in model needs few steps and little guidance; its model card has the
    /// figures.
    pub fn for_checkpoint(checkpoint: &str) -> Self {
        let default = Self::default();
        if checkpoint == MINI { Self { steps: 8, guidance_scale: 3.0, ..default } } else { default }
    }

    /// The JSON object of records, bundles and the database.
    pub fn record(&self) -> Map<String, Value> {
        match serde_json::to_value(self) {
            Ok(Value::Object(record)) => record,
            // A struct whose map has string keys serialises to an object.
            _ => unreachable!(),
        }
    }

    /// Reads a record that anybody may have written. Checks every value.
    pub fn from_record(record: Map<String, Value>) -> Result<Self, String> {
        let settings: Self = serde_json::from_value(Value::Object(record)).map_err(|error| error.to_string())?;
        settings.check()?;
        Ok(settings)
    }

    /// Refuses values that no version of this program writes.
    pub fn check(&self) -> Result<(), String> {
        SETTINGS.iter().try_for_each(|setting| setting.check(self))
    }

    /// Reads as much of a record as makes sense. Missing and null fields keep their defaults; invalid ones do too, and
    /// their names are returned. Unknown fields are ignored.
    pub fn from_record_lenient(record: &Map<String, Value>) -> (Self, Vec<String>) {
        let (mut known, mut invalid) = (Self::default(), Vec::new());
        for field in SETTINGS.iter().flat_map(|setting| setting.fields) {
            let Some(value) = record.get(*field).filter(|value| !value.is_null()) else { continue };
            let mut candidate = known.record();
            candidate.insert((*field).to_owned(), value.clone());
            match Self::from_record(candidate) {
                Ok(settings) => known = settings,
                Err(_) => invalid.push((*field).to_owned()),
            }
        }
        (known, invalid)
    }

    /// What a summary shows: every number, scheduler and size, and other settings that are not at their default.
    pub fn summary(&self) -> impl Iterator<Item = (&'static Setting, String)> {
        let default = Self::default();
        SETTINGS.iter().filter_map(move |setting| {
            let value = setting.show(self);
            let is_always_shown = setting.number.is_some() || ["scheduler", "size"].contains(&setting.key);
            (is_always_shown || value != setting.show(&default)).then_some((setting, value))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Settings that differ from the default in every field.
    pub(super) fn full() -> Settings {
        Settings {
            steps: 31,
            guidance_scale: 6.55,
            adapter_scale: AdapterScale::PerBlock(
                [("mid_block".to_owned(), 0.7), ("up_blocks.1".to_owned(), 1.0)].into(),
            ),
            adapter_start: 0.1,
            adapter_end: 0.9,
            sampler: Some(Sampler::DpmSolverPp2M),
            karras_sigmas: Some(true),
            width: Some(512),
            height: Some(768),
            long_prompt: LongPrompt::Chunk,
        }
    }

    #[test]
    fn records_keep_their_form() {
        assert_eq!(
            serde_json::to_string(&full()).unwrap(),
            r#"{"steps":31,"guidance":6.55,"adapter_scale":{"mid_block":0.7,"up_blocks.1":1.0},"adapter_start":0.1,"adapter_end":0.9,"scheduler":"dpmpp-2m","karras":true,"width":512,"height":768,"long_prompt":"chunk"}"#
        );
        assert_eq!(Settings::default().record()["scheduler"], Value::Null);
        for settings in [full(), Settings::default(), Settings::for_checkpoint(MINI)] {
            assert_eq!(Settings::from_record(settings.record()), Ok(settings));
        }
    }

    #[test]
    fn hundredths_survive_json() {
        for hundredths in 0..5000 {
            let settings = Settings { guidance_scale: f64::from(hundredths) / 100.0, ..Settings::default() };
            let text = serde_json::to_string(&settings).unwrap();
            assert_eq!(serde_json::from_str::<Settings>(&text).unwrap(), settings);
        }
    }

    #[test]
    fn every_field_belongs_to_one_row() {
        let mut rows: Vec<&str> = SETTINGS.iter().flat_map(|setting| setting.fields).copied().collect();
        rows.sort_unstable();
        let mut fields: Vec<String> = full().record().into_iter().map(|(name, _)| name).collect();
        fields.sort_unstable();
        assert_eq!(rows, fields);
    }

    #[test]
    fn invalid_records_are_refused_and_read_as_far_as_possible() {
        let change = |name: &str, value: Value| {
            let mut record = full().record();
            record.insert(name.to_owned(), value);
            record
        };
        for (name, value) in [
            ("steps", 0.into()),
            ("steps", 1e9.into()),
            ("guidance", "high".into()),
            ("guidance", 1e9.into()),
            ("adapter_scale", serde_json::json!({"a": "b"})),
            ("adapter_scale", serde_json::json!({"a\u{1b}": 1})),
            ("adapter_end", 7.into()),
            ("width", 0.into()),
            ("scheduler", "heun".into()),
            ("long_prompt", "drop".into()),
        ] {
            let record = change(name, value);
            assert!(Settings::from_record(record.clone()).is_err(), "{name}");
            let (settings, invalid) = Settings::from_record_lenient(&record);
            assert_eq!(invalid, [name]);
            assert_eq!(settings.karras_sigmas, Some(true));
        }
        assert!(Settings::from_record(change("clip_skip", 2.into())).is_err());
        assert_eq!(Settings::from_record_lenient(&change("clip_skip", 2.into())), (full(), Vec::new()));
    }

    #[test]
    fn a_summary_shows_numbers_and_what_is_set() {
        let shown = |settings: &Settings| settings.summary().map(|(setting, _)| setting.key).collect::<Vec<_>>();
        assert_eq!(shown(&Settings::default()), ["guidance", "adapter-weight", "steps", "scheduler", "size"]);
        assert_eq!(shown(&full()), ["guidance", "adapter-weight", "steps", "scheduler", "size", "long-prompt"]);
    }
}

//! The table of settings: name, label, ranges, and how values are shown and read.

use std::fmt;
use std::ops::RangeInclusive;

use super::{AdapterScale, LongPrompt, Sampler, Settings};
use crate::studio::text::clean;

/// A setting: one variable of a run. It may have several fields of [`Settings`].
pub struct Setting {
    /// The name in `--set`, in deltas and in filters. It is stored and must not change.
    pub key: &'static str,
    /// The name on screens.
    pub label: &'static str,
    /// The names of its fields in JSON.
    pub fields: &'static [&'static str],
    /// How a value is written, for help and errors.
    pub syntax: &'static str,
    /// The unit of a value; empty for plain numbers and names.
    pub unit: &'static str,
    /// For settings with one main number, which a screen can step up and down.
    pub number: Option<Number>,
    show: fn(&Settings) -> String,
    set: fn(&mut Settings, &str) -> Option<()>,
    check: fn(&Settings) -> bool,
}

/// The number of a setting.
pub struct Number {
    /// What a person may enter. Imported values may be outside.
    pub range: RangeInclusive<f64>,
    pub step: f64,
    get: fn(&Settings) -> Option<f64>,
    set: fn(&mut Settings, f64),
}

/// What [`Setting::show`] says if the checkpoint decides.
pub const MODEL_DEFAULT: &str = "model default";

/// The settings, in the order in which deltas and screens list them.
pub static SETTINGS: [Setting; 6] = [
    Setting {
        key: "guidance",
        label: "guidance",
        fields: &["guidance"],
        syntax: "a number from 0 to 50",
        unit: "",
        number: Some(Number {
            range: 0.0..=50.0,
            step: 0.5,
            get: |settings| Some(settings.guidance_scale),
            set: |settings, value| settings.guidance_scale = value,
        }),
        show: |settings| settings.guidance_scale.to_string(),
        set: |settings, text| {
            settings.guidance_scale = number(text, 0.0..=50.0)?;
            Some(())
        },
        check: |settings| is_scale(settings.guidance_scale),
    },
    Setting {
        key: "adapter-weight",
        label: "adapter weight",
        fields: &["adapter_scale", "adapter_start", "adapter_end"],
        syntax: "a number from 0 to 3, or weights of blocks such as up_blocks.0=0.6 mid_block=1; then, if you like, \
                 the share of the steps: 0.6 from 0.1 to 0.9",
        unit: "",
        number: Some(Number {
            range: 0.0..=3.0,
            step: 0.05,
            get: |settings| match settings.adapter_scale {
                AdapterScale::Uniform(weight) => Some(weight),
                AdapterScale::PerBlock(_) => None,
            },
            set: |settings, value| settings.adapter_scale = AdapterScale::Uniform(value),
        }),
        show: show_adapter_weight,
        set: set_adapter_weight,
        check: |settings| {
            let is_share = |share: f64| (0.0..=1.0).contains(&share);
            is_share(settings.adapter_start)
                && is_share(settings.adapter_end)
                && match &settings.adapter_scale {
                    AdapterScale::Uniform(weight) => is_scale(*weight),
                    AdapterScale::PerBlock(weights) => {
                        weights.len() <= MOST_BLOCKS
                            && weights.iter().all(|(block, weight)| is_block(block) && is_scale(*weight))
                    }
                }
        },
    },
    Setting {
        key: "steps",
        label: "steps",
        fields: &["steps"],
        syntax: "a whole number from 1 to 1000",
        unit: "",
        number: Some(Number {
            range: 1.0..=1000.0,
            step: 1.0,
            get: |settings| Some(settings.steps as f64),
            set: |settings, value| settings.steps = value as usize,
        }),
        show: |settings| settings.steps.to_string(),
        set: |settings, text| {
            settings.steps = text.parse().ok().filter(|steps| (1..=1000).contains(steps))?;
            Some(())
        },
        check: |settings| (1..=1000).contains(&settings.steps),
    },
    Setting {
        key: "scheduler",
        label: "scheduler",
        fields: &["scheduler", "karras"],
        syntax: "ddim, euler, euler-a, dpmpp-2m, unipc, lcm, pndm, or own for the model default",
        unit: "",
        number: None,
        show: |settings| {
            let name = settings.sampler.map_or(MODEL_DEFAULT, Sampler::name);
            match settings.karras_sigmas {
                None => name.to_owned(),
                Some(true) => format!("{name}{KARRAS}"),
                Some(false) => format!("{name}{NO_KARRAS}"),
            }
        },
        set: set_scheduler,
        check: |_| true,
    },
    Setting {
        key: "size",
        label: "size",
        fields: &["width", "height"],
        syntax: "width×height in multiples of 8, such as 512x768, or own for the model default",
        unit: "px",
        number: None,
        show: |settings| {
            let side = |side: Option<usize>| side.map_or("own".to_owned(), |side| side.to_string());
            match (settings.width, settings.height) {
                (None, None) => MODEL_DEFAULT.to_owned(),
                (width, height) => format!("{}×{}", side(width), side(height)),
            }
        },
        set: set_size,
        check: |settings| {
            [settings.width, settings.height].iter().flatten().all(|side| (1..=LONGEST_SIDE).contains(side))
        },
    },
    Setting {
        key: "long-prompt",
        label: "long prompt",
        fields: &["long_prompt"],
        syntax: "truncate or chunk",
        unit: "",
        number: None,
        show: |settings| settings.long_prompt.to_string(),
        set: |settings, text| {
            settings.long_prompt = LongPrompt::from_name(text)?;
            Some(())
        },
        check: |_| true,
    },
];

const KARRAS: &str = ", Karras sigmas";
const NO_KARRAS: &str = ", no Karras sigmas";

/// The largest scale, number of blocks and side that an import may have.
const LARGEST_SCALE: f64 = 1000.0;
const MOST_BLOCKS: usize = 64;
const LONGEST_SIDE: usize = 1_000_000;

impl Setting {
    /// Finds a setting by key.
    pub fn by_key(key: &str) -> Option<&'static Self> {
        SETTINGS.iter().find(|setting| setting.key == key)
    }

    /// The value as people read it. [`Setting::set`] reads it back.
    pub fn show(&self, settings: &Settings) -> String {
        (self.show)(settings)
    }

    /// Reads a value that a person wrote. The error says what to write instead.
    pub fn set(&self, settings: &mut Settings, text: &str) -> Result<(), String> {
        let mut changed = settings.clone();
        (self.set)(&mut changed, text.trim()).ok_or_else(|| format!("use {}", self.syntax))?;
        *settings = changed;
        Ok(())
    }

    /// Refuses values that no version of this program writes. The range is wider than that of [`Setting::set`], so that
    /// earlier runs can be imported.
    pub fn check(&self, settings: &Settings) -> Result<(), String> {
        if (self.check)(settings) {
            Ok(())
        } else {
            Err(format!("invalid {} {}", self.label, clean(&self.show(settings))))
        }
    }
}

impl Number {
    /// The number; `None` if the setting has several, such as a weight for each block.
    pub fn get(&self, settings: &Settings) -> Option<f64> {
        (self.get)(settings)
    }

    /// Moves the number one step up or down, within its range.
    pub fn turn(&self, settings: &mut Settings, up: bool) {
        let Some(value) = self.get(settings) else { return };
        let to = value + if up { self.step } else { -self.step };
        let to = to.clamp(*self.range.start(), *self.range.end());
        (self.set)(settings, (to * 100.0).round() / 100.0);
    }
}

impl PartialEq for Setting {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for Setting {}

impl fmt::Debug for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.key)
    }
}

fn number(text: &str, range: RangeInclusive<f64>) -> Option<f64> {
    text.parse().ok().filter(|value| range.contains(value))
}

fn is_scale(scale: f64) -> bool {
    scale.abs() <= LARGEST_SCALE
}

/// Whether a text can be the name of a UNet block.
fn is_block(name: &str) -> bool {
    !name.is_empty() && name.chars().count() <= 200 && clean(name).trim() == name
}

fn show_adapter_weight(settings: &Settings) -> String {
    let weight = match &settings.adapter_scale {
        AdapterScale::Uniform(weight) => weight.to_string(),
        AdapterScale::PerBlock(weights) => {
            let weights: Vec<_> = weights.iter().map(|(block, weight)| format!("{block}={weight}")).collect();
            weights.join(" ")
        }
    };
    if (settings.adapter_start, settings.adapter_end) == (0.0, 1.0) {
        weight
    } else {
        format!("{weight} from {} to {}", settings.adapter_start, settings.adapter_end)
    }
}

fn set_adapter_weight(settings: &mut Settings, text: &str) -> Option<()> {
    let (weight, share) = text.split_once(" from ").map_or((text, None), |(weight, share)| (weight, Some(share)));
    settings.adapter_scale = if weight.contains('=') {
        AdapterScale::PerBlock(weight.split_whitespace().map(block_weight).collect::<Option<_>>()?)
    } else {
        AdapterScale::Uniform(number(weight.trim(), 0.0..=3.0)?)
    };
    if let Some((start, end)) = share.map(|share| share.split_once(" to ").unwrap_or((share, ""))) {
        settings.adapter_start = number(start.trim(), 0.0..=1.0)?;
        settings.adapter_end = number(end.trim(), 0.0..=1.0)?;
    }
    Some(())
}

/// `up_blocks.1=0.6`
fn block_weight(text: &str) -> Option<(String, f64)> {
    let (name, weight) = text.split_once('=')?;
    Some((name.to_owned(), number(weight, 0.0..=3.0)?))
}

fn set_scheduler(settings: &mut Settings, text: &str) -> Option<()> {
    let (name, karras) = match (text.strip_suffix(NO_KARRAS), text.strip_suffix(KARRAS)) {
        (Some(name), _) => (name, Some(false)),
        (None, Some(name)) => (name, Some(true)),
        (None, None) => (text, settings.karras_sigmas),
    };
    settings.sampler = if is_own(name) { None } else { Some(name.parse().ok()?) };
    settings.karras_sigmas = karras;
    Some(())
}

fn set_size(settings: &mut Settings, text: &str) -> Option<()> {
    let side = |text: &str| match text.trim() {
        own if is_own(own) => Some(None),
        side => side.parse().ok().filter(|side: &usize| *side > 0 && side.is_multiple_of(8)).map(Some),
    };
    (settings.width, settings.height) = if is_own(text) {
        (None, None)
    } else {
        let (width, height) = text.split_once(['x', '×'])?;
        (side(width)?, side(height)?)
    };
    Some(())
}

fn is_own(text: &str) -> bool {
    text == "own" || text == MODEL_DEFAULT
}

#[cfg(test)]
mod tests {
    use super::super::tests::full;
    use super::*;

    #[test]
    fn values_are_read_as_they_are_shown() {
        let half = Settings { width: Some(512), karras_sigmas: Some(false), ..Settings::default() };
        for settings in [full(), Settings::default(), half] {
            let mut read = Settings { steps: 1, guidance_scale: 0.0, ..Settings::default() };
            for setting in &SETTINGS {
                setting.set(&mut read, &setting.show(&settings)).unwrap();
            }
            assert_eq!(read, settings);
        }
    }

    #[test]
    fn invalid_values_change_nothing_and_say_what_to_write() {
        for (key, text) in [
            ("guidance", "much"),
            ("guidance", "NaN"),
            ("guidance", "51"),
            ("steps", "0"),
            ("steps", "2.5"),
            ("scheduler", "fast"),
            ("size", "100x100"),
            ("size", "512"),
            ("long-prompt", "drop"),
            ("adapter-weight", "0.5 from 0.1"),
            ("adapter-weight", "a=b"),
        ] {
            let mut settings = Settings::default();
            let setting = Setting::by_key(key).unwrap();
            let error = setting.set(&mut settings, text).unwrap_err();
            assert!(error.starts_with("use ") && error.contains(setting.syntax), "{error}");
            assert_eq!(settings, Settings::default(), "{key}={text}");
        }
    }

    #[test]
    fn numbers_step_within_their_range() {
        let mut settings = Settings { guidance_scale: 49.8, steps: 1, ..Settings::default() };
        let number = |key: &str| Setting::by_key(key).unwrap().number.as_ref().unwrap();
        number("guidance").turn(&mut settings, true);
        number("steps").turn(&mut settings, false);
        number("adapter-weight").turn(&mut settings, false);
        assert_eq!((settings.guidance_scale, settings.steps), (50.0, 1));
        assert_eq!(settings.adapter_scale, AdapterScale::Uniform(0.95));
    }
}

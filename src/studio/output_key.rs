//! The key of an output: one hash of everything that decides its pixels.

use serde_json::Value;

use super::recipe::{ModelHashes, Recipe};

/// The version of the encoding, stored beside each key. Changing the encoding needs the next number.
///
/// Keys of version 1 hashed a debug print and stay in the database as they are: they cannot be computed again, because
/// the database does not record the device. No run asks for them, so its picture is made once more and gets a key of
/// this version. Within a version, the same image has one key. Keys include the program's version, so that a run never
/// reuses an output of another version anyway.
pub const VERSION: u32 = 2;

/// The version of outputs that were made elsewhere and imported; no run reuses them.
pub const IMPORTED: u32 = 0;

/// Hashes everything that decides an output's pixels: model files, assembled prompt, settings, reference image, seed,
/// and what computes it (a GPU rounds differently). Two outputs with the same key are the same image.
///
/// The encoding is a list of named fields in a fixed order, each with the lengths of its parts. Numbers are encoded by
/// their bits. An absent field is left out, which differs from every value. Settings are encoded by their names in
/// JSON, sorted; a field that JSON leaves out or that is null is absent. A new setting is left out of JSON at the value
/// that means "as before", so that existing keys stay.
pub fn output_key(
    recipe: &Recipe,
    reference: Option<&blake3::Hash>,
    models: &ModelHashes,
    computed_by: &str,
    seed: u64,
) -> blake3::Hash {
    let mut key = Encoder(blake3::Hasher::new_derive_key("pentimento output key, version 2"));
    let hashes = [
        ("checkpoint", models.checkpoint),
        ("adapter", models.adapter),
        ("image_encoder", models.image_encoder),
        ("reference", reference.copied()),
    ];
    for (name, hash) in hashes {
        if let Some(hash) = hash {
            key.field(name, b'h', hash.as_bytes());
        }
    }
    key.field("model", b's', recipe.model.checkpoint.as_bytes());
    key.field("prompt", b's', recipe.prompt.assembled().as_bytes());
    key.field("negative", b's', recipe.prompt.negative().as_bytes());
    let mut settings: Vec<(String, Value)> = recipe.settings.record().into_iter().collect();
    settings.sort_by(|(one, _), (other, _)| one.cmp(other));
    for (name, value) in settings {
        key.value(&format!("settings.{name}"), &value);
    }
    key.field("computed_by", b's', computed_by.as_bytes());
    key.field("seed", b'u', &seed.to_le_bytes());
    key.0.finalize()
}

struct Encoder(blake3::Hasher);

impl Encoder {
    /// Adds a field: its name, a letter for its type, and its bytes.
    fn field(&mut self, name: &str, kind: u8, bytes: &[u8]) {
        for part in [name.as_bytes(), &[kind], bytes] {
            self.0.update(&(part.len() as u64).to_le_bytes());
            self.0.update(part);
        }
    }

    /// Adds a JSON value; the fields of an object and the items of a list follow it under longer names.
    fn value(&mut self, name: &str, value: &Value) {
        match value {
            Value::Null => {}
            Value::Bool(value) => self.field(name, b'b', &[u8::from(*value)]),
            Value::String(text) => self.field(name, b's', text.as_bytes()),
            Value::Number(number) => match (number.as_u64(), number.as_i64()) {
                (Some(number), _) => self.field(name, b'u', &number.to_le_bytes()),
                (None, Some(number)) => self.field(name, b'i', &number.to_le_bytes()),
                // Adding zero turns -0 into 0. Numbers of settings are finite.
                (None, None) => {
                    let number = number.as_f64().unwrap_or_default() + 0.0;
                    self.field(name, b'f', &number.to_bits().to_le_bytes());
                }
            },
            Value::Array(items) => {
                self.field(name, b'l', &(items.len() as u64).to_le_bytes());
                items.iter().for_each(|item| self.value("item", item));
            }
            Value::Object(fields) => {
                self.field(name, b'o', &(fields.len() as u64).to_le_bytes());
                let mut fields: Vec<_> = fields.iter().collect();
                fields.sort_by_key(|(name, _)| *name);
                fields.into_iter().for_each(|(name, value)| self.value(name, value));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::studio::prompt::{Block, Prompt};
    use crate::studio::recipe::Model;
    use crate::studio::settings::{AdapterScale, Sampler, Settings};

    fn hash(text: &str) -> blake3::Hash {
        blake3::hash(text.as_bytes())
    }

    fn recipe() -> Recipe {
        Recipe {
            prompt: Prompt::new().with(Block::Subject, "a man"),
            reference: None,
            settings: Settings { guidance_scale: 5.0, ..Settings::default() },
            model: Model::named("mini"),
        }
    }

    #[test]
    fn keys_stay() {
        let models = ModelHashes { checkpoint: Some(hash("m")), ..ModelHashes::default() };
        let mut blocks = recipe();
        blocks.settings.adapter_scale =
            AdapterScale::PerBlock([("mid_block".to_owned(), 0.15), ("up_blocks.0".to_owned(), 0.3)].into());
        let full = Recipe {
            prompt: recipe().prompt.with(Block::Style, "oil, thick").with_negative("blurry"),
            settings: Settings {
                sampler: Some(Sampler::DpmSolverPp2M),
                karras_sigmas: Some(false),
                width: Some(64),
                height: Some(96),
                adapter_end: 0.9,
                ..Settings::for_checkpoint("mini")
            },
            ..recipe()
        };
        let all = ModelHashes { adapter: Some(hash("a")), image_encoder: Some(hash("e")), ..models };
        let keys = [
            output_key(&recipe(), None, &models, "pentimento 0.1.0 cpu f32", 7),
            output_key(&blocks, Some(&hash("r")), &models, "pentimento 0.1.0 cpu f32", 7),
            output_key(&full, Some(&hash("r")), &all, "pentimento 0.1.0 cuda:0 f16", u64::MAX),
        ];
        assert_eq!(
            keys.map(|key| key.to_hex()[..32].to_owned()),
            [
                "753837746646e79234c77f9fb47084b9",
                "ae7454578b92083c87a42ee2bcec1264",
                "b9dc570d3f1c50b38e7eb9df3f2bb4f0"
            ]
        );
    }

    #[test]
    fn the_key_changes_with_everything_that_changes_the_image() {
        let models = ModelHashes { checkpoint: Some(hash("m")), ..Default::default() };
        let key = |recipe: &Recipe| output_key(recipe, None, &models, "cpu", 1);
        let with = |change: fn(&mut Recipe)| {
            let mut recipe = recipe();
            change(&mut recipe);
            key(&recipe)
        };
        let keys = [
            key(&recipe()),
            output_key(&recipe(), None, &models, "cpu", 2),
            output_key(&recipe(), None, &models, "cuda:0", 1),
            output_key(&recipe(), Some(&hash("r")), &models, "cpu", 1),
            output_key(&recipe(), None, &ModelHashes { adapter: Some(hash("r")), ..models }, "cpu", 1),
            with(|recipe| recipe.prompt.set_negative("blurry")),
            with(|recipe| recipe.settings.guidance_scale += 1e-12),
            with(|recipe| recipe.settings.sampler = Some(Sampler::Ddim)),
            with(|recipe| recipe.settings.karras_sigmas = Some(false)),
            with(|recipe| recipe.settings.width = Some(64)),
            with(|recipe| recipe.settings.height = Some(64)),
            with(|recipe| recipe.settings.adapter_scale = AdapterScale::PerBlock([("a".to_owned(), 1.0)].into())),
        ];
        let different: std::collections::HashSet<_> = keys.iter().collect();
        assert_eq!(different.len(), keys.len());
        assert_eq!(keys[0], key(&recipe()));
    }
}

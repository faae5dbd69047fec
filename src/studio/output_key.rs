//! The key of an output: one hash of everything that decides its pixels.

use super::recipe::{ModelHashes, Recipe};

/// Hashes everything that decides an output's pixels: model files, assembled prompt, settings, reference image, seed,
/// and the device (a GPU rounds differently). Two outputs with the same key are the same image.
pub fn output_key(
    recipe: &Recipe,
    reference: Option<&blake3::Hash>,
    models: &ModelHashes,
    computed_by: &str,
    seed: u64,
) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new_derive_key("pentimento 2026-11 output key");
    let mut part = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    for hash in [models.checkpoint, models.adapter, models.image_encoder, reference.copied()] {
        part(hash.as_ref().map_or(&[], |hash| hash.as_bytes()));
    }
    part(recipe.model.checkpoint.as_bytes());
    part(recipe.prompt.assembled().as_bytes());
    part(recipe.prompt.negative().as_bytes());
    // Debug output of plain data: every field in its order, floats so that they read back the same.
    part(format!("{:?}", recipe.settings).as_bytes());
    part(computed_by.as_bytes());
    part(&seed.to_le_bytes());
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::studio::prompt::{Block, Prompt};
    use crate::studio::recipe::Model;
    use crate::studio::settings::Settings;

    #[test]
    fn the_key_changes_with_everything_that_changes_the_picture() {
        let hash = |text: &str| blake3::hash(text.as_bytes());
        let recipe = Recipe {
            prompt: Prompt::new().with(Block::Subject, "a man"),
            reference: None,
            settings: Settings::default(),
            model: Model::named("mini"),
        };
        let models = ModelHashes { checkpoint: Some(hash("m")), ..Default::default() };
        let mut keys = vec![
            output_key(&recipe, None, &models, "cpu", 1),
            output_key(&recipe, None, &models, "cpu", 2),
            output_key(&recipe, None, &models, "cuda:0", 1),
            output_key(&recipe, Some(&hash("r")), &models, "cpu", 1),
            output_key(&recipe, None, &ModelHashes { adapter: Some(hash("r")), ..models }, "cpu", 1),
        ];
        let mut other = recipe.clone();
        other.prompt.set_negative("blurry");
        keys.push(output_key(&other, None, &models, "cpu", 1));
        let mut other = recipe.clone();
        other.settings.guidance_scale += 1e-12;
        keys.push(output_key(&other, None, &models, "cpu", 1));
        let again = output_key(&recipe, None, &models, "cpu", 1);
        assert_eq!(keys[0], again);
        let different: std::collections::HashSet<_> = keys.iter().collect();
        assert_eq!(different.len(), keys.len());
    }
}

use std::fs;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;

/// A folder with a UNet's config, other files with their contents, and empty folders (without contents).
fn recognise(config: Option<Value>, others: &[(&str, Option<Value>)]) -> Result<Family> {
    let folder = TempDir::new().unwrap();
    let mut config = config.map(|config| ("unet/config.json", Some(config)));
    if let Some((_, Some(config))) = &mut config {
        let blocks = json!({"down_block_types": [], "up_block_types": [], "block_out_channels": []});
        config.as_object_mut().unwrap().extend(blocks.as_object().unwrap().clone());
    }
    for (name, contents) in config.into_iter().chain(others.iter().cloned()) {
        let path = folder.path().join(name);
        match contents {
            Some(contents) => {
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, contents.to_string()).unwrap();
            }
            None => fs::create_dir_all(path).unwrap(),
        }
    }
    Family::recognise(&Files::on_disk(folder.path()))
}

#[test]
fn linear_projections_tell_sd2_from_sd1() {
    assert_eq!(recognise(Some(json!({"cross_attention_dim": 768})), &[]).unwrap(), Family::Sd1);
    let sd2 = json!({"cross_attention_dim": 1024, "use_linear_projection": true});
    assert_eq!(recognise(Some(sd2), &[]).unwrap(), Family::Sd2);
}

#[test]
fn the_parity_checkpoints_are_recognised() {
    let data = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/parity/data");
    for (name, family) in [("sd1", Family::Sd1), ("vpred", Family::Sd2)] {
        assert_eq!(Family::recognise(&Files::on_disk(data).folder(name)).unwrap(), family);
    }
}

#[test]
fn other_families_are_refused_by_name() {
    let sdxl = || json!({"addition_embed_type": "text_time", "use_linear_projection": true});
    let index = |class: &str| ("model_index.json", Some(json!({"_class_name": class})));
    let cases = [
        (recognise(Some(sdxl()), &[("text_encoder", None)]), "is a Stable Diffusion XL checkpoint"),
        (recognise(Some(sdxl()), &[]), "is a Stable Diffusion XL refiner checkpoint"),
        (recognise(None, &[index("FluxPipeline")]), "is a FluxPipeline checkpoint"),
        (recognise(None, &[index("StableDiffusionPipeline")]), "is missing its unet/ folder: use"),
        (recognise(None, &[]), "is missing its unet/ folder: use"),
    ];
    for (result, words) in cases {
        let message = result.unwrap_err().to_string();
        assert!(message.contains(words), "{words}: {message}");
    }
    let nowhere = Family::recognise(&Files::on_disk("/nowhere")).unwrap_err().to_string();
    assert!(nowhere.contains("/nowhere does not exist: use"), "{nowhere}");
}

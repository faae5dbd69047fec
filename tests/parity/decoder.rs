//! From latents to pictures: the VAE decoder.

use serde::Deserialize;

use crate::checkpoint::{self, Checkpoint};
use crate::comparison::Comparison;
use crate::golden::Golden;

#[derive(Deserialize)]
struct Facts {
    vae: Vec<String>,
}

#[test]
fn decoded_pictures_match() {
    let mut comparison = Comparison::of("decoded latents");
    for name in checkpoint::NAMES {
        let golden = Golden::<Facts>::load(&format!("{name}-joints"));
        let vae = Checkpoint::load(name).vae;
        for case in &golden.facts.vae {
            let part = |part: &str| golden.tensor(&format!("{case}.{part}"));
            let decoded = vae.decode(part("latents")).unwrap();
            comparison.tensor(&format!("{name}, {case}"), &decoded, part("decoded"));
            let pictures = pentimento::diffusion::vae::pictures(&decoded).unwrap();
            let expected = part("picture").flatten_all().unwrap().to_vec1::<u8>().unwrap();
            comparison.picture(&format!("{name}, {case}, 8 bits"), pictures[0].as_raw(), &expected);
        }
    }
    comparison.finish();
}

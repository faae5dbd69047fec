//! From the latents to the picture.

use serde::Deserialize;

use crate::checkpoint::{self, Checkpoint};
use crate::golden::Golden;
use crate::verdict::Verdict;

#[derive(Deserialize)]
struct Facts {
    vae: Vec<String>,
}

#[test]
fn latents_become_the_same_picture() {
    let mut verdict = Verdict::on("decoded latents");
    for name in checkpoint::NAMES {
        let golden = Golden::<Facts>::load(&format!("{name}-joints"));
        let vae = Checkpoint::load(name).vae;
        for case in &golden.facts.vae {
            let part = |part: &str| golden.tensor(&format!("{case}.{part}"));
            let decoded = vae.decode(part("latents")).unwrap();
            verdict.tensor(&format!("{name}, {case}"), &decoded, part("decoded"));
            let pictures = pentimento::diffusion::vae::pictures(&decoded).unwrap();
            let expected = part("picture").flatten_all().unwrap().to_vec1::<u8>().unwrap();
            verdict.picture(&format!("{name}, {case}, 8 bits"), pictures[0].as_raw(), &expected);
        }
    }
    verdict.finish();
}

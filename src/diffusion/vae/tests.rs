use std::collections::HashMap;
use std::path::Path;

use tempfile::TempDir;

use super::*;
use crate::diffusion::checkpoint::Files;

const STEM: &str = "diffusion_pytorch_model";

/// The first checkpoints name the mid attention's layers differently, and some store them as 1×1 convolutions.
#[test]
fn old_names_and_convolutions_decode_to_the_same_values() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parity/data/sd1/vae");
    let config: VaeConfig = Files::on_disk(&folder).json("config.json").unwrap();
    let tensors = candle_core::safetensors::load(folder.join(format!("{STEM}.safetensors")), &Device::Cpu).unwrap();
    let latents = Tensor::arange(0f32, 64.0, &Device::Cpu).unwrap().reshape((1, 4, 4, 4)).unwrap();
    let latents = (latents / 64.0).unwrap();
    let decode = |tensors: &HashMap<String, Tensor>| {
        let folder = TempDir::new().unwrap();
        candle_core::safetensors::save(tensors, folder.path().join(format!("{STEM}.safetensors"))).unwrap();
        let weights = Weights::open(&Files::on_disk(folder.path()), STEM, DType::F32, &Device::Cpu).unwrap();
        let decoded = VaeDecoder::load(&weights, &config).unwrap().decode(&latents).unwrap();
        decoded.flatten_all().unwrap().to_vec1::<f32>().unwrap()
    };
    let expected = decode(&tensors);
    for as_convolutions in [false, true] {
        for old_names in [false, true] {
            let changed = |(name, tensor): (&String, &Tensor)| {
                let mut name = name.clone();
                let mut tensor = tensor.clone();
                if name.starts_with("decoder.mid_block.attentions.0.to_") {
                    if as_convolutions && name.ends_with(".weight") {
                        tensor = tensor.unsqueeze(2).unwrap().unsqueeze(3).unwrap();
                    }
                    if old_names {
                        let pairs = [("to_q", "query"), ("to_k", "key"), ("to_v", "value"), ("to_out.0", "proj_attn")];
                        name = pairs.iter().fold(name, |name, (new, old)| name.replace(new, old));
                    }
                }
                (name, tensor)
            };
            assert_eq!(decode(&tensors.iter().map(changed).collect()), expected);
        }
    }
}

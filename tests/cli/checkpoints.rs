//! Damaged or unsuitable checkpoints and adapters: each error names the file and the cause.

use std::fs;

use crate::support::{Bench, Tensors, data, run};

const VAE: &str = "model/vae/diffusion_pytorch_model.safetensors";
const TEXT: &str = "model/text_encoder/model.safetensors";

#[test]
fn a_missing_folder() {
    let bench = Bench::new();
    let nowhere = bench.path("nowhere");
    run(bench.generate().arg("--model").arg(&nowhere)).refused(2, &["--model"]);
    fs::rename(bench.path("model"), &nowhere).unwrap();
    let model = bench.path("model");
    run(&mut bench.generate()).refused(1, &[model.to_str().unwrap(), "does not exist", "diffusers"]);
}

#[test]
fn a_single_file_in_place_of_a_folder() {
    let bench = Bench::new();
    fs::remove_dir_all(bench.path("model")).unwrap();
    fs::write(bench.path("model"), "weights").unwrap();
    run(&mut bench.generate()).refused(1, &["is a file", "diffusers"]);
}

#[test]
fn a_folder_without_its_parts() {
    for part in ["unet", "vae", "text_encoder", "tokenizer", "scheduler"] {
        let bench = Bench::new();
        fs::remove_dir_all(bench.path("model").join(part)).unwrap();
        run(&mut bench.generate()).refused(1, &[part, "missing"]);
        assert!(!bench.path("out.png").exists());
    }
}

#[test]
fn a_missing_weights_file() {
    let bench = Bench::new();
    fs::remove_file(bench.path(VAE)).unwrap();
    run(&mut bench.generate()).refused(1, &["vae", "diffusion_pytorch_model.safetensors", "missing"]);
}

#[test]
fn a_missing_shard() {
    let bench = Bench::new();
    fs::remove_file(bench.path("model/unet/diffusion_pytorch_model-00002-of-00004.safetensors")).unwrap();
    run(&mut bench.generate()).refused(1, &["00002-of-00004", "missing"]);
}

#[test]
fn a_missing_tensor() {
    let bench = Bench::new();
    bench.spoil(VAE, |tensors| tensors.remove("decoder.conv_out.bias"));
    run(&mut bench.generate()).refused(1, &["vae", "decoder.conv_out.bias"]);
}

#[test]
fn a_tensor_of_the_wrong_shape() {
    let bench = Bench::new();
    bench.spoil(VAE, |tensors| {
        let bias = tensors.at("decoder.conv_out.bias");
        bias.2 = vec![1, bias.2[0]];
    });
    run(&mut bench.generate()).refused(1, &["vae", "decoder.conv_out.bias", "[1, 3]", "[3]"]);
}

#[test]
fn a_tensor_of_integers() {
    let bench = Bench::new();
    bench.spoil(VAE, |tensors| tensors.at("decoder.conv_out.bias").1 = safetensors::Dtype::I32);
    run(&mut bench.generate()).refused(1, &["vae", "decoder.conv_out.bias", "I32"]);
}

#[test]
fn a_truncated_weights_file() {
    let bench = Bench::new();
    let whole = fs::read(bench.path(TEXT)).unwrap();
    for length in [5, 8, 60, whole.len() / 2, whole.len() - 1] {
        fs::write(bench.path(TEXT), &whole[..length]).unwrap();
        run(&mut bench.generate()).refused(1, &["text_encoder/model.safetensors", "not a whole safetensors file"]);
    }
}

#[test]
fn a_header_with_a_wrong_length() {
    let bench = Bench::new();
    let mut bytes = fs::read(bench.path(TEXT)).unwrap();
    bytes[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    fs::write(bench.path(TEXT), &bytes).unwrap();
    run(&mut bench.generate()).refused(1, &["text_encoder/model.safetensors", "header"]);
    fs::write(bench.path(TEXT), "<html>please log in to download this file</html>").unwrap();
    run(&mut bench.generate()).refused(1, &["text_encoder/model.safetensors", "a web page"]);
}

#[test]
fn a_pickle_file() {
    let bench = Bench::new();
    fs::remove_file(bench.path(VAE)).unwrap();
    fs::write(bench.path("model/vae/diffusion_pytorch_model.bin"), b"\x80\x02}q\x00.").unwrap();
    run(&mut bench.generate()).refused(1, &["diffusion_pytorch_model.bin", "pickle", "models convert"]);

    let bench = Bench::new();
    let adapter = bench.path("adapters/ip-adapter_linear.bin");
    fs::write(&adapter, b"\x80\x02}q\x00.").unwrap();
    run(bench.generate().arg("--adapter").arg(&adapter))
        .refused(1, &["ip-adapter_linear.bin", "pickle", "models convert"]);
}

#[test]
fn a_config_that_contradicts_the_tensors() {
    let bench = Bench::new();
    bench.edit("model/unet/config.json", "\"cross_attention_dim\": 24", "\"cross_attention_dim\": 32");
    run(&mut bench.generate()).refused(1, &["unet", "32", "24"]);

    let bench = Bench::new();
    bench.edit("model/unet/config.json", "\"layers_per_block\": 1", "\"layers_per_block\": 2");
    run(&mut bench.generate()).refused(1, &["unet", "no tensor"]);
}

#[test]
fn an_invalid_config() {
    for text in ["{", "[]", "{\"block_out_channels\": \"many\"}"] {
        let bench = Bench::new();
        fs::write(bench.path("model/unet/config.json"), text).unwrap();
        run(&mut bench.generate()).refused(1, &["unet/config.json", "not a valid configuration"]);
    }
}

#[test]
fn an_adapter_of_another_family() {
    for kind in ["linear", "plus", "full"] {
        let bench = Bench::new();
        let other = data(&format!("vpred-adapters/ip-adapter_{kind}.safetensors"));
        let mut command = bench.generate();
        command.arg("--adapter").arg(&other).arg("--image-encoder").arg(data("vpred-adapters/image_encoder"));
        run(&mut command).refused(1, &[other.to_str().unwrap(), "does not fit"]);
    }
}

#[test]
fn an_adapter_with_another_image_encoder() {
    let bench = Bench::new();
    let mut command = bench.generate();
    command
        .arg("--reference")
        .arg(data("pictures/landscape.png"))
        .arg("--adapter")
        .arg(bench.path("adapters/ip-adapter_linear.safetensors"))
        .arg("--image-encoder")
        .arg(data("vpred-adapters/image_encoder"));
    run(&mut command).refused(1, &["ip-adapter_linear.safetensors"]);
}

#[test]
fn a_face_id_adapter() {
    for name in ["image_proj.perceiver_resampler.proj_in.weight", "image_proj.norm.weight"] {
        let bench = Bench::new();
        let adapter = bench.path("adapters/ip-adapter-faceid.safetensors");
        let mut tensors = Tensors(vec![]);
        tensors.add(name, &[4, 4]);
        tensors.add("ip_adapter.1.to_k_ip.weight", &[16, 24]);
        tensors.add("ip_adapter.1.to_v_ip.weight", &[16, 24]);
        tensors.write(&adapter);
        run(bench.generate().arg("--adapter").arg(&adapter)).refused(1, &["faceid", "FaceID", "biometric"]);
    }
}

#[test]
fn a_file_without_an_adapter() {
    let bench = Bench::new();
    let mut command = bench.generate();
    command.arg("--adapter").arg(bench.path(VAE)).arg("--image-encoder").arg(bench.path("adapters/image_encoder"));
    run(&mut command).refused(1, &["vae", "not an IP-Adapter"]);
}

#[test]
fn an_adapter_without_its_encoder() {
    let bench = Bench::new();
    fs::rename(bench.path("adapters/image_encoder"), bench.path("adapters/elsewhere")).unwrap();
    let mut command = bench.generate();
    command.arg("--adapter").arg(bench.path("adapters/ip-adapter_linear.safetensors"));
    run(&mut command).refused(1, &["image_encoder", "--image-encoder"]);
}

#[test]
fn a_reference_without_an_adapter() {
    let bench = Bench::new();
    run(bench.generate().arg("--reference").arg(data("pictures/landscape.png"))).refused(2, &["--adapter"]);
}

#[test]
fn nan_and_infinity_in_the_latents() {
    for (value, steps) in [(f32::NAN, "step 1/2"), (3e38, "step 1/2")] {
        let bench = Bench::new();
        for shard in 1..=4 {
            let file = format!("model/unet/diffusion_pytorch_model-0000{shard}-of-00004.safetensors");
            bench.spoil(&file, |tensors| {
                for (name, dtype, _, bytes) in &mut tensors.0 {
                    if name.starts_with("conv_out.") {
                        assert_eq!(*dtype, safetensors::Dtype::F32);
                        bytes.chunks_exact_mut(4).for_each(|number| number.copy_from_slice(&value.to_le_bytes()));
                    }
                }
            });
        }
        run(bench.generate().args(["--scheduler", "ddim"])).refused(1, &["NaN or infinity", steps]);
        assert!(bench.nothing_was_written());
    }
}

//! Files from the field: published layouts are read as diffusers reads them, and other files are named.
//!
//! `files/reports` holds inputs that users of other programs reported, made small.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{Bench, Tensors, data, pentimento, run};

const UNET: &str = "model/unet/diffusion_pytorch_model.safetensors";
const UNET_INDEX: &str = "model/unet/diffusion_pytorch_model.safetensors.index.json";
const VAE: &str = "model/vae/diffusion_pytorch_model.safetensors";
const SCHEDULER: &str = "model/scheduler/scheduler_config.json";

fn report(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/files/reports").join(name)
}

fn place(bench: &Bench, name: &str, target: &str) {
    fs::copy(report(name), bench.path(target)).unwrap();
}

/// The pixels of a picture that this command makes, and its notes.
#[track_caller]
fn picture(bench: &Bench, command: &mut std::process::Command) -> (Vec<u8>, Vec<String>) {
    let ran = run(command);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    let pixels = image::open(bench.path("out.png")).unwrap().to_rgb8().into_raw();
    fs::remove_file(bench.path("out.png")).unwrap();
    (pixels, ran.stderr.lines().filter(|line| line.starts_with("note: ")).map(str::to_owned).collect())
}

#[test]
fn a_pointer_or_a_page_in_place_of_a_file_is_named() {
    let cases = [("lfs-pointer", "Git LFS pointer", "git lfs pull"), ("web-page.html", "web page", "download")];
    for (file, what, remedy) in cases {
        for target in [VAE, UNET_INDEX, "model/tokenizer/vocab.json", "model/tokenizer/merges.txt", SCHEDULER] {
            let bench = Bench::new();
            place(&bench, file, target);
            run(&mut bench.generate()).refused(1, &[target.trim_start_matches("model/"), what, remedy]);
        }
        let bench = Bench::new();
        run(bench
            .generate()
            .arg("--adapter")
            .arg(report(file))
            .arg("--image-encoder")
            .arg(bench.path("adapters/image_encoder")))
        .refused(1, &[file, what, remedy]);
    }
}

#[test]
fn other_formats_are_named() {
    let cases: [(&[u8], &str); 4] = [
        (b"", "empty"),
        (b"GGUF\x03\0\0\0\0\0", "GGUF"),
        (b"\x08\x07\x12\x07pytorch", "ONNX"),
        (b"PK\x03\x04aaa", "ZIP"),
    ];
    for (bytes, what) in cases {
        let bench = Bench::new();
        fs::write(bench.path(VAE), bytes).unwrap();
        run(&mut bench.generate()).refused(1, &["vae/diffusion_pytorch_model.safetensors", what]);
    }
    let bench = Bench::new();
    fs::remove_file(bench.path(VAE)).unwrap();
    fs::write(bench.path("model/vae/model.onnx"), b"\x08\x07\x12\x07pytorch").unwrap();
    run(&mut bench.generate()).refused(1, &["vae/model.onnx", "ONNX"]);
}

#[test]
fn safetensors_under_another_name() {
    let bench = Bench::new();
    let (plain, _) = picture(&bench, &mut bench.generate_with_reference("linear"));
    fs::rename(bench.path("adapters/ip-adapter_linear.safetensors"), bench.path("adapters/a.bin")).unwrap();
    let mut command = bench.generate();
    command.arg("--reference").arg(data("pictures/landscape.png")).arg("--adapter").arg(bench.path("adapters/a.bin"));
    assert_eq!(picture(&bench, &mut command).0, plain);

    // The advice to rename it works.
    let bin = bench.path("model/vae/diffusion_pytorch_model.bin");
    fs::rename(bench.path(VAE), &bin).unwrap();
    run(&mut bench.generate()).refused(1, &["a safetensors file: rename it to diffusion_pytorch_model.safetensors"]);
    fs::rename(bin, bench.path(VAE)).unwrap();
    picture(&bench, &mut bench.generate());
}

#[test]
fn a_byte_order_mark_is_passed_over() {
    let bench = Bench::new();
    let (plain, _) = picture(&bench, &mut bench.generate());
    place(&bench, "sched-bom.json", SCHEDULER);
    place(&bench, "unet-config-bom.json", "model/unet/config.json");
    for name in ["vocab.json", "merges.txt"] {
        let path = bench.path("model/tokenizer").join(name);
        fs::write(&path, ["\u{feff}".as_bytes(), &fs::read(&path).unwrap()].concat()).unwrap();
    }
    assert_eq!(picture(&bench, &mut bench.generate()), (plain, vec![]));
}

#[test]
fn model_index_decides_on_the_scheduler() {
    let bench = Bench::new();
    let (pndm, notes) = picture(&bench, &mut bench.generate());
    assert!(notes.is_empty(), "{notes:?}");
    let (euler, _) = picture(&bench, bench.generate().args(["--scheduler", "euler"]));
    assert_ne!(pndm, euler);
    place(&bench, "model_index.json", "model/model_index.json");
    place(&bench, "scheduler_config.json", SCHEDULER);
    let (both, notes) = picture(&bench, &mut bench.generate());
    assert_eq!(both, euler);
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(notes[0].contains("EulerDiscreteScheduler") && notes[0].contains("PNDMScheduler"), "{notes:?}");
}

#[test]
fn shards_come_before_a_whole_file_as_in_diffusers() {
    let bench = Bench::new();
    let (sharded, _) = picture(&bench, &mut bench.generate());
    // A stale file, and one that would even fail.
    for stale in ["fp8-unet.safetensors", "web-page.html"] {
        place(&bench, stale, UNET);
        let (both, notes) = picture(&bench, &mut bench.generate());
        assert_eq!(both, sharded);
        assert_eq!(notes.len(), 1, "{notes:?}");
        assert!(notes[0].contains("index.json is used"), "{notes:?}");
    }
    // transformers prefers the whole file.
    fs::remove_file(bench.path(UNET)).unwrap();
    fs::write(bench.path("model/text_encoder/model.safetensors.index.json"), r#"{"weight_map": {"a": "b"}}"#).unwrap();
    let (both, notes) = picture(&bench, &mut bench.generate());
    assert_eq!((both, notes.len()), (sharded, 1));
}

#[test]
fn a_lone_variant_is_used_and_named() {
    let bench = Bench::new();
    let (plain, _) = picture(&bench, &mut bench.generate());
    for (variant, noted) in [("fp16", false), ("bf16", true), ("fp32", true), ("non_ema", true)] {
        let renamed = bench.path(&format!("model/vae/diffusion_pytorch_model.{variant}.safetensors"));
        fs::rename(bench.path(VAE), &renamed).unwrap();
        let (lone, notes) = picture(&bench, &mut bench.generate());
        assert_eq!(lone, plain);
        assert_eq!(notes.iter().any(|note| note.contains(variant)), noted, "{notes:?}");
        // Beside plain weights it is not used, even if it is damaged.
        fs::rename(&renamed, bench.path(VAE)).unwrap();
        fs::write(&renamed, "damaged").unwrap();
        assert_eq!(picture(&bench, &mut bench.generate()), (plain.clone(), vec![]));
        fs::remove_file(&renamed).unwrap();
    }
}

#[test]
fn a_whole_clip_model_is_an_image_encoder_and_a_text_encoder() {
    let bench = Bench::new();
    // The plain folder has the same tensors without the text tower.
    place(&bench, "clip-model.safetensors", "adapters/image_encoder/model.safetensors");
    bench.spoil("adapters/image_encoder/model.safetensors", |tensors| {
        tensors.0.retain(|(name, ..)| name.starts_with("vision_model.") || name.starts_with("visual_projection."));
    });
    let (plain, _) = picture(&bench, &mut bench.generate_with_reference("linear"));
    place(&bench, "clip-model.safetensors", "adapters/image_encoder/model.safetensors");
    for config in ["clip-config.json", "clip-older-config.json"] {
        place(&bench, config, "adapters/image_encoder/config.json");
        assert_eq!(picture(&bench, &mut bench.generate_with_reference("linear")).0, plain, "{config}");
    }
    let bench = Bench::new();
    let (other, _) = picture(&bench, &mut bench.generate());
    place(&bench, "clip-text-config.json", "model/text_encoder/config.json");
    assert_eq!(picture(&bench, &mut bench.generate()).0, other);
    place(&bench, "clip-model.safetensors", "model/text_encoder/model.safetensors");
    picture(&bench, &mut bench.generate());
}

#[test]
fn a_training_checkpoint_is_an_adapter() {
    let bench = Bench::new();
    let (plain, _) = picture(&bench, &mut bench.generate_with_reference("linear"));
    place(&bench, "trained-adapter.safetensors", "adapters/ip-adapter_linear.safetensors");
    let (trained, notes) = picture(&bench, &mut bench.generate_with_reference("linear"));
    assert_eq!(trained, plain);
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(notes[0].contains("training checkpoint") && notes[0].contains("6 tensors (unet."), "{notes:?}");
}

/// The values of all 256 patterns come from torch 2.15.0 (`files/pickles/make_pickles.py`).
#[test]
fn numbers_of_8_bits_are_those_of_torch() {
    let table = |kind: &str| -> Vec<[u8; 4]> {
        let path = report("../pickles/float8.json");
        let all: serde_json::Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        let bits = all[kind].as_array().unwrap().iter().map(|bits| bits.as_i64().unwrap() as u32);
        bits.map(u32::to_le_bytes).collect()
    };
    for (dtype, kind) in [(safetensors::Dtype::F8_E4M3, "float8_e4m3fn"), (safetensors::Dtype::F8_E5M2, "float8_e5m2")]
    {
        let table = table(kind);
        let finite: Vec<u8> =
            (0..=255).filter(|&byte: &u8| f32::from_le_bytes(table[usize::from(byte)]).is_finite()).collect();
        let bench = Bench::new();
        // Every finite pattern becomes a weight of a layer, small enough that the picture is not saturated.
        let fill = |tensors: &mut Tensors, wide: bool| {
            let bias = tensors.at("post_quant_conv.weight");
            let count: usize = bias.2.iter().product();
            let bytes = finite.iter().filter(|&&byte| f32::from_le_bytes(table[usize::from(byte)]).abs() < 2.0);
            let bytes: Vec<u8> = bytes.copied().cycle().step_by(7).take(count).collect();
            (bias.1, bias.3) = if wide {
                (safetensors::Dtype::F32, bytes.iter().flat_map(|&byte| table[usize::from(byte)]).collect())
            } else {
                (dtype, bytes)
            };
        };
        bench.spoil(VAE, |tensors| fill(tensors, true));
        let (wide, _) = picture(&bench, &mut bench.generate());
        bench.spoil(VAE, |tensors| fill(tensors, false));
        assert_eq!(picture(&bench, &mut bench.generate()).0, wide, "{kind}");
    }
    let bench = Bench::new();
    fs::remove_file(bench.path(UNET_INDEX)).unwrap();
    place(&bench, "fp8-unet.safetensors", UNET);
    let (narrow, _) = picture(&bench, &mut bench.generate());
    let table = table("float8_e4m3fn");
    bench.spoil(UNET, |tensors| {
        for (_, dtype, _, bytes) in &mut tensors.0 {
            if *dtype == safetensors::Dtype::F8_E4M3 {
                *bytes = bytes.iter().flat_map(|&byte| table[usize::from(byte)]).collect();
                *dtype = safetensors::Dtype::F32;
            }
        }
    });
    assert_eq!(picture(&bench, &mut bench.generate()).0, narrow);
}

#[test]
fn advice_on_schedulers_works() {
    for name in ["ddpm", "heun", "lms", "sde", "threshold"] {
        let bench = Bench::new();
        place(&bench, &format!("sched-{name}.json"), SCHEDULER);
        fs::remove_file(bench.path("model/model_index.json")).unwrap();
        let ran = run(&mut bench.generate());
        ran.refused(1, &["use --scheduler "]);
        let advised = ran.stderr.trim().split("use --scheduler ").nth(1).unwrap().replace(" or ", ", ");
        let works = |sampler: &str| run(bench.generate().args(["--scheduler", sampler])).status == 0;
        for sampler in ["ddim", "euler", "euler-a", "dpmpp-2m", "unipc", "pndm"] {
            assert_eq!(works(sampler), advised.split(", ").any(|advised| advised == sampler), "{name} {sampler}");
        }
    }
    let bench = Bench::new();
    place(&bench, "sched-zsnr.json", SCHEDULER);
    fs::remove_file(bench.path("model/model_index.json")).unwrap();
    picture(&bench, &mut bench.generate());
}

#[test]
fn a_picture_that_is_not_a_number_is_not_saved() {
    for value in [f32::NAN, f32::INFINITY, 3e38] {
        let bench = Bench::new();
        let whole = fs::read(bench.path(VAE)).unwrap();
        bench.spoil(VAE, |tensors| {
            let bytes = &mut tensors.at("decoder.conv_out.weight").3;
            bytes.chunks_exact_mut(4).for_each(|number| number.copy_from_slice(&value.to_le_bytes()));
        });
        run(&mut bench.generate()).refused(1, &["NaN or infinity", "vae", "replace vae/ by"]);
        assert!(bench.nothing_was_written());
        // The advice works.
        fs::write(bench.path(VAE), whole).unwrap();
        picture(&bench, &mut bench.generate());
    }
}

/// The pictures come from diffusers 0.42.0 (`files/diffusers/make_pictures.py`).
#[test]
fn contradictions_give_the_pictures_of_diffusers() {
    type Change = fn(&Bench);
    let changes: [(&str, Change); 4] = [
        ("twice", |bench| {
            place(bench, "model_index.json", "model/model_index.json");
            place(bench, "scheduler_config.json", SCHEDULER);
        }),
        ("stale", |bench| place(bench, "fp8-unet.safetensors", UNET)),
        ("fp8", |bench| {
            fs::remove_file(bench.path(UNET_INDEX)).unwrap();
            place(bench, "fp8-unet.safetensors", UNET);
        }),
        ("two-encoders", |bench| {
            let index = bench.path("model/text_encoder/model.safetensors.index.json");
            fs::write(index, r#"{"weight_map": {"a": "b"}}"#).unwrap();
        }),
    ];
    for (name, change) in changes {
        let bench = Bench::new();
        change(&bench);
        let mut command = pentimento();
        command.args(["generate", "--prompt", "a small red house by the sea", "--steps", "4", "--guidance", "5"]);
        command.args(["--seed", "7", "--width", "64", "--height", "64", "--device", "cpu", "--model"]);
        command.arg(bench.path("model")).arg("--output").arg(bench.path("out.png"));
        let (ours, _) = picture(&bench, &mut command);
        let path = report(&format!("../diffusers/{name}.png"));
        let theirs = image::open(path).unwrap().to_rgb8().into_raw();
        assert_eq!(ours.len(), theirs.len());
        let squares = ours.iter().zip(&theirs).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2));
        let error = squares.sum::<f64>() / ours.len() as f64;
        let psnr = 10.0 * (255.0f64.powi(2) / error.max(1e-12)).log10();
        assert!(psnr >= 50.0, "{name}: {psnr:.1} dB");
    }
}

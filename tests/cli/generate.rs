//! `generate`: its pictures, their provenance and its output.

use std::fs;
use std::path::Path;

use image::RgbImage;

use crate::support::{Bench, data, pentimento, reference, run};

fn picture(path: &Path) -> RgbImage {
    image::open(path).unwrap().into_rgb8()
}

/// The text chunks of a PNG, by keyword.
fn texts(path: &Path) -> Vec<(String, String)> {
    let reader = png::Decoder::new(std::io::BufReader::new(fs::File::open(path).unwrap())).read_info().unwrap();
    let info = reader.info();
    let plain = info.uncompressed_latin1_text.iter().map(|chunk| (chunk.keyword.clone(), chunk.text.clone()));
    let international = info.utf8_text.iter().map(|chunk| (chunk.keyword.clone(), chunk.get_text().unwrap()));
    plain.chain(international).collect()
}

fn text(path: &Path, keyword: &str) -> String {
    texts(path).into_iter().find(|(name, _)| name == keyword).unwrap_or_else(|| panic!("no {keyword}")).1
}

#[test]
fn the_json_document_keeps_its_contract() {
    let bench = Bench::new();
    let ran = run(bench.generate_with_reference("linear").args(["--json", "--seed", "5"]));
    let document = ran.json();
    assert_eq!(ran.stderr, "", "no progress without a terminal");
    let output = &document["outputs"][0];
    assert_eq!(output["seed"], 5);
    assert_eq!(output["path"], bench.path("out.png").to_str().unwrap());
    let hash = blake3::hash(&fs::read(bench.path("out.png")).unwrap()).to_hex().to_string();
    assert_eq!(output["hash"], hash.as_str());
    assert_eq!((&document["device"], &document["dtype"]), (&"cpu".into(), &"f32".into()));
    let timings = &document["timings"];
    for name in ["load_s", "encode_s", "denoise_s", "decode_s"] {
        assert!(timings[name].as_f64().unwrap() >= 0.0, "{name}");
    }
    assert!(timings["step_s"].as_array().unwrap().len() >= 2);
    assert!(document["peak_memory_bytes"].as_u64().unwrap() > 0);
}

#[test]
fn the_same_command_makes_the_same_file() {
    let bench = Bench::new();
    assert_eq!(run(&mut bench.generate_with_reference("plus")).status, 0);
    let first = fs::read(bench.path("out.png")).unwrap();
    assert_eq!(run(&mut bench.generate_with_reference("plus")).status, 0);
    assert_eq!(fs::read(bench.path("out.png")).unwrap(), first);
}

#[test]
fn syntax_of_other_programs_is_noted_before_the_run() {
    let bench = Bench::new();
    let prompt = ["--prompt", "a woman, (smiling:1.4) <lora:add detail:0.8>", "--negative", "embedding:bad", "--json"];
    let mut command = pentimento();
    command.args(["generate", "--steps", "2", "--device", "cpu", "--model"]).arg(bench.path("model"));
    let ran = run(command.arg("--output").arg(bench.path("out.png")).args(prompt));
    let document = ran.json();
    let notes: Vec<&str> = document["notes"].as_array().unwrap().iter().map(|note| note.as_str().unwrap()).collect();
    assert_eq!(notes.len(), 3, "{notes:?}");
    for (note, text) in notes.iter().zip(["(smiling:1.4): ", "<lora:add detail:0.8>: ", "embedding:bad: "]) {
        assert!(note.starts_with(text) && note.contains("plain words"), "{note}");
        assert!(ran.stderr.contains(&format!("note: {note}\n")), "{}", ran.stderr);
    }
    let plain = run(bench.generate().args(["--json", "--force"]));
    assert_eq!((&plain.json()["notes"], plain.stderr.as_str()), (&serde_json::json!([]), ""));
}

#[test]
fn seed_minus_one_draws_a_seed_that_makes_the_picture_again() {
    let bench = Bench::new();
    let generate = |seed: &str| {
        let ran = run(bench.generate().args(["--json", "--force", "--seed", seed]));
        (ran.json()["outputs"][0].clone(), ran.stderr)
    };
    let (first, note) = generate("-1");
    let seed = first["seed"].as_u64().unwrap();
    assert!(note.contains(&format!("note: --seed -1 drew {seed}")), "{note}");
    assert!(text(&bench.path("out.png"), "parameters").contains(&format!("Seed: {seed}")));
    assert_eq!(generate(&seed.to_string()).0, first);
    let (second, third) = (generate("-1").0, generate("-1").0);
    assert!(second["seed"] != third["seed"] || first["seed"] != second["seed"]);
}

#[test]
fn negative_seeds_are_those_of_torch() {
    let bench = Bench::new();
    let generate =
        |seed: &str| run(bench.generate().args(["--json", "--force"]).arg(seed)).json()["outputs"][0].clone();
    let negative = generate("--seed=-5");
    assert_eq!(negative["seed"], u64::MAX - 4);
    assert_eq!(generate("--seed=18446744073709551611"), negative);
    for seed in ["18446744073709551616", "-9223372036854775809", "seven"] {
        let range = "from -9223372036854775808 to 18446744073709551615";
        run(bench.generate().args(["--force", "--seed", seed])).misused(&[seed, range]);
    }
}

#[test]
fn several_seeds_make_several_files() {
    let bench = Bench::new();
    let document = run(bench.generate().args(["--count", "3", "--seed", "7", "--batch", "2", "--json"])).json();
    let seeds: Vec<u64> =
        document["outputs"].as_array().unwrap().iter().map(|output| output["seed"].as_u64().unwrap()).collect();
    assert_eq!(seeds, [7, 8, 9]);
    assert!(!bench.path("out.png").exists());
    // A seed gives the same picture alone as in a batch.
    let together = picture(&bench.path("out-8.png"));
    assert_eq!(run(bench.generate().args(["--seed", "8"])).status, 0);
    let alone = picture(&bench.path("out.png"));
    let worst = together.iter().zip(alone.iter()).map(|(one, other)| one.abs_diff(*other)).max().unwrap();
    assert!(worst <= 1, "{worst}");
}

#[test]
fn the_adapter_scale_controls_the_reference() {
    let bench = Bench::new();
    let with = |words: &[&str]| {
        assert_eq!(run(bench.generate_with_reference("linear").args(words)).status, 0);
        picture(&bench.path("out.png"))
    };
    let full = with(&[]);
    let off = with(&["--adapter-scale", "0"]);
    assert_eq!(run(&mut bench.generate()).status, 0);
    assert_eq!(picture(&bench.path("out.png")), off);
    assert_ne!(full, off);
    assert_eq!(with(&["--adapter-end", "0"]), off);
    assert_eq!(with(&["--adapter-block", "nowhere=1"]), off);
    let everywhere = ["--adapter-block", "down_blocks=1", "--adapter-block", "mid_block=1", "--adapter-block"];
    assert_eq!(with(&[&everywhere[..], &["up_blocks=1"]].concat()), full);
}

#[test]
fn size_and_scheduler_are_used() {
    let bench = Bench::new();
    let document = run(bench.generate().args([
        "--width",
        "48",
        "--height",
        "80",
        "--scheduler",
        "dpmpp-2m",
        "--karras",
        "--json",
    ]))
    .json();
    assert_eq!(document["scheduler"], "dpmpp-2m");
    assert_eq!(picture(&bench.path("out.png")).dimensions(), (48, 80));
}

#[test]
fn a_picture_records_how_it_was_generated() {
    let bench = Bench::new();
    let mut command = bench.generate_with_reference("full");
    assert_eq!(run(command.args(["--seed", "3", "--negative", "blurry", "--guidance", "4.5"])).status, 0);
    let path = bench.path("out.png");

    let xmp = text(&path, "XML:com.adobe.xmp");
    assert!(xmp.contains("Iptc4xmpExt:DigitalSourceType"), "{xmp}");
    assert!(xmp.contains("http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"), "{xmp}");

    let parameters = text(&path, "parameters");
    let lines: Vec<&str> = parameters.lines().collect();
    assert_eq!(lines[..2], ["a portrait", "Negative prompt: blurry"]);
    assert!(lines[2].starts_with("Steps: 2, Sampler: PLMS, CFG scale: 4.5, Seed: 3, Size: 64x64"), "{}", lines[2]);

    let record: serde_json::Value = serde_json::from_str(&text(&path, "pentimento")).unwrap();
    assert_eq!(record["prompt"], "a portrait");
    assert_eq!(record["negative"], "blurry");
    assert_eq!(record["seed"], 3);
    assert_eq!(record["settings"]["guidance"], 4.5);
    assert_eq!(record["settings"]["scheduler"], "pndm");
    let hash = |path: &Path| blake3::hash(&fs::read(path).unwrap()).to_hex().to_string();
    assert_eq!(record["reference"]["blake3"], hash(&reference()).as_str());
    assert_eq!(record["adapter"]["name"], "ip-adapter_full.safetensors");
    assert_eq!(record["adapter"]["blake3"], hash(&bench.path("adapters/ip-adapter_full.safetensors")).as_str());
    assert_eq!(record["model"]["blake3"].as_str().unwrap().len(), 64);
    assert!(!record.to_string().contains("landscape"), "the reference's name stays private");
}

#[test]
fn the_model_hash_covers_the_files_that_are_used() {
    let bench = Bench::new();
    let hash = || {
        assert_eq!(run(&mut bench.generate()).status, 0);
        let record: serde_json::Value = serde_json::from_str(&text(&bench.path("out.png"), "pentimento")).unwrap();
        record["model"]["blake3"].as_str().unwrap().to_owned()
    };
    let first = hash();
    fs::write(bench.path("model/README.md"), "a model").unwrap();
    assert_eq!(hash(), first);
    bench.spoil("model/vae/diffusion_pytorch_model.safetensors", |tensors| {
        tensors.at("decoder.conv_out.bias").3[0] ^= 1;
    });
    assert_ne!(hash(), first);
}

#[test]
fn unicode_prompts_are_recorded_unchanged() {
    let bench = Bench::new();
    assert_eq!(run(bench.generate().args(["--negative", "模糊\nsecond line"])).status, 0);
    assert!(text(&bench.path("out.png"), "parameters").contains("Negative prompt: 模糊\nsecond line\n"));
}

#[test]
fn the_image_encoder_is_found_beside_the_adapter() {
    let bench = Bench::new();
    let mut command = bench.generate();
    command.arg("--adapter").arg(bench.path("adapters/ip-adapter_linear.safetensors"));
    assert_eq!(run(command.arg("--reference").arg(reference())).status, 0);
}

#[test]
fn an_adapter_without_a_reference_gives_a_note() {
    let bench = Bench::new();
    let mut command = bench.generate();
    command.arg("--adapter").arg(bench.path("adapters/ip-adapter_linear.safetensors"));
    let ran = run(&mut command);
    assert_eq!(ran.status, 0);
    assert!(ran.stderr.contains("--reference"), "{}", ran.stderr);
}

#[test]
fn a_long_prompt_reports_the_ignored_words() {
    let bench = Bench::new();
    let prompt = format!("{}the very last words", "a portrait of somebody, ".repeat(40));
    let model = bench.path("model");
    let generate = |words: &[&str]| {
        let mut command = pentimento();
        command.args(["generate", "--steps", "1", "--prompt", &prompt, "--output"]).arg(bench.path("out.png"));
        run(command.arg("--model").arg(&model).args(words))
    };
    let ran = generate(&[]);
    assert_eq!(ran.status, 0);
    assert!(ran.stderr.contains("the very last words"), "{}", ran.stderr);
    let ran = generate(&["--long-prompt", "chunk", "--force"]);
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""));
}

#[test]
fn sharded_and_half_precision_checkpoints_are_read() {
    let bench = Bench::new();
    let mut command = pentimento();
    command.args(["generate", "--prompt", "x", "--steps", "1", "--model"]).arg(data("vpred"));
    command.arg("--adapter").arg(data("vpred-adapters/ip-adapter_plus.safetensors"));
    command.arg("--reference").arg(reference()).arg("--output").arg(bench.path("out.png"));
    let ran = run(&mut command);
    assert_eq!(ran.status, 0, "{}", ran.stderr);
}

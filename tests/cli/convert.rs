//! `models convert`: pickles of PyTorch become safetensors, and nothing in them is run.
//!
//! `files/pickles/make_pickles.py` made the files with torch 2.15.0.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Bench, Ran, Tensors, data, pentimento, run};

fn pickles(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/files/pickles").join(name)
}

fn published() -> PathBuf {
    pickles("../reports/ip-adapter.bin")
}

fn convert(input: &Path, output: &Path) -> Command {
    let mut command = pentimento();
    command.args(["models", "convert"]).arg(input).arg(output);
    command
}

/// Runs the command that an error prints in backticks.
fn follow(error: &Ran) -> Ran {
    let advice = error.stderr.split('`').nth(1).unwrap_or_else(|| panic!("no command in: {}", error.stderr));
    let binary = env!("CARGO_BIN_EXE_pentimento");
    let line = advice.replacen("pentimento", &format!("'{binary}'"), 1);
    run(Command::new("sh").args(["-c", &line]).env("PENTIMENTO_LOG", "off"))
}

#[test]
fn tensors_are_those_of_torch() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["types.bin", "legacy.ckpt", "nested.bin", "module.pt"] {
        let output = folder.path().join(name).with_extension("safetensors");
        let ran = run(&mut convert(&pickles(name), &output));
        assert_eq!(ran.status, 0, "{name}: {}", ran.stderr);
        assert_eq!(ran.stderr.contains("note: step is not a tensor"), name == "nested.bin", "{}", ran.stderr);
        let text = fs::read_to_string(pickles(&format!("{name}.json"))).unwrap();
        let wanted: serde_json::Value = serde_json::from_str(&text).unwrap();
        let mut found = serde_json::Map::new();
        for (name, dtype, shape, bytes) in Tensors::read(&output).0 {
            let dtype = match dtype {
                safetensors::Dtype::F32 => "float32",
                safetensors::Dtype::F16 => "float16",
                safetensors::Dtype::BF16 => "bfloat16",
                safetensors::Dtype::F64 => "float64",
                safetensors::Dtype::I64 => "int64",
                safetensors::Dtype::BOOL => "bool",
                other => panic!("{other:?}"),
            };
            let bytes: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            found.insert(name, serde_json::json!({"dtype": dtype, "shape": shape, "bytes": bytes}));
        }
        assert_eq!(serde_json::Value::Object(found), wanted, "{name}");
    }
}

#[test]
fn code_is_not_run() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("out.safetensors");
    for (name, word) in [
        ("hostile.bin", "posix.system, which could run code"),
        ("whole-module.bin", "torch.nn.modules.linear.Linear, which could run code"),
        ("bare.pkl", "could run code"),
        ("expanded.bin", "reaches outside"),
    ] {
        run(convert(&pickles(name), &output).current_dir(folder.path())).refused(1, &[name, word]);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "{name}");
    }
}

#[test]
fn a_damaged_pickle_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("in.bin"), folder.path().join("out.safetensors"));
    for name in ["types.bin", "legacy.ckpt"] {
        let whole = fs::read(pickles(name)).unwrap();
        for length in (0..whole.len()).step_by(97) {
            fs::write(&input, &whole[..length]).unwrap();
            run(&mut convert(&input, &output)).refused(1, &["in.bin"]);
            assert!(!output.exists());
        }
    }
    // Dictionaries that hold themselves, and tuples in tuples without an end.
    let within = b"\x80\x02}q\x00X\x01\x00\x00\x00ah\x00s.".to_vec();
    let deep = [&b"\x80\x02)"[..], &[0x85; 1_000_000], b"."].concat();
    for bytes in [within, deep, vec![0x80, 2, b'.'], [&b"\x80\x02"[..], &[b'('; 10], b"u."].concat()] {
        fs::write(&input, bytes).unwrap();
        run(&mut convert(&input, &output)).refused(1, &["in.bin"]);
    }
}

#[test]
fn an_existing_file_is_kept_without_force() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("out.safetensors");
    fs::write(&output, "mine").unwrap();
    run(&mut convert(&published(), &output)).refused(1, &["out.safetensors", "already exists", "--force"]);
    assert_eq!(fs::read(&output).unwrap(), b"mine");
    let json = run(convert(&published(), &output).args(["--force", "--json"])).json();
    assert_eq!(json["tensors"], 18);
    assert_eq!(json["bytes"], fs::metadata(&output).unwrap().len());
    run(&mut convert(&published(), &folder.path().join("out.bin"))).refused(2, &["out.bin", ".safetensors"]);
    run(&mut convert(&output, &folder.path().join("b.safetensors"))).refused(1, &["a safetensors file"]);
    run(&mut convert(&pickles("nowhere"), &folder.path().join("b.safetensors"))).refused(1, &["cannot read"]);
}

#[test]
fn the_advice_on_an_adapter_works() {
    let bench = Bench::new();
    let whole = |bench: &Bench, name: &str| {
        let mut command = bench.generate();
        command.arg("--reference").arg(data("pictures/landscape.png")).arg("--adapter").arg(bench.path(name));
        let ran = run(&mut command);
        let pixels = (ran.status == 0).then(|| image::open(bench.path("out.png")).unwrap().to_rgb8().into_raw());
        (ran, pixels)
    };
    let (_, plain) = whole(&bench, "adapters/ip-adapter_linear.safetensors");
    // One name needs quotes in a shell.
    for name in ["adapters/ip-adapter.bin", "adapters/it's mine.bin"] {
        fs::copy(published(), bench.path(name)).unwrap();
        let (refused, _) = whole(&bench, name);
        refused.refused(1, &["is a pickle file", "pentimento models convert"]);
        let followed = follow(&refused);
        assert_eq!(followed.status, 0, "{}", followed.stderr);
        let converted = name.replace(".bin", ".safetensors");
        assert_eq!(whole(&bench, &converted).1.unwrap(), *plain.as_ref().unwrap());
    }
    // The same file under the name of safetensors.
    let name = "adapters/renamed.safetensors";
    fs::copy(published(), bench.path(name)).unwrap();
    let (refused, _) = whole(&bench, name);
    refused.refused(1, &["is a pickle file", "--force"]);
    assert_eq!(follow(&refused).status, 0);
    assert_eq!(whole(&bench, name).1, plain);
}

#[test]
fn the_advice_on_a_component_names_the_file_that_is_looked_for() {
    let bench = Bench::new();
    for name in fs::read_dir(bench.path("model/unet")).unwrap().map(|entry| entry.unwrap().path()) {
        if !name.ends_with("config.json") {
            fs::remove_file(name).unwrap();
        }
    }
    fs::copy(pickles("types.bin"), bench.path("model/unet/diffusion_pytorch_model.bin")).unwrap();
    let refused = run(&mut bench.generate());
    refused.refused(1, &["unet/diffusion_pytorch_model.bin is a pickle file"]);
    assert_eq!(follow(&refused).status, 0);
    assert!(bench.path("model/unet/diffusion_pytorch_model.safetensors").exists());
    // It is read now. It is no UNet.
    run(&mut bench.generate()).refused(1, &["unet/diffusion_pytorch_model.safetensors", "no tensor"]);
}

//! Wrong usage and impossible outputs are reported before anything is generated.

use std::fs;

use crate::support::{Bench, data, pentimento, run};

#[test]
fn sizes_that_are_not_multiples_of_eight() {
    let bench = Bench::new();
    run(bench.generate().args(["--width", "100"])).refused(2, &["--width", "100", "multiples of 8"]);
    run(bench.generate().args(["--height", "0"])).refused(2, &["--height", "0", "multiples of 8"]);
    assert!(bench.nothing_was_written());
}

#[test]
fn an_unknown_sampler() {
    let bench = Bench::new();
    let words = ["\"heun\"", "ddim", "euler", "euler-a", "dpmpp-2m", "unipc", "lcm", "pndm"];
    run(bench.generate().args(["--scheduler", "heun"])).refused(2, &words);
}

#[test]
fn not_enough_memory() {
    let bench = Bench::new();
    let mut command = bench.generate();
    command.args(["--width", "400000", "--height", "400000"]);
    run(&mut command).refused(1, &["not enough memory", "GiB", "smaller"]);
    assert!(bench.nothing_was_written());
}

#[test]
fn numbers_out_of_range() {
    let bench = Bench::new();
    for (flag, value) in [
        ("--steps", "0"),
        ("--count", "0"),
        ("--guidance", "NaN"),
        ("--guidance", "inf"),
        ("--adapter-scale", "much"),
        ("--adapter-end", "1.5"),
        ("--seed", "-9223372036854775809"),
        ("--seed", "18446744073709551616"),
        ("--device", "tpu"),
        ("--dtype", "f8"),
        ("--adapter-block", "up_blocks.1"),
    ] {
        let mut command = pentimento();
        command.args(["generate", "--prompt", "x", &format!("{flag}={value}"), "--model"]).arg(bench.path("model"));
        run(command.arg("--output").arg(bench.path("out.png"))).refused(2, &[flag, value]);
    }
    let last = u64::MAX.to_string();
    run(bench.generate().args(["--count", "2", "--seed", &last])).refused(2, &["--count", &last]);
    assert!(bench.nothing_was_written());
}

#[test]
fn a_missing_device() {
    let bench = Bench::new();
    let mut command = pentimento();
    command.args(["generate", "--prompt", "x", "--device", "cuda:77", "--model"]).arg(bench.path("model"));
    run(command.arg("--output").arg(bench.path("out.png"))).refused(1, &["cuda:77"]);
    run(bench.generate().args(["--dtype", "f16"])).refused(1, &["cpu", "f32"]);
}

#[test]
fn an_impossible_output_path() {
    let bench = Bench::new();
    let generate = |output: &str| {
        let mut command = pentimento();
        command.args(["generate", "--prompt", "x", "--steps", "2", "--model"]).arg(bench.path("model"));
        command.arg("--output").arg(bench.path(output));
        command
    };
    run(&mut generate("nowhere/out.png")).refused(1, &["out.png", "cannot write", "does not exist"]);
    run(&mut generate("model")).refused(1, &["model", "cannot write", "folder"]);
    run(&mut generate("model/model_index.json/out.png")).refused(1, &["out.png", "not a folder"]);
    run(&mut generate("out.jpg")).refused(2, &["out.jpg", ".png"]);
    run(&mut generate("out")).refused(2, &["out", ".png"]);
    assert!(bench.nothing_was_written());
}

/// Not even root can create files there.
#[cfg(target_os = "linux")]
#[test]
fn an_output_in_a_read_only_folder() {
    let bench = Bench::new();
    let mut command = pentimento();
    command.args(["generate", "--prompt", "x", "--output", "/proc/self/out.png", "--model"]).arg(bench.path("model"));
    run(&mut command).refused(1, &["/proc/self/out.png", "cannot write"]);
}

#[test]
fn the_reference_is_never_overwritten() {
    let bench = Bench::new();
    let picture = bench.path("adapters/me.png");
    fs::copy(data("pictures/landscape.png"), &picture).unwrap();
    let before = fs::read(&picture).unwrap();
    let mut command = pentimento();
    command
        .args(["generate", "--prompt", "x", "--steps", "2", "--model"])
        .arg(bench.path("model"))
        .arg("--adapter")
        .arg(bench.path("adapters/ip-adapter_linear.safetensors"))
        .arg("--reference")
        .arg(&picture)
        .arg("--output")
        .arg(bench.path("adapters/../adapters/me.png"));
    run(&mut command).refused(2, &["me.png", "overwrite the reference"]);
    assert_eq!(fs::read(&picture).unwrap(), before);
}

#[test]
fn an_existing_file_is_only_replaced_by_force() {
    let bench = Bench::new();
    let path = bench.path("out.png");
    fs::write(&path, "an older picture").unwrap();
    run(&mut bench.generate_again()).refused(1, &["out.png", "already exists", "--force"]);
    assert_eq!(fs::read(&path).unwrap(), b"an older picture");
    fs::rename(&path, bench.path("out-2.png")).unwrap();
    run(bench.generate_again().args(["--count", "3"])).refused(1, &["out-2.png", "--force"]);
    std::os::unix::fs::symlink(bench.path("nowhere"), &path).unwrap();
    run(&mut bench.generate_again()).refused(1, &["out.png", "--force"]);
    assert_eq!(run(bench.generate_again().arg("--force")).status, 0);
    assert!(image::open(&path).is_ok());
}

#[test]
fn errors_are_text_even_with_json() {
    let bench = Bench::new();
    fs::remove_dir_all(bench.path("model/vae")).unwrap();
    run(bench.generate().arg("--json")).refused(1, &["vae", "missing"]);
}

#[test]
fn control_characters_in_names_are_removed() {
    let bench = Bench::new();
    let hostile = "evil\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}31m\u{202e}name";
    let mut command = pentimento();
    command.args(["generate", "--prompt", "x", "--model", hostile, "--output"]).arg(bench.path("out.png"));
    let ran = run(&mut command);
    ran.refused(1, &["evil]0;owned", "does not exist"]);
    assert!(!ran.stderr.contains(['\u{7}', '\u{9b}', '\u{202e}']), "{:?}", ran.stderr);
    // Also in clap's messages.
    let ran = run(pentimento().args(["generate", "--prompt", "x", "--output", "o.png", "--scheduler", hostile]));
    assert_eq!(ran.status, 2);
    assert!(!ran.stderr.contains(['\u{1b}', '\u{7}', '\u{9b}', '\u{202e}']), "{:?}", ran.stderr);
    // Also in the output of a command that succeeds.
    let mut command = pentimento();
    command.args(["generate", "--prompt", "x", "--steps", "1", "--model"]).arg(bench.path("model"));
    let ran = run(command.arg("--output").arg(bench.path(&format!("{hostile}.png"))));
    assert_eq!(ran.status, 0, "{}", ran.stderr);
    assert!(!ran.stdout.contains(['\u{1b}', '\u{7}', '\u{9b}', '\u{202e}']), "{:?}", ran.stdout);
}

#[test]
fn every_command_has_help() {
    for words in [&["--help"][..], &["demo", "--help"], &["generate", "--help"], &["doctor", "--help"]] {
        let ran = run(pentimento().args(words));
        assert_eq!(ran.status, 0);
        assert!(ran.stdout.contains("Usage: pentimento"), "{}", ran.stdout);
    }
    let home = tempfile::tempdir().unwrap();
    let screen = run(pentimento().env("HOME", home.path()));
    screen.refused(2, &["terminal", "subcommands"]);
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0, "no project is created without a terminal");
    assert_eq!(run(pentimento().arg("paint")).status, 2);
}

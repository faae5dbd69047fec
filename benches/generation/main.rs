//! Measures load time, step time, decoding time and peak memory of whole generations, and compares them with diffusers
//! if Python has it. See `benches/README.md`.

mod cases;
mod checkpoint;
mod report;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use cases::{Case, Measured};
use report::Row;

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    if let [word, rest @ ..] = words.as_slice()
        && word == "--child"
    {
        return cases::run_child(rest);
    }
    let only = |name: &str| words.is_empty() || words.iter().any(|word| name.contains(word.as_str()));
    let threads = std::env::var("PENTIMENTO_BENCH_THREADS").unwrap_or_else(|_| "2".to_owned());
    let python = python();
    if python.is_none() {
        println!("No Python with diffusers found, so no comparison: set PENTIMENTO_PYTHON.\n");
    }
    let data = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).with_file_name("bench-data");
    std::fs::create_dir_all(&data).with_context(|| format!("making {}", data.display()))?;
    for case in Case::all(&data) {
        if !only(case.name) {
            continue;
        }
        if let Some(reason) = case.prepare()? {
            println!("{}: {reason}\n", case.title);
            continue;
        }
        report(&case, &threads, python.as_deref(), &data)?;
    }
    Ok(())
}

/// Measures one case with pentimento and diffusers, one after the other, and prints the table.
fn report(case: &Case, threads: &str, python: Option<&Path>, data: &Path) -> Result<()> {
    println!("{}, {} steps, guidance, {threads} threads", case.title, case.steps);
    let picture = |name: &str| data.join(format!("{}-{name}.rgb", case.name));
    let ours = picture("pentimento");
    let mut child = Command::new(std::env::current_exe()?);
    child.arg("--child").arg(&case.folder).arg(case.steps.to_string()).arg(&ours);
    let measured = measure(child.env("RAYON_NUM_THREADS", threads))?;
    let mut rows = vec![Row { name: "pentimento float32", measured, psnr: None }];
    for (name, dtype) in [("diffusers float32", "float32"), ("diffusers bfloat16", "bfloat16")] {
        let Some(python) = python else { continue };
        let theirs = picture(dtype);
        let mut child = Command::new(python);
        child.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/generation/diffusers_side.py"));
        child.arg(&case.folder).arg(case.steps.to_string()).arg(&theirs).arg(dtype).arg(threads);
        let measured = measure(child.env("OMP_NUM_THREADS", threads))?;
        rows.push(Row { name, measured, psnr: Some(report::psnr(&ours, &theirs)?) });
    }
    report::print(&rows);
    Ok(())
}

/// Runs a process that prints its figures as JSON in its last line.
fn measure(command: &mut Command) -> Result<Measured> {
    let output = command.output().with_context(|| format!("starting {command:?}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        bail!("{command:?} failed:\n{text}{}", String::from_utf8_lossy(&output.stderr));
    }
    let last = text.lines().last().unwrap_or_default();
    serde_json::from_str(last).with_context(|| format!("{command:?} printed {last:?}"))
}

/// A Python that can import diffusers.
fn python() -> Option<PathBuf> {
    let python = std::env::var_os("PENTIMENTO_PYTHON").map_or_else(|| PathBuf::from("python3"), PathBuf::from);
    let found = Command::new(&python).args(["-c", "import diffusers, torch"]).output().ok()?;
    found.status.success().then_some(python)
}

//! The contact sheets of the README, made by `pentimento generate` with the embedded model:
//!
//!     cargo build --release && cargo run --release --example contact_sheets
//!
//! Every picture is a run of the program itself; this only lays them out. Takes a few minutes on two cores.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use pentimento::imaging::sheet::{self, Captioned, Row};
use pentimento::imaging::{self, Provenance};
use serde::Deserialize;
use serde_json::json;

/// Pixels along a side of a picture on a sheet.
const SIDE: u32 = 112;
const SCALES: [&str; 5] = ["0", "0.25", "0.5", "0.75", "1"];
const GUIDANCES: [&str; 6] = ["1", "3", "5", "7.5", "12", "20"];

#[derive(Deserialize)]
struct Prompts {
    seed: u64,
    prompt: Vec<Prompt>,
}

#[derive(Deserialize)]
struct Prompt {
    caption: String,
    prompt: String,
    #[serde(default)]
    negative: String,
    /// Set where a prompt shows a failure; those are not on the sheets.
    guidance_scale: Option<f64>,
}

fn main() -> anyhow::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let subject = root.join("models/mini/subject");
    let mut prompts: Prompts = toml::from_str(&std::fs::read_to_string(subject.join("prompts.toml"))?)?;
    prompts.prompt.retain(|prompt| prompt.guidance_scale.is_none());
    let references: Vec<PathBuf> =
        ["reference", "other-1", "other-2", "other-3"].map(|name| subject.join(format!("{name}.png"))).into();
    let folder = tempfile::tempdir()?;
    let studio = Studio { program: program()?, folder: folder.path().to_owned(), seed: prompts.seed };
    let docs = root.join("docs");

    let mut rows = Vec::new();
    for (number, reference) in references.iter().enumerate() {
        let mut pictures = vec![shown(reference, "the reference")?];
        for prompt in &prompts.prompt {
            pictures.push(studio.picture(reference, prompt, &[], &prompt.caption)?);
        }
        rows.push(Row { heading: format!("Reference {}", number + 1), pictures });
    }
    write(&docs.join("references-and-prompts.png"), &rows)?;

    let mut rows = Vec::new();
    for (number, reference) in references.iter().take(2).enumerate() {
        let mut pictures = vec![shown(reference, "the reference")?];
        for scale in SCALES {
            let caption = format!("scale {scale}");
            pictures.push(studio.picture(reference, &prompts.prompt[0], &["--adapter-scale", scale], &caption)?);
        }
        rows.push(Row { heading: format!("Adapter scale, reference {}", number + 1), pictures });
    }
    write(&docs.join("adapter-scale.png"), &rows)?;

    let mut pictures = Vec::new();
    for guidance in GUIDANCES {
        let caption = format!("guidance {guidance}");
        pictures.push(studio.picture(&references[0], &prompts.prompt[1], &["--guidance", guidance], &caption)?);
    }
    write(&docs.join("guidance.png"), &[Row { heading: "Guidance scale".to_owned(), pictures }])
}

/// Where the program is and what all its runs share.
struct Studio {
    program: PathBuf,
    folder: PathBuf,
    seed: u64,
}

impl Studio {
    fn picture(&self, reference: &Path, prompt: &Prompt, more: &[&str], caption: &str) -> anyhow::Result<Captioned> {
        let output = self.folder.join("picture.png");
        let mut command = Command::new(&self.program);
        command.arg("generate").arg("--reference").arg(reference);
        command.args(["--prompt", &prompt.prompt, "--negative", &prompt.negative]);
        command.args(["--seed", &self.seed.to_string()]).args(more).arg("--json").arg("--output").arg(&output);
        let ran = command.output().context("the program does not start")?;
        ensure!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        eprintln!("{caption}");
        shown(&output, caption)
    }
}

fn shown(path: &Path, caption: &str) -> anyhow::Result<Captioned> {
    Ok(Captioned { picture: imaging::open_picture(path)?.picture, caption: caption.to_owned() })
}

fn write(path: &Path, rows: &[Row]) -> anyhow::Result<()> {
    let provenance = Provenance::composed(json!({"made_by": "examples/contact_sheets.rs"}));
    imaging::write_png(path, &sheet::draw(rows, SIDE), &provenance)?;
    println!("{}", path.display());
    Ok(())
}

/// The binary beside this example, from the same build.
fn program() -> anyhow::Result<PathBuf> {
    let here = std::env::current_exe()?;
    let folder = here.parent().and_then(Path::parent).context("the example lies in no target folder")?;
    let program = folder.join("pentimento").with_extension(std::env::consts::EXE_EXTENSION);
    ensure!(program.is_file(), "{} is not there: build it first with `cargo build --release`", program.display());
    Ok(program)
}

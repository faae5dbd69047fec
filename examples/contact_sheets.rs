//! Draws the contact sheets in `docs/`, with pictures from `pentimento generate` and the built-in model:
//!
//!     cargo build --release && cargo run --release --example contact_sheets
//!
//! It takes a few minutes on two cores.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use pentimento::imaging::sheet::{self, Captioned, Row};
use pentimento::imaging::{self, Provenance};
use serde::Deserialize;
use serde_json::json;

/// The side of a picture on a sheet, in pixels.
const SIDE: u32 = 128;
const SCALES: [&str; 5] = ["0", "0.25", "0.5", "0.75", "1"];
const GUIDANCES: [&str; 6] = ["1", "3", "5", "7.5", "12", "20"];
const STEPS: [&str; 4] = ["4", "8", "15", "25"];

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
    /// Set in prompts that show a failure. The sheets leave those out.
    guidance_scale: Option<f64>,
}

fn main() -> anyhow::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let subject = root.join("models/mini/subject");
    let mut prompts: Prompts = toml::from_str(&std::fs::read_to_string(subject.join("prompts.toml"))?)?;
    prompts.prompt.retain(|prompt| prompt.guidance_scale.is_none());
    let mut references = vec![subject.join("reference.png")];
    references.extend((1..=7).map(|number| subject.join(format!("other-{number}.png"))));
    let folder = tempfile::tempdir()?;
    let studio = Studio { program: program()?, folder: folder.path().to_owned(), seed: prompts.seed };
    let docs = root.join("docs");

    let mut rows = Vec::new();
    for (number, reference) in references.iter().take(3).enumerate() {
        let mut pictures = vec![shown(reference, "the reference")?];
        for prompt in &prompts.prompt {
            pictures.push(studio.picture(reference, prompt, &[], &prompt.caption)?);
        }
        rows.push(Row { heading: format!("Reference {}", number + 1), pictures });
    }
    write(&docs.join("prompts.png"), &rows)?;

    let mut given = Vec::new();
    let mut made = Vec::new();
    for (number, reference) in references.iter().enumerate() {
        given.push(shown(reference, &format!("reference {}", number + 1))?);
        made.push(studio.picture(reference, &prompts.prompt[1], &[], &prompts.prompt[1].caption)?);
    }
    let heading = |text: &str| text.to_owned();
    let rows = [
        Row { heading: heading("Eight references"), pictures: given },
        Row { heading: heading("One prompt, one seed"), pictures: made },
    ];
    write(&docs.join("references.png"), &rows)?;

    let sweep = |reference: &Path, prompt: &Prompt, flag: &str, word: &str, values: &[&str]| {
        let mut pictures = vec![shown(reference, "the reference")?];
        for value in values {
            pictures.push(studio.picture(reference, prompt, &[flag, value], &format!("{word} {value}"))?);
        }
        anyhow::Ok(pictures)
    };
    let mut rows = Vec::new();
    for (number, reference) in references.iter().take(2).enumerate() {
        let pictures = sweep(reference, &prompts.prompt[0], "--adapter-scale", "scale", &SCALES)?;
        rows.push(Row { heading: format!("Adapter scale, reference {}", number + 1), pictures });
    }
    write(&docs.join("adapter-scale.png"), &rows)?;

    let pictures = sweep(&references[0], &prompts.prompt[1], "--guidance", "guidance", &GUIDANCES)?;
    write(&docs.join("guidance.png"), &[Row { heading: heading("Guidance scale"), pictures }])?;

    let mut rows = Vec::new();
    for (number, reference) in references.iter().take(2).enumerate() {
        let pictures = sweep(reference, &prompts.prompt[1], "--steps", "steps", &STEPS)?;
        rows.push(Row { heading: format!("Steps, reference {}", number + 1), pictures });
    }
    write(&docs.join("steps.png"), &rows)
}

/// The program, and what all its runs share.
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
        let ran = command.output().context("cannot start the program")?;
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

/// The program from the same build as this example.
fn program() -> anyhow::Result<PathBuf> {
    let here = std::env::current_exe()?;
    let folder = here.parent().and_then(Path::parent).context("the example is not in a target folder")?;
    let program = folder.join("pentimento").with_extension(std::env::consts::EXE_EXTENSION);
    ensure!(program.is_file(), "{} does not exist: run `cargo build --release` first", program.display());
    Ok(program)
}

//! `sheet`: a contact sheet of runs, as PNG or as one self-contained HTML file.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use clap::{Args, ValueHint};
use image::RgbImage;
use serde_json::json;

use crate::cli::failure::UsageError;
use crate::cli::files::check_is_new;
use crate::cli::output::{describe, print};
use crate::cli::project::{self, ProjectArguments};
use crate::imaging::sheet::{Captioned, Row, draw};
use crate::imaging::{self, Provenance};
use crate::service::pictures;
use crate::store::Reader;
use crate::studio::output::Output;
use crate::studio::run::Run;
use crate::studio::subject::{OutputName, TaskId};
use crate::studio::text::clean;

/// Make a contact sheet of runs: their pictures with run, seed and changes
///
/// HTML is one file without scripts. It contains the prompts, so check it before you share it. PNG is marked as
/// generated, like every picture of this program.
#[derive(Args)]
#[command(after_help = "Examples:\n  pentimento sheet ada-0001 ada-0002 --output light.png\n  \
                  pentimento sheet ada-0001 ada-0002 --output light.html")]
pub struct Arguments {
    /// The runs, in the order of the sheet
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<TaskId>,

    /// The file to write; its extension chooses the format
    #[arg(long, value_name = "FILE.png|FILE.html", value_hint = ValueHint::FilePath)]
    output: PathBuf,

    /// Replace an existing file
    #[arg(long)]
    force: bool,

    /// Print the sheet's contents as one JSON document
    #[arg(long)]
    json: bool,
}

/// The maximum number of pictures, which limits memory.
const MOST_PICTURES: usize = 300;
/// Pictures per row on a PNG, and their longer side in pixels.
const COLUMNS: usize = 6;
const SIDE: u32 = 256;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Png,
    Html,
}

/// A run on the sheet.
struct Entry {
    run: Run,
    /// The run and its changes against the parent.
    heading: String,
    outputs: Vec<Output>,
}

pub fn run(arguments: &Arguments, project: &ProjectArguments) -> anyhow::Result<()> {
    let format = format(&arguments.output)?;
    imaging::check_target(&arguments.output)?;
    check_is_new(&arguments.output, arguments.force)?;
    let reader = project::open_read_only(project)?;
    let entries = arguments.runs.iter().map(|task| entry(&reader, task)).collect::<anyhow::Result<Vec<_>>>()?;
    let count: usize = entries.iter().map(|entry| entry.outputs.len()).sum();
    if count == 0 {
        return Err(UsageError("these runs have no pictures yet: run `pentimento worker`".to_owned()).into());
    }
    if count > MOST_PICTURES {
        let text =
            format!("{count} pictures are too many for one sheet: name fewer runs, up to {MOST_PICTURES} pictures");
        return Err(UsageError(text).into());
    }
    let hash = match format {
        Format::Png => {
            let tasks: Vec<String> = entries.iter().map(|entry| entry.run.task.to_string()).collect();
            let picture = png(&reader, &entries)?;
            imaging::write_png(&arguments.output, &picture, &Provenance::composed(json!({"sheet_of": tasks})))?
        }
        Format::Html => imaging::write_atomically(&arguments.output, html(&reader, &entries)?.as_bytes())?,
    };
    if arguments.json {
        let pictures = entries.iter().flat_map(|entry| entry.outputs.iter().map(|output| name(entry, output)));
        return Ok(print::document(&json!({
            "file": arguments.output.to_string_lossy(),
            "hash": hash,
            "pictures": pictures.map(|name| name.to_string()).collect::<Vec<_>>(),
        }))?);
    }
    let (pictures, runs) = (describe::count(count as u64, "picture"), describe::count(entries.len() as u64, "run"));
    Ok(print::line(&format!("Wrote {pictures} of {runs} to {}.", arguments.output.display()))?)
}

fn format(path: &Path) -> anyhow::Result<Format> {
    let is = |ending: &str| path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case(ending));
    if is("png") {
        Ok(Format::Png)
    } else if is("html") || is("htm") {
        Ok(Format::Html)
    } else {
        let name = path.display();
        Err(UsageError(format!("cannot write {name}: use a file name that ends in .png or .html")).into())
    }
}

fn entry(reader: &Reader, task: &TaskId) -> anyhow::Result<Entry> {
    let run = reader.run(task)?;
    let parent = run.parent.map(|parent| reader.run_by_id(parent)).transpose()?;
    let heading = match (&parent, &run.delta) {
        (Some(parent), Some(delta)) if delta.is_empty() => format!("{task}: more seeds of {}", parent.task),
        (Some(parent), Some(delta)) => format!("{task}, from {}: {}", parent.task, describe::delta(delta)),
        (None, Some(delta)) if !delta.is_empty() => format!("{task}: {}", describe::delta(delta)),
        _ => task.to_string(),
    };
    Ok(Entry { heading: clean(&heading), outputs: reader.outputs(run.id)?, run })
}

fn name(entry: &Entry, output: &Output) -> OutputName {
    OutputName { task: entry.run.task.clone(), seed: output.seed }
}

fn png(reader: &Reader, entries: &[Entry]) -> anyhow::Result<RgbImage> {
    let mut rows = Vec::new();
    for entry in entries {
        let mut heading = entry.heading.clone();
        for outputs in entry.outputs.chunks(COLUMNS) {
            let captioned = |output: &Output| {
                let picture = pictures::open(reader, &output.picture.blob)?;
                Ok(Captioned { picture, caption: name(entry, output).to_string() })
            };
            let pictures = outputs.iter().map(captioned).collect::<anyhow::Result<_>>()?;
            rows.push(Row { heading: std::mem::take(&mut heading), pictures });
        }
    }
    Ok(draw(&rows, SIDE))
}

/// One file with the pictures in it. Text is escaped, and the content security policy forbids everything else.
fn html(reader: &Reader, entries: &[Entry]) -> anyhow::Result<String> {
    let mut page = String::from(HEAD);
    for entry in entries {
        let run = &entry.run;
        writeln!(page, "<section>\n<h2>{}</h2>", escaped(&entry.heading))?;
        let prompt = run.recipe.prompt.assembled();
        let negative = run.recipe.prompt.negative();
        for (class, text) in [("prompt", prompt.as_str()), ("negative", negative)] {
            if !text.is_empty() {
                writeln!(page, "<p class=\"{class}\">{}</p>", escaped(text))?;
            }
        }
        page.push_str("<div>\n");
        for output in &entry.outputs {
            let (name, picture) = (escaped(&name(entry, output).to_string()), &output.picture);
            let bytes = BASE64.encode(reader.blobs().read(&picture.blob)?);
            writeln!(
                page,
                "<figure><img src=\"data:image/png;base64,{bytes}\" width=\"{}\" height=\"{}\" alt=\"{name}\">\
                 <figcaption>{name}<br>seed {}, {}</figcaption></figure>",
                picture.width,
                picture.height,
                output.seed,
                describe::verdict(output.verdict)
            )?;
        }
        page.push_str("</div>\n</section>\n");
    }
    page.push_str("</body>\n</html>\n");
    Ok(page)
}

const HEAD: &str = "<!DOCTYPE html>
<html lang=\"en\">
<head>
<meta charset=\"utf-8\">
<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">
<meta name=\"viewport\" content=\"width=device-width\">
<title>pentimento: contact sheet</title>
<style>
body { margin: 2rem; font: 15px/1.5 system-ui, sans-serif; color: #262320; background: #f6f4f0; }
h2 { font-size: 1.1rem; margin: 2rem 0 0; }
p { margin: 0.2rem 0; max-width: 70em; }
p.negative::before { content: \"Negative: \"; color: #625c56; }
div { display: flex; flex-wrap: wrap; gap: 1rem; margin-top: 0.6rem; }
figure { margin: 0; }
img { display: block; width: 16rem; height: auto; }
figcaption { font-size: 0.85rem; color: #625c56; }
@media (prefers-color-scheme: dark) {
  body { color: #e9e5df; background: #211f1d; }
  figcaption, p.negative::before { color: #a79f96; }
}
</style>
</head>
<body>
<p>Every picture on this page was generated by a model.</p>
";

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in clean(text).chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '\"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_for_tags_and_attributes() {
        assert_eq!(escaped("<b onload='x'>\"&\u{202e}"), "&lt;b onload=&#39;x&#39;&gt;&quot;&amp;");
    }
}

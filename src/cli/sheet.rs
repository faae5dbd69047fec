//! `sheet`: the pictures of runs on one page, as a PNG or as an HTML file that needs nothing else.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use clap::{Args, ValueHint};
use image::RgbImage;
use serde_json::json;

use super::failure::Usage;
use super::print;
use super::project::{self, ProjectArguments};
use crate::imaging::sheet::{Captioned, Row, draw};
use crate::imaging::{self, Provenance};
use crate::service::pictures as stored;
use crate::store::Reader;
use crate::studio::output::Output;
use crate::studio::run::Run;
use crate::studio::subject::{OutputName, TaskId};
use crate::studio::text::clean;

/// Put the pictures of runs on one page, with task ID, seed and what changed against the parent
///
/// A page as HTML is one file without scripts that any browser shows; prompts are on it too, so look at it before you
/// give it away. A page as PNG is marked as generated, like every picture of this program.
#[derive(Args)]
#[command(after_help = "Examples:\n  pentimento sheet ada-0001 ada-0002 --output light.png\n  \
                  pentimento sheet ada-0001 ada-0002 --output light.html")]
pub struct Arguments {
    /// Runs, in the order in which they come
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<TaskId>,

    /// The page to write; its ending says which kind
    #[arg(long, value_name = "FILE.png|FILE.html", value_hint = ValueHint::FilePath)]
    output: PathBuf,

    /// Print what is on the page as one JSON document
    #[arg(long)]
    json: bool,
}

/// Pictures on a page: more are no page any more, and would not fit into memory.
const MOST_PICTURES: usize = 300;
/// Pictures side by side on a PNG, and the pixels of their longer side.
const COLUMNS: usize = 6;
const SIDE: u32 = 256;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Png,
    Html,
}

/// A run on the page.
struct Entry {
    run: Run,
    /// What changed against the parent.
    heading: String,
    outputs: Vec<Output>,
}

pub fn run(arguments: &Arguments, project: &ProjectArguments) -> anyhow::Result<()> {
    let kind = kind(&arguments.output)?;
    imaging::check_target(&arguments.output)?;
    let reader = project::open_read_only(project)?;
    let entries = arguments.runs.iter().map(|task| entry(&reader, task)).collect::<anyhow::Result<Vec<_>>>()?;
    let count: usize = entries.iter().map(|entry| entry.outputs.len()).sum();
    if count == 0 {
        return Err(Usage("these runs have no pictures yet; `pentimento worker` makes them".to_owned()).into());
    }
    if count > MOST_PICTURES {
        let wish = format!("{count} pictures do not fit on a page, {MOST_PICTURES} do; name fewer runs");
        return Err(Usage(wish).into());
    }
    let hash = match kind {
        Kind::Png => {
            let tasks: Vec<String> = entries.iter().map(|entry| entry.run.task.to_string()).collect();
            let picture = png(&reader, &entries)?;
            imaging::write_png(&arguments.output, &picture, &Provenance::composed(json!({"sheet_of": tasks})))?
        }
        Kind::Html => imaging::write_atomically(&arguments.output, html(&reader, &entries)?.as_bytes())?,
    };
    if arguments.json {
        let pictures = entries.iter().flat_map(|entry| entry.outputs.iter().map(|output| name(entry, output)));
        return Ok(print::document(&json!({
            "file": arguments.output.to_string_lossy(),
            "hash": hash,
            "pictures": pictures.map(|name| name.to_string()).collect::<Vec<_>>(),
        }))?);
    }
    let (pictures, runs) = (print::counted(count as u64, "picture"), print::counted(entries.len() as u64, "run"));
    Ok(print::line(&format!("{pictures} of {runs} are on {}.", arguments.output.display()))?)
}

fn kind(path: &Path) -> anyhow::Result<Kind> {
    let is = |ending: &str| path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case(ending));
    if is("png") {
        Ok(Kind::Png)
    } else if is("html") || is("htm") {
        Ok(Kind::Html)
    } else {
        let name = path.display();
        Err(Usage(format!("{name} ends neither in .png nor in .html, and pages are one of both")).into())
    }
}

fn entry(reader: &Reader, task: &TaskId) -> anyhow::Result<Entry> {
    let run = reader.run(task)?;
    let parent = run.parent.map(|parent| reader.run_by_id(parent)).transpose()?;
    let heading = match (&parent, &run.delta) {
        (Some(parent), Some(delta)) if delta.is_empty() => format!("{task}: more seeds of {}", parent.task),
        (Some(parent), Some(delta)) => format!("{task}, from {}: {}", parent.task, print::delta(delta)),
        (None, Some(delta)) if !delta.is_empty() => format!("{task}: {}", print::delta(delta)),
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
                let picture = stored::open(reader, &output.picture.blob)?;
                Ok(Captioned { picture, caption: name(entry, output).to_string() })
            };
            let pictures = outputs.iter().map(captioned).collect::<anyhow::Result<_>>()?;
            rows.push(Row { heading: std::mem::take(&mut heading), pictures });
        }
    }
    Ok(draw(&rows, SIDE))
}

/// One file: pictures are in it, text is escaped, and the page itself forbids everything else.
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
                output.verdict.name()
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
p.negative::before { content: \"not: \"; color: #625c56; }
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
    fn no_text_becomes_a_tag_or_leaves_its_attribute() {
        assert_eq!(escaped("<b onload='x'>\"&\u{202e}"), "&lt;b onload=&#39;x&#39;&gt;&quot;&amp;");
    }
}

//! `import`: bundles, and pictures that tell how they were made, into the project.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};
use serde_json::{Value, json};
use uuid::Uuid;

use super::failure::Usage;
use super::lookup::now;
use super::print;
use super::project::{self, ProjectArguments};
use crate::imaging::read_provenance::{encode_import, read_provenance};
use crate::imaging::{self, Provenance};
use crate::store::Reader;
use crate::store::blobs::Content;
use crate::store::bundle::archive::Archive;
use crate::store::bundle::picture::Incoming;
use crate::store::bundle::{Parcel, Report, SubjectReport};
use crate::studio::account::{Account, Writer};
use crate::studio::subject::{Handle, OutputName};

/// Import bundles, and pictures that tell how they were made
///
/// A bundle is what `export` writes. A picture is a PNG of this program, or one with the parameters that AUTOMATIC1111's
/// web UI and others write; it becomes a run with one seed. All files are imported, or none is. What is here already
/// stays as it is, short names and numbers that are taken are replaced by others, and nothing that was withdrawn or
/// rejected here comes back.
#[derive(Args)]
#[command(after_help = "Examples:\n  pentimento import ada.zip\n  pentimento import violinist.png --subject ada")]
pub struct Arguments {
    /// Bundles and PNG files
    #[arg(required = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    files: Vec<PathBuf>,

    /// Whose portraits the pictures are [default: as a picture of this program says]
    #[arg(long, value_name = "SHORT-NAME")]
    subject: Option<Handle>,

    /// Print what was imported as one JSON document
    #[arg(long)]
    json: bool,
}

#[derive(Debug, thiserror::Error)]
enum NotImported {
    #[error("{} cannot be read: {reason}", path.display())]
    Unreadable { path: PathBuf, reason: std::io::Error },
    #[error(
        "{} is neither a bundle nor a PNG picture; `export` writes bundles, and a JPEG or WebP tells nothing of its making",
        path.display()
    )]
    Other { path: PathBuf },
    #[error(
        "{} does not tell how it was made: no record of this program is in it, and no parameters as AUTOMATIC1111's web \
         UI writes them; most websites take them out, so ask for the file itself", path.display()
    )]
    Silent { path: PathBuf },
}

/// A file, looked through.
enum Opened {
    Bundle(Parcel),
    Picture {
        parcel: Parcel,
        writer: Writer,
        reference_missing: bool,
    },
    /// The very file is here.
    Known(OutputName),
}

pub fn run(arguments: &Arguments, project: &ProjectArguments) -> anyhow::Result<()> {
    let store = project::open(project)?;
    let reader = store.reader()?;
    let mut opening = Opening { arguments, reader: &reader, new_subjects: HashMap::new() };
    let opened = arguments.files.iter().map(|path| opening.open(path)).collect::<anyhow::Result<Vec<_>>>()?;
    if arguments.subject.is_some() && !opened.iter().any(|file| !matches!(file, Opened::Bundle(_))) {
        return Err(Usage("--subject is for pictures; a bundle says itself whose portraits are in it".into()).into());
    }
    let (mut parcels, mut kinds) = (Vec::new(), Vec::new());
    for file in opened {
        match file {
            Opened::Bundle(parcel) => {
                parcels.push(parcel);
                kinds.push(Kind::Bundle);
            }
            Opened::Picture { parcel, writer, reference_missing } => {
                parcels.push(parcel);
                kinds.push(Kind::Picture { writer, reference_missing });
            }
            Opened::Known(output) => kinds.push(Kind::Known(output)),
        }
    }
    let mut reports = store.import(&parcels, now())?.into_iter();
    let results: Vec<(&Path, Kind, Report)> = arguments
        .files
        .iter()
        .zip(kinds)
        .map(|(path, kind)| {
            let report =
                if matches!(kind, Kind::Known(_)) { Report::default() } else { reports.next().unwrap_or_default() };
            (path.as_path(), kind, report)
        })
        .collect();
    if arguments.json {
        let files = results.iter().map(|(path, kind, report)| document(path, kind, report));
        return Ok(print::document(&json!({"files": files.collect::<Vec<_>>()}))?);
    }
    results.iter().try_for_each(|(path, kind, report)| tell(path, kind, report))
}

/// What was imported, for the report on it.
enum Kind {
    Bundle,
    Picture { writer: Writer, reference_missing: bool },
    Known(OutputName),
}

struct Opening<'a> {
    arguments: &'a Arguments,
    reader: &'a Reader,
    /// Subjects that pictures of this import bring with them.
    new_subjects: HashMap<Handle, Uuid>,
}

impl Opening<'_> {
    fn open(&mut self, path: &Path) -> anyhow::Result<Opened> {
        match &first_bytes(path)?[..] {
            [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => {
                Ok(Opened::Bundle(Parcel::of_archive(path.to_owned(), Archive::open(path)?)?))
            }
            [0x89, b'P', b'N', b'G', ..] => self.picture(path),
            _ => Err(NotImported::Other { path: path.to_owned() }.into()),
        }
    }

    fn picture(&mut self, path: &Path) -> anyhow::Result<Opened> {
        let bytes = imaging::read_file(path)?;
        let told = read_provenance(path, &bytes)?;
        let Some(account) = told.account.clone() else {
            return Err(NotImported::Silent { path: path.to_owned() }.into());
        };
        let decoded = imaging::decode_picture(path, &bytes)?;
        let content = |bytes| Content { bytes, media_type: "image/png" };
        let picture = content(encode_import(&decoded, &told)?);
        if let Some(output) = self.reader.output_with_picture(&blake3::hash(&picture.bytes))? {
            let task = self.reader.run_by_id(output.run)?.task;
            return Ok(Opened::Known(OutputName { task, seed: output.seed }));
        }
        let small = imaging::thumbnail(&decoded);
        let has_own = small.dimensions() != decoded.dimensions();
        let thumbnail = has_own.then(|| imaging::encode_png(&small, &Provenance::composed(json!({})))).transpose()?;
        let (subject, handle) = self.subject(path, &account)?;
        let reference = self.reference(&handle, &account)?;
        let (writer, reference_missing) = (account.writer, account.reference.is_some() && reference.is_none());
        let incoming = Incoming {
            path: path.to_owned(),
            file: blake3::hash(&bytes),
            account,
            subject,
            handle,
            reference,
            picture,
            thumbnail: thumbnail.map(content),
            width: decoded.width(),
            height: decoded.height(),
        };
        Ok(Opened::Picture { parcel: Parcel::of_picture(incoming, now())?, writer, reference_missing })
    }

    /// Whose portrait a picture is: as was said, or as it says itself.
    fn subject(&mut self, path: &Path, account: &Account) -> anyhow::Result<(Uuid, Handle)> {
        if let Some(handle) = &self.arguments.subject {
            return Ok((self.reader.subject(handle)?.uuid, handle.clone()));
        }
        let Some(task) = &account.task else {
            let name = path.display();
            return Err(
                Usage(format!("{name} does not say whose portrait it is; name a subject with --subject")).into()
            );
        };
        let handle = task.subject.clone();
        let here = self.reader.subjects()?.into_iter().find(|subject| subject.handle == handle);
        let new = || *self.new_subjects.entry(handle.clone()).or_insert_with(Uuid::now_v7);
        Ok((here.map(|subject| subject.uuid).unwrap_or_else(new), handle))
    }

    /// The subject's reference with the picture that was used, if it is here.
    fn reference(&self, handle: &Handle, account: &Account) -> anyhow::Result<Option<Uuid>> {
        let Some(hash) = account.reference else { return Ok(None) };
        let Some(subject) = self.reader.subjects()?.into_iter().find(|subject| subject.handle == *handle) else {
            return Ok(None);
        };
        let mut references = self.reader.references(subject.id)?.into_iter();
        let found = references.find(|reference| reference.picture.is_some_and(|picture| picture.blob == hash));
        Ok(found.map(|reference| reference.uuid))
    }
}

fn first_bytes(path: &Path) -> anyhow::Result<Vec<u8>> {
    let unreadable = |reason| NotImported::Unreadable { path: path.to_owned(), reason };
    // Looked at before it is opened: opening a pipe would wait for its writer.
    if !std::fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(NotImported::Other { path: path.to_owned() }.into());
    }
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(8).read_to_end(&mut bytes)).map_err(unreadable)?;
    Ok(bytes)
}

fn tell(path: &Path, kind: &Kind, report: &Report) -> anyhow::Result<()> {
    let name = path.display();
    if let Kind::Known(output) = kind {
        return Ok(print::line(&format!("{name} is here already as {output}; nothing was changed."))?);
    }
    if report.is_unchanged() {
        print::line(&format!("{name}: everything in it is here already; nothing was changed."))?;
    } else {
        print::line(&format!("{name} was imported."))?;
    }
    for subject in &report.subjects {
        let handle = &subject.handle;
        if subject.subjects.added > 0 {
            print::line(&format!("  {handle} is a new subject of this project"))?;
        }
        let new: Vec<String> = counted(subject).into_iter().filter(|(_, count, _)| *count > 0).map(said).collect();
        if !new.is_empty() {
            print::line(&format!("  new of {handle}: {}", new.join(", ")))?;
        }
        for sentence in sentences(kind, subject) {
            print::line(&format!("  {sentence}"))?;
        }
    }
    for sentence in preset_sentences(report) {
        print::line(&format!("  {sentence}"))?;
    }
    Ok(())
}

/// What came, how much of it is new and how much was here.
fn counted(subject: &SubjectReport) -> [(&'static str, u64, u64); 6] {
    let of = |what, count: crate::store::bundle::Count| (what, count.added, count.existing);
    [
        of("right", subject.consents),
        of("reference", subject.references),
        of("run", subject.runs),
        of("picture", subject.outputs),
        of("review", subject.reviews),
        of("baseline", subject.baselines),
    ]
}

fn said((what, new, _): (&'static str, u64, u64)) -> String {
    print::counted(new, what)
}

/// What is otherwise here than it was where it comes from.
fn sentences(kind: &Kind, subject: &SubjectReport) -> Vec<String> {
    let mut sentences = Vec::new();
    if subject.subjects.added > 0 && subject.handle_in_bundle != subject.handle {
        sentences.push(format!(
            "{} is {} here: another subject has that short name",
            subject.handle_in_bundle, subject.handle
        ));
    }
    let renamed = |what: &str, was: &dyn std::fmt::Display, is: &dyn std::fmt::Display| {
        format!("{was} is {is} here: {what} has that name, or had it")
    };
    // A picture of another program has no number that it could lose.
    if !matches!(kind, Kind::Picture { writer: Writer::WebUi, .. }) {
        sentences.extend(subject.runs_renamed.iter().map(|(was, is)| renamed("another run", was, is)));
    }
    sentences.extend(subject.references_renamed.iter().map(|(was, is)| renamed("another reference", was, is)));
    sentences.extend(subject.remarks.iter().map(ToString::to_string));
    if matches!(kind, Kind::Picture { reference_missing: true, .. }) {
        sentences.push("the reference it was made with is not in this project".to_owned());
    }
    sentences
}

fn preset_sentences(report: &Report) -> Vec<String> {
    let presets = &report.presets;
    let mut sentences = Vec::new();
    if presets.count.added > 0 {
        sentences.push(format!("new: {}", print::counted(presets.count.added, "preset")));
    }
    let renamed = |(was, is): &(String, String)| format!("the preset {was} is {is} here: another has that name");
    sentences.extend(presets.renamed.iter().map(renamed));
    let on_trial = |name: &String| format!("the preset {name} is on trial here until its settings have held up here");
    sentences.extend(presets.on_trial.iter().map(on_trial));
    sentences
}

fn document(path: &Path, kind: &Kind, report: &Report) -> Value {
    let subjects = report.subjects.iter().map(|subject| {
        let mut counts = serde_json::Map::new();
        for (what, new, here) in counted(subject) {
            counts.insert(format!("{what}s"), json!({"new": new, "here_already": here}));
        }
        let runs = subject.runs_renamed.iter().map(|(was, is)| json!({"was": was.to_string(), "is": is.to_string()}));
        let references =
            subject.references_renamed.iter().map(|(was, is)| json!({"was": was.to_string(), "is": is.to_string()}));
        json!({
            "subject": subject.handle.as_str(),
            "was": subject.handle_in_bundle.as_str(),
            "is_new": subject.subjects.added > 0,
            "counts": counts,
            "tasks": subject.tasks.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "renamed": runs.chain(references).collect::<Vec<_>>(),
            "remarks": subject.remarks.iter().map(ToString::to_string).collect::<Vec<_>>(),
        })
    });
    json!({
        "file": path.to_string_lossy(),
        "kind": if matches!(kind, Kind::Bundle) { "bundle" } else { "picture" },
        "changed": !report.is_unchanged(),
        "here_as": match kind { Kind::Known(output) => json!(output.to_string()), _ => Value::Null },
        "subjects": subjects.collect::<Vec<_>>(),
        "presets": {
            "new": report.presets.count.added,
            "here_already": report.presets.count.existing,
            "remarks": preset_sentences(report),
        },
    })
}

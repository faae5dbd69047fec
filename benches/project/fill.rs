//! Writes a project as large as years of work, in a minute or two.
//!
//! One run goes through the store like a worker's run: queued, claimed, given an output, done. All other runs are copies
//! of its row, inserted in bulk with their own numbers, prompts, parents, times and states. The store's triggers index
//! their texts. Subjects take turns, so that the runs of one subject are scattered over the file.
//!
//! Each picture is a placeholder file of a few bytes under its real hash. Nothing that is measured reads it.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use jiff::Timestamp;
use pentimento::store::Store;
use pentimento::store::blobs::Content;
use pentimento::store::outputs::NewOutput;
use pentimento::store::queue::{Finish, Next};
use pentimento::store::references::{NewReference, Opinion};
use pentimento::store::runs::NewRun;
use pentimento::studio::consent::{ConsentKind, Grant};
use pentimento::studio::prompt::{Block, Prompt};
use pentimento::studio::recipe::{Model, Recipe};
use pentimento::studio::reference::{Decision, Gate};
use pentimento::studio::settings::Settings;
use pentimento::studio::subject::Handle;
use rusqlite::{Connection, Transaction, params};
use uuid::Uuid;

/// A word in every prompt.
pub const COMMON: &str = "portrait";
pub const ALSO_COMMON: &str = "soft";
/// Each rare word occurs in one of this many runs.
const RARITY: u32 = 1000;
/// One of this many outputs has a review.
const REVIEWED: u32 = 10;
/// The creation time of the project, in milliseconds since 1970.
const EPOCH: i64 = 1_700_000_000_000;

const PEOPLE: [&str; 8] = ["violinist", "gardener", "astronomer", "baker", "sailor", "teacher", "smith", "dancer"];
const GAZES: [&str; 6] = ["calm gaze", "laughing", "eyes closed", "looking aside", "a slight smile", "serious"];
const CAMERAS: [&str; 5] = ["85mm, close-up", "50mm, waist up", "35mm, full figure", "macro", "medium format"];
const LIGHTS: [&str; 6] =
    ["soft window light", "hard sun", "soft candle light", "overcast sky", "rim light", "soft studio light"];
const STYLES: [&str; 5] = ["natural photo", "oil painting", "charcoal", "film grain", "watercolour"];

#[derive(Clone, Copy, Debug)]
pub struct Size {
    pub subjects: u32,
    pub runs: u32,
    /// How many of the runs are queued; these have no outputs.
    pub queued: u32,
    pub outputs: u32,
}

pub struct Filled {
    pub folder: PathBuf,
    pub size: Size,
}

impl Size {
    /// A hundred runs a subject, three outputs a run.
    pub fn of(runs: u32) -> Self {
        Self { subjects: runs / 100, runs, queued: runs / 25, outputs: 3 * runs }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { subjects, runs, queued, outputs } = self;
        write!(f, "{subjects} subjects, {runs} runs ({queued} queued), {outputs} outputs")
    }
}

impl Filled {
    pub fn database_bytes(&self) -> Result<u64> {
        Ok(fs::metadata(pentimento::store::layout::database(&self.folder))?.len())
    }
}

pub fn handle(number: u32) -> Handle {
    format!("s{number}").parse().expect("a letter and digits form a valid handle")
}

/// A word that one run in a thousand has.
pub fn rare(number: u32) -> String {
    let letter = |place: u32| char::from(b'a' + (number / 26_u32.pow(place) % 26) as u8);
    format!("zq{}{}{}", letter(0), letter(1), letter(2))
}

pub fn project(folder: &Path, size: Size) -> Result<Filled> {
    let store = Store::create(folder)?;
    template(&store)?;
    drop(store);
    let path = pentimento::store::layout::database(folder);
    let mut connection = Connection::open(&path)?;
    // No durability needed: the project is temporary.
    connection.pragma_update(None, "synchronous", "OFF")?;
    connection.pragma_update(None, "cache_size", -256 << 10)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.set_prepared_statement_cache_capacity(32);
    let transaction = connection.transaction()?;
    subjects(&transaction, size)?;
    transaction.commit()?;
    let mut filling = Filling { folder, size, outputs: 1 };
    let turn = size.subjects;
    for first in (0..size.runs).step_by(turn as usize) {
        let transaction = connection.transaction()?;
        for run in first..(first + turn).min(size.runs) {
            // The first run is the template.
            if run > 0 {
                filling.run(&transaction, run)?;
            }
        }
        transaction.commit()?;
    }
    let sql = "UPDATE subjects SET last_run = (SELECT max(number) FROM runs WHERE subject_id = subjects.id);
               UPDATE queue SET next_place = (SELECT max(place) + 1 FROM runs);
               PRAGMA wal_checkpoint(TRUNCATE);";
    connection.execute_batch(sql)?;
    let count = |table| connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get::<_, u32>(0));
    let found = [count("subjects")?, count("runs")?, count("outputs")?];
    if found != [size.subjects, size.runs, size.outputs] {
        bail!("expected {size}, but found {found:?} subjects, runs and outputs");
    }
    Ok(Filled { folder: folder.to_owned(), size })
}

/// Creates the first subject's first run through the store, like a worker.
fn template(store: &Store) -> Result<()> {
    let at = Timestamp::from_millisecond(EPOCH)?;
    let subject = store.add_subject(&handle(0), "Subject 0", "", at)?;
    store.add_consent(subject, &Grant::new(ConsentKind::Synthetic, "drawn by a program", at, None)?)?;
    let picture = Content { bytes: b"reference 0".to_vec(), media_type: "image/png" };
    let reference = NewReference {
        consent: None,
        picture,
        thumbnail: None,
        width: 512,
        height: 512,
        label: "portrait.png".to_owned(),
        gate: Gate::Unmeasured,
        report: None,
    };
    let reference = store.add_reference(subject, &reference, at)?;
    let opinion = Opinion { reviewer: "kim".to_owned(), note: String::new(), overrule: None };
    store.decide(reference, Decision::Approve, &opinion, at)?;
    let recipe = Recipe {
        prompt: Prompt::new().with(Block::Subject, "portrait of a violinist").with(Block::Lighting, LIGHTS[0]),
        reference: Some(reference),
        settings: Settings::default(),
        model: Model::named("mini"),
    };
    store.add_run(&NewRun::new(subject, recipe, "0".parse()?), at)?;
    let Next::Run(claimed) = store.claim("bench", Duration::from_secs(60), at)? else { bail!("no run is queued") };
    let output = NewOutput {
        seed: 0,
        key: blake3::hash(b"key 0"),
        picture: Content { bytes: placeholder(0), media_type: "image/png" },
        thumbnail: None,
        latents: None,
        width: 512,
        height: 512,
        measures: None,
    };
    store.add_output(&claimed.claim, &output, at)?;
    store.complete(&claimed.claim, &Finish::default(), at)?;
    Ok(())
}

/// The contents of an output's placeholder file.
fn placeholder(output: u32) -> Vec<u8> {
    format!("picture {output}").into_bytes()
}

fn uuid() -> [u8; 16] {
    *Uuid::now_v7().as_bytes()
}

fn subjects(transaction: &Transaction<'_>, size: Size) -> Result<()> {
    for number in 1..size.subjects {
        let id = number + 1;
        transaction
            .prepare_cached(
                "INSERT INTO subjects (id, uuid, handle, name, created, last_reference) VALUES (?1, ?2, ?3, ?4, ?5, 1)",
            )?
            .execute(params![id, uuid(), handle(number).as_str(), format!("Subject {number}"), EPOCH])?;
        transaction
            .prepare_cached(
                "INSERT INTO consents (id, uuid, subject_id, kind, statement, granted)
                 VALUES (?1, ?2, ?1, 'synthetic', 'drawn by a program', ?3)",
            )?
            .execute(params![id, uuid(), EPOCH])?;
        // All references share one picture.
        transaction
            .prepare_cached(
                "INSERT INTO refs (id, uuid, subject_id, number, consent_id, label, state, picture, width, height, gate, added)
                 SELECT ?1, ?2, ?1, 1, ?1, label, state, picture, width, height, gate, added FROM refs WHERE id = 1",
            )?
            .execute(params![id, uuid()])?;
    }
    Ok(())
}

/// The columns copied from the template.
const COPIED: &str =
    "negative, prompt_constraints, settings, checkpoint, adapter, image_encoder, checkpoint_hash, adapter_hash,
    image_encoder_hash, priority, attempts_allowed, attempts_left, step, steps_in_all, peak_memory";

struct Filling<'a> {
    folder: &'a Path,
    size: Size,
    /// The number of outputs so far.
    outputs: u32,
}

impl Filling<'_> {
    /// Inserts a run. The last ones are queued; the others have three or four outputs each, to reach the total.
    fn run(&mut self, transaction: &Transaction<'_>, run: u32) -> Result<()> {
        let Size { subjects, runs, queued, outputs } = self.size;
        let waits = run >= runs - queued;
        let (id, subject, number) = (run + 1, run % subjects, run / subjects + 1);
        let seeds: Vec<u32> = if waits {
            vec![0, 1, 2]
        } else {
            let wanted = u64::from(run + 1) * u64::from(outputs) / u64::from(runs - queued);
            (0..wanted as u32 - self.outputs).collect()
        };
        // Runs form chains of ten, each with a different lighting than its parent.
        let parent = (number % 10 != 1).then(|| id - subjects);
        let pick = |from: &[&'static str], by: u32| from[(run / by) as usize % from.len()];
        let person = format!("{COMMON} of a {} {}, {}", pick(&PEOPLE, 1), rare(run % RARITY), pick(&GAZES, 7));
        let delta = r#"[{"variable":"lighting","before":"hard sun","after":"soft window light"}]"#;
        let at = EPOCH + i64::from(run) * 60_000;
        transaction
            .prepare_cached(&format!(
                "INSERT INTO runs (id, uuid, subject_id, number, ref_id, parent_id, prompt_subject, prompt_camera,
                                   prompt_lighting, prompt_style, seeds, state, place, created, started, finished,
                                   attempt, timings, delta, diagnosis, {COPIED})
                 SELECT ?1, ?2, ?3, ?4, ?3, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?1, ?12, ?13, ?13, ?14,
                        iif(?13 IS NULL, NULL, timings), ?15, ?16, {COPIED}
                 FROM runs WHERE id = 1"
            ))?
            .execute(params![
                id,
                uuid(),
                subject + 1,
                number,
                parent,
                person,
                pick(&CAMERAS, 3),
                pick(&LIGHTS, 1),
                pick(&STYLES, 11),
                serde_json::to_string(&seeds)?,
                if waits { "queued" } else { "done" },
                at,
                (!waits).then_some(at),
                u32::from(!waits),
                parent.is_some().then_some(delta),
                if run.is_multiple_of(20) { "stripes in the background" } else { "" },
            ])
            .with_context(|| format!("run {run}"))?;
        for seed in if waits { Vec::new() } else { seeds } {
            self.output(transaction, id, seed, at)?;
        }
        Ok(())
    }

    fn output(&mut self, transaction: &Transaction<'_>, run: u32, seed: u32, at: i64) -> Result<()> {
        let number = self.outputs;
        self.outputs += 1;
        let bytes = placeholder(number);
        let hash = blake3::hash(&bytes);
        let path = self.folder.join("blobs").join(&hash.to_hex()[..2]).join(hash.to_hex().as_str());
        if let Err(error) = fs::write(&path, &bytes) {
            let parent = path.parent().context("a blob lies in a folder")?;
            fs::create_dir_all(parent).with_context(|| format!("{error}"))?;
            fs::write(&path, &bytes)?;
        }
        transaction
            .prepare_cached("INSERT INTO blobs (hash, size, media_type, created) VALUES (?1, ?2, 'image/png', ?3)")?
            .execute(params![hash.as_bytes(), bytes.len() as i64, at])?;
        transaction
            .prepare_cached(
                "INSERT INTO outputs (id, uuid, run_id, seed, key, picture, width, height, verdict, created)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, 512, 512, ?7, ?8)",
            )?
            .execute(params![
                number + 1,
                uuid(),
                run,
                seed,
                blake3::hash(format!("key {number}").as_bytes()).as_bytes(),
                hash.as_bytes(),
                ["open", "accepted", "rejected"][number as usize % 3],
                at,
            ])?;
        if number.is_multiple_of(REVIEWED) {
            transaction
                .prepare_cached(
                    "INSERT INTO reviews (uuid, output_id, reviewer, note, verdict, created)
                     VALUES (?1, ?2, 'kim', ?3, 'open', ?4)",
                )?
                .execute(params![
                    uuid(),
                    number + 1,
                    format!("a {COMMON} with soft edges, {}", rare(number % RARITY)),
                    at
                ])?;
        }
        Ok(())
    }
}

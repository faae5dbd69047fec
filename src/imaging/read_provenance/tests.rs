//! Provenance is read back as it was written, and malicious files are refused.

use super::*;
use crate::imaging::metadata::MAX_TEXT_BYTES;
use crate::imaging::provenance::{Generation, Ingredient, Origin};
use crate::studio::settings::{AdapterScale, LongPrompt, Sampler};

const NAME: &str = "a.png";

fn picture() -> RgbImage {
    RgbImage::from_fn(9, 5, |x, y| image::Rgb([x as u8, y as u8, 200]))
}

fn read(bytes: &[u8]) -> FileProvenance {
    read_provenance(Path::new(NAME), bytes).unwrap()
}

/// A PNG with chunks that `write` adds before the pixels.
fn png_with(write: impl FnOnce(&mut png::Encoder<'_, &mut Vec<u8>>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, 1, 1);
    encoder.set_color(png::ColorType::Rgb);
    write(&mut encoder);
    encoder.write_header().unwrap().write_image_data(&[1, 2, 3]).unwrap();
    bytes
}

fn task(number: u32) -> TaskId {
    TaskId { subject: "ada".parse().unwrap(), number }
}

/// A PNG of the run ada-0042, or of no project.
fn written(of_run: bool, prompt: &Prompt, settings: &Settings) -> Vec<u8> {
    let hash = |text: &str| blake3::hash(text.as_bytes()).to_hex().to_string();
    let ingredient = |name: &str| Ingredient { name: name.to_owned(), hash: hash(name) };
    let (model, adapter, reference) = (ingredient("mini"), ingredient("plus"), hash("reference"));
    let (assembled, task, parent) = (prompt.assembled(), task(42), task(41));
    let generation = Generation {
        prompt: &assembled,
        negative: prompt.negative(),
        seed: u64::MAX,
        settings,
        sampler: Sampler::Euler,
        width: 9,
        height: 5,
        model: &model,
        adapter: Some(&adapter),
        image_encoder: None,
        reference: Some(&reference),
        device: "cpu",
        dtype: "f32",
        origin: of_run.then_some(Origin { task: &task, parent: Some(&parent), prompt }),
    };
    encode_png(&picture(), &Provenance::of(&generation)).unwrap()
}

fn prompt() -> Prompt {
    Block::ALL
        .into_iter()
        .fold(Prompt::new(), |prompt, block| prompt.with(block, &format!("{block} müde, rot")))
        .with_negative("Nebel")
}

fn settings() -> Settings {
    Settings {
        steps: 31,
        guidance_scale: 0.1 + 0.2,
        adapter_scale: AdapterScale::PerBlock([("mid_block".to_owned(), 0.7)].into()),
        adapter_start: 0.25,
        adapter_end: 0.75,
        karras_sigmas: Some(false),
        long_prompt: LongPrompt::Chunk,
        ..Settings::default()
    }
}

#[test]
fn a_runs_provenance_is_read_back_completely() {
    let found = read(&written(true, &prompt(), &settings()));
    let hash = |text: &str| Some(blake3::hash(text.as_bytes()));
    let expected = Account {
        program: Program::Pentimento,
        prompt: prompt(),
        seed: Some(u64::MAX),
        settings: Settings { sampler: Some(Sampler::Euler), width: Some(9), height: Some(5), ..settings() },
        model: Model { adapter: Some("plus".to_owned()), ..Model::named("mini") },
        hashes: ModelHashes { checkpoint: hash("mini"), adapter: hash("plus"), image_encoder: None },
        reference: hash("reference"),
        task: Some(task(42)),
        parent: Some(task(41)),
        not_applied: Vec::new(),
    };
    assert_eq!(found.account, Some(expected));
    assert!(found.has_ai_mark);
}

#[test]
fn without_a_project_the_prompt_has_one_block() {
    let account = read(&written(false, &prompt(), &settings())).account.unwrap();
    assert_eq!(account.prompt.block(Block::Subject), prompt().assembled());
    assert_eq!((account.prompt.negative(), account.task), ("Nebel", None));
}

#[test]
fn stripping_removes_the_prompts_and_keeps_the_mark() {
    let bytes = written(true, &prompt(), &settings());
    let stripped = strip_prompts(Path::new(NAME), &bytes).unwrap();
    assert_eq!(decode_picture(Path::new(NAME), &stripped).unwrap(), picture());
    let texts = metadata::read(Path::new(NAME), &stripped).unwrap().texts;
    for word in ["müde", "rot", "Nebel"] {
        assert!(texts.iter().all(|text| !text.text.contains(word)), "{texts:?}");
    }
    let record: Value = serde_json::from_str(&texts.iter().find(|text| text.keyword == RECORD).unwrap().text).unwrap();
    assert_eq!((&record["generated_by_ai"], &record["seed"]), (&Value::Bool(true), &u64::MAX.into()));
    assert_eq!((&record["task"], &record["settings"]["steps"]), (&"ada-0042".into(), &31.into()));
    let found = read(&stripped);
    assert!(found.has_ai_mark);
    let account = found.account.unwrap();
    assert_eq!((account.prompt, account.seed, account.task), (Prompt::new(), Some(u64::MAX), Some(task(42))));
    assert_eq!(strip_prompts(Path::new(NAME), &stripped).unwrap(), stripped);
}

#[test]
fn parameters_are_found_in_every_kind_of_chunk() {
    let text = "a cat\nSteps: 4, Sampler: DDIM, CFG scale: 7, Seed: 3";
    type AddText = fn(&mut png::Encoder<'_, &mut Vec<u8>>, &str);
    let ways: [AddText; 3] = [
        |encoder, text| encoder.add_text_chunk(PARAMETERS.to_owned(), text.to_owned()).unwrap(),
        |encoder, text| encoder.add_ztxt_chunk(PARAMETERS.to_owned(), text.to_owned()).unwrap(),
        |encoder, text| encoder.add_itxt_chunk(PARAMETERS.to_owned(), text.to_owned()).unwrap(),
    ];
    for add in ways {
        let found = read(&png_with(|encoder| add(encoder, text)));
        assert_eq!((found.account.unwrap().seed, found.has_ai_mark), (Some(3), false));
    }
}

#[test]
fn overlong_texts_are_refused() {
    let refused = |bytes: &[u8]| read_provenance(Path::new(NAME), bytes).unwrap_err().to_string();
    let bomb = "a".repeat(64 << 20);
    let bytes = png_with(|encoder| encoder.add_ztxt_chunk(PARAMETERS.to_owned(), bomb).unwrap());
    assert!(bytes.len() < 1 << 20);
    assert!(refused(&bytes).contains("2048 KiB"));
    let long = "a".repeat(MAX_TEXT_BYTES + 1);
    let bytes = png_with(|encoder| encoder.add_text_chunk(PARAMETERS.to_owned(), long.clone()).unwrap());
    assert!(refused(&bytes).contains(NAME));
    // Texts with other keywords are not decompressed.
    let bytes = png_with(|encoder| encoder.add_ztxt_chunk("Warning".to_owned(), long).unwrap());
    assert!(read(&bytes).account.is_none());
}

#[test]
fn importing_keeps_our_files_and_drops_foreign_texts() {
    let bytes = written(true, &prompt(), &settings());
    assert_eq!(encode_import(&picture(), &read(&bytes)).unwrap(), bytes);
    let text = "a cat\nSteps: 4, Sampler: DDIM, CFG scale: 7, Seed: 3";
    let foreign = png_with(|encoder| {
        encoder.add_text_chunk("Author".to_owned(), "Somebody".to_owned()).unwrap();
        encoder.add_text_chunk(PARAMETERS.to_owned(), text.to_owned()).unwrap();
    });
    let kept = encode_import(&picture(), &read(&foreign)).unwrap();
    let found = read(&kept);
    assert_eq!((found.has_ai_mark, found.account), (true, read(&foreign).account));
    assert!(!kept.windows(8).any(|bytes| bytes == b"Somebody"));
}

#[test]
fn invalid_values_are_reported_and_ignored() {
    let record = serde_json::json!({
        "generator": "pentimento 9", "prompt": "x\u{1b}[2J", "seed": -1,
        "settings": {"steps": 1e9, "guidance": "high", "width": 0, "adapter_scale": {"a": "b"}, "adapter_end": 7},
        "model": {"name": "m\u{202e}", "blake3": "short"}, "task": "../x", "parent": 7,
    });
    let bytes = png_with(|encoder| encoder.add_itxt_chunk(RECORD.to_owned(), record.to_string()).unwrap());
    let account = read(&bytes).account.unwrap();
    assert_eq!((account.prompt.block(Block::Subject), account.model.checkpoint.as_str()), ("x[2J", "m"));
    assert_eq!((account.settings, account.task, account.seed), (Settings::default(), None, None));
    assert_eq!(
        account.not_applied,
        ["guidance", "adapter_scale", "adapter_end", "steps", "width", "model's hash", "seed", "task", "parent"]
    );
}

#[test]
fn other_records_are_ignored() {
    for record in ["[]", "{}", "{\"generator\": \"other\"}", "{\"generator\": \"pentimento 1\"}", "nonsense"] {
        let bytes = png_with(|encoder| encoder.add_itxt_chunk(RECORD.to_owned(), record.to_owned()).unwrap());
        assert!(read(&bytes).account.is_none(), "{record}");
    }
}

#[test]
fn damaged_files_do_not_panic() {
    let whole = written(true, &prompt(), &settings());
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        let _ = read_provenance(Path::new(NAME), &bytes);
        let _ = strip_prompts(Path::new(NAME), &bytes);
        let _ = read_provenance(Path::new(NAME), &whole[..at]);
    }
}

//! `export`, `import` and `sheet`: bundles, single pictures and contact sheets.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use image::{Rgb, RgbImage};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::project::Project;
use crate::support::{self, Ran, pentimento};

/// Words that occur in prompts only, and one that HTML must escape.
const WORDS: [&str; 6] = ["zanzibarian", "quillglow", "moonquillow", "blurrywort", "sepiafoam", "<script>"];

/// A project with a run of two pictures, and a child of that run.
fn made() -> Project {
    let project = Project::ready();
    let run = project.json(&[
        "run",
        "ada",
        "--subject-block",
        "portrait of a calm zanzibarian person",
        "--lighting",
        "quillglow light",
        "--style",
        "sepiafoam <script>alert(1)</script>",
        "--negative",
        "blurrywort",
        "--seeds",
        "7x2",
        "--steps",
        "2",
        "--wait",
    ]);
    assert_eq!(run["state"], "done");
    let child = ["run", "ada", "--parent", "ada-0001", "--set", "lighting=moonquillow light", "--seeds", "7", "--wait"];
    project.done(&child);
    project
}

/// An empty project.
struct Empty {
    folder: TempDir,
}

impl Empty {
    fn new() -> Self {
        let empty = Self { folder: tempfile::tempdir().unwrap() };
        empty.done(&["init"]);
        empty
    }

    fn run(&self, words: &[&str]) -> Ran {
        let mut command = pentimento();
        command.arg("--project").arg(self.folder.path().join("project")).args(words).env("HOME", self.folder.path());
        support::run(&mut command)
    }

    #[track_caller]
    fn done(&self, words: &[&str]) -> Ran {
        let ran = self.run(words);
        assert_eq!(ran.status, 0, "{words:?}: {}", ran.stderr);
        ran
    }

    #[track_caller]
    fn json(&self, words: &[&str]) -> Value {
        self.run(&[words, &["--json"]].concat()).json()
    }
}

fn file(project: &Project, name: &str) -> String {
    project.folder.path().join(name).to_str().unwrap().to_owned()
}

fn hashes(shown: &Value) -> Vec<&str> {
    shown["outputs"].as_array().unwrap().iter().map(|output| output["hash"].as_str().unwrap()).collect()
}

/// All bytes of a zip file, then its names and unpacked contents.
fn unzipped(path: &str) -> Vec<u8> {
    let mut zip = zip::ZipArchive::new(fs::File::open(path).unwrap()).unwrap();
    let mut all = fs::read(path).unwrap();
    for index in 0..zip.len() {
        let mut entry = zip.by_index(index).unwrap();
        all.extend_from_slice(entry.name_raw());
        entry.read_to_end(&mut all).unwrap();
    }
    all
}

fn holds(bytes: &[u8], word: &str) -> bool {
    bytes.windows(word.len()).any(|window| window.eq_ignore_ascii_case(word.as_bytes()))
}

#[test]
fn a_whole_project_is_imported() {
    let (project, other) = (made(), Empty::new());
    let bundle = file(&project, "all.zip");
    let exported = project.json(&["export", "--output", &bundle]);
    assert_eq!((&exported["runs"], &exported["outputs"], &exported["references"]), (&json!(2), &json!(3), &json!(1)));
    let imported = other.json(&["import", &bundle]);
    assert_eq!(imported["files"][0]["subjects"][0]["tasks"], json!(["ada-0001", "ada-0002"]));
    assert_eq!(imported["files"][0]["changed"], true);
    for task in ["ada-0001", "ada-0002"] {
        let (there, here) = (project.json(&["show", task]), other.json(&["show", task]));
        assert_eq!(hashes(&here), hashes(&there));
        for name in ["prompt", "negative", "settings", "reference", "delta", "parent", "hashes", "seeds", "state"] {
            assert_eq!(here[name], there[name], "{name}");
        }
        let path = here["outputs"][0]["path"].as_str().unwrap();
        assert!(path.starts_with(other.folder.path().to_str().unwrap()));
        assert_eq!(blake3::hash(&fs::read(path).unwrap()).to_hex().as_str(), hashes(&there)[0]);
    }
    other.done(&["verify"]);
    // Runs continue: the reference is approved here too, with its consent.
    let run = other.json(&["run", "ada", "--parent", "ada-0002", "--seeds", "9", "--wait"]);
    assert_eq!((&run["task"], &run["reference"]), (&json!("ada-0003"), &json!("ada-r1")));

    let again = other.json(&["import", &bundle]);
    assert_eq!(again["files"][0]["changed"], false);
    assert!(other.done(&["import", &bundle]).stdout.contains("nothing was changed"));
    assert_eq!(other.json(&["runs"])["runs"].as_array().unwrap().len(), 3);

    let before = fs::read(&bundle).unwrap();
    project.run(&["export", "--output", &bundle]).refused(1, &["all.zip", "--force"]);
    assert!(fs::read(&bundle).unwrap() == before);
    project.done(&["export", "ada", "--output", &bundle, "--force"]);
    project.run(&["export", "bo", "--output", &file(&project, "bo.zip")]).refused(1, &["no subject", "bo"]);
    project.run(&["export", "--output", &file(&project, "no/where.zip")]).refused(1, &["where.zip"]);
    let names = fs::read_dir(project.folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(names.collect::<Vec<_>>().len(), 2, "no temporary file is left");
}

#[test]
fn a_taken_handle_is_renamed_and_reported() {
    let (project, other) = (made(), Project::ready());
    let bundle = file(&project, "run.zip");
    project.done(&["export", "--runs", "ada-0002", "--output", &bundle]);
    let said = other.done(&["import", &bundle]).stdout;
    assert!(said.contains("ada is now ada-2, because") && said.contains("1 run, 1 picture"), "{said}");
    assert_eq!(other.json(&["show", "ada-2-0002"])["seeds"], json!([7]));
}

#[test]
fn a_stripped_bundle_holds_no_word_of_a_prompt() {
    let (project, other) = (made(), Empty::new());
    let (whole, stripped) = (file(&project, "whole.zip"), file(&project, "stripped.zip"));
    project.done(&["export", "--output", &whole]);
    project.done(&["export", "--strip", "--output", &stripped]);
    let (with, without) = (unzipped(&whole), unzipped(&stripped));
    for word in WORDS {
        assert!(holds(&with, word), "{word}");
        assert!(!holds(&without, word), "{word}");
    }
    assert!(holds(&without, "trainedAlgorithmicMedia") && holds(&without, "generated_by_ai"));
    other.done(&["import", &stripped]);
    let (there, here) = (project.json(&["show", "ada-0001"]), other.json(&["show", "ada-0001"]));
    assert_eq!((&here["prompt"]["assembled"], &here["settings"]), (&json!(""), &there["settings"]));
    let pixels = |shown: &Value| {
        let bytes = fs::read(shown["outputs"][1]["path"].as_str().unwrap()).unwrap();
        image::load_from_memory(&bytes).unwrap().to_rgb8()
    };
    assert!(pixels(&here) == pixels(&there));
    other.done(&["verify"]);
}

#[test]
fn a_picture_of_a_run_is_imported_as_one() {
    let (project, other) = (made(), Empty::new());
    let picture = file(&project, "one.png");
    project.done(&["show", "ada-0002:7", "--output", &picture]);
    let said = other.done(&["import", &picture]).stdout;
    assert!(said.contains("ada is a new subject") && said.contains("the project lacks the reference"), "{said}");
    let (there, here) = (project.json(&["show", "ada-0002"]), other.json(&["show", "ada-0002"]));
    for name in ["prompt", "negative", "hashes", "seeds", "state"] {
        assert_eq!(here[name], there[name], "{name}");
    }
    assert_eq!(hashes(&here), hashes(&there), "the file is kept byte by byte");
    assert_eq!(here["settings"]["steps"], 2);
    assert!(here["diagnosis"].as_str().unwrap().contains("ada-0001"));
    let again = other.json(&["import", &picture]);
    assert_eq!((&again["files"][0]["changed"], &again["files"][0]["here_as"]), (&json!(false), &json!("ada-0002:7")));
    // The project it comes from knows it too.
    let known = project.done(&["import", &picture]).stdout;
    assert!(known.contains("already has it as ada-0002:7"), "{known}");
    other.done(&["verify"]);
}

#[test]
fn a_picture_records_everything_that_determined_it() {
    let project = made();
    let shown = project.json(&["show", "ada-0002"]);
    let bytes = fs::read(shown["outputs"][0]["path"].as_str().unwrap()).unwrap();
    let reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
    let texts = &reader.info().utf8_text;
    let record = texts.iter().find(|chunk| chunk.keyword == "pentimento").unwrap().get_text().unwrap();
    let record: Value = serde_json::from_str(&record).unwrap();
    assert_eq!(
        (&record["task"], &record["parent"], &record["seed"]),
        (&json!("ada-0002"), &json!("ada-0001"), &json!(7))
    );
    for block in ["subject", "camera", "lighting", "style", "constraints"] {
        assert_eq!(record["blocks"][block], shown["prompt"][block], "{block}");
    }
    assert_eq!((&record["negative"], &record["prompt"]), (&shown["negative"], &shown["prompt"]["assembled"]));
    for (part, hash) in [("model", "checkpoint"), ("adapter", "adapter"), ("image_encoder", "image_encoder")] {
        assert!(shown["hashes"][hash].is_string());
        assert_eq!(record[part]["blake3"], shown["hashes"][hash], "{part}");
    }
    let reference = project.json(&["ref", "show", "ada-r1"]);
    assert_eq!(record["reference"]["blake3"], reference["picture"]["hash"]);
    let settings = shown["settings"].as_object().unwrap();
    for (name, value) in settings {
        // A setting left to the checkpoint is recorded with its final value.
        let said = &record["settings"][name];
        assert!(said == value || value.is_null(), "{name}: {said} and {value}");
    }
    assert!(record["settings"]["scheduler"].is_string() && record["settings"]["width"].is_u64());
}

/// A PNG as AUTOMATIC1111's web UI writes it.
fn webui(path: &Path, parameters: &str) {
    let picture = RgbImage::from_fn(40, 24, |x, y| Rgb([x as u8 * 6, y as u8 * 9, 90]));
    let mut encoder = png::Encoder::new(fs::File::create(path).unwrap(), 40, 24);
    encoder.set_color(png::ColorType::Rgb);
    encoder.add_text_chunk("parameters".to_owned(), parameters.to_owned()).unwrap();
    encoder.add_text_chunk("Author".to_owned(), "Somebody private".to_owned()).unwrap();
    encoder.write_header().unwrap().write_image_data(picture.as_raw()).unwrap();
}

#[test]
fn a_picture_of_another_program_is_imported() {
    let project = Project::ready();
    let path = file(&project, "webui.png");
    webui(
        Path::new(&path),
        "portrait of a violinist, soft light\nNegative prompt: blurry\nSteps: 20, Sampler: DPM++ 2M Karras, CFG scale: 6.5, \
         Seed: 1234567890123, Size: 40x24, Model hash: 6ce0161689, Model: v1-5-pruned, Version: v1.10.1",
    );
    project.run(&["import", &path]).refused(2, &["webui.png", "records no subject", "--subject"]);
    project.run(&["import", &path, "--subject", "bo"]).refused(1, &["no subject", "bo"]);
    let imported = project.json(&["import", &path, "--subject", "ada"]);
    assert_eq!(imported["files"][0]["subjects"][0]["tasks"], json!(["ada-0001"]));
    let shown = project.json(&["show", "ada-0001"]);
    assert_eq!((&shown["seeds"], &shown["negative"]), (&json!([1_234_567_890_123_u64]), &json!("blurry")));
    assert_eq!(shown["prompt"]["subject"], "portrait of a violinist, soft light");
    let settings = &shown["settings"];
    assert_eq!((&settings["scheduler"], &settings["karras"]), (&json!("dpmpp-2m"), &json!(true)));
    assert_eq!((&settings["guidance"], &settings["steps"], &settings["width"]), (&json!(6.5), &json!(20), &json!(40)));
    assert!(shown["diagnosis"].as_str().unwrap().contains("6ce0161689"), "{shown}");
    let kept = fs::read(shown["outputs"][0]["path"].as_str().unwrap()).unwrap();
    assert!(holds(&kept, "trainedAlgorithmicMedia") && holds(&kept, "v1.10.1") && !holds(&kept, "Somebody private"));
    let again = project.json(&["import", &path, "--subject", "ada"]);
    assert_eq!(again["files"][0]["changed"], false);
    assert_eq!(project.json(&["runs"])["runs"].as_array().unwrap().len(), 1);
    project.done(&["verify"]);
}

#[test]
fn an_unusable_file_is_named_and_changes_nothing() {
    let project = Project::ready();
    let put = |name: &str, bytes: &[u8]| {
        fs::write(file(&project, name), bytes).unwrap();
        file(&project, name)
    };
    let silent = file(&project, "silent.png");
    RgbImage::new(8, 8).save(&silent).unwrap();
    project.run(&["import", &silent]).refused(1, &["silent.png", "does not record how it was generated"]);
    project
        .run(&["import", &put("note.txt", b"dear diary")])
        .refused(1, &["note.txt", "neither a bundle nor an image"]);
    project.run(&["import", &put("half.zip", b"PK\x03\x04half")]).refused(1, &["half.zip", "nothing was changed"]);
    project.run(&["import", &file(&project, "nowhere.zip")]).refused(1, &["nowhere.zip", "cannot read"]);
    project.run(&["import", &file(&project, "project")]).refused(1, &["project", "neither"]);
    let no_seed = file(&project, "no-seed.png");
    webui(Path::new(&no_seed), "a cat\nSteps: 4, Sampler: DDIM, CFG scale: 7");
    project.run(&["import", &no_seed, "--subject", "ada"]).refused(1, &["no-seed.png", "has no seed"]);

    // A text that unpacks to gigabytes.
    let bomb = file(&project, "bomb.png");
    let mut encoder = png::Encoder::new(fs::File::create(&bomb).unwrap(), 1, 1);
    encoder.set_color(png::ColorType::Rgb);
    encoder.add_ztxt_chunk("parameters".to_owned(), "a".repeat(256 << 20)).unwrap();
    encoder.write_header().unwrap().write_image_data(&[1, 2, 3]).unwrap();
    project.run(&["import", &bomb, "--subject", "ada"]).refused(1, &["bomb.png", "2048 KiB"]);

    let good = file(&project, "good.png");
    webui(Path::new(&good), "a cat\nSteps: 4, Sampler: DDIM, CFG scale: 7, Seed: 3");
    project.run(&["import", &good, &silent, "--subject", "ada"]).refused(1, &["silent.png"]);
    assert_eq!(project.json(&["runs"])["runs"], json!([]));
    let bundle = file(&project, "b.zip");
    project.done(&["export", "--output", &bundle]);
    project.run(&["import", &bundle, "--subject", "ada"]).refused(2, &["--subject is for pictures"]);
    project.done(&["verify"]);
    Empty::new().run(&["export", "--output", &file(&project, "empty.zip")]).refused(2, &["nothing to export"]);
}

#[test]
fn sheets_show_the_changes() {
    let project = made();
    let (png, html) = (file(&project, "page.png"), file(&project, "page.html"));
    let page = project.json(&["sheet", "ada-0001", "ada-0002", "--output", &png]);
    assert_eq!(page["pictures"], json!(["ada-0001:7", "ada-0001:8", "ada-0002:7"]));
    let (width, height) = image::image_dimensions(&png).unwrap();
    assert!(width >= 2 * 256 && height >= 2 * 256, "{width}×{height}");
    assert!(holds(&fs::read(&png).unwrap(), "trainedAlgorithmicMedia"));

    project.done(&["sheet", "ada-0001", "ada-0002", "--output", &html]);
    let page = fs::read_to_string(&html).unwrap();
    assert_eq!(page.matches("<img src=\"data:image/png;base64,").count(), 3);
    assert!(!page.contains("<script") && !page.contains("http://") && !page.contains("https://"));
    assert!(page.contains("&lt;script&gt;") && page.contains("ada-0002, from ada-0001: lighting: "));
    assert!(page.contains("ada-0001:8") && page.contains("seed 8"));
    let shown = project.json(&["show", "ada-0002"]);
    let picture = fs::read(PathBuf::from(shown["outputs"][0]["path"].as_str().unwrap())).unwrap();
    let (_, encoded) = page.rsplit_once("base64,").unwrap();
    let encoded = encoded.split('"').next().unwrap();
    assert!(BASE64.decode(encoded).unwrap() == picture);

    for path in [&png, &html] {
        let before = fs::read(path).unwrap();
        project.run(&["sheet", "ada-0001", "--output", path]).refused(1, &["already exists", "--force"]);
        assert_eq!(fs::read(path).unwrap(), before);
        project.done(&["sheet", "ada-0001", "--output", path, "--force"]);
    }
    project.run(&["show", "ada-0001:7", "--output", &png]).refused(1, &["page.png", "--force"]);
    let other = file(&project, "other.png");
    project.run(&["sheet", "ada-0001", "--output", &file(&project, "page.pdf")]).refused(2, &["page.pdf", ".html"]);
    project.run(&["sheet", "ada-0009", "--output", &other]).refused(1, &["no run", "ada-0009"]);
    project.done(&["run", "ada", "--subject-block", "x"]);
    project.run(&["sheet", "ada-0003", "--output", &other]).refused(2, &["no pictures yet"]);
}

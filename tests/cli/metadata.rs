//! Images of other programs: what `import` makes of their metadata. `metadata/README.md` says where they are from.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use image::{Rgb, RgbImage};
use serde_json::{Value, json};

use crate::project::Project;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/metadata")
}

fn path(name: &str) -> String {
    folder().join(name).to_str().unwrap().to_owned()
}

fn cases() -> BTreeMap<String, Value> {
    serde_json::from_str(&fs::read_to_string(folder().join("cases.json")).unwrap()).unwrap()
}

/// What `import` and `show` say about an image, in the form of `cases.json`.
fn imported(project: &Project, name: &str) -> Value {
    let imported = project.json(&["import", &path(name), "--subject", "ada"]);
    let file = &imported["files"][0];
    // An image with the same pixels and texts as an earlier one is the same output.
    let known = file["here_as"].as_str().and_then(|output| output.split(':').next());
    let task = file["subjects"][0]["tasks"][0].as_str().or(known).unwrap_or_else(|| panic!("{name}: {imported}"));
    let shown = project.json(&["show", task]);
    let settings = &shown["settings"];
    json!({
        "program": file["program"],
        "prompt": shown["prompt"]["subject"],
        "negative": shown["negative"],
        "seed": shown["seeds"][0],
        "steps": settings["steps"],
        "guidance": settings["guidance"],
        "scheduler": settings["scheduler"],
        "karras": settings["karras"],
        "width": settings["width"],
        "height": settings["height"],
        "checkpoint": shown["model"]["checkpoint"],
        "not_applied": file["not_applied"],
    })
}

#[test]
fn images_of_other_programs_are_imported_or_refused() {
    let project = Project::new();
    let cases = cases();
    let files = ["reports", "made"].iter().map(|folder| fs::read_dir(self::folder().join(folder)).unwrap().count());
    assert_eq!(cases.len(), files.sum::<usize>());
    let mut wrong = Vec::new();
    for (name, expected) in &cases {
        if let Some(words) = expected["refused"].as_array() {
            let words: Vec<&str> = words.iter().map(|word| word.as_str().unwrap()).collect();
            project.run(&["import", &path(name), "--subject", "ada"]).refused(1, &words);
            continue;
        }
        let found = imported(&project, name);
        let is_known = found["program"].is_null();
        let fields = expected.as_object().unwrap().iter();
        let fields = fields.filter(|(field, _)| !is_known || !["program", "not_applied"].contains(&field.as_str()));
        let differing = fields.filter(|(field, value)| found[field.as_str()] != **value);
        wrong
            .extend(differing.map(|(field, value)| format!("{name} {field}:\n  {}\n  {value}", found[field.as_str()])));
    }
    assert!(wrong.is_empty(), "found, expected:\n{}", wrong.join("\n"));
    project.done(&["verify"]);
}

#[test]
fn a_stored_image_keeps_the_texts_of_its_program() {
    let (project, other) = (Project::new(), Project::new());
    for name in [
        "made/comfyui-two-passes.png",
        "made/fooocus.jpg",
        "made/novelai.png",
        "made/invokeai-2.png",
        "reports/webui.png",
    ] {
        let expected = imported(&project, name);
        let runs = project.json(&["runs"]);
        let newest = runs["runs"].as_array().unwrap().iter().map(|run| run["task"].as_str().unwrap()).max().unwrap();
        let stored = project.json(&["show", newest])["outputs"][0]["path"].as_str().unwrap().to_owned();
        assert_eq!(imported(&other, &stored), expected, "{name}");
        assert!(project.done(&["import", &stored]).stdout.contains("already has it"), "{name}");
    }
}

#[test]
fn show_prints_scheduler_schedule_and_size() {
    let project = Project::new();
    project.done(&["import", &path("reports/webui.png"), "--subject", "ada"]);
    let shown = project.done(&["show", "ada-0001"]).stdout;
    let line = |label: &str| {
        let line = shown.lines().find(|line| line.trim_start().starts_with(label)).unwrap_or_else(|| panic!("{shown}"));
        line.trim_start()[label.len()..].trim().to_owned()
    };
    assert_eq!((line("scheduler"), line("size")), ("dpmpp-2m, Karras sigmas".to_owned(), "96×96".to_owned()));
    project.done(&["import", &path("made/civitai-comfyui.jpg"), "--subject", "ada"]);
    let shown = project.done(&["show", "ada-0002"]).stdout;
    assert!(shown.contains("model default, 32×24"), "{shown}");
    // A run without outputs.
    project.done(&["ref", "approve", "ada-r1"]);
    let queued = project.queue("5", "2");
    let shown = project.done(&["show", &queued]).stdout;
    assert_eq!(shown.matches("model default").count(), 2, "{shown}");
}

#[test]
fn everything_that_is_not_applied_is_printed() {
    let project = Project::new();
    let said = project.done(&["import", &path("reports/webui.png"), "--subject", "ada"]).stdout;
    for item in cases()["reports/webui.png"]["not_applied"].as_array().unwrap() {
        assert!(said.contains(item.as_str().unwrap()), "{item} is not in {said}");
    }
    // The note of the run is limited, and says what it leaves out.
    let long = project.file("long.png");
    let picture = RgbImage::from_pixel(8, 8, Rgb([90; 3]));
    let mut encoder = png::Encoder::new(fs::File::create(&long).unwrap(), 8, 8);
    encoder.set_color(png::ColorType::Rgb);
    let more: String = (0..1000).map(|number| format!(", Extra {number}: some words for {number}")).collect();
    let text = format!("a cat\nSteps: 4, Sampler: DDIM, Seed: 3{more}");
    encoder.add_text_chunk("parameters".to_owned(), text).unwrap();
    encoder.write_header().unwrap().write_image_data(picture.as_raw()).unwrap();
    let said = project.done(&["import", long.to_str().unwrap(), "--subject", "ada"]).stdout;
    assert!(said.contains("Extra 0: some words for 0") && said.contains("Extra 999: some words for 999"));
    let note = project.json(&["show", "ada-0002"])["diagnosis"].as_str().unwrap().to_owned();
    let kept = note.matches("some words for").count();
    assert!(note.ends_with(&format!("; {} more in the metadata of the image", 1000 - kept)), "{note}");
}

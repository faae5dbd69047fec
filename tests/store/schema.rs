//! Projects of earlier versions open and keep everything. Each folder `fixtures/schema-NNNN` is one; `fixtures/make.sh`
//! made it. A migration adds a folder with a project of the schema before it.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use pentimento::store::Store;
use pentimento::store::bundle::archive::Archive;
use pentimento::store::bundle::{Parcel, Selection};
use serde_json::{Number, Value};

use crate::project::at;

fn fixtures() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/store/fixtures");
    let mut found: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.is_dir());
    found.sort();
    found
}

/// A copy that is private to its owner, as `verify` demands.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    fs::set_permissions(to, Permissions::from_mode(0o700)).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).unwrap();
            fs::set_permissions(&target, Permissions::from_mode(0o600)).unwrap();
        }
    }
}

/// The fixture's project, its bundle, and the output that its version printed about it.
fn open(fixture: &Path, folder: &Path) -> (PathBuf, PathBuf, Value) {
    let project = folder.join("project");
    copy(fixture, &project);
    let bundle = folder.join("runs.zip");
    fs::rename(project.join("runs.zip"), &bundle).unwrap();
    let expected = fs::read(project.join("expected.json")).unwrap();
    fs::remove_file(project.join("expected.json")).unwrap();
    (project, bundle, serde_json::from_slice(&expected).unwrap())
}

/// Collects where `actual` lacks a value of `expected` or differs from it. A newer version may print more.
fn differences(expected: &Value, actual: &Value, at: &str, found: &mut Vec<String>) {
    match (expected, actual) {
        (Value::Object(expected), Value::Object(actual)) => {
            for (name, value) in expected {
                let other = actual.get(name).unwrap_or(&Value::Null);
                differences(value, other, &format!("{at}/{name}"), found);
            }
        }
        (Value::Array(expected), Value::Array(actual)) if expected.len() == actual.len() => {
            for (index, (value, other)) in expected.iter().zip(actual).enumerate() {
                differences(value, other, &format!("{at}/{index}"), found);
            }
        }
        (Value::Number(expected), Value::Number(actual)) if same_number(expected, actual) => {}
        _ if expected == actual => {}
        _ => found.push(format!("{at}: {expected} → {actual}")),
    }
}

/// Schema 0001 read the last digit of a long fraction wrong, so what it printed and exported may be one bit off.
fn same_number(expected: &Number, actual: &Number) -> bool {
    let (Some(expected), Some(actual)) = (expected.as_f64(), actual.as_f64()) else { return false };
    expected == actual || expected.next_up() == actual || expected.next_down() == actual
}

#[test]
fn projects_of_earlier_versions_keep_everything() {
    let fixtures = fixtures();
    assert!(!fixtures.is_empty());
    for fixture in fixtures {
        let name = fixture.file_name().unwrap().to_string_lossy().into_owned();
        let folder = tempfile::tempdir().unwrap();
        let (project, _, expected) = open(&fixture, folder.path());
        let store = Store::open(&project).unwrap();
        let report = store.verify().unwrap();
        assert_eq!((report.problems, report.orphans), (vec![], vec![]), "{name}");

        let mut found = Vec::new();
        for said in expected["said"].as_array().unwrap() {
            let words: Vec<&str> =
                said["command"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
            let output = Command::new(env!("CARGO_BIN_EXE_pentimento"))
                .arg("--project")
                .arg(&project)
                .args(&words)
                .arg("--json")
                .output()
                .unwrap();
            assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
            let actual: Value = serde_json::from_slice(&output.stdout).unwrap();
            differences(&said["json"], &actual, &words.join(" "), &mut found);
        }
        let presets = store.reader().unwrap().presets().unwrap();
        let expected = expected["presets"].as_array().unwrap();
        assert_eq!(presets.len(), expected.len());
        for (preset, expected) in presets.iter().zip(expected) {
            let settings = preset.settings.record();
            // Before schema 0003 each setting was a column.
            let stored = expected["settings"].as_str().map(|text| serde_json::from_str::<Value>(text).unwrap());
            let stored = stored.as_ref().unwrap_or(expected);
            let promoted = preset.promoted.map(|at| at.as_millisecond());
            let number = |name: &str| settings[name].as_f64();
            assert_eq!(
                (preset.name.as_str(), preset.note.as_str()),
                (expected["name"].as_str().unwrap(), expected["note"].as_str().unwrap())
            );
            assert_eq!(promoted, expected["promoted"].as_i64());
            assert_eq!((number("steps"), number("guidance")), (stored["steps"].as_f64(), stored["guidance"].as_f64()));
            let scale =
                stored["adapter_scale"].as_str().map_or_else(|| stored["adapter_scale"].to_string(), str::to_owned);
            assert_eq!(settings["adapter_scale"].to_string(), scale);
            assert_eq!((&settings["width"], &settings["long_prompt"]), (&stored["width"], &stored["long_prompt"]));
        }
        assert!(found.is_empty(), "{name}:\n{}", found.join("\n"));
    }
}

#[test]
fn a_second_opening_changes_nothing() {
    for fixture in fixtures() {
        let folder = tempfile::tempdir().unwrap();
        let (project, _, _) = open(&fixture, folder.path());
        let state =
            || (fs::read(project.join("project.db")).unwrap(), fs::read_dir(project.join("backups")).unwrap().count());
        drop(Store::open(&project).unwrap());
        let migrated = state();
        drop(Store::open(&project).unwrap());
        assert!(state() == migrated, "{}", fixture.display());
    }
}

#[test]
fn bundles_of_earlier_versions_are_what_this_version_exports() {
    for fixture in fixtures() {
        let folder = tempfile::tempdir().unwrap();
        let (project, bundle, _) = open(&fixture, folder.path());
        let mut rows = Archive::open(&bundle).unwrap().rows().unwrap();
        let reader = Store::open(&project).unwrap().reader().unwrap();
        let runs = rows.subjects[0].runs.iter();
        let runs = runs.map(|row| reader.run(&format!("zoe-{:04}", row.number).parse().unwrap()).unwrap().id).collect();
        let exported = serde_json::to_value(reader.bundle(&Selection::Runs(runs)).unwrap()).unwrap();
        let written = serde_json::to_value(&rows).unwrap();
        let mut found = Vec::new();
        differences(&written, &exported, "written", &mut found);
        differences(&exported, &written, "exported", &mut found);
        assert!(found.is_empty(), "{}", found.join("\n"));

        let store = Store::create(&folder.path().join("other")).unwrap();
        let parcel = Parcel::of_archive(bundle.clone(), Archive::open(&bundle).unwrap()).unwrap();
        store.import(&[parcel], at(100)).unwrap();
        let mut imported = store.reader().unwrap().bundle(&Selection::Everything).unwrap();
        // A parent that is not in the bundle is unknown here, and so are the outputs that support a preset.
        rows.subjects[0].runs[1].parent = None;
        rows.presets[1].promoted = None;
        imported.subjects[0].last_run = rows.subjects[0].last_run;
        assert_eq!(imported, rows);
        let report = store.verify().unwrap();
        assert_eq!((report.problems, report.orphans), (vec![], vec![]));
    }
}

//! Malicious and damaged bundles: each is refused with a clear error, and changes nothing.

use std::cell::Cell;
use std::fs;
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

use pentimento::store::bundle::archive::Archive;
use pentimento::store::bundle::{Parcel, Selection};
use pentimento::store::{Error, Store};
use serde_json::{Value, json};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use crate::bundles::{empty, export, exported, import, uuid};
use crate::project::*;

type Entries = Vec<(String, Vec<u8>)>;

struct Original {
    project: Project,
    entries: Entries,
}

impl Original {
    fn new() -> Self {
        let project = Project::new();
        let reference = project.approved("face");
        let (run, _) = project.done(with_reference(reference), "1,2");
        project.store.add_preset("soft", run, "", at(8)).unwrap();
        let (path, _) = exported(&project);
        let mut zip = ZipArchive::new(fs::File::open(path).unwrap()).unwrap();
        let entries = (0..zip.len()).map(|index| {
            let mut entry = zip.by_index(index).unwrap();
            let mut bytes = Vec::new();
            std::io::copy(&mut entry, &mut bytes).unwrap();
            (entry.name().unwrap().into_owned(), bytes)
        });
        Self { entries: entries.collect(), project }
    }

    fn blob(&self) -> &str {
        &self.entries.iter().find(|(name, _)| name.starts_with("blobs/")).unwrap().0
    }

    fn rows(&self) -> Value {
        serde_json::from_slice(&self.entries.iter().find(|(name, _)| name == "bundle.json").unwrap().1).unwrap()
    }

    fn with_rows(&self, rows: &str) -> Vec<u8> {
        let mut entries = self.entries.clone();
        entries.iter_mut().find(|(name, _)| name == "bundle.json").unwrap().1 = rows.as_bytes().to_vec();
        zipped(&entries)
    }

    fn edited(&self, edit: impl FnOnce(&mut Value)) -> Vec<u8> {
        let mut rows = self.rows();
        edit(&mut rows);
        self.with_rows(&rows.to_string())
    }

    /// Asserts that importing a file with these bytes fails with these words and changes nothing.
    #[track_caller]
    fn refused(&self, bytes: &[u8], words: &[&str]) {
        let path = self.project.folder.path().join("hostile.zip");
        fs::write(&path, bytes).unwrap();
        let store = empty(&self.project);
        let error = import(&store, &path).expect_err("the import should fail").to_string();
        for word in [&["hostile.zip", "nothing was changed"][..], words].concat() {
            assert!(error.contains(word), "{word:?} is not in: {error}");
        }
        assert!(!error.contains(char::is_control) && error.len() < 900, "{error:?}");
        untouched(&store);
        fs::remove_dir_all(store.folder()).unwrap();
    }
}

#[track_caller]
fn untouched(store: &Store) {
    let reader = store.reader().unwrap();
    assert_eq!((reader.subjects().unwrap(), reader.presets().unwrap()), (vec![], vec![]));
    assert_eq!(files(store.blobs().folder()), [] as [PathBuf; 0]);
    let report = store.verify().unwrap();
    assert_eq!((report.problems, report.blobs), (vec![], 0));
}

fn zipped(entries: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        zip.start_file(name.as_str(), options).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

#[test]
fn the_unchanged_bundle_is_imported() {
    let original = Original::new();
    let path = original.project.folder.path().join("good.zip");
    fs::write(&path, zipped(&original.entries)).unwrap();
    assert!(!import(&empty(&original.project), &path).unwrap().is_unchanged());
    fs::write(&path, original.edited(|_| {})).unwrap();
    assert!(!import(&empty(&original.project), &path).unwrap().is_unchanged());
}

#[test]
fn unexpected_entry_names_are_refused() {
    let original = Original::new();
    for (name, words) in [
        ("/etc/passwd", "points outside"),
        ("../../home/ada/.bashrc", "points outside"),
        ("blobs/../../x", "points outside"),
        ("C:\\windows\\x", "points outside"),
        ("..\\x", "points outside"),
        ("blobs/short", "unexpected entry"),
        ("blobs/", "unexpected entry"),
        ("readme.txt", "unexpected entry"),
        ("evil\u{1b}[2J\u{202e}.txt", "unexpected entry"),
    ] {
        let mut entries = original.entries.clone();
        entries.push((name.to_owned(), b"x".to_vec()));
        original.refused(&zipped(&entries), &[words]);
    }
    let mut twice = original.entries.clone();
    twice.push(("bundle.jsoN".to_owned(), b"{}".to_vec()));
    let mut twice = zipped(&twice);
    while let Some(at) = twice.windows(11).position(|window| window == b"bundle.jsoN") {
        twice[at + 10] = b'n';
    }
    original.refused(&twice, &["two entries have the same name"]);
    let mut zip = ZipWriter::new_append(Cursor::new(zipped(&original.entries))).unwrap();
    let link = format!("blobs/{}", blake3::hash(b"link").to_hex());
    zip.add_symlink(link, "/etc/passwd", SimpleFileOptions::default()).unwrap();
    original.refused(&zip.finish().unwrap().into_inner(), &["a link"]);
}

#[test]
fn blobs_must_match_their_hashes_and_the_rows() {
    let original = Original::new();
    let mut entries = original.entries.clone();
    entries.iter_mut().find(|(name, _)| name.starts_with("blobs/")).unwrap().1 = b"something else".to_vec();
    original.refused(&zipped(&entries), &["does not match its hash"]);
    let mut entries = original.entries.clone();
    entries.retain(|(name, _)| name != original.blob());
    original.refused(&zipped(&entries), &["is missing"]);
    let mut entries = original.entries.clone();
    entries.push((format!("blobs/{}", blake3::hash(b"more").to_hex()), b"more".to_vec()));
    original.refused(&zipped(&entries), &["no row uses"]);
    original.refused(&zipped(&[]), &["bundle.json", "not a bundle"]);
    original.refused(&original.edited(|rows| rows["blobs"] = json!([])), &["is missing"]);
    original
        .refused(&original.edited(|rows| rows["blobs"][0]["media_type"] = json!("text/\u{1b}html")), &["media type"]);
}

/// Overwrites bytes of an entry's record in the zip's central directory, at this offset from its start.
fn lying(mut bytes: Vec<u8>, name: &str, at: usize, lie: &[u8]) -> Vec<u8> {
    let line = bytes.windows(name.len()).rposition(|window| window == name.as_bytes()).unwrap() - 46;
    assert_eq!(bytes[line..line + 4], *b"PK\x01\x02");
    bytes[line + at..line + at + lie.len()].copy_from_slice(lie);
    bytes
}

#[test]
fn sizes_beyond_the_limits_are_refused() {
    let original = Original::new();
    let (whole, blob) = (zipped(&original.entries), original.blob());
    let size = |name: &str, size: u32| lying(whole.clone(), name, 24, &size.to_le_bytes());
    original.refused(&size(blob, (512 << 20) + 1), &["the limit is 512 MiB"]);
    original.refused(&size(blob, 3), &["an entry"]);
    original.refused(&size("bundle.json", (128 << 20) + 1), &["the limit is 128 MiB"]);
    original.refused(&size("bundle.json", 9), &["an entry"]);
    let both = (1u32 << 27).to_le_bytes().repeat(2);
    original.refused(&lying(whole.clone(), "bundle.json", 20, &both), &["an entry"]);
    // Deflate: a compressed entry could be a zip bomb.
    for name in [blob, "bundle.json"] {
        original.refused(&lying(whole.clone(), name, 10, &[8, 0]), &["is compressed"]);
    }

    // Too many entries, and too long names.
    let many: Entries = (0..100_001).map(|n| (format!("{n}"), Vec::new())).collect();
    original.refused(&zipped(&many), &["100001 entries"]);
    let long: Entries = (0..600).map(|n| (format!("{n:060000}"), Vec::new())).collect();
    original.refused(&zipped(&long), &["its list of entries"]);
}

#[test]
fn rows_with_the_wrong_structure_are_refused() {
    let original = Original::new();
    original.refused(&original.with_rows("nonsense"), &["no valid format"]);
    original.refused(&original.with_rows(&"[".repeat(100_000)), &["no valid format"]);
    original.refused(&original.edited(|rows| rows["format"] = json!("x".repeat(9999))), &["unknown format"]);
    for version in [json!(0), json!(2), json!(u64::MAX)] {
        original
            .refused(&original.edited(|rows| rows["version"] = version), &["version", "this program reads version 1"]);
    }
    original.refused(&original.edited(|rows| rows["version"] = json!("1")), &["no valid format"]);
    original.refused(&original.edited(|rows| rows["surprise"] = json!(1)), &["surprise"]);
    let deep: String = "[".repeat(500) + &"]".repeat(500);
    let rows = original.rows().to_string().replace("\"report\":{\"sharp\":4.2}", &format!("\"report\":{deep}"));
    original.refused(&original.with_rows(&rows), &["is invalid"]);
    let run = "/subjects/0/runs/0";
    for (place, value) in [
        (format!("{run}/steps"), json!(null)),
        (format!("{run}/seeds"), json!("7")),
        (format!("{run}/seeds"), json!([-1])),
        (format!("{run}/uuid"), json!("not one")),
        (format!("{run}/number"), json!(-1)),
        (format!("{run}/number"), json!(1.5)),
        (format!("{run}/checkpoint_hash"), json!("abc")),
        (format!("{run}/settings/guidance"), json!("high")),
        (format!("{run}/settings/adapter_scale"), json!([1])),
        (format!("{run}/surprise"), json!(1)),
        ("/subjects/0/name".to_owned(), json!(7)),
        ("/subjects".to_owned(), json!({})),
        ("/presets/0/settings".to_owned(), json!([])),
    ] {
        let edited = original.edited(|rows| match rows.pointer_mut(&place) {
            Some(found) => *found = value.clone(),
            None => {
                let (parent, name) = place.rsplit_once('/').unwrap();
                rows.pointer_mut(parent).unwrap()[name] = value.clone();
            }
        });
        original.refused(&edited, &["is invalid"]);
    }
}

#[test]
fn rows_with_invalid_values_are_refused() {
    let original = Original::new();
    let (run, reference) = ("/subjects/0/runs/0", "/subjects/0/references/0");
    for (place, value, words) in [
        ("/subjects/0/handle".to_owned(), json!("../x"), "invalid handle"),
        ("/subjects/0/name".to_owned(), json!("Ada\u{1b}[31m"), "invisible"),
        ("/subjects/0/name".to_owned(), json!("\u{202e}adA"), "invisible"),
        ("/subjects/0/name".to_owned(), json!("  "), "is empty"),
        ("/subjects/0/note".to_owned(), json!("x".repeat(262_145)), "the limit is 262144"),
        ("/subjects/0/created".to_owned(), json!(i64::MAX), "not a valid time"),
        ("/subjects/0/last_run".to_owned(), json!(u32::MAX), "the number"),
        ("/subjects/0/consents/0/kind".to_owned(), json!("borrowed"), "unknown kind of consent"),
        ("/subjects/0/consents/0/statement".to_owned(), json!(""), "the statement is empty"),
        ("/subjects/0/consents/0/statement".to_owned(), json!("signed\n\u{7}"), "invisible"),
        ("/subjects/0/consents/0/expires".to_owned(), json!(0), "before it is granted"),
        (format!("{reference}/state"), json!("blessed"), "unknown reference state"),
        (format!("{reference}/number"), json!(0), "the number 0"),
        (format!("{reference}/number"), json!(u32::MAX), "the number"),
        (format!("{reference}/consent"), json!(uuid(9)), "no consent"),
        (format!("{reference}/picture/width"), json!(0), "0×512"),
        (format!("{reference}/picture/height"), json!(4_000_000_000u32), "pixels"),
        (format!("{reference}/label"), json!("a\u{9b}2Jb"), "invisible"),
        (format!("{reference}/report"), json!("x".repeat(2 << 20)), "1024 KiB"),
        (format!("{run}/state"), json!("undead"), "unknown run state"),
        (format!("{run}/seeds"), json!([]), "at least one seed"),
        (format!("{run}/seeds"), json!([1, 1]), "given twice"),
        (format!("{run}/seeds"), json!([1]), "seed 2"),
        (format!("{run}/seeds"), json!((0..1001).collect::<Vec<u32>>()), "at most 1000"),
        (format!("{run}/prompt/style"), json!("a\u{1b}b"), "invisible"),
        (format!("{run}/settings/steps"), json!(0), "invalid steps 0"),
        (format!("{run}/settings/steps"), json!(4_000_000_000u32), "invalid steps"),
        (format!("{run}/settings/adapter_end"), json!(7.0), "invalid adapter weight"),
        (format!("{run}/settings/width"), json!(0), "invalid size 0"),
        (format!("{run}/settings/sampler"), json!("heun"), "unknown scheduler"),
        (format!("{run}/settings/long_prompt"), json!("fold"), "fold"),
        (format!("{run}/checkpoint"), json!(""), "is empty"),
        (format!("{run}/peak_memory"), json!(u64::MAX), "peak memory"),
        (format!("{run}/reference"), json!(uuid(9)), "a reference that is missing"),
        (format!("{run}/outputs/0/verdict"), json!("superb"), "verdict"),
        ("/presets/0/name".to_owned(), json!("so\u{200b}ft"), "invisible"),
    ] {
        let edited = original.edited(|rows| *rows.pointer_mut(&place).expect("the place is there") = value);
        original.refused(&edited, &[words]);
    }
    let two =
        json!([{"variable": "steps", "before": "1", "after": "2"}, {"variable": "size", "before": "", "after": ""}]);
    original.refused(
        &original.edited(|rows| *rows.pointer_mut("/subjects/0/runs/0/delta").unwrap() = two),
        &["without a reason"],
    );
}

#[test]
fn a_bundle_cannot_take_over_rows_of_another_subject() {
    // The bundle's subject claims a run that belongs to a subject of this project.
    let (original, store) = (Original::new(), Project::new());
    let (own, _) = store.done(recipe(), "1");
    let run = store.reader().run_by_id(own).unwrap().uuid;
    let path = original.project.folder.path().join("thief.zip");
    fs::write(&path, original.edited(|rows| rows["subjects"][0]["runs"][0]["uuid"] = json!(run))).unwrap();
    let error = import(&store.store, &path).unwrap_err().to_string();
    assert!(error.contains("belongs to something else") && error.contains("thief.zip"), "{error}");
    assert_eq!(store.reader().subjects().unwrap().len(), 1);
    store.assert_verified();
}

#[test]
fn all_bundles_are_imported_or_none() {
    let (original, other) = (Original::new(), Project::new());
    let good = original.project.folder.path().join("good.zip");
    export(&original.project.store, &Selection::Everything, &good);
    let bad = original.project.folder.path().join("bad.zip");
    fs::write(&bad, original.edited(|rows| rows["subjects"][0]["runs"][0]["state"] = json!("undead"))).unwrap();
    let parcel = |path: &Path| Parcel::of_archive(path.to_owned(), Archive::open(path).unwrap()).unwrap();
    let store = empty(&other);
    assert!(store.import(&[parcel(&good), parcel(&bad)], at(100)).unwrap_err().to_string().contains("bad.zip"));
    untouched(&store);

    // A blob that fails after others were written.
    let (reader, calls) = (original.project.reader(), Cell::new(0));
    let blobs = move |hash: &blake3::Hash| {
        calls.set(calls.get() + 1);
        if calls.get() > 2 { Err(Error::BadValue("gone".to_owned())) } else { reader.blobs().read(hash) }
    };
    let lost = Parcel { blobs: Box::new(blobs), ..parcel(&good) };
    assert!(matches!(store.import(&[lost], at(100)), Err(Error::BadValue(_))));
    untouched(&store);
}

#[test]
fn damaged_bundles_fail_or_do_no_harm() {
    let original = Original::new();
    let whole = zipped(&original.entries);
    let path = original.project.folder.path().join("damaged.zip");
    let store = empty(&original.project);
    for cut in (0..whole.len()).step_by(whole.len() / 60) {
        fs::write(&path, &whole[..cut]).unwrap();
        assert!(import(&store, &path).is_err(), "{cut} of {}", whole.len());
    }
    untouched(&store);
    // Pseudo-random numbers, the same in each test run.
    let mut random = 7u64;
    for _ in 0..150 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let mut bytes = whole.clone();
        let at = (random >> 33) as usize % bytes.len();
        bytes[at] ^= 1 << (random >> 20 & 7);
        fs::write(&path, &bytes).unwrap();
        let _ = import(&store, &path);
    }
    let report = store.verify().unwrap();
    assert_eq!((report.problems, report.orphans), (vec![], vec![]));
    for folder in [original.project.folder.path(), Path::new("/etc")] {
        assert_eq!(import(&store, folder).unwrap_err().rule(), None);
    }
}

//! Bundles that somebody made to do harm: each is refused in a sentence, and leaves nothing behind.

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

struct Bench {
    project: Project,
    entries: Entries,
}

impl Bench {
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

    /// That the import of a file with these bytes is refused with these words, and that nothing came of it.
    #[track_caller]
    fn refused(&self, bytes: &[u8], words: &[&str]) {
        let path = self.project.folder.path().join("hostile.zip");
        fs::write(&path, bytes).unwrap();
        let store = empty(&self.project);
        let error = import(&store, &path).expect_err("this should have been refused").to_string();
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
fn the_bench_itself_is_imported() {
    let bench = Bench::new();
    let path = bench.project.folder.path().join("good.zip");
    fs::write(&path, zipped(&bench.entries)).unwrap();
    assert!(!import(&empty(&bench.project), &path).unwrap().is_nothing_new());
    fs::write(&path, bench.edited(|_| {})).unwrap();
    assert!(!import(&empty(&bench.project), &path).unwrap().is_nothing_new());
}

#[test]
fn names_that_lead_out_or_do_not_belong() {
    let bench = Bench::new();
    for (name, words) in [
        ("/etc/passwd", "leads out"),
        ("../../home/ada/.bashrc", "leads out"),
        ("blobs/../../x", "leads out"),
        ("C:\\windows\\x", "leads out"),
        ("..\\x", "leads out"),
        ("blobs/short", "nothing that belongs"),
        ("blobs/", "nothing that belongs"),
        ("readme.txt", "nothing that belongs"),
        ("evil\u{1b}[2J\u{202e}.txt", "nothing that belongs"),
    ] {
        let mut entries = bench.entries.clone();
        entries.push((name.to_owned(), b"x".to_vec()));
        bench.refused(&zipped(&entries), &[words]);
    }
    let mut twice = bench.entries.clone();
    twice.push(("bundle.jsoN".to_owned(), b"{}".to_vec()));
    let mut twice = zipped(&twice);
    while let Some(at) = twice.windows(11).position(|window| window == b"bundle.jsoN") {
        twice[at + 10] = b'n';
    }
    bench.refused(&twice, &["a name occurs in it twice"]);
    let mut zip = ZipWriter::new_append(Cursor::new(zipped(&bench.entries))).unwrap();
    let link = format!("blobs/{}", blake3::hash(b"link").to_hex());
    zip.add_symlink(link, "/etc/passwd", SimpleFileOptions::default()).unwrap();
    bench.refused(&zip.finish().unwrap().into_inner(), &["a link"]);
}

#[test]
fn blobs_that_are_not_what_they_are_called() {
    let bench = Bench::new();
    let mut entries = bench.entries.clone();
    entries.iter_mut().find(|(name, _)| name.starts_with("blobs/")).unwrap().1 = b"something else".to_vec();
    bench.refused(&zipped(&entries), &["something else than its name says"]);
    let mut entries = bench.entries.clone();
    entries.retain(|(name, _)| name != bench.blob());
    bench.refused(&zipped(&entries), &["is missing"]);
    let mut entries = bench.entries.clone();
    entries.push((format!("blobs/{}", blake3::hash(b"more").to_hex()), b"more".to_vec()));
    bench.refused(&zipped(&entries), &["do not tell of"]);
    bench.refused(&zipped(&[]), &["bundle.json", "no bundle"]);
    bench.refused(&bench.edited(|rows| rows["blobs"] = json!([])), &["is missing"]);
    bench.refused(&bench.edited(|rows| rows["blobs"][0]["media_type"] = json!("text/\u{1b}html")), &["of the kind"]);
}

/// A zip whose list of entries says something else of one: these bytes, so far into its line.
fn lying(mut bytes: Vec<u8>, name: &str, at: usize, lie: &[u8]) -> Vec<u8> {
    let line = bytes.windows(name.len()).rposition(|window| window == name.as_bytes()).unwrap() - 46;
    assert_eq!(bytes[line..line + 4], *b"PK\x01\x02");
    bytes[line + at..line + at + lie.len()].copy_from_slice(lie);
    bytes
}

#[test]
fn bombs() {
    let bench = Bench::new();
    let (whole, blob) = (zipped(&bench.entries), bench.blob());
    let size = |name: &str, size: u32| lying(whole.clone(), name, 24, &size.to_le_bytes());
    bench.refused(&size(blob, (512 << 20) + 1), &["512 MiB is the limit"]);
    bench.refused(&size(blob, 3), &["a file in it"]);
    bench.refused(&size("bundle.json", (128 << 20) + 1), &["128 MiB is the limit"]);
    bench.refused(&size("bundle.json", 9), &["a file in it"]);
    let both = (1u32 << 27).to_le_bytes().repeat(2);
    bench.refused(&lying(whole.clone(), "bundle.json", 20, &both), &["a file in it"]);
    // Deflate: what is compressed may unpack to anything.
    for name in [blob, "bundle.json"] {
        bench.refused(&lying(whole.clone(), name, 10, &[8, 0]), &["is compressed"]);
    }

    // Very many entries, and very long names.
    let many: Entries = (0..100_001).map(|n| (format!("{n}"), Vec::new())).collect();
    bench.refused(&zipped(&many), &["100001 files"]);
    let long: Entries = (0..600).map(|n| (format!("{n:060000}"), Vec::new())).collect();
    bench.refused(&zipped(&long), &["the list of what is in it"]);
}

#[test]
fn rows_of_other_forms() {
    let bench = Bench::new();
    bench.refused(&bench.with_rows("nonsense"), &["does not begin"]);
    bench.refused(&bench.with_rows(&"[".repeat(100_000)), &["does not begin"]);
    bench.refused(&bench.edited(|rows| rows["format"] = json!("x".repeat(9999))), &["another format"]);
    for version in [json!(0), json!(2), json!(u64::MAX)] {
        bench.refused(&bench.edited(|rows| rows["version"] = version), &["version", "this program reads version 1"]);
    }
    bench.refused(&bench.edited(|rows| rows["version"] = json!("1")), &["does not begin"]);
    bench.refused(&bench.edited(|rows| rows["surprise"] = json!(1)), &["surprise"]);
    let deep: String = "[".repeat(500) + &"]".repeat(500);
    let rows = bench.rows().to_string().replace("\"report\":{\"sharp\":4.2}", &format!("\"report\":{deep}"));
    bench.refused(&bench.with_rows(&rows), &["cannot be understood"]);
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
        let edited = bench.edited(|rows| match rows.pointer_mut(&place) {
            Some(found) => *found = value.clone(),
            None => {
                let (parent, name) = place.rsplit_once('/').unwrap();
                rows.pointer_mut(parent).unwrap()[name] = value.clone();
            }
        });
        bench.refused(&edited, &["cannot be understood"]);
    }
}

#[test]
fn rows_without_sense() {
    let bench = Bench::new();
    let (run, reference) = ("/subjects/0/runs/0", "/subjects/0/references/0");
    for (place, value, words) in [
        ("/subjects/0/handle".to_owned(), json!("../x"), "short name"),
        ("/subjects/0/name".to_owned(), json!("Ada\u{1b}[31m"), "cannot be seen"),
        ("/subjects/0/name".to_owned(), json!("\u{202e}adA"), "cannot be seen"),
        ("/subjects/0/name".to_owned(), json!("  "), "is empty"),
        ("/subjects/0/note".to_owned(), json!("x".repeat(262_145)), "262144 is the limit"),
        ("/subjects/0/created".to_owned(), json!(i64::MAX), "is no time"),
        ("/subjects/0/last_run".to_owned(), json!(u32::MAX), "the number"),
        ("/subjects/0/consents/0/kind".to_owned(), json!("borrowed"), "no kind of right"),
        ("/subjects/0/consents/0/statement".to_owned(), json!(""), "needs a statement"),
        ("/subjects/0/consents/0/statement".to_owned(), json!("signed\n\u{7}"), "cannot be seen"),
        ("/subjects/0/consents/0/expires".to_owned(), json!(0), "before it begins"),
        (format!("{reference}/state"), json!("blessed"), "state of a reference"),
        (format!("{reference}/number"), json!(0), "the number 0"),
        (format!("{reference}/number"), json!(u32::MAX), "the number"),
        (format!("{reference}/consent"), json!(uuid(9)), "no record of the right"),
        (format!("{reference}/picture/width"), json!(0), "0×512"),
        (format!("{reference}/picture/height"), json!(4_000_000_000u32), "pixels"),
        (format!("{reference}/label"), json!("a\u{9b}2Jb"), "cannot be seen"),
        (format!("{reference}/report"), json!("x".repeat(2 << 20)), "1024 KiB"),
        (format!("{run}/state"), json!("undead"), "state of a run"),
        (format!("{run}/seeds"), json!([]), "at least one seed"),
        (format!("{run}/seeds"), json!([1, 1]), "given twice"),
        (format!("{run}/seeds"), json!([1]), "not asked for the seed 2"),
        (format!("{run}/seeds"), json!((0..1001).collect::<Vec<u32>>()), "more than one run makes"),
        (format!("{run}/prompt/style"), json!("a\u{1b}b"), "cannot be seen"),
        (format!("{run}/settings/steps"), json!(0), "number of steps is 0"),
        (format!("{run}/settings/steps"), json!(4_000_000_000u32), "number of steps"),
        (format!("{run}/settings/adapter_end"), json!(7.0), "share of the steps"),
        (format!("{run}/settings/width"), json!(0), "size is 0"),
        (format!("{run}/settings/sampler"), json!("heun"), "no scheduler"),
        (format!("{run}/settings/long_prompt"), json!("fold"), "long prompts"),
        (format!("{run}/checkpoint"), json!(""), "is empty"),
        (format!("{run}/peak_memory"), json!(u64::MAX), "more memory"),
        (format!("{run}/reference"), json!(uuid(9)), "reference that is not in it"),
        (format!("{run}/outputs/0/verdict"), json!("superb"), "verdict"),
        ("/presets/0/name".to_owned(), json!("so\u{200b}ft"), "cannot be seen"),
    ] {
        let edited = bench.edited(|rows| *rows.pointer_mut(&place).expect("the place is there") = value);
        bench.refused(&edited, &[words]);
    }
    let two =
        json!([{"variable": "steps", "before": "1", "after": "2"}, {"variable": "size", "before": "", "after": ""}]);
    bench.refused(
        &bench.edited(|rows| *rows.pointer_mut("/subjects/0/runs/0/delta").unwrap() = two),
        &["without a reason"],
    );
}

#[test]
fn rows_that_would_take_from_others() {
    // A UUID of this project, under a subject of the bundle's own.
    let (bench, store) = (Bench::new(), Project::new());
    let (own, _) = store.done(recipe(), "1");
    let run = store.reader().run_by_id(own).unwrap().uuid;
    let path = bench.project.folder.path().join("thief.zip");
    fs::write(&path, bench.edited(|rows| rows["subjects"][0]["runs"][0]["uuid"] = json!(run))).unwrap();
    let error = import(&store.store, &path).unwrap_err().to_string();
    assert!(error.contains("belongs to something else") && error.contains("thief.zip"), "{error}");
    assert_eq!(store.reader().subjects().unwrap().len(), 1);
    store.sound();
}

#[test]
fn all_files_or_none() {
    let (bench, other) = (Bench::new(), Project::new());
    let good = bench.project.folder.path().join("good.zip");
    export(&bench.project.store, &Selection::Everything, &good);
    let bad = bench.project.folder.path().join("bad.zip");
    fs::write(&bad, bench.edited(|rows| rows["subjects"][0]["runs"][0]["state"] = json!("undead"))).unwrap();
    let parcel = |path: &Path| Parcel::of_archive(path.to_owned(), Archive::open(path).unwrap()).unwrap();
    let store = empty(&other);
    assert!(store.import(&[parcel(&good), parcel(&bad)], at(100)).unwrap_err().to_string().contains("bad.zip"));
    untouched(&store);

    // Pictures that cannot be had once others are written.
    let (reader, calls) = (bench.project.reader(), Cell::new(0));
    let blobs = move |hash: &blake3::Hash| {
        calls.set(calls.get() + 1);
        if calls.get() > 2 { Err(Error::BadValue("gone".to_owned())) } else { reader.blobs().read(hash) }
    };
    let lost = Parcel { blobs: Box::new(blobs), ..parcel(&good) };
    assert!(matches!(store.import(&[lost], at(100)), Err(Error::BadValue(_))));
    untouched(&store);
}

#[test]
fn damage_is_an_error_or_does_no_harm() {
    let bench = Bench::new();
    let whole = zipped(&bench.entries);
    let path = bench.project.folder.path().join("damaged.zip");
    let store = empty(&bench.project);
    for cut in (0..whole.len()).step_by(whole.len() / 60) {
        fs::write(&path, &whole[..cut]).unwrap();
        assert!(import(&store, &path).is_err(), "{cut} of {}", whole.len());
    }
    untouched(&store);
    // Numbers that look random and are the same each time.
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
    for folder in [bench.project.folder.path(), Path::new("/etc")] {
        assert_eq!(import(&store, folder).unwrap_err().rule(), None);
    }
}

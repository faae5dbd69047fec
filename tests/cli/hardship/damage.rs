//! Damaged databases, logs and pictures.

use std::os::unix::fs::PermissionsExt;

use rusqlite::Connection;
use tempfile::TempDir;

use super::*;
use crate::support::{self, copy};

/// Commands that every fault is tried with.
pub const COMMANDS: &[&[&str]] = &[
    &["runs"],
    &["show", "ada-0001"],
    &["run", "ada", "--subject-block", "portrait of a person", "--seeds", "9x1", "--steps", "4"],
    &["worker", "--until-empty", "--device", "cpu"],
    &["verify"],
];

/// A project with a done and a queued run, created once.
fn sound() -> &'static Project {
    static PROJECT: OnceLock<Project> = OnceLock::new();
    PROJECT.get_or_init(|| {
        let project = Project::ready();
        project.queue("1x1", "4");
        assert!(project.start_worker(&[]).wait().unwrap().success());
        project.queue("2x1", "4");
        // Every copy would contain this large file.
        let _ = fs::remove_file(project.path().join("ballast"));
        project
    })
}

/// A damaged copy of it.
pub fn spoiled(happens: impl FnOnce(&Path)) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let project = folder.path().join("project");
    copy(&sound().path(), &project);
    for folder in [project.clone(), project.join("blobs")] {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).unwrap();
    }
    // Readers leave these two files empty.
    for end in ["wal", "shm"] {
        let _ = fs::remove_file(project.join(format!("project.db-{end}")));
    }
    happens(&project);
    folder
}

fn run(folder: &TempDir, words: &[&str]) -> Ran {
    support::run(support::pentimento().arg("--project").arg(folder.path().join("project")).args(words))
}

/// Asserts that every command fails with these words and changes no file.
#[track_caller]
fn every_command_refuses(words: &[&str], happens: impl FnOnce(&Path)) {
    let folder = spoiled(happens);
    let project = folder.path().join("project");
    let before = contents(&project);
    for command in COMMANDS {
        run(&folder, command).refused(1, words);
        assert_eq!(contents(&project), before, "{command:?}: nothing may be overwritten");
    }
}

#[test]
fn a_database_of_a_newer_program_is_left_alone() {
    every_command_refuses(&["newer pentimento", "999", "update pentimento"], |project| {
        let database = Connection::open(project.join("project.db")).unwrap();
        database.pragma_update(None, "user_version", 999).unwrap();
    });
}

#[test]
fn a_truncated_database_is_left_alone() {
    for length in [0, 100, 4096, 50_000, 200_000] {
        let words = ["project.db is damaged or truncated", "from a backup"];
        every_command_refuses(&words, |project| {
            let file = File::options().write(true).open(project.join("project.db")).unwrap();
            assert!(file.metadata().unwrap().len() > length);
            file.set_len(length).unwrap();
        });
    }
}

#[test]
fn a_file_that_is_not_a_database_is_left_alone() {
    let words = ["project.db is not a project database", "from a backup"];
    every_command_refuses(&words, |project| fs::write(project.join("project.db"), "dear diary, ".repeat(500)).unwrap());
    every_command_refuses(&words, |project| {
        let other = Connection::open(project.join("other.db")).unwrap();
        other.execute_batch("CREATE TABLE recipes (soup TEXT); INSERT INTO recipes VALUES ('leek')").unwrap();
        drop(other);
        fs::rename(project.join("other.db"), project.join("project.db")).unwrap();
    });
}

/// A log, cut after its first transaction (https://www.sqlite.org/fileformat2.html#walformat).
fn first_step(log: &[u8]) -> &[u8] {
    const HEADER: usize = 32;
    let number = |at: usize| u32::from_be_bytes(log[at..at + 4].try_into().unwrap()) as usize;
    let frame = 24 + number(8);
    // The last frame of each transaction holds the size of the database.
    let last = (0..).find(|number_of| number(HEADER + number_of * frame + 4) > 0).unwrap();
    &log[..HEADER + (last + 1) * frame]
}

/// A killed worker left its log, and then the database was restored from a backup. SQLite cannot see that the log does
/// not belong to it and would apply it.
#[test]
fn the_log_of_another_database_is_not_applied() {
    let other = Project::ready();
    for name in ["Bo", "Cy", "Di"] {
        other.done(&["subject", "add", name]);
    }
    other.queue("3x1", "400");
    let mut worker = other.start_worker(&[]);
    other.wait_for_a_step();
    worker.kill().unwrap();
    worker.wait().unwrap();
    let log = fs::read(other.path().join("project.db-wal")).unwrap();
    let words = ["project.db-wal belongs to another database", "delete this file"];
    let left_behind = |project: &Path| fs::write(project.join("project.db-wal"), &log).unwrap();
    every_command_refuses(&words, left_behind);
    // Its first transaction alone damages the schema, which is read before any check.
    let first = first_step(&log);
    every_command_refuses(&words, |project| fs::write(project.join("project.db-wal"), first).unwrap());

    // The advice of the error works.
    let folder = spoiled(left_behind);
    fails(&run(&folder, &["verify"]), &words);
    for end in ["wal", "shm"] {
        let _ = fs::remove_file(folder.path().join(format!("project/project.db-{end}")));
    }
    assert_eq!(run(&folder, &["verify"]).status, 0);
    assert_eq!(run(&folder, &["worker", "--until-empty", "--device", "cpu"]).status, 0);
}

/// A killed worker leaves a valid log.
#[test]
fn the_own_log_is_applied() {
    let project = Project::ready();
    project.queue("3x1", "400");
    let mut worker = project.start_worker(&[]);
    project.wait_for_a_step();
    worker.kill().unwrap();
    worker.wait().unwrap();
    assert!(project.path().join("project.db-wal").metadata().unwrap().len() > 0);
    assert!(project.json(&["show", "ada-0001"])["step"].as_u64() > Some(0));
    project.done(&["queue", "cancel", "ada-0001"]);
    project.done(&["verify"]);
}

/// What happens to a blob, in words.
type Harm = (&'static str, fn(&Path));

const HARMS: [Harm; 2] = [
    ("is missing", |blob| fs::remove_file(blob).unwrap()),
    ("is damaged", |blob| {
        let mut bytes = fs::read(blob).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(blob, bytes).unwrap();
    }),
];

/// The file of the reference, or of the done run's output.
fn blob(words: &[&str], path: fn(&serde_json::Value) -> &serde_json::Value) -> PathBuf {
    let shown = sound().json(words);
    let whole = PathBuf::from(path(&shown).as_str().unwrap());
    whole.strip_prefix(sound().path()).unwrap().to_owned()
}

#[test]
fn a_damaged_picture_is_reported() {
    let picture = blob(&["show", "ada-0001"], |run| &run["outputs"][0]["path"]);
    let hash = picture.file_name().unwrap().to_str().unwrap();
    for (harm, happens) in HARMS {
        let folder = spoiled(|project| happens(&project.join(&picture)));
        let project = folder.path().join("project");
        let before = contents(&project);
        assert_eq!(run(&folder, &["runs"]).status, 0);
        fails(&run(&folder, &["show", "ada-0001"]), &[hash, harm, "from a backup"]);
        let verified = run(&folder, &["verify"]);
        fails(&verified, &["1 problem"]);
        for words in [hash, harm, "used by ada-0001", "from a backup"] {
            assert!(verified.stdout.contains(words), "{words:?} is not in: {}", verified.stdout);
        }
        assert_eq!(contents(&project), before, "nothing may be overwritten");
        // Other runs are not affected.
        assert_eq!(run(&folder, COMMANDS[2]).status, 0);
        assert_eq!(run(&folder, COMMANDS[3]).status, 0);
        for run_of_theirs in ["ada-0002", "ada-0003"] {
            assert_eq!(run(&folder, &["show", run_of_theirs, "--json"]).json()["state"], "done");
        }
        let after = contents(&project);
        assert_eq!(
            after.get(&project.join(&picture)),
            before.get(&project.join(&picture)),
            "the damaged file may not be replaced"
        );
    }
}

#[test]
fn a_damaged_reference_fails_its_runs() {
    let picture = blob(&["ref", "show", "ada-r1"], |reference| &reference["picture"]["path"]);
    let hash = picture.file_name().unwrap().to_str().unwrap();
    for (harm, happens) in HARMS {
        let folder = spoiled(|project| happens(&project.join(&picture)));
        assert_eq!(run(&folder, &["runs"]).status, 0);
        assert_eq!(run(&folder, &["show", "ada-0001"]).status, 0);
        let waited = run(&folder, &[COMMANDS[2], &["--wait"]].concat());
        fails(&waited, &["ada-0003 is failed", hash, harm, "from a backup"]);
        // The run that was already queued fails for the same reason.
        let before = run(&folder, &["show", "ada-0002", "--json"]).json();
        assert_eq!(before["state"], "failed");
        assert!(before["error"].as_str().unwrap().contains(harm), "{before}");
        assert_eq!(before["outputs"].as_array().unwrap().len(), 0);
        let verified = run(&folder, &["verify"]);
        fails(&verified, &["1 problem"]);
        assert!(verified.stdout.contains("used by ada-r1"), "{}", verified.stdout);
        // They succeed once the file is restored.
        fs::copy(sound().path().join(&picture), folder.path().join("project").join(&picture)).unwrap();
        for again in ["ada-0002", "ada-0003"] {
            assert_eq!(run(&folder, &["queue", "retry", again]).status, 0);
        }
        assert_eq!(run(&folder, COMMANDS[3]).status, 0);
        assert_eq!(run(&folder, &["verify"]).status, 0);
    }
}

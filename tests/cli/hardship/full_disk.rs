//! A full disk: the queue pauses with a reason, nothing is lost, and it resumes when there is space.

use std::io::{ErrorKind, Write};

use super::*;

/// The worker starts no run with less than 24 MiB free.
const DISK: &str = "mount -t tmpfs -o size=64m,mode=700 tmpfs \"$1\"";

const FEW_FILES: &str = "mount -t tmpfs -o size=200m,nr_inodes=40,mode=700 tmpfs \"$1\"";

/// With line breaks, because the message of the pause also says that the queue will resume.
const RESUMED: &str = "\nqueue resumed\n";

#[test]
fn a_full_disk_stops_the_queue_and_loses_nothing() {
    let place = tempfile::tempdir().unwrap();
    mounts::run("hardship::full_disk::on_a_small_disk", place.path(), DISK);
}

/// Files are used up, and bytes are not.
#[test]
fn a_disk_without_inodes_pauses_the_queue_and_repeats_nothing() {
    let place = tempfile::tempdir().unwrap();
    mounts::run("hardship::full_disk::on_a_disk_of_few_files", place.path(), FEW_FILES);
}

#[test]
#[ignore = "needs a disk of 40 inodes; the test above gives it one"]
fn on_a_disk_of_few_files() {
    let Some(place) = std::env::var_os(mounts::PLACE).map(PathBuf::from) else { return };
    let project = Project::ready_in(&place);
    project.queue("1x2", "4");
    let mut files = 0;
    while File::create(place.join(format!("file-{files}"))).is_ok() {
        files += 1;
    }
    // The files of the database, and no picture's.
    for file in 0..3 {
        fs::remove_file(place.join(format!("file-{file}"))).unwrap();
    }
    let worker = Working::worker(&project, "worker", "2");
    worker.wait_to_hear("queue paused");
    thread::sleep(Duration::from_secs(4));
    let pauses = worker.said().matches("queue paused").count();
    assert!(pauses <= 4, "{}", worker.said());
    says_what_to_do(&paused(&project).unwrap(), &project);
    for file in 3..files {
        fs::remove_file(place.join(format!("file-{file}"))).unwrap();
    }
    let (status, said) = worker.end();
    assert_eq!((status, said.contains("failed")), (0, false), "{said}");
    assert_eq!(project.pictures().len(), 2);
}

#[test]
#[ignore = "needs a disk of 64 MiB; the test above gives it one"]
fn on_a_small_disk() {
    let Some(place) = std::env::var_os(mounts::PLACE).map(PathBuf::from) else { return };
    let project = Project::ready_in(&place);
    queue(&project);
    let worker = too_little_room_to_begin(&place, &project);
    full_in_the_middle_of_a_run(&place, &project, worker);
    full_to_the_last_byte(&place, &project);
    let (status, said) = Working::worker(&project, "last", "2").end();
    assert_eq!(status, 0, "{said}");
    assert!(!said.contains("failed"), "{said}");
    assert_eq!(paused(&project), None);
    as_if_undisturbed(&project);
}

/// Fills the disk until `leave` bytes are free; 0 fills it completely.
fn fill(place: &Path, leave: u64) {
    let mut file = File::options().create(true).append(true).open(place.join("filler")).unwrap();
    for size in [1 << 16, 1 << 10, 1] {
        let block = vec![7; size];
        while free(place) > leave {
            match file.write_all(&block) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => break,
                Err(error) => panic!("{error}"),
            }
        }
    }
}

fn free(place: &Path) -> u64 {
    let disk = rustix::fs::statvfs(place).unwrap();
    disk.f_bavail * disk.f_frsize
}

fn make_room(place: &Path) {
    fs::remove_file(place.join("filler")).unwrap();
}

fn paused(project: &Project) -> Option<String> {
    project.json(&["queue", "list"])["paused"].as_str().map(str::to_owned)
}

#[track_caller]
fn says_what_to_do(reason: &str, project: &Project) {
    for words in ["no space left on the disk", "free some space", project.path().to_str().unwrap()] {
        assert!(reason.contains(words), "{words:?} is not in: {reason}");
    }
}

/// The worker starts nothing, says why, and resumes by itself.
fn too_little_room_to_begin(place: &Path, project: &Project) -> Working {
    fill(place, 20 << 20);
    let worker = Working::worker(project, "worker", "2");
    worker.wait_to_hear("queue paused");
    says_what_to_do(&worker.said(), project);
    says_what_to_do(&paused(project).unwrap(), project);
    assert!(!worker.said().contains("started"), "{}", worker.said());
    make_room(place);
    worker.wait_to_hear(RESUMED);
    assert_eq!(paused(project), None);
    worker
}

/// The run is requeued and resumes. In the end the worker is killed while it waits again.
fn full_in_the_middle_of_a_run(place: &Path, project: &Project, mut worker: Working) {
    project.wait_for_a_step();
    fill(place, 0);
    let pauses = |worker: &Working| worker.said().matches("queue paused").count();
    wait_until("a pause", || pauses(&worker) == 2);
    // The worker's ballast file made room for this.
    says_what_to_do(&paused(project).unwrap(), project);
    assert_eq!(project.done(&["runs"]).stdout.matches("ada-").count(), RUNS);
    make_room(place);
    wait_until("going on", || worker.said().matches(RESUMED).count() == 2);
    wait_until("the run again", || worker.said().matches("started").count() == 2);
    fill(place, 0);
    wait_until("another pause", || pauses(&worker) == 3);
    // Resumed too early, the queue pauses again.
    project.done(&["queue", "resume"]);
    wait_until("the pause again", || pauses(&worker) == 4);
    assert!(!worker.said().contains("failed") && !worker.said().contains("panicked"), "{}", worker.said());
    worker.child.kill().unwrap();
    worker.child.wait().unwrap();
}

/// Nothing can be written, and no program has the project open.
fn full_to_the_last_byte(place: &Path, project: &Project) {
    let _ = fs::remove_file(project.path().join("ballast"));
    let _ = fs::remove_file(project.path().join("project.db-shm"));
    fill(place, 0);
    let before = contents(&project.path());
    let commands: [&[&str]; 7] = [
        &["runs"],
        &["show", "ada-0001"],
        &["run", "ada", "--subject-block", "portrait", "--seeds", "1x1"],
        &["run", "ada", "--subject-block", "portrait", "--seeds", "1x1", "--wait"],
        &["worker", "--until-empty", "--device", "cpu"],
        &["verify"],
        &["queue", "resume"],
    ];
    for command in commands {
        fails(&project.run(command), &["no space left on the disk", "project.db", "free some space"]);
    }
    assert_eq!(contents(&project.path()), before, "nothing may be overwritten");
    make_room(place);
}

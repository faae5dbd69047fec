//! Projects without write permission: by file modes, and on a read-only disk.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use super::damage::{COMMANDS, spoiled};
use super::*;
use crate::support;

/// The program without root's capabilities, so that file modes apply to it.
fn without_powers(project: &Path, words: &[&str]) -> Ran {
    let mut program = support::pentimento();
    if !rustix::process::geteuid().is_root() {
        return support::run(program.arg("--project").arg(project).args(words));
    }
    let mut command = Command::new("setpriv");
    command.args(["--bounding-set", "-all", "--inh-caps", "-all"]).arg(program.get_program());
    support::run(command.env_remove("PENTIMENTO_IMAGES").arg("--project").arg(project).args(words))
}

/// Whether file modes can be tested here: root needs a program to drop its capabilities.
fn modes_hold(test: &str) -> bool {
    if !rustix::process::geteuid().is_root() || Command::new("setpriv").arg("--version").output().is_ok() {
        return true;
    }
    mounts::skipped(test, "it runs as root, and setpriv is needed to drop root's capabilities but is not installed");
    false
}

/// Whether a command only reads the project.
fn is_reading(command: &[&str]) -> bool {
    ["runs", "show"].contains(&command[0])
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Runs every command while `file` has a mode, and returns the results. Nothing may change.
fn with_mode(file: &str, mode: u32) -> Vec<(&'static [&'static str], Ran)> {
    let folder = spoiled(|_| {});
    let project = folder.path().join("project");
    let (file, before) = (project.join(file), contents(&project));
    set_mode(&file, mode);
    let ran = COMMANDS.iter().map(|command| (*command, without_powers(&project, command))).collect();
    set_mode(&file, if file.is_dir() { 0o700 } else { 0o600 });
    assert_eq!(contents(&project), before, "nothing may be overwritten");
    ran
}

#[test]
fn a_folder_that_may_not_be_written_is_named() {
    if modes_hold("a_folder_that_may_not_be_written_is_named") {
        for (command, ran) in with_mode("", 0o500) {
            if is_reading(command) {
                assert_eq!(ran.status, 0, "{command:?}: {}", ran.stderr);
                continue;
            }
            ran.refused(1, &["cannot read and write", "project ", "Permission denied", "check the permissions"]);
            assert!(!ran.stderr.contains("project.db"), "{command:?}: it is the folder's fault: {}", ran.stderr);
        }
    }
}

#[test]
fn a_database_that_may_not_be_written_can_still_be_read() {
    if modes_hold("a_database_that_may_not_be_written_can_still_be_read") {
        for (command, ran) in with_mode("project.db", 0o400) {
            if is_reading(command) {
                assert_eq!(ran.status, 0, "{command:?}: {}", ran.stderr);
                continue;
            }
            ran.refused(1, &["cannot read and write", "project.db ", "Permission denied", "check the permissions"]);
        }
    }
}

#[test]
fn a_database_that_may_not_be_read_is_named() {
    if modes_hold("a_database_that_may_not_be_read_is_named") {
        for (_, ran) in with_mode("project.db", 0) {
            ran.refused(1, &["cannot read and write", "project.db ", "Permission denied", "check the permissions"]);
        }
    }
}

/// As after another user, such as root, had the project open and was killed.
#[test]
fn a_log_that_belongs_to_another_user_is_named() {
    if !modes_hold("a_log_that_belongs_to_another_user_is_named") {
        return;
    }
    let folder = spoiled(|project| fs::write(project.join("project.db-wal"), "theirs").unwrap());
    let project = folder.path().join("project");
    let before = contents(&project);
    set_mode(&project.join("project.db-wal"), 0);
    for command in COMMANDS {
        let ran = without_powers(&project, command);
        ran.refused(1, &["cannot read and write", "project.db-wal ", "Permission denied", "check the permissions"]);
    }
    set_mode(&project.join("project.db-wal"), 0o600);
    assert_eq!(contents(&project), before, "nothing may be overwritten");
}

#[test]
fn a_project_on_a_read_only_disk_can_only_be_read() {
    let folder = spoiled(|_| {});
    let mount = "mount --bind \"$1\" \"$1\"; mount -o remount,bind,ro \"$1\"";
    let before = contents(&folder.path().join("project"));
    mounts::run("hardship::locked::on_a_read_only_disk", folder.path(), mount);
    assert_eq!(contents(&folder.path().join("project")), before, "nothing may be overwritten");
}

#[test]
#[ignore = "needs a project on a read-only disk; the test above gives it one"]
fn on_a_read_only_disk() {
    let Some(place) = std::env::var_os(mounts::PLACE).map(PathBuf::from) else { return };
    let project = place.join("project");
    for command in COMMANDS {
        let ran = support::run(support::pentimento().arg("--project").arg(&project).args(*command));
        if is_reading(command) {
            assert_eq!(ran.status, 0, "{command:?}: {}", ran.stderr);
            continue;
        }
        ran.refused(1, &["cannot read and write", "Read-only file system", "check the permissions"]);
    }
    let runs = support::run(support::pentimento().arg("--project").arg(&project).args(["runs", "--json"])).json();
    assert_eq!(runs["runs"].as_array().unwrap().len(), 2, "a done and a queued run");
}

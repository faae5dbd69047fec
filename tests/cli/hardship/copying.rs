//! A backup while a worker runs.

use super::*;
use crate::support;

#[test]
fn a_backup_during_a_run_is_a_valid_project() {
    let project = queued();
    let worker = Working::worker(&project, "worker", "2");
    project.wait_for_a_step();
    let mut copies = Vec::new();
    let mut files = 0;
    // Make backups until a run is done, so that some happen while a picture is written.
    while !worker.said().contains("ada-0001: done") {
        let copy = project.file(&format!("copy-{}", copies.len()));
        files = project.json(&["backup", copy.to_str().unwrap()])["files"].as_u64().unwrap().max(files);
        copies.push(copy);
        thread::sleep(Duration::from_millis(200));
    }
    let last = project.file("last");
    files = project.json(&["backup", last.to_str().unwrap()])["files"].as_u64().unwrap().max(files);
    copies.push(last);
    assert!(files >= 3, "the reference, and two pictures: {files}");
    for copy in &copies {
        let verified = support::run(support::pentimento().arg("--project").arg(copy).args(["verify", "--json"])).json();
        assert_eq!(verified["problems"].as_array().unwrap().len(), 0, "{verified}");
    }
    let (status, said) = worker.end();
    assert_eq!(status, 0, "{said}");
    as_if_undisturbed(&project);

    // The first copy was made during a run and resumes it, because the original worker does not use the copy.
    let shown = |copy: &Path, words: &[&str]| {
        support::run(support::pentimento().arg("--project").arg(copy).args(words).arg("--json")).json()
    };
    let states = |copy: &Path| {
        let runs = shown(copy, &["runs"])["runs"].as_array().unwrap().clone();
        runs.iter().map(|run| run["state"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert!(states(&copies[0]).contains(&"running".to_owned()), "{:?}", states(&copies[0]));
    let words = ["worker", "--until-empty", "--device", "cpu", "--lease", "2"];
    let worked = support::run(support::pentimento().arg("--project").arg(&copies[0]).args(words));
    assert_eq!(worked.status, 0, "{}", worked.stderr);
    assert_eq!(states(&copies[0]), ["done"; RUNS]);
    for (name, picture) in undisturbed() {
        let (task, seed) = name.split_once(':').unwrap();
        let run = shown(&copies[0], &["show", task]);
        let outputs = run["outputs"].as_array().unwrap();
        let seed: u64 = seed.parse().unwrap();
        let output = outputs.iter().find(|output| output["seed"] == seed).unwrap();
        assert!(fs::read(output["path"].as_str().unwrap()).unwrap() == *picture, "{name} differs");
    }
}

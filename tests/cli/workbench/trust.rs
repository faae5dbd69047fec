//! What a user can trust: the screens act on what they show, and nothing is lost or done twice.

use pentimento::tui::screen_id::ScreenId;

use super::driver::{Workbench, project_with_runs};
use super::terminal::Terminal;
use crate::project::Project;

const SIZE: (u16, u16) = (100, 30);

/// Ada with four pictures, and Bo with nothing.
fn ada_and_bo() -> Project {
    let project = project_with_runs();
    project.done(&["subject", "add", "Bo"]);
    project
}

/// Two subjects without runs; Ada has a reference.
fn two_subjects() -> Project {
    let project = Project::ready();
    project.done(&["subject", "add", "Bo"]);
    project
}

fn runs(project: &Project) -> Vec<String> {
    let runs = project.json(&["runs"]);
    runs["runs"].as_array().unwrap().iter().map(|run| run["task"].as_str().unwrap().to_owned()).collect()
}

fn failures(project: &Project, run: &str) -> usize {
    let document = project.json(&["show", run]).to_string();
    document.matches("waxy").count()
}

#[test]
fn review_never_shows_another_subjects_picture() {
    let project = ada_and_bo();
    let mut screen = Workbench::open(&project, SIZE);
    screen.press(&["f4", "enter"]).shows(&["ada-0002:2"]);
    screen.press(&["f1", "shift-g", "f4"]).shows(&["No pictures yet"]);
    screen.press(&["f1", "f5"]).shows(&["No pictures of Bo"]).hides(&["ada-0002", "waxy"]);
    // The keys have nothing to act on.
    let before = project.json(&["show", "ada-0002"]);
    screen.press(&["3", "a", "r"]).shows(&["No picture to review."]);
    assert_eq!(project.json(&["show", "ada-0002"]), before);
}

#[test]
fn the_highlighted_subject_is_the_selected_one() {
    let project = ada_and_bo();
    for key in ["f2", "f3", "f5", "f7", "shift-v"] {
        let mut screen = Workbench::open(&project, SIZE);
        screen.press(&["shift-g", key]);
        assert_ne!(screen.app.context.screen, ScreenId::Subjects, "{key}:\n{}", screen.text());
        let title = screen.text().lines().next().unwrap().to_owned();
        assert!(title.contains("bo"), "{key}: {title}");
        screen.hides(&["subject first"]);
    }
}

#[test]
fn a_new_subject_is_selected_and_consent_names_it() {
    let project = two_subjects();
    let mut screen = Workbench::open(&project, SIZE);
    screen.press(&["a"]).type_in("Zo").press(&["enter"]).shows(&["Added Zo."]);
    assert!(screen.selected().iter().any(|row| row.starts_with("zo")), "{:?}", screen.selected());
    screen.press(&["r"]).shows(&["Zo: why are you allowed to use these pictures?"]);
    screen.press(&["enter"]).shows(&["Zo, own: who agreed"]).type_in("it is me").press(&["enter"]);
    screen.shows(&["Consent recorded for Zo."]);
    assert_eq!(project.json(&["subject", "show", "zo"])["rights"].as_array().map(Vec::len), Some(1));
    assert_eq!(project.json(&["subject", "show", "ada"])["rights"].as_array().map(Vec::len), Some(1));
}

#[test]
fn consent_is_not_recorded_for_the_subject_before_the_new_one() {
    let project = two_subjects();
    let mut screen = Workbench::open(&project, SIZE);
    screen.press(&["a"]).type_in("Zo");
    screen.press_at_once(&["enter", "r", "enter"]);
    assert_eq!(project.json(&["subject", "show", "ada"])["rights"].as_array().map(Vec::len), Some(1));
    screen.hides(&["Ada: why", "Ada, own"]);
}

#[test]
fn a_draft_survives_other_screens_and_quitting_asks_first() {
    let project = two_subjects();
    let mut screen = Workbench::open(&project, SIZE);
    screen.press(&["f3"]).type_in("portrait of a person").press(&["tab"]).type_in("85mm");
    screen.press(&["f4", "f6", "f1"]);
    // Bo has a draft of his own.
    screen.press(&["shift-g", "f3"]).hides(&["portrait of a person"]);
    screen.press(&["f1", "g", "f3"]).shows(&["portrait of a person", "85mm", "draft"]);
    screen.press(&["esc", "q"]).shows(&["Quit?", "The draft for Ada"]);
    assert!(!screen.app.quitting);
    screen.press(&["esc"]).shows(&["85mm"]);
    screen.press(&["ctrl-c", "y"]);
    assert!(screen.app.quitting);
}

#[test]
fn a_clean_form_quits_at_once() {
    let project = two_subjects();
    let mut screen = Workbench::open(&project, SIZE);
    screen.press(&["f3", "esc", "q"]);
    assert!(screen.app.quitting);
}

#[test]
fn letters_in_a_selected_field_are_text() {
    let project = two_subjects();
    project.queue("1", "1");
    let mut screen = Workbench::open(&project, SIZE);
    screen.press(&["f3", "tab", "tab"]).shows(&["type lighting"]);
    screen.type_in("soft window light, quiet").shows(&["soft window light, quiet"]);
    assert_eq!((screen.app.context.screen, screen.app.quitting), (ScreenId::Compose, false));
    assert_eq!(runs(&project), ["ada-0001"]);
    assert_eq!(project.json(&["queue", "list"])["runs"][0]["state"], "queued");
    assert!(project.json(&["queue", "list"])["paused"].is_null());
    // Enter leaves the field; then letters are commands.
    screen.press(&["enter"]).shows(&["commands │", "s queues this run"]);
    screen.press(&["s"]).shows(&["Queued ada-0002"]);
    assert_eq!(project.json(&["show", "ada-0002"])["delta"][0]["after"], "soft window light, quiet");
}

#[test]
fn a_failure_key_marks_and_unmarks() {
    let project = project_with_runs();
    let mut screen = Workbench::open(&project, SIZE);
    screen.press(&["f4", "enter"]).shows(&["ada-0002:2"]);
    let before = failures(&project, "ada-0002");
    screen.press(&["3"]).shows(&["● synthetic or waxy", "Likely cause"]);
    assert_eq!(failures(&project, "ada-0002"), before + 1);
    screen.press(&["3"]).hides(&["● synthetic", "Likely cause"]);
    assert_eq!(failures(&project, "ada-0002"), before);
    assert_eq!(project.json(&["show", "ada-0002"])["outputs"][1]["reviews"].as_array().map(Vec::len), Some(0));
    screen.press(&["enter"]).shows(&["Press 1–6 to name the failure"]);
    // Marked, unmarked, marked, however fast the keys come.
    screen.press_at_once(&["3", "3", "3"]).shows(&["● synthetic or waxy"]);
    assert_eq!(failures(&project, "ada-0002"), before + 1);
    // The filter follows.
    screen.press(&["3", "f4", "/"]).type_in("failure:waxy").press(&["enter"]).shows(&["1 of 1 picture"]);
}

#[test]
fn a_verdict_goes_back_to_unreviewed() {
    let project = project_with_runs();
    let mut screen = Workbench::open(&project, SIZE);
    screen.press(&["f4", "enter", "a", "k"]).shows(&["ada-0002:2 ✓ accepted"]);
    screen.press(&["u"]).shows(&["ada-0002:2 · unreviewed"]);
    let output = &project.json(&["show", "ada-0002"])["outputs"][1];
    assert_eq!((&output["verdict"], output["reviews"].as_array().map(Vec::len)), (&"open".into(), Some(0)), "{output}");
}

#[test]
fn the_position_in_review_is_that_of_the_opened_list() {
    let project = project_with_runs();
    let mut screen = Workbench::open(&project, SIZE);
    screen.press(&["f7", "g", "v"]).shows(&["ada-0001:1", "ada-0001 · 1 of 2"]);
    screen.press(&["j"]).shows(&["ada-0001:2", "ada-0001 · 2 of 2"]);
    screen.press(&["j"]).shows(&["Last picture.", "ada-0001:2"]);
    // Back in the list of runs the cursor is on the same picture.
    screen.press(&["f4"]).shows(&["3 of 4 pictures"]);
    screen.press(&["shift-g", "enter"]).shows(&["ada · 4 of 4", "ada-0001:1"]);
    screen.press(&["k"]).shows(&["ada · 3 of 4", "ada-0001:2"]);
}

#[test]
fn the_same_run_is_queued_once() {
    let project = project_with_runs();
    let mut screen = Workbench::open(&project, SIZE);
    let before = runs(&project).len();
    screen.press(&["f4", "enter", "3", "enter"]).shows(&["Queued ada-0004"]);
    screen.press(&["3", "enter"]).shows(&["This run is queued already: ada-0004."]);
    assert_eq!(runs(&project).len(), before + 1);
    // The same pictures with new seeds are asked for twice, and made with different ones.
    screen.press(&["+", "+"]);
    let seeds = |run: &str| project.json(&["show", run])["seeds"].to_string();
    assert_ne!(seeds("ada-0005"), seeds("ada-0006"));
}

#[test]
fn the_list_of_all_subjects_ends_when_a_subject_is_opened() {
    let project = ada_and_bo();
    let mut screen = Workbench::open(&project, SIZE);
    screen.press(&["f4", "e"]).shows(&["all subjects · 1 of 4", "ada-0002"]);
    screen.press(&["f1", "shift-g", "enter"]).shows(&["bo · 0 pictures", "No pictures yet"]).hides(&["ada-0002"]);
    screen.press(&["f1", "g", "enter"]).shows(&["ada · ", "of 4 pictures"]).hides(&["all subjects ·"]);
}

#[test]
fn quitting_tells_queued_runs_from_running_ones() {
    let project = Project::ready();
    project.queue("0x200", "20");
    project.queue("0x3", "1");
    let (home, path) = (project.folder.path(), project.path());
    let words = ["--project", path.to_str().unwrap()];
    let mut first = Terminal::open(home, &words);
    first.wait("▶ ada-0001");
    // The second workbench shows the first one's run, and leaves it running.
    let mut second = Terminal::open(home, &words);
    second.wait("▶ ada-0001").press("q");
    assert_eq!(second.ended(), 0);
    second.wait("Another process continues 1 running run and 1 queued.");
    first.press("q");
    assert_eq!(first.ended(), 0);
    first.wait("2 runs are still queued.");
}

#[test]
fn quitting_counts_the_runs_of_dead_workers_as_queued() {
    let project = Project::ready();
    project.queue("1", "1");
    project.done(&["queue", "pause"]);
    let database = rusqlite::Connection::open(project.path().join("project.db")).unwrap();
    // The lease of a worker that died long ago.
    database.execute("UPDATE runs SET state = 'running', owner = 'dead', lease = 1, attempt = 1", ()).unwrap();
    drop(database);
    let mut screen = Terminal::open(project.folder.path(), &["--project", project.path().to_str().unwrap()]);
    screen.wait("ada-0001").press("q");
    assert_eq!(screen.ended(), 0);
    screen.wait("1 run is still queued.");
}

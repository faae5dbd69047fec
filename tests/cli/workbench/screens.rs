//! Snapshots of every screen at two sizes, and how the screens react.

use pentimento::studio::review::Rubric;
use pentimento::tui::event::Event;

use super::driver::{Workbench, project_with_runs};
use crate::project::Project;

const SIZES: [(u16, u16); 2] = [(80, 24), (140, 45)];

#[test]
fn every_screen_at_two_sizes() {
    let project = project_with_runs();
    for size in SIZES {
        let mut screen = Workbench::open(&project, size);
        let shot = |screen: &mut Workbench, name: &str, keys: &[&str]| {
            screen.press(keys);
            insta::assert_snapshot!(format!("{name}-{}x{}", size.0, size.1), screen.text());
        };
        shot(&mut screen, "subjects", &[]);
        shot(&mut screen, "references", &["shift-r"]);
        shot(&mut screen, "references-right", &["g"]);
        shot(&mut screen, "compose", &["esc", "shift-c"]);
        shot(&mut screen, "compose-two-changes", &["tab", "tab", "a", "tab", "b", "enter"]);
        shot(&mut screen, "runs", &["shift-h"]);
        shot(&mut screen, "runs-grid", &["t"]);
        shot(&mut screen, "review", &["t", "enter"]);
        shot(&mut screen, "review-failure", &["3"]);
        shot(&mut screen, "queue", &["shift-q"]);
        shot(&mut screen, "lineage", &["shift-l"]);
        shot(&mut screen, "help", &["?"]);
        shot(&mut screen, "palette", &["esc", ":", "q"]);
    }
}

#[test]
fn one_key_queues_the_newest_run_with_new_seeds() {
    let project = Project::ready();
    project.queue("1,2", "1");
    let mut screen = Workbench::open(&project, (100, 30));
    screen.press(&["+"]);
    screen.shows(&["Queued ada-0002 (2 pictures)."]);
    let run = project.json(&["show", "ada-0002"]);
    assert_eq!((&run["parent"], &run["seeds"]), (&"ada-0001".into(), &serde_json::json!([3, 4])), "{run}");
}

#[test]
fn a_verdict_is_given_to_the_shown_picture_and_the_next_one_follows() {
    let project = project_with_runs();
    let mut screen = Workbench::open(&project, (100, 30));
    screen.press(&["shift-h", "enter"]);
    screen.shows(&["ada-0002:2"]);
    screen.press(&["r"]);
    screen.shows(&["ada-0002:1 · unreviewed"]);
    screen.press(&["a"]);
    let verdicts = |run: &str| -> Vec<String> {
        let run = project.json(&["show", run]);
        let outputs = run["outputs"].as_array().unwrap();
        outputs.iter().map(|output| output["verdict"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(verdicts("ada-0002"), ["accepted", "rejected"]);
}

#[test]
fn scores_are_kept_while_another_process_changes_the_project() {
    let project = project_with_runs();
    let mut screen = Workbench::open(&project, (100, 30));
    screen.press(&["shift-h", "enter", "s", "5", "4"]);
    screen.take(Event::Changed);
    let criteria = Rubric::embedded().criteria.len();
    screen.press(&vec!["5"; criteria - 2]);
    let expected: Vec<String> = Rubric::embedded()
        .criteria
        .iter()
        .enumerate()
        .map(|(at, criterion)| format!("{} {}", criterion.key.as_str(), [4, 3].get(at).unwrap_or(&4)))
        .collect();
    let said = screen.text();
    assert!(expected.iter().all(|score| said.replace('\n', " ").contains(score.as_str())), "{expected:?}\n{said}");
    screen.press(&["b"]);
    screen.shows(&["ada-0002:2 is now the baseline of ada"]);
    assert_eq!(project.json(&["show", "ada-0002"])["outputs"][1]["verdict"], "accepted");
}

#[test]
fn a_terminal_that_is_too_small_is_told_so() {
    let project = Project::ready();
    for size in [(59, 24), (80, 17), (1, 1), (20, 3)] {
        let screen = Workbench::open(&project, size);
        let text = screen.text();
        if size.0 > 40 {
            assert!(text.contains("Terminal too small"), "{text}");
        }
    }
}

#[test]
fn names_that_steer_terminals_are_drawn_as_text() {
    let project = Project::ready();
    project.done(&["subject", "add", "Zoë \u{1b}[2J\u{202e}肖像👩🏽‍🎨", "--handle", "zoe"]);
    let screen = Workbench::open(&project, (140, 45));
    let said = screen.text();
    assert!(said.contains("zoe") && said.contains("Zoë"), "{said}");
    assert!(!said.contains('\u{1b}') && !said.contains('\u{202e}'), "{said:?}");
}

#[test]
fn an_error_stays_until_it_is_dismissed() {
    let project = Project::new();
    let mut screen = Workbench::open(&project, (100, 30));
    screen.press(&["shift-c"]).type_in("portrait of a person").press(&["ctrl-s"]);
    screen.press(&["shift-r", "w", "y", "a"]).shows(&[" ! "]);
    screen.press(&["j"]).shows(&[" ! "]);
    screen.press(&["shift-x"]).shows(&["Error"]);
    screen.press(&["esc", "x"]).hides(&[" ! "]);
}

//! What goes for all projects: chosen, kept, refused.

use std::path::Path;

use crate::support::{self, Ran, pentimento, promised};

fn config(home: &Path, words: &[&str]) -> Ran {
    let mut command = pentimento();
    command.arg("config").args(words).env("HOME", home).env("USER", "ada").env_remove("XDG_CONFIG_HOME");
    support::run(&mut command)
}

#[test]
fn a_choice_is_kept_and_can_be_taken_back() {
    let home = tempfile::tempdir().unwrap();
    let plain = config(home.path(), &["--json"]).json();
    promised(&plain, &["folder", "theme", "reviewer"]);
    assert_eq!((&plain["theme"], &plain["reviewer"]), (&"dusk".into(), &"ada".into()));
    assert_eq!(config(home.path(), &["set", "theme", "paper"]).status, 0);
    assert_eq!(config(home.path(), &["set", "reviewer", "the night shift"]).status, 0);
    let chosen = config(home.path(), &["--json"]).json();
    assert_eq!((&chosen["theme"], &chosen["reviewer"]), (&"paper".into(), &"the night shift".into()));
    assert_eq!(config(home.path(), &["set", "reviewer", ""]).status, 0);
    let back = config(home.path(), &["--json"]).json();
    assert_eq!((&back["theme"], &back["reviewer"]), (&"paper".into(), &"ada".into()));
}

#[test]
fn every_theme_is_shown_and_an_unknown_one_refused() {
    let home = tempfile::tempdir().unwrap();
    let shown = config(home.path(), &["themes"]);
    let themes = config(home.path(), &["themes", "--json"]).json();
    let themes = themes["themes"].as_array().unwrap();
    assert!(themes.len() >= 6);
    for theme in themes {
        assert!(shown.stdout.contains(theme["name"].as_str().unwrap()), "{}", shown.stdout);
        assert!(!theme["about"].as_str().unwrap().is_empty());
    }
    config(home.path(), &["set", "theme", "mauve"]).refused(1, &["no theme called \"mauve\"", "config themes"]);
    let folder = config(home.path(), &["--json"]).json()["folder"].as_str().unwrap().to_owned();
    std::fs::create_dir_all(Path::new(&folder).join("themes")).unwrap();
    let own = Path::new(&folder).join("themes/mauve.toml");
    std::fs::write(&own, "name = \"mauve\"\n[roles]\ntext = { color = \"mauve\" }\n").unwrap();
    config(home.path(), &["set", "theme", "mauve"]).refused(1, &["mauve", "#rrggbb"]);
    std::fs::write(&own, "name = \"mauve\"\n[roles]\ntext = { color = \"#e0b0ff\" }\n").unwrap();
    assert_eq!(config(home.path(), &["set", "theme", "mauve"]).status, 0);
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let home = tempfile::tempdir().unwrap();
    let folder = config(home.path(), &["--json"]).json()["folder"].as_str().unwrap().to_owned();
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(Path::new(&folder).join("config.toml"), "theme = 3").unwrap();
    config(home.path(), &[]).refused(1, &["config.toml", "string"]);
    config(home.path(), &["set", "theme", "paper"]).refused(1, &["config.toml"]);
}

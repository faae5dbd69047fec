//! `config`: shows settings with their origin, keeps changes, refuses bad values.

use std::path::{Path, PathBuf};

use crate::support::{self, Ran, pentimento, promised};

fn config(home: &Path, words: &[&str]) -> Ran {
    let mut command = pentimento();
    command.arg("config").args(words).env("HOME", home).env("USER", "ada").env_remove("XDG_CONFIG_HOME");
    support::run(&mut command)
}

/// Writes the user's `config.toml`.
fn write(home: &Path, text: &str) -> PathBuf {
    let folder = home.join(".config/pentimento");
    let folder = if cfg!(target_os = "macos") { home.join("Library/Application Support/pentimento") } else { folder };
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("config.toml");
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn a_value_is_kept_and_can_be_reset() {
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
fn themes_are_listed_and_unknown_ones_refused() {
    let home = tempfile::tempdir().unwrap();
    let shown = config(home.path(), &["themes"]);
    let themes = config(home.path(), &["themes", "--json"]).json();
    let themes = themes["themes"].as_array().unwrap();
    assert!(themes.len() >= 6);
    for theme in themes {
        assert!(shown.stdout.contains(theme["name"].as_str().unwrap()), "{}", shown.stdout);
        assert!(!theme["about"].as_str().unwrap().is_empty());
    }
    config(home.path(), &["set", "theme", "mauve"]).refused(1, &["unknown theme \"mauve\"", "config themes"]);
    let folder = config(home.path(), &["--json"]).json()["folder"].as_str().unwrap().to_owned();
    std::fs::create_dir_all(Path::new(&folder).join("themes")).unwrap();
    let own = Path::new(&folder).join("themes/mauve.toml");
    std::fs::write(&own, "name = \"mauve\"\n[roles]\ntext = { color = \"mauve\" }\n").unwrap();
    config(home.path(), &["set", "theme", "mauve"]).refused(1, &["mauve", "#rrggbb"]);
    std::fs::write(&own, "name = \"mauve\"\n[roles]\ntext = { color = \"#e0b0ff\" }\n").unwrap();
    assert_eq!(config(home.path(), &["set", "theme", "mauve"]).status, 0);
}

#[test]
fn errors_in_the_file_are_named() {
    let home = tempfile::tempdir().unwrap();
    write(home.path(), "theme = 3");
    config(home.path(), &[]).refused(1, &["invalid theme 3", "config.toml", "use a string"]);
    config(home.path(), &["set", "theme", "paper"]).refused(1, &["config.toml"]);
    write(home.path(), "colour = \"red\"");
    config(home.path(), &[]).refused(1, &["unknown key \"colour\"", "config.toml", "theme, reviewer, images"]);
    write(home.path(), "theme =");
    config(home.path(), &[]).refused(1, &["config.toml is not valid TOML"]);
}

#[test]
fn other_commands_warn_of_errors_in_the_file_and_go_on() {
    let home = tempfile::tempdir().unwrap();
    write(home.path(), "colour = \"red\"\nimages = \"sharp\"\nreviewer = \"the night shift\"");
    let ran =
        support::run(pentimento().args(["completions", "bash"]).env("HOME", home.path()).env_remove("XDG_CONFIG_HOME"));
    assert_eq!(ran.status, 0);
    for warning in ["note: unknown key \"colour\" in ", "note: invalid images \"sharp\" in "] {
        assert!(ran.stderr.contains(warning), "{}", ran.stderr);
    }
}

#[test]
fn each_value_has_an_origin() {
    let home = tempfile::tempdir().unwrap();
    let path = write(home.path(), "theme = \"paper\"\nimages = \"sixel\"");
    let shown = config(home.path(), &["--json"]).json();
    let file = format!("file {}", path.display());
    assert_eq!(shown["origin"]["theme"], file);
    assert_eq!((&shown["images"], &shown["origin"]["images"]), (&"sixel".into(), &file.as_str().into()));
    assert_eq!(shown["origin"]["reviewer"], "environment variable USER");
    assert_eq!((&shown["project"], &shown["origin"]["project"]), (&serde_json::Value::Null, &"default".into()));

    let mut command = pentimento();
    command.args(["--images", "off", "config", "--json"]).env("HOME", home.path()).env_remove("XDG_CONFIG_HOME");
    let shown = support::run(command.env("PENTIMENTO_PROJECT", "/elsewhere").env("NO_COLOR", "1")).json();
    assert_eq!((&shown["images"], &shown["origin"]["images"]), (&"off".into(), &"flag --images".into()));
    assert_eq!(shown["project"], "/elsewhere");
    assert_eq!(shown["origin"]["project"], "environment variable PENTIMENTO_PROJECT");
    assert_eq!(
        (&shown["colour"], &shown["origin"]["colour"]),
        (&false.into(), &"environment variable NO_COLOR".into())
    );

    let text = config(home.path(), &[]).stdout;
    assert!(text.contains("(environment variable USER)") && text.contains("(default)"), "{text}");
}

use std::path::Path;

use super::*;

/// Loads with these variables and this `config.toml`, if any.
fn load(flags: &Flags, variables: &[(&str, &str)], file: Option<&str>) -> Config {
    let folder = tempfile::tempdir().unwrap();
    if let Some(file) = file {
        std::fs::write(folder.path().join("config.toml"), file).unwrap();
    }
    let variable = |name: &str| Some(variables.iter().find(|(known, _)| *known == name)?.1.into());
    Config::load(flags, &variable, folders(folder.path()))
}

fn folders(config: &Path) -> Folders {
    Folders { config: Some(config.to_owned()), ..Folders::default() }
}

#[test]
fn a_flag_beats_a_variable_and_that_the_file() {
    let flags = Flags { images: Some(ImageMode::Kitty), log: Some(LogLevel::Trace), project: Some("a".into()) };
    let variables = [(IMAGES, "sixel"), (LOG, "warn"), (PROJECT, "b")];
    let file = Some("images = \"off\"");

    let config = load(&flags, &variables, file);
    assert_eq!(config.images, Setting { value: ImageMode::Kitty, origin: Origin::Flag("--images") });
    assert_eq!(config.log, Setting { value: LogLevel::Trace, origin: Origin::Flag("--log") });
    assert_eq!(config.project, Some(Setting { value: "a".into(), origin: Origin::Flag("--project") }));

    let config = load(&Flags::default(), &variables, file);
    assert_eq!(config.images, Setting { value: ImageMode::Sixel, origin: Origin::Variable(IMAGES) });
    assert_eq!(config.log, Setting { value: LogLevel::Warn, origin: Origin::Variable(LOG) });
    assert_eq!(config.project, Some(Setting { value: "b".into(), origin: Origin::Variable(PROJECT) }));

    let config = load(&Flags::default(), &[], file);
    assert_eq!(config.images.value, ImageMode::Off);
    assert!(matches!(config.images.origin, Origin::File(_)));
    assert_eq!(config.log, Setting { value: LogLevel::Info, origin: Origin::Default });
    assert_eq!(config.project, None);
}

#[test]
fn an_auto_flag_beats_a_variable_too() {
    let flags = Flags { images: Some(ImageMode::Auto), ..Flags::default() };
    assert_eq!(load(&flags, &[(IMAGES, "sixel")], None).images.value, ImageMode::Auto);
}

#[test]
fn an_empty_variable_is_not_set() {
    let config = load(&Flags::default(), &[(IMAGES, ""), (PROJECT, ""), (NO_COLOR, ""), ("USER", " ")], None);
    assert_eq!((config.images.value, config.project, config.colour.value), (ImageMode::Auto, None, true));
    assert_eq!(config.reviewer, Setting { value: "somebody".to_owned(), origin: Origin::Default });
    assert_eq!(config.errors, []);
}

#[test]
fn the_user_who_is_logged_in_reviews_unless_the_file_names_another() {
    let variables = [("LOGNAME", "ada")];
    let config = load(&Flags::default(), &variables, None);
    assert_eq!(config.reviewer, Setting { value: "ada".to_owned(), origin: Origin::Variable("LOGNAME") });
    let config = load(&Flags::default(), &variables, Some("reviewer = \"the night shift\""));
    assert_eq!(config.reviewer.value, "the night shift");
}

#[test]
fn an_unusable_value_is_reported_and_the_next_source_counts() {
    let config = load(&Flags::default(), &[(IMAGES, "sharp"), (LOG, "loud")], Some("images = \"sixel\""));
    assert_eq!((config.images.value, config.log.value), (ImageMode::Sixel, LogLevel::Info));
    let errors: Vec<String> = config.errors.iter().map(ToString::to_string).collect();
    assert_eq!(
        errors,
        [
            "invalid PENTIMENTO_IMAGES \"sharp\": use auto, kitty, sixel, iterm2, halfblocks or off",
            "invalid PENTIMENTO_LOG \"loud\": use off, error, warn, info, debug or trace",
        ]
    );
}

#[test]
fn one_bad_key_does_not_spoil_the_others() {
    let config = load(&Flags::default(), &[], Some("theme = 3\nimages = \"sixel\"\ncolour = \"red\"\n"));
    assert_eq!((config.theme.value, config.images.value), (None, ImageMode::Sixel));
    let mut errors: Vec<String> = config.errors.iter().map(ToString::to_string).collect();
    errors.sort();
    assert!(errors[0].starts_with("invalid theme 3 in ") && errors[0].ends_with("config.toml: use a string"));
    assert!(errors[1].starts_with("unknown key \"colour\" in ") && errors[1].ends_with("theme, reviewer, images"));
    assert!(config.errors.iter().all(Error::is_in_file));
}

#[test]
fn a_malformed_file_is_reported_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    std::fs::write(&path, "theme =").unwrap();
    let config = Config::load(&Flags::default(), &|_| None, folders(folder.path()));
    assert!(matches!(&config.errors[..], [Error::Malformed { .. }]), "{:?}", config.errors);
    assert!(file::set(&path, file::Key::Theme, Some("paper")).is_err());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "theme =");
}

#[test]
fn a_key_can_be_set_and_removed_beside_unknown_ones() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/config.toml");
    file::set(&path, file::Key::Theme, Some("a \"quoted\" one")).unwrap();
    assert_eq!(ConfigFile::read(&path).unwrap().0.theme.as_deref(), Some("a \"quoted\" one"));
    std::fs::write(&path, "theme = \"paper\"\nother = 1\n").unwrap();
    file::set(&path, file::Key::Theme, None).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "other = 1\n");
}

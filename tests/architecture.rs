//! Checks from the sources which module uses which, as `docs/architecture.md` describes it.

use std::fs;
use std::path::{Path, PathBuf};

/// Each module below `src/` and the modules that it may use. A new module needs a line here.
const ALLOWED: [(&str, &[&str]); 11] = [
    ("studio", &[]),
    ("config", &[]),
    ("logging", &["studio", "config"]),
    ("store", &["studio"]),
    ("diffusion", &["studio"]),
    ("imaging", &["studio"]),
    ("terminal", &["studio"]),
    ("worker", &["studio", "store", "diffusion", "imaging"]),
    ("service", &["studio", "store", "diffusion", "imaging", "worker"]),
    ("tui", &["studio", "store", "service", "terminal", "worker"]),
    ("cli", &["config", "logging", "studio", "store", "diffusion", "imaging", "worker", "service", "terminal", "tui"]),
];

/// Crates that only some modules may use.
const CRATES: [(&str, &[&str]); 17] = [
    ("candle_core", &["diffusion"]),
    ("candle_nn", &["diffusion"]),
    ("rusqlite", &["store"]),
    ("mozjpeg_sys", &["imaging"]),
    ("ratatui", &["terminal", "tui"]),
    ("ratatui_image", &["terminal"]),
    ("crossterm", &["terminal", "tui"]),
    ("crokey", &["tui"]),
    ("nucleo_matcher", &["tui"]),
    ("ratatui_textarea", &["tui"]),
    ("nvml_wrapper", &["worker"]),
    ("viuer", &["cli"]),
    ("clap", &["cli"]),
    ("indicatif", &["cli"]),
    ("directories", &["config"]),
    ("tracing_subscriber", &["logging"]),
    ("anyhow", &["cli"]),
];

#[test]
fn modules_use_only_allowed_modules() {
    let mut violations = Vec::new();
    for file in sources() {
        let Some(module) = module_of(&file) else { continue };
        let Some((_, allowed)) = ALLOWED.iter().find(|(name, _)| *name == module) else {
            violations.push(format!("src/{module} is unknown: list in tests/architecture.rs what it may use"));
            continue;
        };
        for used in root_names(&file) {
            let is_module = ALLOWED.iter().any(|(name, _)| *name == used);
            if is_module && used != module && !allowed.contains(&used.as_str()) {
                violations.push(format!("{} uses {used}: {module} may not", file.display()));
            }
        }
    }
    assert!(violations.is_empty(), "\n{}", violations.join("\n"));
}

#[test]
fn crates_stay_in_their_modules() {
    let mut violations = Vec::new();
    for file in sources() {
        let Some(module) = module_of(&file) else { continue };
        let words = words(&code(&file));
        for (name, modules) in CRATES {
            if names_a_crate(&words, name) && !modules.contains(&module.as_str()) {
                violations.push(format!("{} uses {name}: only {} may", file.display(), modules.join(" and ")));
            }
        }
    }
    assert!(violations.is_empty(), "\n{}", violations.join("\n"));
}

#[test]
fn paths_are_found_in_code_only() {
    let text = r#"
        //! crate::tui in a comment
        use crate::studio::{settings, text::clean}; /* crate::tui */
        use crate::{imaging, store::{a, b}, worker as w};
        let quoted = "crate::tui"; let quote = '"'; let life: &'static str = "a \" crate::tui";
        crate::diffusion::run();
        use super::super::terminal;
    "#;
    let words = words(&strip(text));
    let mut used = root_names_in(&words, 2);
    used.sort();
    assert_eq!(used, ["diffusion", "imaging", "store", "studio", "terminal", "worker"]);
    // Three modules deep, two steps up do not leave the top module.
    assert!(!root_names_in(&words, 3).contains(&"terminal".to_owned()));
}

/// Every Rust file below `src/`, relative to the package.
fn sources() -> Vec<PathBuf> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).expect("src/ can be listed").map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                walk(&entry, found);
            } else if entry.extension().is_some_and(|extension| extension == "rs") {
                found.push(entry);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    walk(&root.join("src"), &mut found);
    found.sort();
    found.into_iter().map(|path| path.strip_prefix(root).unwrap().to_owned()).collect()
}

/// The top module of a file. `lib.rs` and `main.rs` have none.
fn module_of(file: &Path) -> Option<String> {
    let name = file.iter().nth(1)?.to_str()?.trim_end_matches(".rs");
    (!["lib", "main"].contains(&name)).then(|| name.to_owned())
}

/// How many modules deep a file is: 1 for `src/studio/mod.rs`, 2 for `src/studio/text.rs`.
fn depth(file: &Path) -> usize {
    let parts = file.iter().count() - 1;
    if file.file_name().is_some_and(|name| name == "mod.rs") { parts - 1 } else { parts }
}

/// The top-level names that a file's paths start with.
fn root_names(file: &Path) -> Vec<String> {
    root_names_in(&words(&code(file)), depth(file))
}

/// Whether a word is the first of a path, as in `clap::Args`: a variable may have a crate's name.
fn names_a_crate(words: &[String], name: &str) -> bool {
    words.windows(2).enumerate().any(|(at, pair)| {
        let is_first = at == 0 || words[at - 1] != "::";
        pair[0] == name && pair[1] == "::" && is_first
    })
}

fn code(file: &Path) -> String {
    strip(&fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap())
}

/// The names after `crate::`, or after as many `super::` as lead out of the top module. Groups in braces are expanded.
fn root_names_in(words: &[String], depth: usize) -> Vec<String> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < words.len() {
        let mut supers = 0;
        while words[at..].starts_with(&["super".to_owned(), "::".to_owned()]) {
            supers += 1;
            at += 2;
        }
        if supers == 0 && words[at..].starts_with(&["crate".to_owned(), "::".to_owned()]) {
            supers = depth;
            at += 2;
        }
        if supers >= depth && supers > 0 {
            found.extend(first_names(&words[at..]));
        }
        at += 1;
    }
    found
}

/// The first name of a path, or of each path in a group: `a` for `a::b`; `a`, `b` and `d` for `{a, b::c, d as e}`.
fn first_names(words: &[String]) -> Vec<String> {
    if words.first().is_none_or(|word| word != "{") {
        return words.first().cloned().into_iter().collect();
    }
    let mut names = Vec::new();
    let (mut level, mut fresh) = (0, true);
    for word in words {
        match word.as_str() {
            "{" => level += 1,
            "}" => level -= 1,
            "," if level == 1 => fresh = true,
            name if level == 1 && fresh => {
                names.push(name.to_owned());
                fresh = false;
            }
            _ => {}
        }
        if level == 0 {
            break;
        }
    }
    names
}

/// Splits code into identifiers, `::` and single characters.
fn words(code: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut letters = code.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter.is_alphanumeric() || letter == '_' {
            let mut word = letter.to_string();
            while let Some(next) = letters.next_if(|next| next.is_alphanumeric() || *next == '_') {
                word.push(next);
            }
            words.push(word);
        } else if letter == ':' && letters.next_if_eq(&':').is_some() {
            words.push("::".to_owned());
        } else if !letter.is_whitespace() {
            words.push(letter.to_string());
        }
    }
    words
}

/// Removes comments, strings and quoted characters.
fn strip(text: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    let mut code = String::new();
    let mut at = 0;
    while at < letters.len() {
        match (letters[at], letters.get(at + 1)) {
            ('/', Some('/')) => {
                while at < letters.len() && letters[at] != '\n' {
                    at += 1;
                }
            }
            ('/', Some('*')) => {
                while at < letters.len() && !(letters[at] == '*' && letters.get(at + 1) == Some(&'/')) {
                    at += 1;
                }
                at += 2;
            }
            ('"', _) => {
                at += 1;
                while at < letters.len() && letters[at] != '"' {
                    at += if letters[at] == '\\' { 2 } else { 1 };
                }
                at += 1;
            }
            // A character literal; a lifetime has no closing quote.
            ('\'', Some('\\')) => at += 4,
            ('\'', Some(_)) if letters.get(at + 2) == Some(&'\'') => at += 3,
            (letter, _) => {
                code.push(letter);
                at += 1;
            }
        }
    }
    code
}

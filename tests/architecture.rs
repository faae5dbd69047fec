//! Who may see whom: the rule of the README's architecture section, read from the sources.

use std::fs;
use std::path::{Path, PathBuf};

/// Each module below `src/`, and the ones it may name. A module that is not here yet gets a line when it is born.
const RULE: [(&str, &[&str]); 9] = [
    ("studio", &[]),
    ("store", &["studio"]),
    ("diffusion", &["studio"]),
    ("imaging", &["studio"]),
    ("worker", &["studio", "store", "diffusion", "imaging"]),
    ("service", &["studio", "store", "diffusion", "imaging", "worker"]),
    ("terminal", &["studio"]),
    ("tui", &["studio", "store", "service", "terminal", "worker"]),
    ("cli", &["studio", "store", "diffusion", "imaging", "worker", "service", "terminal", "tui"]),
];

/// Crates that belong to one part of the house.
const HOME: [(&str, &[&str]); 12] = [
    ("candle_core", &["diffusion"]),
    ("candle_nn", &["diffusion"]),
    ("rusqlite", &["store"]),
    ("ratatui", &["terminal", "tui"]),
    ("ratatui_image", &["terminal"]),
    ("crossterm", &["terminal", "tui"]),
    ("crokey", &["tui"]),
    ("tui_input", &["tui"]),
    ("nucleo_matcher", &["tui"]),
    ("nvml_wrapper", &["worker"]),
    ("viuer", &["cli"]),
    ("anyhow", &["cli"]),
];

#[test]
fn modules_see_only_whom_they_may() {
    let mut trespasses = Vec::new();
    for file in sources() {
        let Some(module) = module_of(&file) else { continue };
        let Some((_, may)) = RULE.iter().find(|(name, _)| *name == module) else {
            trespasses.push(format!("src/{module} is not in the rule: say in tests/architecture.rs whom it may see"));
            continue;
        };
        for seen in names_at_the_root(&file) {
            let is_module = RULE.iter().any(|(name, _)| *name == seen);
            if is_module && seen != module && !may.contains(&seen.as_str()) {
                trespasses.push(format!("{} sees {seen}, and {module} may not", file.display()));
            }
        }
    }
    assert!(trespasses.is_empty(), "\n{}", trespasses.join("\n"));
}

#[test]
fn crates_stay_where_they_belong() {
    let mut trespasses = Vec::new();
    for file in sources() {
        let Some(module) = module_of(&file) else { continue };
        let words = words(&code(&file));
        for (name, homes) in HOME {
            if words.iter().any(|word| word == name) && !homes.contains(&module.as_str()) {
                trespasses.push(format!("{} uses {name}, which belongs to {}", file.display(), homes.join(" and ")));
            }
        }
    }
    assert!(trespasses.is_empty(), "\n{}", trespasses.join("\n"));
}

#[test]
fn the_reader_of_this_test_reads_paths() {
    let text = r#"
        //! crate::tui in a comment
        use crate::studio::{settings, text::clean}; /* crate::tui */
        use crate::{imaging, store::{a, b}, worker as w};
        let quoted = "crate::tui"; let quote = '"'; let life: &'static str = "a \" crate::tui";
        crate::diffusion::run();
        use super::super::terminal;
    "#;
    let words = words(&strip(text));
    let mut seen = at_the_root(&words, 2);
    seen.sort();
    assert_eq!(seen, ["diffusion", "imaging", "store", "studio", "terminal", "worker"]);
    // From a module three deep, two steps up are still inside.
    assert!(!at_the_root(&words, 3).contains(&"terminal".to_owned()));
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

/// The part of the house a file belongs to; none for `lib.rs` and `main.rs`, which see all.
fn module_of(file: &Path) -> Option<String> {
    let name = file.iter().nth(1)?.to_str()?.trim_end_matches(".rs");
    (!["lib", "main"].contains(&name)).then(|| name.to_owned())
}

/// How many modules deep a file's own code is: 1 for `src/studio/mod.rs`, 2 for `src/studio/text.rs`.
fn depth(file: &Path) -> usize {
    let parts = file.iter().count() - 1;
    if file.file_name().is_some_and(|name| name == "mod.rs") { parts - 1 } else { parts }
}

fn names_at_the_root(file: &Path) -> Vec<String> {
    at_the_root(&words(&code(file)), depth(file))
}

fn code(file: &Path) -> String {
    strip(&fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap())
}

/// The names that follow `crate::`, or as many `super::` as lead out of the file's part of the house, with groups in
/// braces opened.
fn at_the_root(words: &[String], depth: usize) -> Vec<String> {
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

/// `a::b` begins with `a`; `{a, b::c, d as e}` with `a`, `b` and `d`.
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

/// Identifiers, `::` and single signs.
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

/// The text without comments, and without what stands in quotes.
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
            // A quoted character; a lifetime has no second quote.
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

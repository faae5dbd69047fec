//! Paths of pictures while they are being typed.

use crokey::KeyCombination;

use super::widgets::input::Input;
use crate::studio::text::clean;

/// Endings of files that may be pictures; what they are is seen when they are opened.
const ENDINGS: [&str; 4] = [".png", ".jpg", ".jpeg", ".webp"];
/// Folders with more than this are not shown whole.
const MOST: usize = 1000;

/// A path that is being typed. What it could become is looked up elsewhere, so that a key may come before the answer
/// that it needs; it is then done once the answer is there.
#[derive(Debug, Default)]
pub struct PathLine {
    pub input: Input,
    /// What the text could become.
    pub found: Vec<String>,
    /// The text that `found` is of.
    of: String,
    then: Then,
}

/// What is to be done when the answer comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Then {
    #[default]
    Nothing,
    Complete,
    CompleteAndTake,
}

/// What a key asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    Nothing,
    /// Look up what this could become.
    LookUp(String),
    /// This is the path.
    Take(String),
}

impl PathLine {
    pub fn key(&mut self, key: KeyCombination) -> Wish {
        match key.to_string().to_lowercase().as_str() {
            "enter" if self.then != Then::Nothing => {
                self.then = Then::CompleteAndTake;
                Wish::Nothing
            }
            "enter" => Wish::Take(self.input.value().trim().to_owned()),
            "tab" if self.of != self.input.value() => {
                self.then = Then::Complete;
                Wish::Nothing
            }
            "tab" => self.complete(),
            _ if self.input.key(key) => {
                self.then = Then::Nothing;
                Wish::LookUp(self.input.value().to_owned())
            }
            _ => Wish::Nothing,
        }
    }

    pub fn paste(&mut self, text: &str) -> Wish {
        self.input.paste(text);
        Wish::LookUp(self.input.value().to_owned())
    }

    /// The answer to a text, which may not be the text any more.
    pub fn found(&mut self, typed: String, found: Vec<String>) -> Wish {
        if typed != self.input.value() {
            return Wish::Nothing;
        }
        (self.of, self.found) = (typed, found);
        match std::mem::take(&mut self.then) {
            Then::Nothing => Wish::Nothing,
            Then::Complete => self.complete(),
            Then::CompleteAndTake => {
                self.complete();
                Wish::Take(self.input.value().trim().to_owned())
            }
        }
    }

    fn complete(&mut self) -> Wish {
        let further = common(&self.found);
        if further.len() <= whole(&self.of).len() {
            return Wish::Nothing;
        }
        self.input = Input::with(further);
        Wish::LookUp(further.to_owned())
    }
}

/// What a path could become: folders, which end in `/`, and pictures, in order. `~/` is the home folder; hidden files
/// are found by their dot.
pub fn paths(typed: &str) -> Vec<String> {
    let real = whole(typed);
    let (folder, begun) = real.split_at(real.rfind('/').map_or(0, |at| at + 1));
    let inside = std::fs::read_dir(if folder.is_empty() { "." } else { folder });
    let mut found: Vec<String> = inside
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let is_folder = entry.path().is_dir();
            // What cannot be shown cannot be typed.
            let fits =
                clean(&name) == name && name.starts_with(begun) && (!name.starts_with('.') || begun.starts_with('.'));
            let lower = name.to_lowercase();
            let usable = is_folder || ENDINGS.iter().any(|ending| lower.ends_with(ending));
            (fits && usable).then(|| format!("{folder}{name}{}", if is_folder { "/" } else { "" }))
        })
        .take(MOST)
        .collect();
    found.sort();
    found
}

/// The path with the home folder in the place of `~`.
pub fn whole(typed: &str) -> String {
    let home = || std::env::var("HOME").ok().filter(|home| !home.is_empty());
    match typed.strip_prefix("~/").and_then(|rest| Some((rest, home()?))) {
        Some((rest, home)) => format!("{home}/{rest}"),
        None => typed.to_owned(),
    }
}

/// What all of these begin with.
pub fn common(found: &[String]) -> &str {
    let Some(first) = found.first() else { return "" };
    let alike =
        |other: &String| first.char_indices().zip(other.chars()).find(|((_, a), b)| a != b).map(|((at, _), _)| at);
    let until = found[1..].iter().map(|other| alike(other).unwrap_or(first.len().min(other.len()))).min();
    &first[..until.unwrap_or(first.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_and_pictures_are_found_by_how_they_begin() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        for name in ["ada.png", "ada-side.JPG", "adam.txt", "ad\u{7}.png", ".hidden.png", "Zoë.webp"] {
            std::fs::write(at(name), "").unwrap();
        }
        std::fs::create_dir(at("adas")).unwrap();
        assert_eq!(paths(&at("ad")), [at("ada-side.JPG"), at("ada.png"), at("adas/")]);
        assert_eq!(paths(&at(".")), [at(".hidden.png")]);
        assert_eq!(paths(&at("Z")), [at("Zoë.webp")]);
        assert!(!paths(&at("")).contains(&at(".hidden.png")));
        assert!(paths(&at("nobody/")).is_empty());
    }

    #[test]
    fn a_key_that_comes_before_the_answer_is_done_once_it_is_there() {
        let key = |key: &str| key.parse::<KeyCombination>().unwrap();
        let mut line = PathLine::default();
        assert_eq!(line.key(key("a")), Wish::LookUp("a".to_owned()));
        assert_eq!((line.key(key("tab")), line.key(key("enter"))), (Wish::Nothing, Wish::Nothing));
        assert_eq!(line.found("".to_owned(), vec!["b.png".to_owned()]), Wish::Nothing);
        assert_eq!(line.found("a".to_owned(), vec!["ada.png".to_owned()]), Wish::Take("ada.png".to_owned()));
        // Typing on takes it back.
        let mut line = PathLine::default();
        line.key(key("a"));
        line.key(key("tab"));
        assert_eq!(line.key(key("d")), Wish::LookUp("ad".to_owned()));
        assert_eq!(line.found("ad".to_owned(), vec!["ada/".to_owned()]), Wish::Nothing);
        assert_eq!(line.key(key("tab")), Wish::LookUp("ada/".to_owned()));
        assert_eq!(line.key(key("enter")), Wish::Take("ada/".to_owned()));
    }

    #[test]
    fn the_common_beginning_ends_between_characters() {
        let common =
            |names: &[&str]| common(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).to_owned();
        assert_eq!(common(&["adé", "adè", "ad"]), "ad");
        assert_eq!(common(&["ada", "ada/"]), "ada");
        assert_eq!(common(&["ada"]), "ada");
        assert_eq!(common(&[]), "");
    }
}

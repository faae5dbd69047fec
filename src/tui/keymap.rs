//! Keys and what they mean on each screen: the built-in table, and the user's own over it.

use std::collections::BTreeMap;

use crokey::KeyCombination;
use toml::Spanned;

use super::action::Action;
use super::screens::Place;

/// The tables of a keymap: for every screen, and for all.
#[derive(Clone, Debug, Default)]
pub struct Keymap {
    everywhere: Keys,
    screens: BTreeMap<Place, Keys>,
}

type Keys = Vec<(KeyCombination, Action)>;

/// A keymap as it is written, each word with its place.
type Tables = BTreeMap<Spanned<String>, BTreeMap<Spanned<String>, Spanned<String>>>;

/// What is wrong with a line of a keymap; the rest of the file counts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("keymap.toml, line {line}: {problem}")]
pub struct BadLine {
    pub line: usize,
    pub problem: String,
}

const BUILT_IN: &str = include_str!("keymap.toml");
const EVERYWHERE: &str = "everywhere";

impl Keymap {
    pub fn built_in() -> Self {
        let (keymap, problems) = Self::default().over(BUILT_IN);
        debug_assert!(problems.is_empty(), "{problems:?}");
        keymap
    }

    /// With the lines of another table over it, and what is wrong with those.
    pub fn over(mut self, table: &str) -> (Self, Vec<BadLine>) {
        let line_of = |at: usize| table[..at.min(table.len())].matches('\n').count() + 1;
        let parsed: Result<Tables, _> = toml::from_str(table);
        let tables = match parsed {
            Ok(tables) => tables,
            Err(error) => {
                let line = error.span().map_or(1, |span| line_of(span.start));
                return (self, vec![BadLine { line, problem: error.message().to_owned() }]);
            }
        };
        let mut problems = Vec::new();
        for (name, lines) in tables {
            let keys = match name.get_ref().as_str() {
                EVERYWHERE => &mut self.everywhere,
                other => match Place::from_name(other) {
                    Some(place) => self.screens.entry(place).or_default(),
                    None => {
                        let names = Place::ALL.map(Place::name).join(", ");
                        let problem = format!("there is no screen called {other:?}; there are {EVERYWHERE}, {names}");
                        problems.push(BadLine { line: line_of(name.span().start), problem });
                        continue;
                    }
                },
            };
            let mut given: Vec<(KeyCombination, usize)> = Vec::new();
            for (key, action) in lines {
                let line = line_of(key.span().start);
                match read(key.get_ref(), action.get_ref()) {
                    Ok((combination, meaning)) => {
                        if let Some((_, before)) = given.iter().find(|(known, _)| *known == combination) {
                            let problem = format!("{combination} is on line {before} already; one of them has to go");
                            problems.push(BadLine { line, problem });
                            continue;
                        }
                        given.push((combination, line));
                        keys.retain(|(known, _)| *known != combination);
                        if let Some(action) = meaning {
                            keys.push((combination, action));
                        }
                    }
                    Err(problem) => problems.push(BadLine { line, problem }),
                }
            }
        }
        problems.sort_by_key(|problem| problem.line);
        (self, problems)
    }

    pub fn action(&self, place: Place, key: KeyCombination) -> Option<Action> {
        let key = key.normalized();
        let find = |keys: &Keys| keys.iter().find(|(known, _)| *known == key).map(|(_, action)| *action);
        self.screens.get(&place).and_then(find).or_else(|| find(&self.everywhere))
    }

    /// The shortest name of a key that does this here; None if none does.
    pub fn key(&self, place: Place, action: Action) -> Option<String> {
        let mut names: Vec<String> =
            self.keys_of(place).filter(|(_, meaning)| *meaning == action).map(|(key, _)| key_name(key)).collect();
        names.sort_by_key(String::len);
        names.into_iter().next()
    }

    /// Everything that can be done here, with all its keys: the screen's own first, then what goes everywhere.
    pub fn lines(&self, place: Place) -> Vec<(Action, Vec<String>)> {
        let mut lines: Vec<(Action, Vec<String>)> = Vec::new();
        for (key, action) in self.keys_of(place) {
            match lines.iter_mut().find(|(known, _)| *known == action) {
                Some((_, keys)) => keys.push(key_name(key)),
                None => lines.push((action, vec![key_name(key)])),
            }
        }
        lines
    }

    /// The keys that count here; a screen's own hide those of everywhere.
    fn keys_of(&self, place: Place) -> impl Iterator<Item = (KeyCombination, Action)> {
        let own = self.screens.get(&place).map(Vec::as_slice).unwrap_or_default();
        let rest = self.everywhere.iter().filter(|(key, _)| own.iter().all(|(known, _)| known != key));
        own.iter().chain(rest).copied()
    }
}

/// A key and its action; "none" takes the key's meaning away.
fn read(key: &str, action: &str) -> Result<(KeyCombination, Option<Action>), String> {
    // A capital letter is meant as one, which the parser would not see.
    let mut letters = key.chars();
    let capital = letters.next().filter(|c| c.is_uppercase() && letters.next().is_none());
    let written = capital.map_or(key.to_owned(), |c| format!("shift-{}", c.to_lowercase()));
    let combination: KeyCombination = written
        .parse()
        .map_err(|_| format!("{key:?} is no key; write for instance \"g\", \"ctrl-p\" or \"pagedown\""))?;
    if action == "none" {
        return Ok((combination.normalized(), None));
    }
    let meaning = Action::from_name(action).ok_or_else(|| {
        let near = nearest(action).map_or(String::new(), |near| format!("; did you mean {near:?}?"));
        format!("there is no action called {action:?}{near}")
    })?;
    Ok((combination.normalized(), Some(meaning)))
}

/// The action whose name shares most of its beginning with this one.
fn nearest(name: &str) -> Option<&'static str> {
    let shared = |other: &str| other.chars().zip(name.chars()).take_while(|(a, b)| a == b).count();
    let best = Action::ALL.iter().map(|action| action.name()).max_by_key(|other| shared(other))?;
    (shared(best) >= 2).then_some(best)
}

/// As help and footer write a key.
fn key_name(key: KeyCombination) -> String {
    let name = key.to_string().to_lowercase();
    match name.as_str() {
        "enter" => "⏎".to_owned(),
        "up" => "↑".to_owned(),
        "down" => "↓".to_owned(),
        "left" => "←".to_owned(),
        "right" => "→".to_owned(),
        "space" => "␣".to_owned(),
        other => match other.strip_prefix("shift-") {
            Some(letter) if letter.chars().count() == 1 => letter.to_uppercase(),
            _ => name,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> KeyCombination {
        name.parse().unwrap()
    }

    #[test]
    fn the_built_in_keymap_is_clean_and_a_screen_comes_first() {
        let (keymap, problems) = Keymap::default().over(BUILT_IN);
        assert_eq!(problems, []);
        assert_eq!(keymap.action(Place::Runs, key("j")), Some(Action::Down));
        assert_eq!(keymap.action(Place::Review, key("j")), Some(Action::Next));
        assert_eq!(keymap.action(Place::Subjects, key("shift-g")), Some(Action::Last));
    }

    #[test]
    fn a_key_of_ones_own_replaces_and_takes_away() {
        let table = "[everywhere]\n\"j\" = \"none\"\n\"n\" = \"down\"\n";
        let (keymap, problems) = Keymap::built_in().over(table);
        assert_eq!(problems, []);
        assert_eq!(keymap.action(Place::Runs, key("j")), None);
        assert_eq!(keymap.action(Place::Runs, key("n")), Some(Action::Down));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line_and_the_rest_counts() {
        let table = "[runs]\n\"b\" = \"brunch\"\n\"hyper-nine\" = \"up\"\n\"z\" = \"open\"\n\"Z\" = \"open\"\n\n[nowhere]\n\"a\" = \"up\"\n";
        let (keymap, problems) = Keymap::built_in().over(table);
        let lines: Vec<usize> = problems.iter().map(|problem| problem.line).collect();
        assert_eq!(lines, [2, 3, 7]);
        assert!(problems[0].problem.contains("did you mean \"branch\"?"), "{}", problems[0].problem);
        assert_eq!(keymap.action(Place::Runs, key("z")), Some(Action::Open));
        assert_eq!(keymap.action(Place::Runs, key("shift-z")), Some(Action::Open));
    }

    #[test]
    fn a_key_given_twice_is_a_conflict() {
        let (_, problems) = Keymap::built_in().over("[runs]\n\"ctrl-a\" = \"open\"\n\"Ctrl-a\" = \"back\"\n");
        assert_eq!(problems.len(), 1);
        assert!(problems[0].problem.contains("already"), "{}", problems[0].problem);
    }
}

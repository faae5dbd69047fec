//! Maps keys to actions for each screen: the built-in table, overlaid by the user's `keymap.toml`.

use std::collections::BTreeMap;

use crokey::crossterm::event::{KeyCode, KeyModifiers};
use crokey::{KeyCombination, OneToThree};
use toml::Spanned;

use super::action::Action;
use super::screen_id::ScreenId;

/// Keys for all screens, for each screen, and for popups.
#[derive(Clone, Debug, Default)]
pub struct Keymap {
    everywhere: Keys,
    screens: BTreeMap<ScreenId, Keys>,
    popups: Keys,
}

type Keys = Vec<(KeyCombination, Action)>;

/// The tables of a `keymap.toml`; spans give line numbers to errors.
type Tables = BTreeMap<Spanned<String>, BTreeMap<Spanned<String>, Spanned<String>>>;

/// An invalid line of a keymap. The other lines still apply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("keymap.toml, line {line}: {problem}")]
pub struct BadLine {
    pub line: usize,
    pub problem: String,
}

const BUILT_IN: &str = include_str!("keymap.toml");
const EVERYWHERE: &str = "everywhere";
const POPUPS: &str = "popups";

impl Keymap {
    pub fn built_in() -> Self {
        let (keymap, problems) = Self::default().over(BUILT_IN);
        debug_assert!(problems.is_empty(), "{problems:?}");
        keymap
    }

    /// Overlays the lines of `table`; returns the invalid ones.
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
                POPUPS => &mut self.popups,
                other => match ScreenId::from_name(other) {
                    Some(screen) => self.screens.entry(screen).or_default(),
                    None => {
                        let names = ScreenId::ALL.map(ScreenId::name).join(", ");
                        let problem = format!("unknown table {other:?}: use {EVERYWHERE}, {POPUPS}, {names}");
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
                            let problem =
                                format!("{combination} is already bound on line {before}: remove one of the two");
                            problems.push(BadLine { line, problem });
                            continue;
                        }
                        given.push((combination, line));
                        keys.retain(|(known, _)| *known != combination);
                        keys.push((combination, meaning));
                    }
                    Err(problem) => problems.push(BadLine { line, problem }),
                }
            }
        }
        problems.sort_by_key(|problem| problem.line);
        (self, problems)
    }

    /// The action of a key on a screen; the screen's own table comes before `everywhere`.
    pub fn action(&self, screen: ScreenId, key: KeyCombination) -> Option<Action> {
        self.screens
            .get(&screen)
            .and_then(|keys| action_of(keys, key))
            .or_else(|| action_of(&self.everywhere, key))
            .filter(|action| *action != Action::Unbound)
    }

    /// The action of a key while a popup is open.
    pub fn popup_action(&self, key: KeyCombination) -> Option<Action> {
        action_of(&self.popups, key).filter(|action| *action != Action::Unbound)
    }

    /// The shortest key for an action on a screen.
    pub fn key(&self, screen: ScreenId, action: Action) -> Option<String> {
        shortest(self.keys_of(screen).filter(|(_, meaning)| *meaning == action))
    }

    /// The shortest key for an action that is not text, for use while a field takes letters.
    pub fn key_while_typing(&self, screen: ScreenId, action: Action) -> Option<String> {
        shortest(self.keys_of(screen).filter(|(key, meaning)| *meaning == action && !is_text(*key)))
    }

    /// The shortest key for an action in a popup.
    pub fn popup_key(&self, action: Action) -> Option<String> {
        shortest(self.popups.iter().copied().filter(|(_, meaning)| *meaning == action))
    }

    /// All actions of a screen with all their keys: the screen's own first, then those of `everywhere`.
    pub fn lines(&self, screen: ScreenId) -> Vec<(Action, Vec<String>)> {
        let mut lines: Vec<(Action, Vec<String>)> = Vec::new();
        for (key, action) in self.keys_of(screen) {
            match lines.iter_mut().find(|(known, _)| *known == action) {
                Some((_, keys)) => keys.push(key_name(key)),
                None => lines.push((action, vec![key_name(key)])),
            }
        }
        lines
    }

    /// The keys that apply on a screen; its own hide those of `everywhere`.
    fn keys_of(&self, screen: ScreenId) -> impl Iterator<Item = (KeyCombination, Action)> {
        let own = self.screens.get(&screen).map(Vec::as_slice).unwrap_or_default();
        let rest = self.everywhere.iter().filter(|(key, _)| own.iter().all(|(known, _)| known != key));
        own.iter().chain(rest).copied().filter(|(_, action)| *action != Action::Unbound)
    }
}

/// Whether a key types a character.
pub fn is_text(key: KeyCombination) -> bool {
    let plain = key.modifiers.difference(KeyModifiers::SHIFT).is_empty();
    plain && matches!(key.codes, OneToThree::One(KeyCode::Char(_)))
}

fn action_of(keys: &Keys, key: KeyCombination) -> Option<Action> {
    let key = key.normalized();
    keys.iter().find(|(known, _)| *known == key).map(|(_, action)| *action)
}

fn shortest(keys: impl Iterator<Item = (KeyCombination, Action)>) -> Option<String> {
    keys.map(|(key, _)| key_name(key)).min_by_key(String::len)
}

/// Parses a key and its action.
fn read(key: &str, action: &str) -> Result<(KeyCombination, Action), String> {
    // The key parser ignores case, so that "G" is rewritten as "shift-g".
    let mut letters = key.chars();
    let capital = letters.next().filter(|c| c.is_uppercase() && letters.next().is_none());
    let written = capital.map_or(key.to_owned(), |c| format!("shift-{}", c.to_lowercase()));
    let combination: KeyCombination = written
        .parse()
        .map_err(|_| format!("invalid key {key:?}: use for example \"g\", \"ctrl-p\" or \"pagedown\""))?;
    let meaning = Action::from_name(action).ok_or_else(|| match nearest(action) {
        Some(near) => format!("unknown action {action:?}: did you mean {near:?}?"),
        None => format!("unknown action {action:?}"),
    })?;
    Ok((combination.normalized(), meaning))
}

/// The action name with the longest common prefix.
fn nearest(name: &str) -> Option<&'static str> {
    let shared = |other: &str| other.chars().zip(name.chars()).take_while(|(a, b)| a == b).count();
    let best = Action::ALL.iter().map(|action| action.name()).max_by_key(|other| shared(other))?;
    (shared(best) >= 2).then_some(best)
}

/// A key as help and footer show it.
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
    fn the_built_in_keymap_is_valid_and_a_screens_own_keys_come_first() {
        let (keymap, problems) = Keymap::default().over(BUILT_IN);
        assert_eq!(problems, []);
        assert_eq!(keymap.action(ScreenId::Runs, key("j")), Some(Action::Down));
        assert_eq!(keymap.action(ScreenId::Review, key("j")), Some(Action::Next));
        assert_eq!(keymap.action(ScreenId::Subjects, key("shift-g")), Some(Action::Last));
    }

    #[test]
    fn user_keys_replace_and_unbind() {
        let table = "[everywhere]\n\"j\" = \"none\"\n\"n\" = \"down\"\n";
        let (keymap, problems) = Keymap::built_in().over(table);
        assert_eq!(problems, []);
        assert_eq!(keymap.action(ScreenId::Runs, key("j")), None);
        assert_eq!(keymap.action(ScreenId::Runs, key("n")), Some(Action::Down));
    }

    #[test]
    fn invalid_lines_are_reported_and_the_rest_applies() {
        let table = "[runs]\n\"b\" = \"brunch\"\n\"hyper-nine\" = \"up\"\n\"z\" = \"open\"\n\"Z\" = \"open\"\n\n[nowhere]\n\"a\" = \"up\"\n";
        let (keymap, problems) = Keymap::built_in().over(table);
        let lines: Vec<usize> = problems.iter().map(|problem| problem.line).collect();
        assert_eq!(lines, [2, 3, 7]);
        assert!(problems[0].problem.contains("did you mean \"branch\"?"), "{}", problems[0].problem);
        assert_eq!(keymap.action(ScreenId::Runs, key("z")), Some(Action::Open));
        assert_eq!(keymap.action(ScreenId::Runs, key("shift-z")), Some(Action::Open));
    }

    #[test]
    fn a_key_bound_twice_is_reported() {
        let (_, problems) = Keymap::built_in().over("[runs]\n\"ctrl-a\" = \"open\"\n\"Ctrl-a\" = \"back\"\n");
        assert_eq!(problems.len(), 1);
        assert!(problems[0].problem.contains("already"), "{}", problems[0].problem);
    }
}

//! Adds a reference: asks for the path of a picture and completes it.
//!
//! Completions come from another thread. Tab or Enter may be pressed before they are there: then it takes effect when
//! they arrive.

use crokey::KeyCombination;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::Line;
use ratatui::widgets::Paragraph;

use super::place;
use crate::studio::ids::SubjectId;
use crate::tui::action::Action;
use crate::tui::command::{Command, Layer};
use crate::tui::context::Context;
use crate::tui::effects::jobs::Job;
use crate::tui::effects::paths::expand_home;
use crate::tui::effects::reads::{Loaded, Read};
use crate::tui::theme::Role;
use crate::tui::widgets::input::Input;
use crate::tui::widgets::lines::fit;

#[derive(Debug)]
pub struct Import {
    subject: SubjectId,
    path: PathField,
}

impl Import {
    /// Opens with the completions of the working directory on their way.
    pub fn open(subject: SubjectId) -> Vec<Command> {
        let layer = Self { subject, path: PathField::default() };
        vec![Command::Open(Box::new(layer)), Command::Effect(Read::Paths(String::new()).into())]
    }

    fn commands(&self, request: PathRequest) -> Vec<Command> {
        match request {
            PathRequest::Nothing => Vec::new(),
            PathRequest::Complete(typed) => vec![Command::Effect(Read::Paths(typed).into())],
            PathRequest::Use(path) if path.is_empty() => vec![Command::Close],
            PathRequest::Use(path) => {
                let job = Job::ImportReference { subject: self.subject, path: expand_home(&path).into() };
                vec![Command::Close, Command::Effect(job.into())]
            }
        }
    }
}

impl Layer for Import {
    fn key(&mut self, _: &Context, key: KeyCombination) -> Option<Vec<Command>> {
        self.path.key(key).map(|request| self.commands(request))
    }

    fn paste(&mut self, _: &Context, text: &str) -> Vec<Command> {
        let request = self.path.paste(text);
        self.commands(request)
    }

    fn handle(&mut self, _: &Context, action: Action) -> Vec<Command> {
        let request = match action {
            Action::Open => self.path.enter(),
            Action::Complete => self.path.tab(),
            Action::Back => return vec![Command::Close],
            _ => PathRequest::Nothing,
        };
        self.commands(request)
    }

    fn loaded(&mut self, _: &Context, loaded: Loaded) -> Vec<Command> {
        let Loaded::Paths { typed, found } = loaded else { return Vec::new() };
        let request = self.path.found(typed, found);
        self.commands(request)
    }

    fn area(&self, _: &Context, body: Rect) -> Rect {
        place::bottom(body, 76, 12)
    }

    fn view(&self, context: &Context, frame: &mut Frame, area: Rect) {
        let theme = &context.theme;
        let inner = place::draw_frame(frame, area, "Add reference: path (Tab completes)", theme);
        let [line, list] = Layout::vertical([Constraint::Length(1), Constraint::Fill(1)]).areas(inner);
        self.path.input.draw(frame, line, theme);
        let found = &self.path.found;
        let rows = usize::from(list.height);
        let shown = if found.len() <= rows { found.len() } else { rows.saturating_sub(1) };
        let names = found.iter().take(shown).map(|path| fit(last_part(path), list.width.into()));
        let more = (shown < found.len()).then(|| format!("… {} more", found.len() - shown));
        let lines = names.chain(more).map(|text| Line::styled(text, theme.style(Role::Faint)));
        frame.render_widget(Paragraph::new(lines.collect::<Vec<_>>()), list);
    }
}

/// The last part of a path, with the separator of a folder.
fn last_part(path: &str) -> &str {
    let end = path.trim_end_matches('/').rfind('/').map_or(0, |at| at + 1);
    &path[end..]
}

/// A path that is being typed.
#[derive(Debug, Default)]
struct PathField {
    input: Input,
    /// The paths that `completed` can become.
    found: Vec<String>,
    completed: String,
    pending: Pending,
}

/// The key that waits for the completions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Pending {
    #[default]
    Nothing,
    Tab,
    TabAndEnter,
}

/// What a key in a path field asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum PathRequest {
    Nothing,
    /// Look up the completions of this text.
    Complete(String),
    Use(String),
}

impl PathField {
    /// None if the key is not text.
    fn key(&mut self, key: KeyCombination) -> Option<PathRequest> {
        self.input.key(key).then(|| {
            self.pending = Pending::Nothing;
            PathRequest::Complete(self.input.value().to_owned())
        })
    }

    fn enter(&mut self) -> PathRequest {
        if self.pending != Pending::Nothing {
            self.pending = Pending::TabAndEnter;
            return PathRequest::Nothing;
        }
        PathRequest::Use(self.input.value().trim().to_owned())
    }

    fn tab(&mut self) -> PathRequest {
        if self.completed != self.input.value() {
            self.pending = Pending::Tab;
            return PathRequest::Nothing;
        }
        self.complete()
    }

    fn paste(&mut self, text: &str) -> PathRequest {
        self.input.paste(text);
        PathRequest::Complete(self.input.value().to_owned())
    }

    /// Takes completions, unless the text has changed since.
    fn found(&mut self, typed: String, found: Vec<String>) -> PathRequest {
        if typed != self.input.value() {
            return PathRequest::Nothing;
        }
        (self.completed, self.found) = (typed, found);
        match std::mem::take(&mut self.pending) {
            Pending::Nothing => PathRequest::Nothing,
            Pending::Tab => self.complete(),
            Pending::TabAndEnter => {
                self.complete();
                PathRequest::Use(self.input.value().trim().to_owned())
            }
        }
    }

    fn complete(&mut self) -> PathRequest {
        let longer = common_prefix(&self.found);
        if longer.len() <= expand_home(&self.completed).len() {
            return PathRequest::Nothing;
        }
        self.input = Input::with(longer);
        PathRequest::Complete(longer.to_owned())
    }
}

/// The longest common prefix.
fn common_prefix(found: &[String]) -> &str {
    let Some(first) = found.first() else { return "" };
    let alike =
        |other: &String| first.char_indices().zip(other.chars()).find(|((_, a), b)| a != b).map(|((at, _), _)| at);
    let until = found[1..].iter().map(|other| alike(other).unwrap_or(first.len().min(other.len()))).min();
    &first[..until.unwrap_or(first.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn type_in(field: &mut PathField, key: &str) -> PathRequest {
        field.key(key.parse().unwrap()).unwrap()
    }

    #[test]
    fn a_key_before_the_completions_takes_effect_when_they_arrive() {
        let complete = |text: &str| PathRequest::Complete(text.to_owned());
        let use_path = |path: &str| PathRequest::Use(path.to_owned());
        let mut field = PathField::default();
        assert_eq!(type_in(&mut field, "a"), complete("a"));
        assert_eq!((field.tab(), field.enter()), (PathRequest::Nothing, PathRequest::Nothing));
        assert_eq!(field.found("".to_owned(), vec!["b.png".to_owned()]), PathRequest::Nothing);
        assert_eq!(field.found("a".to_owned(), vec!["ada.png".to_owned()]), use_path("ada.png"));
        // Another letter takes the key back.
        let mut field = PathField::default();
        type_in(&mut field, "a");
        field.tab();
        assert_eq!(type_in(&mut field, "d"), complete("ad"));
        assert_eq!(field.found("ad".to_owned(), vec!["ada/".to_owned()]), PathRequest::Nothing);
        assert_eq!(field.tab(), complete("ada/"));
        assert_eq!(field.enter(), use_path("ada/"));
    }

    #[test]
    fn the_common_prefix_ends_between_characters() {
        let common =
            |names: &[&str]| common_prefix(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).to_owned();
        assert_eq!(common(&["adé", "adè", "ad"]), "ad");
        assert_eq!(common(&["ada", "ada/"]), "ada");
        assert_eq!(common(&["ada"]), "ada");
        assert_eq!(common(&[]), "");
    }
}

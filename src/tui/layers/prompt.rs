//! A question that is answered with a line of text.

use std::fmt;

use crokey::KeyCombination;
use ratatui::Frame;
use ratatui::layout::Rect;

use super::place;
use crate::tui::action::Action;
use crate::tui::command::{Answer, Command, Layer};
use crate::tui::context::Context;
use crate::tui::widgets::input::Input;

/// What follows from the answer. An error keeps the question open, with the typed text.
type Done = Box<dyn Fn(&str) -> Result<Vec<Command>, String>>;

pub struct Prompt {
    title: String,
    input: Input,
    done: Done,
    /// Whether the screen filters while the text is typed.
    filters: bool,
}

impl Prompt {
    /// `text` is there to be edited. `done` gets the answer without spaces around it.
    pub fn new(title: &str, text: &str, done: impl Fn(&str) -> Result<Vec<Command>, String> + 'static) -> Self {
        Self { title: title.to_owned(), input: Input::with(text), done: Box::new(done), filters: false }
    }

    /// A filter that the screen applies with every letter.
    pub fn live_filter(title: &str, text: &str) -> Self {
        Self { filters: true, ..Self::filter(title, text) }
    }

    /// A filter that the screen applies at the end.
    pub fn filter(title: &str, text: &str) -> Self {
        Self::new(title, text, |answer| Ok(vec![Command::Answer(Answer::Filter(answer.to_owned()))]))
    }

    fn changed(&self) -> Vec<Command> {
        let filter = self.filters.then(|| Command::Answer(Answer::Filter(self.input.value().to_owned())));
        filter.into_iter().collect()
    }
}

impl fmt::Debug for Prompt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prompt").field("title", &self.title).field("input", &self.input).finish_non_exhaustive()
    }
}

impl Layer for Prompt {
    fn key(&mut self, _: &Context, key: KeyCombination) -> Option<Vec<Command>> {
        self.input.key(key).then(|| self.changed())
    }

    fn paste(&mut self, _: &Context, text: &str) -> Vec<Command> {
        self.input.paste(text);
        self.changed()
    }

    fn handle(&mut self, _: &Context, action: Action) -> Vec<Command> {
        match action {
            Action::Open => match (self.done)(self.input.value().trim()) {
                Ok(commands) => [Command::Close].into_iter().chain(commands).collect(),
                Err(problem) => vec![Command::Notice(problem)],
            },
            Action::Back => vec![Command::Close],
            _ => Vec::new(),
        }
    }

    fn area(&self, _: &Context, body: Rect) -> Rect {
        place::bottom(body, 72, 3)
    }

    fn view(&self, context: &Context, frame: &mut Frame, area: Rect) {
        let inner = place::draw_frame(frame, area, &self.title, &context.theme);
        self.input.draw(frame, inner, &context.theme);
    }
}

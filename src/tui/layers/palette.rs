//! The command palette: the screen's actions, found by typing.

use crokey::KeyCombination;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};

use super::{action_line, place};
use crate::tui::action::Action;
use crate::tui::command::{Command, Layer};
use crate::tui::context::Context;
use crate::tui::theme::Role;
use crate::tui::widgets::find::find;
use crate::tui::widgets::input::Input;

#[derive(Debug, Default)]
pub struct Palette {
    input: Input,
    selected: usize,
}

impl Palette {
    /// The actions that match, the best match first.
    fn found(&self, context: &Context) -> Vec<Action> {
        let lines = context.keymap.lines(context.screen).into_iter();
        let all: Vec<Action> = lines.map(|(action, _)| action).filter(|action| action.is_available()).collect();
        let texts = all.iter().map(|action| format!("{} {}", action.description(), action.name()));
        find(self.input.value(), texts).into_iter().map(|number| all[number]).collect()
    }
}

impl Layer for Palette {
    fn key(&mut self, _: &Context, key: KeyCombination) -> Option<Vec<Command>> {
        self.input.key(key).then(|| {
            self.selected = 0;
            Vec::new()
        })
    }

    fn paste(&mut self, _: &Context, text: &str) -> Vec<Command> {
        self.input.paste(text);
        self.selected = 0;
        Vec::new()
    }

    fn handle(&mut self, context: &Context, action: Action) -> Vec<Command> {
        match action {
            Action::Up => self.selected = self.selected.saturating_sub(1),
            Action::Down => self.selected = (self.selected + 1).min(self.found(context).len().saturating_sub(1)),
            Action::Open => {
                let chosen = self.found(context).get(self.selected).copied();
                return [Command::Close].into_iter().chain(chosen.map(Command::Act)).collect();
            }
            Action::Back => return vec![Command::Close],
            _ => {}
        }
        Vec::new()
    }

    fn area(&self, _: &Context, body: Rect) -> Rect {
        place::centred(body, 50, 14)
    }

    fn view(&self, context: &Context, frame: &mut Frame, area: Rect) {
        let theme = &context.theme;
        let inner = place::draw_frame(frame, area, "Commands", theme);
        let [line, list] = Layout::vertical([Constraint::Length(1), Constraint::Fill(1)]).areas(inner);
        self.input.draw(frame, line, theme);
        let rows = usize::from(list.height);
        let first = (self.selected + 1).saturating_sub(rows);
        for (number, action) in self.found(context).into_iter().enumerate().skip(first).take(rows) {
            let key = context.keymap.key(context.screen, action).unwrap_or_default();
            let style = theme.style(if number == self.selected { Role::Selected } else { Role::Text });
            let row = Rect { y: list.y + (number - first) as u16, height: 1, ..list };
            frame.render_widget(action_line::line(action, &key, row.width, theme).style(style), row);
        }
    }
}

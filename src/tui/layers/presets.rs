//! The presets: takes one into the draft, or makes it a team preset.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::Paragraph;

use super::place;
use crate::store::presets::Preset;
use crate::tui::action::Action;
use crate::tui::command::{Answer, Command, Layer};
use crate::tui::context::Context;
use crate::tui::effects::jobs::Job;
use crate::tui::effects::reads::Loaded;
use crate::tui::theme::Role;
use crate::tui::widgets::lines::fit;

#[derive(Debug, Default)]
pub struct Presets {
    /// None until they are loaded.
    presets: Option<Vec<Preset>>,
    selected: usize,
}

impl Presets {
    fn list(&self) -> &[Preset] {
        self.presets.as_deref().unwrap_or_default()
    }
}

impl Layer for Presets {
    fn handle(&mut self, _: &Context, action: Action) -> Vec<Command> {
        let preset = self.list().get(self.selected);
        match (action, preset) {
            (Action::Up, _) => self.selected = self.selected.saturating_sub(1),
            (Action::Down, _) => self.selected = (self.selected + 1).min(self.list().len().saturating_sub(1)),
            (Action::Open, Some(preset)) => {
                return vec![Command::Close, Command::Answer(Answer::Preset(Box::new(preset.clone())))];
            }
            (Action::Promote, Some(preset)) => {
                return vec![Command::Effect(Job::PromotePreset(preset.name.clone()).into())];
            }
            (Action::Open | Action::Back, _) => return vec![Command::Close],
            _ => {}
        }
        Vec::new()
    }

    fn loaded(&mut self, _: &Context, loaded: Loaded) -> Vec<Command> {
        if let Loaded::Presets(presets) = loaded {
            self.presets = Some(presets);
        }
        Vec::new()
    }

    fn area(&self, _: &Context, body: Rect) -> Rect {
        place::centred(body, 66, 12)
    }

    fn view(&self, context: &Context, frame: &mut Frame, area: Rect) {
        let theme = &context.theme;
        let [take, promote] = [Action::Open, Action::Promote].map(|action| context.popup_key(action));
        let title = format!("Presets · {}", place::hints(&[(take, "use"), (promote, "make team preset")]));
        let inner = place::draw_frame(frame, area, &title, theme);
        let mut lines: Vec<Line> = Vec::new();
        for (number, preset) in self.list().iter().enumerate() {
            let style = theme.style(if number == self.selected { Role::Selected } else { Role::Text });
            let state = if preset.promoted.is_some() { "✓ team" } else { "? on trial" };
            let (name, settings) = (fit(&preset.name, 24), &preset.settings);
            let facts = format!("guidance {}, {} steps", settings.guidance_scale, settings.steps);
            lines.push(Line::styled(format!("{name:<24}  {state:<10}  {facts}"), style));
        }
        if lines.is_empty() {
            let text = match self.presets {
                None => "Loading …".to_owned(),
                Some(_) => {
                    format!("No presets yet. {} saves the parent's settings.", context.key_of(Action::SavePreset))
                }
            };
            lines.push(Line::styled(text, theme.style(Role::Faint)));
        }
        frame.render_widget(Paragraph::new(lines), inner);
    }
}

//! Records a consent: on what ground, then the statement. The subject is fixed when the layer opens.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::Paragraph;

use super::place;
use super::prompt::Prompt;
use crate::studio::consent::ConsentKind;
use crate::studio::ids::SubjectId;
use crate::tui::action::Action;
use crate::tui::command::{Command, Layer};
use crate::tui::context::Context;
use crate::tui::effects::jobs::Job;
use crate::tui::theme::Role;

#[derive(Debug)]
pub struct Consent {
    subject: SubjectId,
    name: String,
    selected: usize,
}

impl Consent {
    pub fn new(subject: SubjectId, name: &str) -> Self {
        Self { subject, name: name.to_owned(), selected: 0 }
    }

    fn statement(&self) -> Prompt {
        let (subject, kind) = (self.subject, ConsentKind::ALL[self.selected]);
        let title = format!("{}, {kind}: who agreed, to what, and where is it recorded?", self.name);
        Prompt::new(&title, "", move |statement| match statement.is_empty() {
            true => Err("Write a statement: who agreed, to what, and where is it recorded?".to_owned()),
            false => {
                let job = Job::RecordConsent { subject, kind, statement: statement.to_owned() };
                Ok(vec![Command::Effect(job.into())])
            }
        })
    }
}

impl Layer for Consent {
    fn handle(&mut self, _: &Context, action: Action) -> Vec<Command> {
        match action {
            Action::Up => self.selected = self.selected.saturating_sub(1),
            Action::Down => self.selected = (self.selected + 1).min(ConsentKind::ALL.len() - 1),
            Action::Open => return vec![Command::Close, Command::Open(Box::new(self.statement()))],
            Action::Back => return vec![Command::Close],
            _ => {}
        }
        Vec::new()
    }

    fn area(&self, _: &Context, body: Rect) -> Rect {
        place::centred(body, 60, ConsentKind::ALL.len() as u16 + 2)
    }

    fn view(&self, context: &Context, frame: &mut Frame, area: Rect) {
        let theme = &context.theme;
        let title = format!("{}: why are you allowed to use these pictures?", self.name);
        let inner = place::draw_frame(frame, area, &title, theme);
        let lines = ConsentKind::ALL.iter().enumerate().map(|(number, right)| {
            let style = theme.style(if number == self.selected { Role::Selected } else { Role::Text });
            Line::styled(format!("{:<14}  {}", right.name(), right.about()), style)
        });
        frame.render_widget(Paragraph::new(lines.collect::<Vec<_>>()), inner);
    }
}

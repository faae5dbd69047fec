//! References: a subject's reference pictures in a grid, with the facts about the one under the cursor.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::Line;
use ratatui::widgets::{Paragraph, Wrap};

use super::{LOADING, Screen, placeholder};
use crate::service::references;
use crate::store::references::Opinion;
use crate::studio::consent::{Consent, ConsentStatus};
use crate::studio::ids::{ReferenceId, SubjectId};
use crate::studio::reference::{Decision, Reference, ReferenceState};
use crate::tui::action::Action;
use crate::tui::command::Command;
use crate::tui::context::Context;
use crate::tui::effects::Effect;
use crate::tui::effects::jobs::{Finished, Job};
use crate::tui::effects::reads::{Loaded, Read};
use crate::tui::layers::confirm::Confirm;
use crate::tui::layers::consent::Consent as ConsentLayer;
use crate::tui::layers::import::Import;
use crate::tui::layers::prompt::Prompt;
use crate::tui::pictures::Pictures;
use crate::tui::screen_id::ScreenId;
use crate::tui::shown::Shown;
use crate::tui::theme::Role;
use crate::tui::widgets::badge;
use crate::tui::widgets::cursor::Cursor;
use crate::tui::widgets::grid::Grid;
use crate::tui::widgets::hints::Hint;
use crate::tui::widgets::lines::{counted, fit};

#[derive(Debug, Default)]
pub struct References {
    list: Option<List>,
    cursor: Cursor,
    /// Whether the picture fills the screen.
    large: bool,
    /// A new reference, which the cursor goes to once the list shows it.
    added: Option<ReferenceId>,
}

/// The references of one subject.
#[derive(Debug)]
struct List {
    subject: SubjectId,
    references: Vec<Reference>,
    consents: Vec<Consent>,
}

impl References {
    /// The list, if it is the selected subject's.
    fn list(&self, context: &Context) -> Option<&List> {
        self.list.as_ref().filter(|list| Some(list.subject) == context.selection.subject_id())
    }

    fn references(&self, context: &Context) -> &[Reference] {
        self.list(context).map_or(&[], |list| &list.references)
    }

    fn chosen(&self, context: &Context) -> Option<&Reference> {
        self.references(context).get(self.cursor.at)
    }
}

impl Screen for References {
    fn handle(&mut self, context: &Context, action: Action) -> Option<Vec<Command>> {
        let Grid { columns, rows, .. } = Grid::new(columns(context.body())[0]);
        let count = self.references(context).len();
        if !self.large && self.cursor.act(action, count, columns, rows) {
            return Some(Vec::new());
        }
        let subject = context.selection.subject_id()?;
        match action {
            Action::Import => return Some(Import::open(subject)),
            Action::RecordConsent => {
                let layer = ConsentLayer::new(subject, &context.subject_name());
                return Some(vec![Command::Open(Box::new(layer))]);
            }
            // Esc closes the large picture before it leaves the screen.
            Action::Back if self.large => {
                self.large = false;
                return Some(Vec::new());
            }
            _ => {}
        }
        let chosen = self.chosen(context)?;
        let (id, name) = (chosen.id, chosen.name.clone());
        let decide = |decision| Some(vec![Command::Effect(decision_on(context, id, decision, ""))]);
        match action {
            Action::Open => {
                self.large = !self.large;
                Some(Vec::new())
            }
            Action::Approve => decide(Decision::Approve),
            Action::Reject => decide(Decision::Reject),
            Action::Retire if chosen.state == ReferenceState::Candidate => {
                let key = context.key_of(Action::Reject);
                Some(vec![Command::Notice(format!("{name} is only a candidate. Reject it ({key}) instead."))])
            }
            Action::Retire => decide(Decision::Retire),
            Action::Withdraw => {
                let consequence = references::withdrawal_consequence(&name);
                let layer = Confirm::new(format!("Withdraw {name}?"), &consequence, move || {
                    vec![Command::Effect(Job::Withdraw(id).into())]
                });
                Some(vec![Command::Open(Box::new(layer))])
            }
            Action::Note => {
                let reviewer = context.defaults.reviewer.clone();
                let prompt = Prompt::new(&format!("Approve {name} with a note"), &chosen.note, move |note| {
                    let opinion = Opinion { reviewer: reviewer.clone(), note: note.to_owned(), overrule: None };
                    let job = Job::Decide { reference: id, decision: Decision::Approve, opinion };
                    Ok(vec![Command::Effect(job.into())])
                });
                Some(vec![Command::Open(Box::new(prompt))])
            }
            _ => None,
        }
    }

    fn enter(&mut self, context: &Context, _: ScreenId) -> Vec<Command> {
        if self.list(context).is_none() {
            (self.cursor, self.large) = (Cursor::default(), false);
        }
        Vec::new()
    }

    fn reload(&self, context: &Context) -> Vec<Effect> {
        context.selection.subject_id().map(|subject| Read::References(subject).into()).into_iter().collect()
    }

    fn loaded(&mut self, context: &Context, loaded: Loaded) -> Vec<Command> {
        let Loaded::References { subject, references, consents } = loaded else { return Vec::new() };
        if Some(subject) != context.selection.subject_id() {
            return Vec::new();
        }
        let added = references.iter().position(|reference| Some(reference.id) == self.added);
        if let Some(at) = added {
            (self.cursor.at, self.added) = (at, None);
        }
        self.cursor.at = self.cursor.at.min(references.len().saturating_sub(1));
        self.list = Some(List { subject, references, consents });
        Vec::new()
    }

    fn finished(&mut self, _: &Context, finished: &Finished) -> Vec<Command> {
        if let Finished::ReferenceAdded { reference, .. } = finished {
            self.added = Some(*reference);
        }
        Vec::new()
    }

    fn heading(&self, context: &Context) -> String {
        let references = self.references(context);
        let approved = references.iter().filter(|reference| reference.state == ReferenceState::Approved).count();
        let count = counted(references.len(), "reference");
        format!("{} · {count} · {approved} approved", context.selection.handle())
    }

    fn hints(&self, _: &Context) -> Vec<Hint> {
        Hint::all([
            Action::Approve,
            Action::Reject,
            Action::Retire,
            Action::Withdraw,
            Action::Import,
            Action::RecordConsent,
            Action::Open,
            Action::Back,
        ])
    }

    fn view(&self, context: &Context, frame: &mut Frame, area: Rect, pictures: &mut Pictures) {
        let theme = &context.theme;
        let Some(list) = self.list(context).filter(|list| !list.references.is_empty()) else {
            let text = match self.list(context) {
                None => LOADING.to_owned(),
                Some(_) => format!("No references yet. Press {} to add one.", context.key_of(Action::Import)),
            };
            return placeholder(context, frame, area, &text);
        };
        let [left, side] = columns(area);
        if let Some(reference) = self.chosen(context) {
            if self.large {
                match &reference.picture {
                    Some(picture) => pictures.draw(frame, left, &Shown::whole(picture), theme),
                    None => placeholder(context, frame, left, "Withdrawn: the picture is deleted."),
                }
            }
            let height = if self.large { 0 } else { (side.width / 2).min(side.height.saturating_sub(FACTS)) };
            let [picture, facts] = Layout::vertical([Constraint::Length(height), Constraint::Fill(1)]).areas(side);
            if let Some(shown) = &reference.picture {
                pictures.draw(frame, picture, &Shown::whole(shown), theme);
            }
            frame.render_widget(facts_of(context, reference, &list.consents), facts);
        }
        if self.large {
            return;
        }
        for tile in Grid::new(left).tiles(self.cursor, list.references.len()) {
            let reference = &list.references[tile.at];
            match &reference.picture {
                Some(picture) => pictures.draw(frame, tile.picture, &Shown::thumbnail(picture), theme),
                None => placeholder(context, frame, tile.picture, "picture deleted"),
            }
            let name = format!("{}r{} ", if tile.is_chosen { "▸" } else { " " }, reference.name.number);
            let caption = badge::caption(name, badge::reference(reference.state, theme), tile.caption.width);
            frame.render_widget(caption.style(theme.style(Role::Text)), tile.caption);
            if tile.is_chosen {
                frame.buffer_mut().set_style(tile.caption, theme.style(Role::Selected));
            }
        }
    }
}

fn decision_on(context: &Context, reference: ReferenceId, decision: Decision, note: &str) -> Effect {
    let opinion = Opinion { reviewer: context.defaults.reviewer.clone(), note: note.to_owned(), overrule: None };
    Job::Decide { reference, decision, opinion }.into()
}

/// The grid, and the column for the reference under the cursor.
fn columns(body: Rect) -> [Rect; 2] {
    let side = (body.width * 2 / 5).clamp(32, 80);
    Layout::horizontal([Constraint::Fill(1), Constraint::Length(side)]).spacing(1).areas(body)
}

/// Rows kept for the facts about a reference.
const FACTS: u16 = 11;

fn facts_of<'a>(context: &Context, reference: &'a Reference, consents: &[Consent]) -> Paragraph<'a> {
    let theme = &context.theme;
    let mut text = vec![
        Line::styled(reference.name.to_string(), theme.style(Role::Title)),
        Line::from(badge::reference(reference.state, theme)),
        Line::styled(fit(&reference.label, 120), theme.style(Role::Text)),
    ];
    if let Some(picture) = &reference.picture {
        text.push(Line::styled(format!("{}×{} pixels", picture.width, picture.height), theme.style(Role::Faint)));
    }
    if let Some(consent) = consents.iter().find(|consent| consent.id == reference.consent) {
        let (word, role) = match consent.status(context.now) {
            ConsentStatus::Valid => ("valid", Role::Approved),
            ConsentStatus::NotYetValid(_) => ("not valid yet", Role::Warning),
            ConsentStatus::Expired(_) => ("expired", Role::Danger),
            ConsentStatus::Withdrawn(_) => ("withdrawn", Role::Danger),
        };
        text.push(Line::raw(""));
        text.push(Line::styled(format!("{}: {word}", consent.grant.kind().name()), theme.style(role)));
        text.push(Line::styled(fit(consent.grant.statement(), 300), theme.style(Role::Faint)));
    }
    if !reference.note.is_empty() {
        text.push(Line::raw(""));
        text.push(Line::styled(fit(&reference.note, 600), theme.style(Role::Text)));
    }
    if let Some(reviewer) = &reference.reviewer {
        text.push(Line::styled(format!("— {}", fit(reviewer, 60)), theme.style(Role::Faint)));
    }
    Paragraph::new(text).wrap(Wrap { trim: true })
}

//! References of a subject: a grid of pictures with their states, and what is known of the one under the cursor.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::Line;
use ratatui::widgets::{Paragraph, Wrap};

use crate::store::references::Opinion;
use crate::studio::consent::{Consent, ConsentStatus};
use crate::studio::reference::{Decision, Reference, ReferenceState};
use crate::tui::action::Action;
use crate::tui::app::{App, Popup, Purpose};
use crate::tui::complete::{self, PathLine};
use crate::tui::effect::Effect;
use crate::tui::pictures::{Pictures, Shown};
use crate::tui::theme::Role;
use crate::tui::widgets::badge;
use crate::tui::widgets::cursor::Cursor;
use crate::tui::widgets::grid::Grid;
use crate::tui::widgets::input::Input;
use crate::tui::widgets::lines::{counted, fit};

#[derive(Debug, Default)]
pub struct References {
    references: Vec<Reference>,
    consents: Vec<Consent>,
    loaded: bool,
    cursor: Cursor,
    /// The picture fills the screen.
    large: bool,
    /// A picture was added, and the cursor goes to it once it is there.
    added: bool,
}

impl References {
    pub fn set(&mut self, references: Vec<Reference>, consents: Vec<Consent>) {
        let grown = references.len() > self.references.len();
        (self.references, self.consents, self.loaded) = (references, consents, true);
        let last = self.references.len().saturating_sub(1);
        let new = grown && std::mem::take(&mut self.added);
        self.cursor.at = if new { last } else { self.cursor.at.min(last) };
    }

    fn chosen(&self) -> Option<&Reference> {
        self.references.get(self.cursor.at)
    }
}

pub fn act(app: &mut App, action: Action) -> Vec<Effect> {
    let Grid { columns, rows, .. } = Grid::new(places(app.body())[0]);
    let references = &mut app.references;
    if !references.large && references.cursor.act(action, references.references.len(), columns, rows) {
        return Vec::new();
    }
    let chosen =
        references.chosen().map(|reference| (reference.id, reference.name.to_string(), reference.note.clone()));
    match (action, chosen) {
        (Action::Open, Some(_)) => references.large = !references.large,
        (Action::Import, _) => {
            app.popups.push(Popup::Path(PathLine::default()));
            return vec![Effect::Complete(String::new())];
        }
        (Action::Grant, _) => app.popups.push(Popup::Ground(0)),
        (Action::Approve, Some((reference, ..))) => return decide(app, reference, Decision::Approve, ""),
        (Action::Reject, Some((reference, ..))) => return decide(app, reference, Decision::Reject, ""),
        (Action::Retire, Some((reference, ..))) => return decide(app, reference, Decision::Retire, ""),
        (Action::Withdraw, Some((_, name, _))) => {
            let question = format!("Withdraw {name}? The picture is deleted, and its waiting runs are cancelled.");
            app.popups.push(Popup::Confirm { question, purpose: Purpose::Withdraw });
        }
        (Action::Note, Some((_, name, note))) => {
            let question = format!("Approve {name} with a note");
            app.popups.push(Popup::Ask { question, input: Input::with(&note), purpose: Purpose::ReferenceNote });
        }
        _ => {}
    }
    Vec::new()
}

/// Adds the picture at a path.
pub fn import(app: &mut App, path: &str) -> Vec<Effect> {
    match app.subject_id() {
        Some(subject) if !path.is_empty() => {
            app.references.added = true;
            vec![Effect::Import { subject, path: complete::whole(path).into() }]
        }
        _ => Vec::new(),
    }
}

pub fn answered(app: &mut App, purpose: &Purpose, answer: &str) -> Vec<Effect> {
    match (purpose, app.references.chosen().map(|reference| reference.id)) {
        (Purpose::Withdraw, Some(reference)) => vec![Effect::Withdraw(reference)],
        (Purpose::ReferenceNote, Some(reference)) => decide(app, reference, Decision::Approve, answer),
        _ => Vec::new(),
    }
}

fn decide(app: &App, reference: crate::studio::ids::ReferenceId, decision: Decision, note: &str) -> Vec<Effect> {
    let opinion = Opinion { reviewer: app.usual.reviewer.clone(), note: note.to_owned(), overrule: None };
    vec![Effect::Decide { reference, decision, opinion }]
}

/// The pictures' place, and that of the one under the cursor.
fn places(body: Rect) -> [Rect; 2] {
    let side = (body.width * 2 / 5).clamp(32, 80);
    Layout::horizontal([Constraint::Fill(1), Constraint::Length(side)]).spacing(1).areas(body)
}

/// Rows that are kept for what is known of a reference.
const WORDS: u16 = 11;

pub fn view(app: &App, pictures: &mut Pictures, frame: &mut Frame, area: Rect) {
    let (references, theme) = (&app.references, &app.theme);
    if references.references.is_empty() {
        let text = match references.loaded {
            false => "Looking …".to_owned(),
            true => format!("No reference yet. {} adds a picture.", app.key_of(Action::Import)),
        };
        frame.render_widget(Line::styled(text, theme.style(Role::Faint)), area);
        return;
    }
    let [left, side] = places(area);
    if let Some(reference) = references.chosen() {
        if references.large {
            match &reference.picture {
                Some(picture) => pictures.draw(frame, left, &Shown::whole(picture), theme),
                None => frame.render_widget(Line::raw("withdrawn: the picture is gone"), left),
            }
        }
        let height = if references.large { 0 } else { (side.width / 2).min(side.height.saturating_sub(WORDS)) };
        let [large, words] = Layout::vertical([Constraint::Length(height), Constraint::Fill(1)]).areas(side);
        if let Some(picture) = &reference.picture {
            pictures.draw(frame, large, &Shown::whole(picture), theme);
        }
        frame.render_widget(facts(app, reference), words);
    }
    if references.large {
        return;
    }
    for tile in Grid::new(left).tiles(references.cursor, references.references.len()) {
        let reference = &references.references[tile.at];
        match &reference.picture {
            Some(picture) => pictures.draw(frame, tile.picture, &Shown::stored(picture), theme),
            None => frame.render_widget(Line::styled("the picture is gone", theme.style(Role::Faint)), tile.picture),
        }
        let name = format!("{}r{} ", if tile.is_chosen { "▸" } else { " " }, reference.name.number);
        let caption = badge::caption(name, badge::reference(reference.state, theme), tile.caption.width);
        frame.render_widget(caption.style(theme.style(Role::Text)), tile.caption);
        if tile.is_chosen {
            frame.buffer_mut().set_style(tile.caption, theme.style(Role::Selected));
        }
    }
}

/// What is known of a reference. The quality report has its place here.
fn facts<'a>(app: &App, reference: &'a Reference) -> Paragraph<'a> {
    let theme = &app.theme;
    let mut text = vec![
        Line::styled(reference.name.to_string(), theme.style(Role::Title)),
        Line::from(badge::reference(reference.state, theme)),
        Line::styled(fit(&reference.label, 120), theme.style(Role::Text)),
    ];
    if let Some(picture) = &reference.picture {
        text.push(Line::styled(format!("{}×{} pixels", picture.width, picture.height), theme.style(Role::Faint)));
    }
    if let Some(consent) = app.references.consents.iter().find(|consent| consent.id == reference.consent) {
        let (word, role) = match consent.status(app.now) {
            ConsentStatus::Valid => ("in force", Role::Approved),
            ConsentStatus::NotYetValid(_) => ("not yet in force", Role::Warning),
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

pub fn heading(app: &App) -> String {
    let references = &app.references.references;
    let approved = references.iter().filter(|reference| reference.state == ReferenceState::Approved).count();
    let whose = app.subject.as_ref().map_or(String::new(), |chosen| chosen.handle.to_string());
    format!("{whose}, {}, {approved} approved", counted(references.len(), "picture"))
}

//! Subjects: who there is, with what right, and how stable their runs are.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Cell, Paragraph, Row, Table, TableState, Wrap};

use crate::store::lines::SubjectLine;
use crate::studio::ids::SubjectId;
use crate::tui::action::Action;
use crate::tui::app::{App, Chosen, Popup, Purpose};
use crate::tui::effect::Effect;
use crate::tui::pictures::{Pictures, Shown};
use crate::tui::theme::Role;
use crate::tui::update::go;
use crate::tui::widgets::badge;
use crate::tui::widgets::cursor::Cursor;
use crate::tui::widgets::find::find;
use crate::tui::widgets::input::Input;
use crate::tui::widgets::lines::{counted, fit};

use super::Place;

#[derive(Debug, Default)]
pub struct Subjects {
    pub lines: Vec<SubjectLine>,
    pub loaded: bool,
    pub filter: String,
    /// Rows of `lines` that the filter finds, the best first.
    found: Vec<usize>,
    cursor: Cursor,
}

impl Subjects {
    pub fn set(&mut self, lines: Vec<SubjectLine>) {
        let before = self.chosen().map(|line| line.subject.id);
        self.lines = lines;
        self.loaded = true;
        self.find();
        self.choose(before);
    }

    pub fn set_filter(&mut self, filter: &str) {
        filter.clone_into(&mut self.filter);
        self.find();
        self.cursor = Cursor::default();
    }

    pub fn chosen(&self) -> Option<&SubjectLine> {
        self.lines.get(*self.found.get(self.cursor.at)?)
    }

    pub fn choose(&mut self, subject: Option<SubjectId>) {
        let at = self.found.iter().position(|&row| Some(self.lines[row].subject.id) == subject);
        self.cursor.at = at.unwrap_or(self.cursor.at);
    }

    fn find(&mut self) {
        let words = self
            .lines
            .iter()
            .map(|SubjectLine { subject, .. }| format!("{} {} {}", subject.handle, subject.name, subject.note));
        self.found = find(&self.filter, words);
    }
}

pub fn act(app: &mut App, action: Action) -> Vec<Effect> {
    let rows = app.body_rows().saturating_sub(2);
    if app.subjects.cursor.act(action, app.subjects.found.len(), 1, rows) {
        return Vec::new();
    }
    match action {
        Action::Filter => {
            let input = Input::with(&app.subjects.filter);
            app.popups.push(Popup::Ask { question: "Filter".to_owned(), input, purpose: Purpose::Filter });
        }
        Action::AddSubject => {
            let question = "The new subject's name".to_owned();
            app.popups.push(Popup::Ask { question, input: Input::default(), purpose: Purpose::NewSubject });
        }
        Action::Note => {
            if let Some(line) = app.subjects.chosen() {
                let question = format!("A note on {}", line.subject.handle);
                let input = Input::with(&line.subject.note);
                app.popups.push(Popup::Ask { question, input, purpose: Purpose::SubjectNote });
            }
        }
        Action::Again => {
            let subject = app.subjects.chosen().map(|line| line.subject.id);
            return subject.map_or(Vec::new(), |subject| vec![Effect::Again { subject, run: None }]);
        }
        Action::Grant if app.subjects.chosen().is_some() => app.popups.push(Popup::Ground(0)),
        Action::Open => return enter(app, Place::Runs),
        Action::GoReferences => return enter(app, Place::References),
        Action::Compose => return enter(app, Place::Compose),
        _ => {}
    }
    Vec::new()
}

/// Goes on with the subject under the cursor.
pub fn enter(app: &mut App, place: Place) -> Vec<Effect> {
    if let Some(line) = app.subjects.chosen() {
        let subject = &line.subject;
        app.subject = Some(Chosen { id: subject.id, handle: subject.handle.clone() });
    }
    go(app, place)
}

pub fn view(app: &App, pictures: &mut Pictures, frame: &mut Frame, area: Rect) {
    let (subjects, theme) = (&app.subjects, &app.theme);
    if subjects.lines.is_empty() {
        let text = match subjects.loaded {
            false => "Opening the project …".to_owned(),
            true => format!("No subject yet. {} makes one.", app.key_of(Action::AddSubject)),
        };
        frame.render_widget(Line::styled(text, theme.style(Role::Faint)), area);
        return;
    }
    let side = if area.width >= 90 { SIDE } else { 0 };
    let [area, beside] =
        Layout::horizontal([Constraint::Fill(1), Constraint::Length(side)]).spacing(side.min(2)).areas(area);
    if let Some(line) = subjects.chosen().filter(|_| side > 0) {
        who(app, line, pictures, frame, beside);
    }
    let (narrow, wide) = (area.width < 72, area.width >= 92);
    let visible = area.height.saturating_sub(1) as usize;
    let mut cursor = subjects.cursor;
    cursor.keep_in_sight(subjects.found.len(), 1, visible);
    let rows = subjects.found.iter().skip(cursor.top).take(visible).map(|&row| {
        let line = &subjects.lines[row];
        let rights = match (line.rights, line.withdrawn) {
            (0, 0) => Span::styled("! none", theme.style(Role::Danger)),
            (0, _) => Span::styled("∅ withdrawn", theme.style(Role::Danger)),
            _ => Span::styled("✓ in force", theme.style(Role::Approved)),
        };
        let references = match (line.approved, line.candidates) {
            (0, 0) => Span::styled("none", theme.style(Role::Faint)),
            (approved, 0) => Span::raw(format!("{approved} ✓")),
            (approved, candidates) => Span::raw(format!("{approved} ✓  {candidates} ?")),
        };
        let verdict = line.last_verdict.map_or(Span::raw(""), |verdict| badge::verdict(verdict, theme));
        let stability = match line.stability {
            (_, 0) => Span::styled("–", theme.style(Role::Faint)),
            (accepted, judged) => Span::raw(format!("{accepted} of {judged}")),
        };
        let baseline = if line.has_baseline { "★" } else { "" };
        let mut cells = vec![
            Cell::from(line.subject.handle.to_string()),
            Cell::from(rights),
            Cell::from(references),
            Cell::from(line.runs.to_string()),
            Cell::from(verdict),
        ];
        if !narrow {
            cells.insert(4, Cell::from(baseline));
            cells.push(Cell::from(stability));
        }
        if wide {
            cells.insert(1, Cell::from(fit(&line.subject.name, 28)));
        }
        Row::new(cells)
    });
    let mut names = vec!["subject", "rights", "references", "runs", "last verdict"];
    let mut widths = vec![
        if wide { Constraint::Max(24) } else { Constraint::Fill(1) },
        Constraint::Length(12),
        Constraint::Length(11),
        Constraint::Length(6),
        Constraint::Length(12),
    ];
    if !narrow {
        names.insert(4, "base");
        names.push("stable");
        widths.insert(4, Constraint::Length(4));
        widths.push(Constraint::Length(8));
    }
    if wide {
        names.insert(1, "name");
        widths.insert(1, Constraint::Fill(1));
    }
    let table = Table::new(rows, widths)
        .header(Row::new(names).style(theme.style(Role::Faint)))
        .style(theme.style(Role::Text))
        .row_highlight_style(theme.style(Role::Selected));
    let mut state = TableState::new().with_selected(Some(cursor.at - cursor.top));
    frame.render_stateful_widget(table, area, &mut state);
}

/// Columns of the pictures beside the list.
const SIDE: u16 = 32;

/// The subject under the cursor: name, note, newest approved reference, newest output.
fn who(app: &App, line: &SubjectLine, pictures: &mut Pictures, frame: &mut Frame, area: Rect) {
    let theme = &app.theme;
    let [words, reference, output] =
        Layout::vertical([Constraint::Length(4), Constraint::Fill(1), Constraint::Fill(1)]).areas(area);
    let text = vec![
        Line::styled(fit(&line.subject.name, 60), theme.style(Role::Title)),
        Line::styled(fit(&line.subject.note, 120), theme.style(Role::Faint)),
    ];
    frame.render_widget(Paragraph::new(text).wrap(Wrap { trim: true }), words);
    for (area, picture, name) in [(reference, &line.face, "reference"), (output, &line.newest, "newest picture")] {
        let [caption, place] = Layout::vertical([Constraint::Length(1), Constraint::Max(16)]).areas(area);
        if let Some(picture) = picture {
            frame.render_widget(Line::styled(name, theme.style(Role::Faint)), caption);
            pictures.draw(frame, place, &Shown::stored(picture), theme);
        }
    }
}

/// What the line above the body says.
pub fn heading(app: &App) -> String {
    let subjects = &app.subjects;
    let found = subjects.found.len();
    match subjects.filter.is_empty() {
        true => counted(found, "subject"),
        false => format!("{found} of {} for “{}”", subjects.lines.len(), subjects.filter),
    }
}

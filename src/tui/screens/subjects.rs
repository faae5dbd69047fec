//! Subjects: the list of subjects, with the selected one's pictures beside it.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Cell, Paragraph, Row, Table, TableState, Wrap};

use super::{LOADING, Screen, placeholder};
use crate::store::lines::SubjectLine;
use crate::studio::ids::SubjectId;
use crate::studio::subject::Handle;
use crate::tui::action::Action;
use crate::tui::command::{Answer, Command};
use crate::tui::context::Context;
use crate::tui::effects::Effect;
use crate::tui::effects::jobs::{Finished, Job};
use crate::tui::effects::reads::{Loaded, Read};
use crate::tui::layers::consent::Consent;
use crate::tui::layers::prompt::Prompt;
use crate::tui::pictures::Pictures;
use crate::tui::screen_id::ScreenId;
use crate::tui::selection::{Select, SelectedSubject, Selection};
use crate::tui::shown::Shown;
use crate::tui::theme::{Role, Theme};
use crate::tui::widgets::badge;
use crate::tui::widgets::cursor::Cursor;
use crate::tui::widgets::find::find;
use crate::tui::widgets::hints::Hint;
use crate::tui::widgets::lines::{counted, fit};

#[derive(Debug, Default)]
pub struct Subjects {
    lines: Vec<SubjectLine>,
    loaded: bool,
    filter: String,
    /// The rows of `lines` that match the filter, the best match first.
    found: Vec<usize>,
    /// Where the list is scrolled to, and the place of a selected subject that has left it.
    cursor: Cursor,
    /// The name of a subject that is being added; until it is there, the selected one is not the one that is meant.
    adding: Option<String>,
    /// A new subject that the list does not show yet.
    expected: Option<SubjectId>,
}

impl Subjects {
    /// Whether the project has no subjects, as far as is known.
    pub fn is_empty(&self) -> bool {
        self.loaded && self.lines.is_empty()
    }

    /// The place of the selected subject among the found ones.
    fn position(&self, selection: &Selection) -> Option<usize> {
        self.found.iter().position(|&row| Some(self.lines[row].subject.id) == selection.subject_id())
    }

    fn selected(&self, selection: &Selection) -> Option<&SubjectLine> {
        self.lines.get(*self.found.get(self.position(selection)?)?)
    }

    fn select(&self, at: usize) -> Select {
        let subject = self.found.get(at).map(|&row| &self.lines[row].subject);
        subject.map_or(Select::Nothing, |subject| {
            Select::Subject(SelectedSubject { id: subject.id, handle: subject.handle.clone() })
        })
    }

    fn find(&mut self) {
        let texts = self
            .lines
            .iter()
            .map(|SubjectLine { subject, .. }| format!("{} {} {}", subject.handle, subject.name, subject.note));
        self.found = find(&self.filter, texts);
    }

    /// Selects the subject at the cursor if the selected one is not in the list.
    fn follow(&mut self, selection: &Selection) -> Vec<Command> {
        let position = self.position(selection);
        self.cursor.at = position.unwrap_or(self.cursor.at).min(self.found.len().saturating_sub(1));
        match position {
            Some(_) => Vec::new(),
            None => vec![Command::Select(self.select(self.cursor.at))],
        }
    }
}

impl Screen for Subjects {
    fn handle(&mut self, context: &Context, action: Action) -> Option<Vec<Command>> {
        let selection = &context.selection;
        let rows = context.body_rows().saturating_sub(2);
        let mut cursor = Cursor { at: self.position(selection).unwrap_or(self.cursor.at), ..self.cursor };
        if cursor.act(action, self.found.len(), 1, rows) {
            self.cursor = cursor;
            return Some(vec![Command::Select(self.select(cursor.at))]);
        }
        match action {
            Action::Filter => {
                let prompt = Prompt::live_filter("Filter subjects", &self.filter);
                return Some(vec![Command::Open(Box::new(prompt))]);
            }
            Action::AddSubject => return Some(vec![Command::Open(Box::new(name_prompt()))]),
            _ => {}
        }
        let is_about_one =
            matches!(action, Action::Open | Action::Compose | Action::Note | Action::RecordConsent | Action::Again);
        if !is_about_one {
            return None;
        }
        if let Some(name) = &self.adding {
            return Some(vec![Command::Notice(format!("Adding {name} … Press the key again."))]);
        }
        let line = self.selected(selection)?;
        let subject = line.subject.id;
        Some(vec![match action {
            Action::Note => {
                let title = format!("Note on {}", line.subject.name);
                Command::Open(Box::new(Prompt::new(&title, &line.subject.note, move |note| {
                    Ok(vec![Command::Effect(Job::SetSubjectNote(subject, note.to_owned()).into())])
                })))
            }
            Action::RecordConsent => Command::Open(Box::new(Consent::new(subject, &line.subject.name))),
            Action::Again => Command::Effect(Job::RunAgain { subject, run: None }.into()),
            Action::Compose => Command::Go(ScreenId::Compose),
            _ => Command::Go(ScreenId::Runs),
        }])
    }

    fn answer(&mut self, context: &Context, answer: Answer) -> Vec<Command> {
        match answer {
            Answer::Filter(filter) => {
                self.filter = filter;
                self.find();
                self.cursor = Cursor::default();
                self.follow(&context.selection)
            }
            Answer::Adding(name) => {
                self.adding = Some(name);
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    fn enter(&mut self, context: &Context, _: ScreenId) -> Vec<Command> {
        if self.loaded { self.follow(&context.selection) } else { Vec::new() }
    }

    fn reload(&self, _: &Context) -> Vec<Effect> {
        vec![Read::Subjects.into()]
    }

    fn loaded(&mut self, context: &Context, loaded: Loaded) -> Vec<Command> {
        let Loaded::Subjects(lines) = loaded else { return Vec::new() };
        (self.lines, self.loaded) = (lines, true);
        self.find();
        if let Some(expected) = self.expected {
            // These lines were read before the new subject was added.
            if self.lines.iter().all(|line| line.subject.id != expected) {
                return Vec::new();
            }
            self.expected = None;
        }
        let is_shown = context.screen == ScreenId::Subjects || context.selection.subject().is_none();
        if is_shown { self.follow(&context.selection) } else { Vec::new() }
    }

    fn finished(&mut self, context: &Context, finished: &Finished) -> Vec<Command> {
        let Finished::SubjectAdded(subject) = finished else { return Vec::new() };
        (self.adding, self.expected) = (None, Some(subject.id));
        self.filter.clear();
        self.find();
        let [consent, references, import] = [
            context.keymap.key(ScreenId::Subjects, Action::RecordConsent),
            context.keymap.key(ScreenId::Subjects, Action::GoReferences),
            context.keymap.key(ScreenId::References, Action::Import),
        ]
        .map(Option::unwrap_or_default);
        let text =
            format!("Added {}. Next: {consent} records consent, {references} {import} adds a reference.", subject.name);
        let subject = SelectedSubject { id: subject.id, handle: subject.handle.clone() };
        vec![Command::Select(Select::Subject(subject)), Command::Notice(text)]
    }

    fn job_failed(&mut self) {
        self.adding = None;
    }

    fn heading(&self, _: &Context) -> String {
        let found = self.found.len();
        match self.filter.is_empty() {
            true => counted(found, "subject"),
            false => format!("{found} of {} match “{}”", counted(self.lines.len(), "subject"), self.filter),
        }
    }

    fn hints(&self, _: &Context) -> Vec<Hint> {
        Hint::all([
            Action::Open,
            Action::Compose,
            Action::GoReferences,
            Action::AddSubject,
            Action::RecordConsent,
            Action::Again,
            Action::Filter,
            Action::GoQueue,
        ])
    }

    fn view(&self, context: &Context, frame: &mut Frame, area: Rect, pictures: &mut Pictures) {
        if self.lines.is_empty() {
            let text = match self.loaded {
                false => LOADING.to_owned(),
                true => format!("No subjects yet. Press {} to add one.", context.key_of(Action::AddSubject)),
            };
            return placeholder(context, frame, area, &text);
        }
        let side = if area.width >= 90 { SIDE } else { 0 };
        let [list, beside] =
            Layout::horizontal([Constraint::Fill(1), Constraint::Length(side)]).spacing(side.min(2)).areas(area);
        if let Some(line) = self.selected(&context.selection).filter(|_| side > 0) {
            draw_subject(line, context, frame, beside, pictures);
        }
        if self.found.is_empty() {
            let text = format!(
                "No subject matches “{}”. Press {} to change the filter.",
                self.filter,
                context.key_of(Action::Filter)
            );
            return placeholder(context, frame, list, &text);
        }
        self.draw_list(context, frame, list);
    }
}

/// Asks for a new subject's name.
fn name_prompt() -> Prompt {
    Prompt::new("Name of the new subject", "", |name| match Handle::suggest(name) {
        Some(handle) => Ok(vec![
            Command::Answer(Answer::Adding(name.to_owned())),
            Command::Effect(Job::AddSubject { handle, name: name.to_owned() }.into()),
        ]),
        None => Err("The name needs a letter from a to z, for the subject's handle.".to_owned()),
    })
}

/// Columns of the pictures beside the list.
const SIDE: u16 = 32;

impl Subjects {
    fn draw_list(&self, context: &Context, frame: &mut Frame, area: Rect) {
        let theme = &context.theme;
        let (narrow, wide) = (area.width < 72, area.width >= 92);
        let visible = area.height.saturating_sub(1) as usize;
        let position = self.position(&context.selection);
        let mut cursor = Cursor { at: position.unwrap_or(self.cursor.at), ..self.cursor };
        cursor.keep_in_sight(self.found.len(), 1, visible);
        let rows = self.found.iter().skip(cursor.top).take(visible);
        let rows = rows.map(|&row| Row::new(cells(&self.lines[row], narrow, wide, theme)));
        let mut names = vec!["subject", "consent", "references", "runs", "last review"];
        let mut widths = vec![
            if wide { Constraint::Max(24) } else { Constraint::Fill(1) },
            Constraint::Length(12),
            Constraint::Length(11),
            Constraint::Length(6),
            Constraint::Length(12),
        ];
        if !narrow {
            names.insert(4, "baseline");
            names.push("accepted");
            widths.insert(4, Constraint::Length(8));
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
        let mut state = TableState::new().with_selected(position.map(|at| at - cursor.top));
        frame.render_stateful_widget(table, area, &mut state);
    }
}

fn cells(line: &SubjectLine, narrow: bool, wide: bool, theme: &Theme) -> Vec<Cell<'static>> {
    let consent = match (line.rights, line.withdrawn) {
        (0, 0) => Span::styled("! no consent", theme.style(Role::Danger)),
        (0, _) => Span::styled("∅ withdrawn", theme.style(Role::Danger)),
        _ => Span::styled("✓ valid", theme.style(Role::Approved)),
    };
    let references = match (line.approved, line.candidates) {
        (0, 0) => Span::styled("none", theme.style(Role::Faint)),
        (approved, 0) => Span::raw(format!("{approved} ✓")),
        (approved, candidates) => Span::raw(format!("{approved} ✓  {candidates} ?")),
    };
    let verdict = line.last_verdict.map_or(Span::raw(""), |verdict| badge::verdict(verdict, theme));
    let accepted = match line.stability {
        (_, 0) => Span::styled("–", theme.style(Role::Faint)),
        (accepted, judged) => Span::raw(format!("{accepted}/{judged}")),
    };
    let mut cells = vec![
        Cell::from(line.subject.handle.to_string()),
        Cell::from(consent),
        Cell::from(references),
        Cell::from(line.runs.to_string()),
        Cell::from(verdict),
    ];
    if !narrow {
        cells.insert(4, Cell::from(if line.has_baseline { "★" } else { "" }));
        cells.push(Cell::from(accepted));
    }
    if wide {
        cells.insert(1, Cell::from(fit(&line.subject.name, 28)));
    }
    cells
}

/// A subject's name, note, newest approved reference and newest output.
fn draw_subject(line: &SubjectLine, context: &Context, frame: &mut Frame, area: Rect, pictures: &mut Pictures) {
    let theme = &context.theme;
    let [words, reference, output] =
        Layout::vertical([Constraint::Length(4), Constraint::Fill(1), Constraint::Fill(1)]).areas(area);
    let text = vec![
        Line::styled(fit(&line.subject.name, 60), theme.style(Role::Title)),
        Line::styled(fit(&line.subject.note, 120), theme.style(Role::Faint)),
    ];
    frame.render_widget(Paragraph::new(text).wrap(Wrap { trim: true }), words);
    for (area, picture, name) in [(reference, &line.face, "Reference"), (output, &line.newest, "Newest picture")] {
        let [caption, place] = Layout::vertical([Constraint::Length(1), Constraint::Max(16)]).areas(area);
        if let Some(picture) = picture {
            frame.render_widget(Line::styled(name, theme.style(Role::Faint)), caption);
            pictures.draw(frame, place, &Shown::thumbnail(picture), theme);
        }
    }
}

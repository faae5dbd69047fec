//! Lineage: a subject's runs as a tree by parent, each with what it changed.

use std::collections::HashMap;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Wrap};

use super::{LOADING, Screen, placeholder};
use crate::store::runs::RunLine;
use crate::studio::ids::{RunId, SubjectId};
use crate::tui::action::Action;
use crate::tui::command::Command;
use crate::tui::context::Context;
use crate::tui::effects::Effect;
use crate::tui::effects::jobs::Job;
use crate::tui::effects::reads::{Loaded, Read};
use crate::tui::layers::explanation::Explanation;
use crate::tui::pictures::Pictures;
use crate::tui::query::Query;
use crate::tui::screen_id::ScreenId;
use crate::tui::selection::{Select, SelectedSubject, Selection};
use crate::tui::shown::Shown;
use crate::tui::theme::{Role, Theme};
use crate::tui::widgets::badge;
use crate::tui::widgets::cursor::Cursor;
use crate::tui::widgets::facts;
use crate::tui::widgets::hints::Hint;
use crate::tui::widgets::lines::{counted, fit};

#[derive(Debug, Default)]
pub struct Lineage {
    tree: Option<Tree>,
    cursor: Cursor,
}

/// The runs of one subject.
#[derive(Debug)]
struct Tree {
    subject: SubjectId,
    rows: Vec<Branch>,
}

/// A run in the tree, and the lines that lead to it.
#[derive(Debug)]
struct Branch {
    lead: String,
    line: RunLine,
}

/// Branches further right than this are drawn in the last column.
const MAX_COLUMN: usize = 8;

impl Lineage {
    /// The rows, if they are the selected subject's.
    fn rows(&self, selection: &Selection) -> Option<&[Branch]> {
        let tree = self.tree.as_ref().filter(|tree| Some(tree.subject) == selection.subject_id());
        tree.map(|tree| tree.rows.as_slice())
    }

    fn position(&self, selection: &Selection) -> Option<usize> {
        self.rows(selection)?.iter().position(|row| Some(row.line.run.id) == selection.run())
    }

    fn selected(&self, selection: &Selection) -> Option<&Branch> {
        self.rows(selection)?.get(self.position(selection)?)
    }

    /// Selects the run at the cursor if the selected one is not in the tree.
    fn follow(&mut self, selection: &Selection) -> Vec<Command> {
        let position = self.position(selection);
        let Some(rows) = self.rows(selection) else { return Vec::new() };
        let at = position.unwrap_or(self.cursor.at).min(rows.len().saturating_sub(1));
        let select = rows.get(at).filter(|_| position.is_none()).map(select);
        self.cursor.at = at;
        select.into_iter().collect()
    }
}

fn select(row: &Branch) -> Command {
    let run = &row.line.run;
    let subject = SelectedSubject { id: run.subject, handle: run.task.subject.clone() };
    Command::Select(Select::Run(subject, run.id))
}

fn tree(runs: Vec<RunLine>) -> Vec<Branch> {
    let places: HashMap<RunId, usize> = runs.iter().enumerate().map(|(at, line)| (line.run.id, at)).collect();
    let parents: Vec<Option<usize>> =
        runs.iter().map(|line| line.run.parent.and_then(|parent| places.get(&parent).copied())).collect();
    let mut runs: Vec<Option<RunLine>> = runs.into_iter().map(Some).collect();
    shape(&parents).into_iter().filter_map(|(at, lead)| Some(Branch { lead, line: runs[at].take()? })).collect()
}

/// The order of the rows, each with the lines that lead to it. `parents` are indices. A run without a parent has a hollow
/// mark. The last child stays in its parent's column, so that a chain is a straight line; the others branch off.
fn shape(parents: &[Option<usize>]) -> Vec<(usize, String)> {
    let mut children = vec![Vec::new(); parents.len()];
    let mut roots = Vec::new();
    for (at, parent) in parents.iter().enumerate() {
        match parent {
            Some(parent) => children[*parent].push(at),
            None => roots.push(at),
        }
    }
    let mut rows = Vec::with_capacity(parents.len());
    // The runs still to draw, with their column and whether they branch off. Chains are too long for recursion.
    let mut open: Vec<(usize, usize, bool)> = roots.into_iter().rev().map(|at| (at, 0, false)).collect();
    while let Some((at, column, leaves)) = open.pop() {
        let below = std::mem::take(&mut children[at]);
        let last = below.len().saturating_sub(1);
        for (number, child) in below.into_iter().enumerate().rev() {
            let branches = number != last;
            open.push((child, if branches { (column + 1).min(MAX_COLUMN) } else { column }, branches));
        }
        let line = |other: usize| match open.iter().any(|(_, waiting, _)| *waiting == other) {
            true if leaves && other + 1 == column => "├─",
            true => "│ ",
            false => "  ",
        };
        let own = if parents[at].is_some() { "● " } else { "○ " };
        rows.push((at, (0..column).map(line).chain([own]).collect()));
    }
    rows
}

impl Screen for Lineage {
    fn handle(&mut self, context: &Context, action: Action) -> Option<Vec<Command>> {
        let selection = &context.selection;
        let visible = context.body_rows().saturating_sub(PROMPT_ROWS.into());
        let mut cursor = Cursor { at: self.position(selection).unwrap_or(self.cursor.at), ..self.cursor };
        let count = self.rows(selection).map_or(0, <[Branch]>::len);
        if cursor.act(action, count, 1, visible) {
            self.cursor = cursor;
            let row = self.rows(selection).and_then(|rows| rows.get(cursor.at));
            return Some(row.map(select).into_iter().collect());
        }
        let run = &self.selected(selection)?.line.run;
        match action {
            Action::Branch | Action::Open => Some(vec![Command::Branch(run.id)]),
            Action::Again => {
                let job = Job::RunAgain { subject: run.subject, run: Some(run.id) };
                Some(vec![Command::Effect(job.into())])
            }
            Action::GoReview => Some(vec![Command::Review(Query::of_run(run.id))]),
            Action::Compare => Some(vec![match &run.delta {
                Some(delta) => {
                    let title = format!("{} compared with its parent", run.task);
                    Command::Open(Box::new(Explanation::Changes { title, delta: delta.clone() }))
                }
                None => Command::Notice(format!("{} has no parent.", run.task)),
            }]),
            _ => None,
        }
    }

    fn enter(&mut self, context: &Context, _: ScreenId) -> Vec<Command> {
        self.follow(&context.selection)
    }

    fn reload(&self, context: &Context) -> Vec<Effect> {
        context.selection.subject_id().map(|subject| Read::Lineage(subject).into()).into_iter().collect()
    }

    fn loaded(&mut self, context: &Context, loaded: Loaded) -> Vec<Command> {
        let Loaded::Lineage { subject, runs } = loaded else { return Vec::new() };
        if Some(subject) != context.selection.subject_id() {
            return Vec::new();
        }
        self.tree = Some(Tree { subject, rows: tree(runs) });
        if context.screen == ScreenId::Lineage { self.follow(&context.selection) } else { Vec::new() }
    }

    fn heading(&self, context: &Context) -> String {
        let count = self.rows(&context.selection).map_or(0, <[Branch]>::len);
        format!("{} · {}", context.selection.handle(), counted(count, "run"))
    }

    fn hints(&self, _: &Context) -> Vec<Hint> {
        Hint::all([Action::Branch, Action::GoReview, Action::Compare, Action::Again, Action::Back])
    }

    fn view(&self, context: &Context, frame: &mut Frame, area: Rect, pictures: &mut Pictures) {
        let (selection, theme) = (&context.selection, &context.theme);
        let rows = match self.rows(selection) {
            None => return placeholder(context, frame, area, LOADING),
            Some([]) => {
                let text = format!("No runs yet. Press {} to compose one.", context.key_of(Action::GoCompose));
                return placeholder(context, frame, area, &text);
            }
            Some(rows) => rows,
        };
        let side = if area.width >= 100 { area.width / 3 } else { 0 };
        let [left, beside] =
            Layout::horizontal([Constraint::Fill(1), Constraint::Length(side)]).spacing(side.min(2)).areas(area);
        let [list, below] = Layout::vertical([Constraint::Fill(1), Constraint::Length(PROMPT_ROWS)]).areas(left);
        let visible = list.height as usize;
        let mut cursor = Cursor { at: self.position(selection).unwrap_or(self.cursor.at), ..self.cursor };
        cursor.keep_in_sight(rows.len(), 1, visible);
        for (number, row) in rows.iter().skip(cursor.top).take(visible).enumerate() {
            let at = Rect::new(list.x, list.y + number as u16, list.width, 1);
            frame.render_widget(line(row, theme, list.width as usize), at);
            if Some(row.line.run.id) == selection.run() {
                frame.buffer_mut().set_style(at, theme.style(Role::Selected));
            }
        }
        if let Some(details) = context.details().filter(|_| side > 0) {
            let height = (beside.width / 2).min(beside.height / 2);
            let [picture, words] = Layout::vertical([Constraint::Length(height), Constraint::Fill(1)]).areas(beside);
            pictures.draw(frame, picture, &Shown::thumbnail(&details.output.picture), theme);
            frame.render_widget(Paragraph::new(facts::selected(context)).wrap(Wrap { trim: true }), words);
        }
        if let Some(row) = self.selected(selection) {
            let run = &row.line.run;
            let mut text = vec![Line::styled(fit(&run.recipe.prompt.assembled(), 400), theme.style(Role::Text))];
            if !run.diagnosis.is_empty() {
                text.push(Line::styled(fit(&run.diagnosis, 300), theme.style(Role::Accent)));
            }
            frame.render_widget(Paragraph::new(text).wrap(Wrap { trim: true }), below);
        }
    }
}

/// Rows of the prompt below the tree.
const PROMPT_ROWS: u16 = 4;

fn line(row: &Branch, theme: &Theme, width: usize) -> Line<'static> {
    let run = &row.line.run;
    let changed = match &run.delta {
        None => "start".to_owned(),
        Some(delta) if delta.is_empty() => "new seeds".to_owned(),
        Some(delta) => {
            let changes = delta.changes.iter().map(|change| match change.words.is_empty() {
                true => format!("{} {} → {}", change.variable, change.before, change.after),
                false => format!("{}: {}", change.variable, change.after),
            });
            changes.collect::<Vec<_>>().join("; ")
        }
    };
    let name = format!("{} ", run.task);
    let state = badge::run(run.state, theme);
    let accepted = match row.line.outputs {
        0 => "  no pictures  ".to_owned(),
        outputs => format!("  {} of {outputs} accepted  ", row.line.accepted),
    };
    let used =
        row.lead.chars().count() + name.chars().count() + state.content.chars().count() + accepted.chars().count();
    Line::from(vec![
        Span::styled(row.lead.clone(), theme.style(Role::Faint)),
        Span::styled(name, theme.style(Role::Title)),
        state,
        Span::styled(accepted, theme.style(Role::Faint)),
        Span::styled(fit(&changed, width.saturating_sub(used)), theme.style(Role::Text)),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(parents: &[Option<usize>]) -> Vec<String> {
        shape(parents).into_iter().map(|(at, lead)| format!("{lead}{at}")).collect()
    }

    #[test]
    fn a_chain_is_straight_and_branches_leave_it() {
        assert_eq!(drawn(&[None, Some(0), Some(1)]), ["○ 0", "● 1", "● 2"]);
        assert_eq!(drawn(&[None, Some(0), Some(0), Some(1), Some(2)]), ["○ 0", "├─● 1", "│ ● 3", "● 2", "● 4"]);
        assert_eq!(drawn(&[None, None, Some(0)]), ["○ 0", "● 2", "○ 1"]);
        let deep: Vec<Option<usize>> =
            (0..60).map(|at: usize| at.checked_sub(1).map(|before| before / 2 * 2)).collect();
        let rows = shape(&deep);
        assert_eq!(rows.len(), deep.len());
        assert!(rows.iter().all(|(_, lead)| lead.chars().count() <= 2 * MAX_COLUMN + 2));
    }
}

//! Lineage: a subject's runs as a tree by parent, each with what it changed, like a history of commits.

use std::collections::HashMap;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Wrap};

use crate::store::runs::RunLine;
use crate::studio::ids::RunId;
use crate::tui::action::Action;
use crate::tui::app::{App, Popup};
use crate::tui::effect::Effect;
use crate::tui::pictures::{Pictures, Shown};
use crate::tui::theme::{Role, Theme};
use crate::tui::update::go;
use crate::tui::widgets::badge;
use crate::tui::widgets::cursor::Cursor;
use crate::tui::widgets::facts;
use crate::tui::widgets::lines::{counted, fit};

use super::{Place, compose};

#[derive(Debug, Default)]
pub struct Lineage {
    rows: Vec<Branch>,
    cursor: Cursor,
    loaded: bool,
}

/// A run in the tree: the lines that lead to it, and the run.
#[derive(Debug)]
struct Branch {
    lead: String,
    line: RunLine,
}

/// A tree is drawn so many branches wide; what lies deeper is drawn there.
const WIDEST: usize = 8;

impl Lineage {
    /// Takes a subject's runs, oldest first.
    pub fn set(&mut self, runs: Vec<RunLine>) {
        self.rows = tree(runs);
        self.loaded = true;
        self.cursor.at = self.cursor.at.min(self.rows.len().saturating_sub(1));
    }
}

fn tree(runs: Vec<RunLine>) -> Vec<Branch> {
    let places: HashMap<RunId, usize> = runs.iter().enumerate().map(|(at, line)| (line.run.id, at)).collect();
    let parents: Vec<Option<usize>> =
        runs.iter().map(|line| line.run.parent.and_then(|parent| places.get(&parent).copied())).collect();
    let mut runs: Vec<Option<RunLine>> = runs.into_iter().map(Some).collect();
    shape(&parents).into_iter().filter_map(|(at, lead)| Some(Branch { lead, line: runs[at].take()? })).collect()
}

/// Each run below its parent, given by its place, with the lines that lead to it. A hollow mark has no parent. The last
/// child goes on in its parent's column, so that a chain stays a straight line; the others leave it.
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
    // What is still to be drawn: the run, its column, and whether it leaves its parent's. A stack instead of recursion:
    // chains are long.
    let mut open: Vec<(usize, usize, bool)> = roots.into_iter().rev().map(|at| (at, 0, false)).collect();
    while let Some((at, column, leaves)) = open.pop() {
        let below = std::mem::take(&mut children[at]);
        let last = below.len().saturating_sub(1);
        for (number, child) in below.into_iter().enumerate().rev() {
            let branches = number != last;
            open.push((child, if branches { (column + 1).min(WIDEST) } else { column }, branches));
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

pub fn act(app: &mut App, action: Action) -> Vec<Effect> {
    let rows = app.body_rows().saturating_sub(WORDS.into());
    let lineage = &mut app.lineage;
    if lineage.cursor.act(action, lineage.rows.len(), 1, rows) {
        return look(app);
    }
    let run = lineage.rows.get(lineage.cursor.at).map(|row| row.line.run.id);
    match (action, run) {
        (Action::Branch | Action::Open, Some(run)) => {
            let mut effects = go(app, Place::Compose);
            effects.clear();
            effects.extend(compose::start(app, Some(run)));
            effects
        }
        (Action::Again, Some(run)) => {
            let subject = lineage.rows[lineage.cursor.at].line.run.subject;
            vec![Effect::Again { subject, run: Some(run) }]
        }
        (Action::Compare, Some(_)) => {
            let chosen = &lineage.rows[lineage.cursor.at].line.run;
            match &chosen.delta {
                Some(delta) => {
                    let title = format!("{} against its parent", chosen.task);
                    app.popups.push(Popup::Delta { title, delta: delta.clone() });
                }
                None => app.notice = Some(format!("{} has no parent.", chosen.task)),
            }
            Vec::new()
        }
        _ => Vec::new(),
    }
}

/// Asks for the picture of the run under the cursor, and what is known of it.
pub fn look(app: &App) -> Vec<Effect> {
    let chosen = app.lineage.rows.get(app.lineage.cursor.at).map(|row| row.line.run.id);
    let known = app.detail.as_ref().map(|detail| detail.run.id);
    chosen
        .filter(|&run| app.place == Place::Lineage && Some(run) != known)
        .map(Effect::LoadDetailOf)
        .into_iter()
        .collect()
}

/// Rows of the prompt below the tree.
const WORDS: u16 = 4;

/// To the review of the run's first picture.
pub fn review(app: &mut App) -> Vec<Effect> {
    let Some(run) = app.lineage.rows.get(app.lineage.cursor.at).map(|row| row.line.run.id) else { return Vec::new() };
    go(app, Place::Review);
    app.review.want(None);
    app.notice = None;
    vec![Effect::LoadReviewOf(run)]
}

pub fn view(app: &App, pictures: &mut Pictures, frame: &mut Frame, area: Rect) {
    let (lineage, theme) = (&app.lineage, &app.theme);
    if lineage.rows.is_empty() {
        let text = if lineage.loaded { "No run yet." } else { "Looking …" };
        frame.render_widget(Line::styled(text, theme.style(Role::Faint)), area);
        return;
    }
    let side = if area.width >= 100 { area.width / 3 } else { 0 };
    let [area, beside] =
        Layout::horizontal([Constraint::Fill(1), Constraint::Length(side)]).spacing(side.min(2)).areas(area);
    let [list, detail] = Layout::vertical([Constraint::Fill(1), Constraint::Length(WORDS)]).areas(area);
    let visible = list.height as usize;
    let mut cursor = lineage.cursor;
    cursor.keep_in_sight(lineage.rows.len(), 1, visible);
    for (place, row) in lineage.rows.iter().skip(cursor.top).take(visible).enumerate() {
        let here = cursor.top + place == cursor.at;
        let line = line(row, theme, list.width as usize);
        let at = Rect::new(list.x, list.y + place as u16, list.width, 1);
        frame.render_widget(line, at);
        if here {
            frame.buffer_mut().set_style(at, theme.style(Role::Selected));
        }
    }
    let chosen = lineage.rows.get(cursor.at).map(|row| row.line.run.id);
    if let Some(detail) = app.detail.as_ref().filter(|detail| side > 0 && Some(detail.run.id) == chosen) {
        let height = (beside.width / 2).min(beside.height / 2);
        let [picture, words] = Layout::vertical([Constraint::Length(height), Constraint::Fill(1)]).areas(beside);
        pictures.draw(frame, picture, &Shown::stored(&detail.output.picture), theme);
        frame.render_widget(Paragraph::new(facts::lines(detail, theme)).wrap(Wrap { trim: true }), words);
    }
    if let Some(row) = lineage.rows.get(cursor.at) {
        let run = &row.line.run;
        let mut text = vec![Line::styled(fit(&run.recipe.prompt.assembled(), 400), theme.style(Role::Text))];
        if !run.diagnosis.is_empty() {
            text.push(Line::styled(fit(&run.diagnosis, 300), theme.style(Role::Accent)));
        }
        frame.render_widget(Paragraph::new(text).wrap(Wrap { trim: true }), detail);
    }
}

fn line<'a>(row: &Branch, theme: &Theme, width: usize) -> Line<'a> {
    let run = &row.line.run;
    let changed = match &run.delta {
        None => "first".to_owned(),
        Some(delta) if delta.is_empty() => "other seeds".to_owned(),
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
    let pictures = format!("  {}/{} ✓  ", row.line.accepted, row.line.outputs);
    let used =
        row.lead.chars().count() + name.chars().count() + state.content.chars().count() + pictures.chars().count();
    Line::from(vec![
        Span::styled(row.lead.clone(), theme.style(Role::Faint)),
        Span::styled(name, theme.style(Role::Title)),
        state,
        Span::styled(pictures, theme.style(Role::Faint)),
        Span::styled(fit(&changed, width.saturating_sub(used)), theme.style(Role::Text)),
    ])
}

pub fn heading(app: &App) -> String {
    let whose = app.subject.as_ref().map_or(String::new(), |chosen| chosen.handle.to_string());
    format!("{whose}, {}", counted(app.lineage.rows.len(), "run"))
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
        assert!(rows.iter().all(|(_, lead)| lead.chars().count() <= 2 * WIDEST + 2));
    }
}

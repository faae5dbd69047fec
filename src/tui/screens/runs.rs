//! Runs: the outputs of a subject or of all subjects, as a table or a grid, sorted and filtered.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Cell, Paragraph, Row, Table, TableState, Wrap};

use super::{LOADING, Screen, placeholder};
use crate::store::lines::{Order, OutputLine, Scope};
use crate::studio::delta::Delta;
use crate::studio::filter::Filter;
use crate::studio::words::Word;
use crate::tui::action::Action;
use crate::tui::command::{Answer, Command};
use crate::tui::context::Context;
use crate::tui::effects::Effect;
use crate::tui::effects::jobs::Job;
use crate::tui::effects::reads::{Loaded, MAX_OUTPUTS};
use crate::tui::layers::prompt::Prompt;
use crate::tui::outputs::Outputs;
use crate::tui::pictures::Pictures;
use crate::tui::query::Query;
use crate::tui::screen_id::ScreenId;
use crate::tui::selection::Selection;
use crate::tui::shown::Shown;
use crate::tui::theme::Role;
use crate::tui::widgets::badge;
use crate::tui::widgets::facts;
use crate::tui::widgets::grid::Grid;
use crate::tui::widgets::hints::Hint;
use crate::tui::widgets::lines::{ago, counted, fit};

#[derive(Debug, Default)]
pub struct Runs {
    list: Outputs,
    /// Whether the outputs of all subjects are shown, until a subject is chosen.
    all_subjects: bool,
    /// Whether the outputs are shown as a grid of pictures.
    grid: bool,
}

impl Runs {
    fn scope(&self, selection: &Selection) -> Scope {
        selection.subject_id().filter(|_| !self.all_subjects).map_or(Scope::All, Scope::Subject)
    }

    fn change_query(&mut self, change: impl FnOnce(&mut Query)) -> Vec<Command> {
        let mut query = self.list.query().clone();
        change(&mut query);
        self.list.set_query(query);
        vec![Command::Effect(self.list.load(ScreenId::Runs).into())]
    }
}

impl Screen for Runs {
    fn handle(&mut self, context: &Context, action: Action) -> Option<Vec<Command>> {
        let selection = &context.selection;
        let left = columns(context.body(), self.grid)[0];
        let (columns, rows) = match self.grid {
            true => (Grid::new(left).columns, Grid::new(left).rows),
            false => (1, left.height.saturating_sub(1).into()),
        };
        let mut cursor = self.list.cursor(selection);
        if cursor.act(action, self.list.lines.len(), columns, rows) {
            return Some(self.list.move_to(cursor).map(Command::Select).into_iter().collect());
        }
        let line = self.list.selected(selection);
        match (action, line) {
            (Action::Filter, _) => {
                let title = "Filter, for example failure:waxy guidance>7 since:2w soft light";
                Some(vec![Command::Open(Box::new(Prompt::filter(title, &self.list.query().typed)))])
            }
            (Action::Grid, _) => {
                self.grid = !self.grid;
                Some(Vec::new())
            }
            (Action::AllSubjects, _) => {
                self.all_subjects = !self.all_subjects;
                let scope = self.scope(selection);
                Some(self.change_query(|query| query.scope = scope))
            }
            (Action::Sort, _) => Some(self.change_query(|query| {
                let at = Order::ALL.iter().position(|order| *order == query.order).unwrap_or(0);
                query.order = Order::ALL[(at + 1) % Order::ALL.len()];
            })),
            (Action::Open | Action::GoReview, Some(_)) => Some(vec![Command::Review(self.list.query().clone())]),
            (Action::Branch, Some(line)) => Some(vec![Command::Branch(line.output.run)]),
            (Action::Again, Some(line)) => {
                let job = Job::RunAgain { subject: line.subject, run: Some(line.output.run) };
                Some(vec![Command::Effect(job.into())])
            }
            (Action::Compose, _) => Some(vec![Command::Go(ScreenId::Compose)]),
            _ => None,
        }
    }

    fn answer(&mut self, _: &Context, answer: Answer) -> Vec<Command> {
        let Answer::Filter(typed) = answer else { return Vec::new() };
        match typed.parse::<Filter>() {
            Ok(filter) => self.change_query(|query| (query.filter, query.typed) = (filter, typed)),
            Err(error) => vec![Command::Notice(error.to_string())],
        }
    }

    fn enter(&mut self, context: &Context, from: ScreenId) -> Vec<Command> {
        let selection = &context.selection;
        if from == ScreenId::Subjects || selection.output().is_none() {
            self.all_subjects = false;
        }
        self.list.set_query(Query { scope: self.scope(selection), ..self.list.query().clone() });
        match self.list.loaded {
            true => self.list.follow(selection).map(Command::Select).into_iter().collect(),
            false => Vec::new(),
        }
    }

    fn reload(&self, _: &Context) -> Vec<Effect> {
        vec![self.list.load(ScreenId::Runs).into()]
    }

    fn loaded(&mut self, context: &Context, loaded: Loaded) -> Vec<Command> {
        let Loaded::Outputs { query, lines, .. } = loaded else { return Vec::new() };
        let is_in_front = context.screen == ScreenId::Runs;
        if !self.list.set(&query, lines) || !is_in_front {
            return Vec::new();
        }
        self.list.follow(&context.selection).map(Command::Select).into_iter().collect()
    }

    fn heading(&self, context: &Context) -> String {
        let query = self.list.query();
        let whose = if query.scope == Scope::All { "all subjects" } else { context.selection.handle() };
        let count = self.list.lines.len();
        let at_limit = if count >= MAX_OUTPUTS as usize { " (limit)" } else { "" };
        let pictures = match self.list.position(&context.selection) {
            Some(at) => format!("{} of {}{at_limit}", at + 1, counted(count, "picture")),
            None => counted(count, "picture"),
        };
        let filter = if query.typed.is_empty() { String::new() } else { format!(" · “{}”", query.typed) };
        format!("{whose} · {pictures} · {}{filter}", query.order.name())
    }

    fn hints(&self, _: &Context) -> Vec<Hint> {
        Hint::all([
            Action::Open,
            Action::Again,
            Action::Branch,
            Action::Filter,
            Action::Sort,
            Action::Grid,
            Action::AllSubjects,
            Action::Back,
        ])
    }

    fn view(&self, context: &Context, frame: &mut Frame, area: Rect, pictures: &mut Pictures) {
        let query = self.list.query();
        if self.list.lines.is_empty() {
            let text = match (self.list.loaded, query.filter.is_empty()) {
                (false, _) => LOADING.to_owned(),
                (true, true) => format!("No pictures yet. Press {} to compose a run.", context.key_of(Action::Compose)),
                (true, false) => format!(
                    "No picture matches “{}”. Press {} to change the filter.",
                    query.typed,
                    context.key_of(Action::Filter)
                ),
            };
            return placeholder(context, frame, area, &text);
        }
        let [left, side] = columns(area, self.grid);
        match self.grid {
            true => self.draw_grid(context, frame, left, pictures),
            false => self.draw_table(context, frame, left),
        }
        if let Some(line) = self.list.selected(&context.selection) {
            self.draw_selected(line, context, frame, side, pictures);
        }
    }
}

/// The list, and the column for the selected output.
fn columns(body: Rect, grid: bool) -> [Rect; 2] {
    let side = if grid { (body.width / 4).clamp(26, 48) } else { (body.width / 3).clamp(24, 60) };
    Layout::horizontal([Constraint::Fill(1), Constraint::Length(side)]).spacing(1).areas(body)
}

impl Runs {
    fn draw_grid(&self, context: &Context, frame: &mut Frame, area: Rect, pictures: &mut Pictures) {
        let theme = &context.theme;
        let lines = &self.list.lines;
        for tile in Grid::new(area).tiles(self.list.cursor(&context.selection), lines.len()) {
            let line = &lines[tile.at];
            let is_selected = Some(line.output.id) == context.selection.output();
            pictures.draw(frame, tile.picture, &Shown::thumbnail(&line.output.picture), theme);
            let mark = if is_selected { "▸" } else { " " };
            let name = format!("{mark}{}:{} ", line.task.number, line.output.seed);
            let caption = badge::caption(name, badge::verdict(line.output.verdict, theme), tile.caption.width);
            frame.render_widget(caption.style(theme.style(Role::Text)), tile.caption);
            if is_selected {
                frame.buffer_mut().set_style(tile.caption, theme.style(Role::Selected));
            }
        }
    }

    fn draw_table(&self, context: &Context, frame: &mut Frame, area: Rect) {
        let theme = &context.theme;
        let lines = &self.list.lines;
        let visible = area.height.saturating_sub(1) as usize;
        let mut cursor = self.list.cursor(&context.selection);
        cursor.keep_in_sight(lines.len(), 1, visible);
        let wide = area.width >= 84;
        let room = area.width.saturating_sub(18 + 8 + 12 + 3 + if wide { 7 + 2 } else { 0 });
        let room = usize::from(if wide { room / 2 } else { room });
        let rows = lines.iter().skip(cursor.top).take(visible).map(|line| {
            let failures: Vec<&str> = line.failures.iter().map(|key| key.as_str()).collect();
            let name = format!("{}{}", if line.is_baseline { "★ " } else { "" }, line.task);
            let mut cells = vec![
                Cell::from(name),
                Cell::from(line.output.seed.to_string()),
                Cell::from(badge::verdict(line.output.verdict, theme)),
                Cell::from(fit(&changes(line.delta.as_ref()), room)),
            ];
            if wide {
                cells.push(Cell::from(Span::styled(failures.join(" "), theme.style(Role::Warning))));
                cells.push(Cell::from(Span::styled(ago(line.output.created, context.now), theme.style(Role::Faint))));
            }
            Row::new(cells)
        });
        let mut names = vec!["run", "seed", "verdict", "changed"];
        let mut widths =
            vec![Constraint::Length(18), Constraint::Length(8), Constraint::Length(12), Constraint::Fill(1)];
        if wide {
            names.extend(["failures", "age"]);
            widths.extend([Constraint::Fill(1), Constraint::Length(7)]);
        }
        let table = Table::new(rows, widths)
            .header(Row::new(names).style(theme.style(Role::Faint)))
            .style(theme.style(Role::Text))
            .row_highlight_style(theme.style(Role::Selected));
        let selected = self.list.position(&context.selection).map(|at| at - cursor.top);
        let mut state = TableState::new().with_selected(selected);
        frame.render_stateful_widget(table, area, &mut state);
    }

    /// The selected output: its picture, what made it, and what reviewers said.
    fn draw_selected(
        &self,
        line: &OutputLine,
        context: &Context,
        frame: &mut Frame,
        area: Rect,
        pictures: &mut Pictures,
    ) {
        let theme = &context.theme;
        // The grid shows the picture already; a second copy would be sent at every step of the cursor.
        let height = if self.grid { 0 } else { (area.width / 2).min(area.height / 2).max(4) };
        let [picture, name, facts] =
            Layout::vertical([Constraint::Length(height), Constraint::Length(1), Constraint::Fill(1)]).areas(area);
        pictures.draw(frame, picture, &Shown::thumbnail(&line.output.picture), theme);
        let title = Line::from(vec![
            Span::styled(format!("{}:{}  ", line.task, line.output.seed), theme.style(Role::Title)),
            badge::verdict(line.output.verdict, theme),
            Span::raw(if line.is_baseline { "  ★ baseline" } else { "" }),
        ]);
        frame.render_widget(title, name);
        frame.render_widget(Paragraph::new(facts::selected(context)).wrap(Wrap { trim: true }), facts);
    }
}

fn changes(delta: Option<&Delta>) -> String {
    let Some(delta) = delta else { return "–".to_owned() };
    match delta.changes.as_slice() {
        [] => "seeds".to_owned(),
        [one] if one.words.is_empty() => format!("{} {} → {}", one.variable, one.before, one.after),
        [one] => format!("{} {}", one.variable, one.words.iter().filter_map(changed).collect::<Vec<_>>().join(" ")),
        many => many.iter().map(|change| change.variable.name()).collect::<Vec<_>>().join(", "),
    }
}

fn changed(word: &Word) -> Option<String> {
    match word {
        Word::Added(words) => Some(format!("+{words}")),
        Word::Removed(words) => Some(format!("−{words}")),
        Word::Same(_) => None,
    }
}

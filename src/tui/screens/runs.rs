//! Runs: the outputs of a subject or of everyone, as a table with a picture beside it, sorted and filtered.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Cell, Paragraph, Row, Table, TableState, Wrap};

use crate::store::lines::{Order, OutputLine};
use crate::studio::delta::Delta;
use crate::studio::filter::Filter;
use crate::studio::words::Word;
use crate::tui::action::Action;
use crate::tui::app::{App, Chosen, Popup, Purpose};
use crate::tui::effect::{Effect, MOST_OUTPUTS};
use crate::tui::event::Reviewed;
use crate::tui::pictures::{Pictures, Shown};
use crate::tui::theme::Role;
use crate::tui::update::go;
use crate::tui::widgets::badge;
use crate::tui::widgets::cursor::Cursor;
use crate::tui::widgets::facts;
use crate::tui::widgets::grid::Grid;
use crate::tui::widgets::input::Input;
use crate::tui::widgets::lines::{ago, counted, fit};

use super::{Place, compose};

#[derive(Debug, Default)]
pub struct Runs {
    pub lines: Vec<OutputLine>,
    pub loaded: bool,
    everyone: bool,
    order: Order,
    /// As it was typed, and as it was understood.
    typed: String,
    filter: Filter,
    /// Pictures instead of a table.
    grid: bool,
    pub cursor: Cursor,
}

impl Runs {
    pub fn set(&mut self, lines: Vec<OutputLine>) {
        let before = self.chosen().map(|line| line.output.id);
        self.lines = lines;
        self.loaded = true;
        let at = self.lines.iter().position(|line| Some(line.output.id) == before);
        self.cursor.at = at.unwrap_or(self.cursor.at.min(self.lines.len().saturating_sub(1)));
    }

    pub fn chosen(&self) -> Option<&OutputLine> {
        self.lines.get(self.cursor.at)
    }
}

pub fn load(app: &App) -> Vec<Effect> {
    let runs = &app.runs;
    let subject = app.subject_id().filter(|_| !runs.everyone);
    vec![Effect::LoadOutputs { subject, filter: runs.filter.clone(), order: runs.order }]
}

/// Asks for what is not known yet of the output under the cursor, or not any more.
pub fn look(app: &App, changed: bool) -> Vec<Effect> {
    let chosen = app.runs.chosen().filter(|_| app.place == Place::Runs && (changed || detail(app).is_none()));
    chosen.map_or(Vec::new(), |line| vec![Effect::LoadDetail(line.output.id)])
}

/// What is known of the output under the cursor.
fn detail(app: &App) -> Option<&Reviewed> {
    app.detail.as_ref().filter(|detail| Some(detail.output.id) == app.runs.chosen().map(|line| line.output.id))
}

/// The same, or what was known of another output of its run, for the moment until it is there.
fn at_hand(app: &App) -> Option<&Reviewed> {
    app.detail.as_ref().filter(|detail| Some(detail.run.id) == app.runs.chosen().map(|line| line.output.run))
}

pub fn filter(app: &mut App, typed: &str) -> Vec<Effect> {
    match typed.parse::<Filter>() {
        Ok(filter) => {
            (app.runs.filter, app.runs.typed) = (filter, typed.to_owned());
            app.runs.cursor = Cursor::default();
            load(app)
        }
        Err(error) => {
            app.notice = Some(error.to_string());
            Vec::new()
        }
    }
}

pub fn act(app: &mut App, action: Action) -> Vec<Effect> {
    let left = places(app.body(), app.runs.grid)[0];
    let runs = &mut app.runs;
    let (columns, rows) = match runs.grid {
        true => (Grid::new(left).columns, Grid::new(left).rows),
        false => (1, left.height.saturating_sub(1).into()),
    };
    if runs.cursor.act(action, runs.lines.len(), columns, rows) {
        return look(app, false);
    }
    match action {
        Action::Filter => {
            let question = "Filter, such as failure:waxy guidance>7 since:2w soft light".to_owned();
            let input = Input::with(&app.runs.typed);
            app.popups.push(Popup::Ask { question, input, purpose: Purpose::Filter });
        }
        Action::Grid => runs.grid = !runs.grid,
        Action::Everyone => {
            runs.everyone = !runs.everyone;
            return load(app);
        }
        Action::Sort => {
            let at = Order::ALL.iter().position(|order| *order == runs.order).unwrap_or(0);
            runs.order = Order::ALL[(at + 1) % Order::ALL.len()];
            return load(app);
        }
        Action::Open | Action::GoReview if app.runs.chosen().is_some() => {
            follow(app);
            return go(app, Place::Review);
        }
        Action::Branch => {
            follow(app);
            if let Some(run) = app.runs.chosen().map(|line| line.output.run) {
                let mut effects = go(app, Place::Compose);
                effects.clear();
                effects.extend(compose::start(app, Some(run)));
                return effects;
            }
        }
        Action::Again => {
            let chosen = app.runs.chosen().map(|line| (line.subject, line.output.run));
            return chosen.map_or(Vec::new(), |(subject, run)| vec![Effect::Again { subject, run: Some(run) }]);
        }
        Action::Compose => return go(app, Place::Compose),
        _ => {}
    }
    Vec::new()
}

/// The screens go on with the subject of the output under the cursor.
fn follow(app: &mut App) {
    if let Some(line) = app.runs.chosen() {
        app.subject = Some(Chosen { id: line.subject, handle: line.task.subject.clone() });
    }
}

pub fn view(app: &App, pictures: &mut Pictures, frame: &mut Frame, area: Rect) {
    let (runs, theme) = (&app.runs, &app.theme);
    if runs.lines.is_empty() {
        let text = match (runs.loaded, runs.filter.is_empty()) {
            (false, _) => "Looking …".to_owned(),
            (true, true) => format!("No picture yet. {} starts a run.", app.key_of(Action::Compose)),
            (true, false) => {
                format!("Nothing for “{}”. {} changes the filter.", runs.typed, app.key_of(Action::Filter))
            }
        };
        frame.render_widget(Line::styled(text, theme.style(Role::Faint)), area);
        return;
    }
    let [left, detail] = places(area, runs.grid);
    match runs.grid {
        true => tiles(app, pictures, frame, left),
        false => table(app, frame, left),
    }
    if let Some(line) = runs.chosen() {
        one(app, line, pictures, frame, detail);
    }
}

/// The place of the pictures' list, and that of the one under the cursor.
fn places(body: Rect, grid: bool) -> [Rect; 2] {
    let side = if grid { (body.width / 4).clamp(26, 48) } else { (body.width / 3).clamp(24, 60) };
    Layout::horizontal([Constraint::Fill(1), Constraint::Length(side)]).spacing(1).areas(body)
}

fn tiles(app: &App, pictures: &mut Pictures, frame: &mut Frame, area: Rect) {
    let (runs, theme) = (&app.runs, &app.theme);
    for tile in Grid::new(area).tiles(runs.cursor, runs.lines.len()) {
        let line = &runs.lines[tile.at];
        pictures.draw(frame, tile.picture, &Shown::stored(&line.output.picture), theme);
        let mark = if tile.is_chosen { "▸" } else { " " };
        let name = format!("{mark}{}:{} ", line.task.number, line.output.seed);
        let caption = badge::caption(name, badge::verdict(line.output.verdict, theme), tile.caption.width);
        frame.render_widget(caption.style(theme.style(Role::Text)), tile.caption);
        if tile.is_chosen {
            frame.buffer_mut().set_style(tile.caption, theme.style(Role::Selected));
        }
    }
}

fn table(app: &App, frame: &mut Frame, table: Rect) {
    let (runs, theme) = (&app.runs, &app.theme);
    let visible = table.height.saturating_sub(1) as usize;
    let mut cursor = runs.cursor;
    cursor.keep_in_sight(runs.lines.len(), 1, visible);
    let wide = table.width >= 84;
    let room = table.width.saturating_sub(18 + 8 + 10 + 3 + if wide { 7 + 2 } else { 0 });
    let room = usize::from(if wide { room / 2 } else { room });
    let rows = runs.lines.iter().skip(cursor.top).take(visible).map(|line| {
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
            cells.push(Cell::from(Span::styled(ago(line.output.created, app.now), theme.style(Role::Faint))));
        }
        Row::new(cells)
    });
    let mut names = vec!["run", "seed", "verdict", "changed"];
    let mut widths = vec![Constraint::Length(18), Constraint::Length(8), Constraint::Length(10), Constraint::Fill(1)];
    if wide {
        names.extend(["failures", "when"]);
        widths.extend([Constraint::Fill(1), Constraint::Length(7)]);
    }
    let list = Table::new(rows, widths)
        .header(Row::new(names).style(theme.style(Role::Faint)))
        .style(theme.style(Role::Text))
        .row_highlight_style(theme.style(Role::Selected));
    let mut state = TableState::new().with_selected(Some(cursor.at - cursor.top));
    frame.render_stateful_widget(list, table, &mut state);
}

/// The output under the cursor: its picture, what made it and what was said of it.
fn one(app: &App, line: &OutputLine, pictures: &mut Pictures, frame: &mut Frame, area: Rect) {
    let theme = &app.theme;
    // In the grid it is seen already: a second time it would be sent for every step of the cursor.
    let height = if app.runs.grid { 0 } else { (area.width / 2).min(area.height / 2).max(4) };
    let [picture, name, words] =
        Layout::vertical([Constraint::Length(height), Constraint::Length(1), Constraint::Fill(1)]).areas(area);
    pictures.draw(frame, picture, &Shown::stored(&line.output.picture), theme);
    let title = Line::from(vec![
        Span::styled(format!("{}:{}  ", line.task, line.output.seed), theme.style(Role::Title)),
        badge::verdict(line.output.verdict, theme),
        Span::raw(if line.is_baseline { "  ★ baseline" } else { "" }),
    ]);
    frame.render_widget(title, name);
    let text = at_hand(app).map_or(Vec::new(), |detail| facts::lines(detail, theme));
    frame.render_widget(Paragraph::new(text).wrap(Wrap { trim: true }), words);
}

fn changes(delta: Option<&Delta>) -> String {
    let Some(delta) = delta else { return "–".to_owned() };
    match delta.changes.as_slice() {
        [] => "seeds".to_owned(),
        [one] if one.words.is_empty() => format!("{} {} → {}", one.variable, one.before, one.after),
        [one] => format!("{} {}", one.variable, one.words.iter().filter_map(added).collect::<Vec<_>>().join(" ")),
        many => many.iter().map(|change| change.variable.name()).collect::<Vec<_>>().join(", "),
    }
}

fn added(word: &Word) -> Option<String> {
    match word {
        Word::Added(words) => Some(format!("+{words}")),
        Word::Removed(words) => Some(format!("−{words}")),
        Word::Same(_) => None,
    }
}

pub fn heading(app: &App) -> String {
    let runs = &app.runs;
    let whose = match (&app.subject, runs.everyone) {
        (Some(chosen), false) => chosen.handle.to_string(),
        _ => "everyone".to_owned(),
    };
    let filter = if runs.typed.is_empty() { String::new() } else { format!(", “{}”", runs.typed) };
    let pictures = counted(runs.lines.len(), "picture");
    let pictures = match runs.lines.len() {
        0 => pictures,
        count if count >= MOST_OUTPUTS as usize => format!("{} of the first {pictures}", runs.cursor.at + 1),
        _ => format!("{} of {pictures}", runs.cursor.at + 1),
    };
    format!("{whose}, {pictures}, {}{filter}", runs.order.name())
}

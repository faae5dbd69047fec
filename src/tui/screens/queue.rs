//! The queue: what runs, with its picture as it comes to be, and what waits.

use jiff::Timestamp;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Cell, Gauge, Paragraph, Row, Table, TableState, Wrap};

use crate::studio::ids::RunId;
use crate::studio::run::Run;
use crate::studio::state::RunState;
use crate::studio::text::clean;
use crate::tui::action::Action;
use crate::tui::app::App;
use crate::tui::effect::Effect;
use crate::tui::pictures::{Pictures, Preview, Shown};
use crate::tui::theme::Role;
use crate::tui::widgets::badge;
use crate::tui::widgets::cursor::Cursor;
use crate::tui::widgets::lines::{counted, fit};
use crate::worker::gpu::GpuStatus;

#[derive(Debug, Default)]
pub struct Queue {
    /// What runs first, then what waits, in order, then what failed or was cancelled, the newest first.
    pub runs: Vec<Run>,
    previews: Vec<Preview>,
    paused: Option<String>,
    /// The graphics card, where there is one.
    pub card: Option<GpuStatus>,
    cursor: Cursor,
    loaded: bool,
    /// The run under way, and the step at which it was first seen here, and when: a run may have rested in between.
    seen: Option<(RunId, u32, Timestamp)>,
}

impl Queue {
    pub fn set(&mut self, runs: Vec<Run>, previews: Vec<Preview>, paused: Option<String>, now: Timestamp) {
        let before = self.chosen().map(|run| run.id);
        (self.runs, self.previews, self.paused, self.loaded) = (runs, previews, paused, true);
        let at = self.runs.iter().position(|run| Some(run.id) == before);
        self.cursor.at = at.unwrap_or(self.cursor.at.min(self.runs.len().saturating_sub(1)));
        let seen = self.seen.map(|(run, ..)| run);
        match self.running().map(|run| (run.id, run.progress.step)) {
            None => self.seen = None,
            Some((run, step)) if seen != Some(run) => self.seen = Some((run, step, now)),
            Some(_) => {}
        }
    }

    /// Seconds that a step of this run takes, as far as it was seen.
    fn pace(&self, run: &Run, now: Timestamp) -> Option<f64> {
        let (_, from, since) = self.seen.filter(|(seen, ..)| *seen == run.id)?;
        let steps = run.progress.step.checked_sub(from).filter(|&steps| steps > 0)?;
        Some(now.duration_since(since).as_secs_f64() / f64::from(steps))
    }

    fn chosen(&self) -> Option<&Run> {
        self.runs.get(self.cursor.at)
    }

    pub fn running(&self) -> Option<&Run> {
        self.runs.iter().find(|run| run.state == RunState::Running)
    }
}

pub fn act(app: &mut App, action: Action) -> Vec<Effect> {
    let rows = app.body_rows();
    let queue = &mut app.queue;
    if queue.cursor.act(action, queue.runs.len(), 1, rows) {
        return Vec::new();
    }
    let (at, chosen) = (queue.cursor.at, queue.chosen().map(|run| (run.id, run.state)));
    match (action, chosen) {
        (Action::Pause, _) => vec![Effect::Pause(queue.paused.is_none())],
        (Action::Cancel, Some((run, _))) => vec![Effect::Cancel(run)],
        (Action::Retry, Some((run, _))) => vec![Effect::Retry(run)],
        (Action::Sooner, Some((run, RunState::Queued))) => {
            let before = at.checked_sub(1).and_then(|before| queue.runs.get(before));
            let before = before.filter(|before| before.state == RunState::Queued).map(|before| before.id);
            before.map_or(Vec::new(), |before| vec![Effect::MoveBefore(run, before)])
        }
        (Action::Later, Some((run, RunState::Queued))) => {
            let after = queue.runs.get(at + 1).filter(|after| after.state == RunState::Queued).map(|after| after.id);
            after.map_or(Vec::new(), |after| vec![Effect::MoveBefore(after, run)])
        }
        _ => Vec::new(),
    }
}

pub fn view(app: &App, pictures: &mut Pictures, frame: &mut Frame, area: Rect) {
    let (queue, theme) = (&app.queue, &app.theme);
    let running = queue.running();
    let top_height = if running.is_some() { (area.height / 2).min(14) } else { 0 };
    let error = queue.chosen().and_then(|run| run.error.as_deref());
    let [top, paused, list, why] = Layout::vertical([
        Constraint::Length(top_height),
        Constraint::Length(queue.paused.is_some().into()),
        Constraint::Fill(1),
        Constraint::Length(if error.is_some() { 2 } else { 0 }),
    ])
    .areas(area);
    if let Some(error) = error {
        let text = Paragraph::new(clean(error)).wrap(Wrap { trim: true }).style(theme.style(Role::Danger));
        frame.render_widget(text, why);
    }
    if let Some(run) = running {
        under_way(app, run, pictures, frame, top);
    }
    if let Some(reason) = &queue.paused {
        let text = format!("‖ The queue stands still: {reason}. {} lets it go on.", app.key_of(Action::Pause));
        frame.render_widget(Line::styled(fit(&text, paused.width.into()), theme.style(Role::Warning)), paused);
    }
    if queue.runs.is_empty() {
        let text = if queue.loaded { "Nothing waits and nothing runs." } else { "Looking …" };
        frame.render_widget(Line::styled(text, theme.style(Role::Faint)), list);
        return;
    }
    let visible = list.height.saturating_sub(1) as usize;
    let mut cursor = queue.cursor;
    cursor.keep_in_sight(queue.runs.len(), 1, visible);
    let rows = queue.runs.iter().skip(cursor.top).take(visible).map(|run| {
        let prompt = fit(&run.recipe.prompt.assembled(), list.width.saturating_sub(PROMPT).into());
        Row::new([
            Cell::from(run.task.to_string()),
            Cell::from(badge::run(run.state, theme)),
            Cell::from(run.progress.priority.name()),
            Cell::from(run.seeds.as_slice().len().to_string()),
            Cell::from(Span::styled(prompt, theme.style(Role::Faint))),
        ])
    });
    let widths = [
        Constraint::Length(22),
        Constraint::Length(13),
        Constraint::Length(8),
        Constraint::Length(5),
        Constraint::Fill(1),
    ];
    let table = Table::new(rows, widths)
        .header(Row::new(["run", "state", "priority", "seeds", "prompt"]).style(theme.style(Role::Faint)))
        .style(theme.style(Role::Text))
        .row_highlight_style(theme.style(Role::Selected));
    let mut state = TableState::new().with_selected(Some(cursor.at - cursor.top));
    frame.render_stateful_widget(table, list, &mut state);
}

/// Where the prompt begins in the list.
const PROMPT: u16 = 22 + 13 + 8 + 5 + 4;

fn under_way(app: &App, run: &Run, pictures: &mut Pictures, frame: &mut Frame, area: Rect) {
    let theme = &app.theme;
    let [picture, words] =
        Layout::horizontal([Constraint::Length(area.height * 2), Constraint::Fill(1)]).spacing(2).areas(area);
    if let Some(preview) = app.queue.previews.iter().find(|preview| preview.run == run.id) {
        pictures.draw(frame, picture, &Shown::Preview(preview.clone()), theme);
    }
    let [name, gauge, facts, _] =
        Layout::vertical([Constraint::Length(1), Constraint::Length(1), Constraint::Length(2), Constraint::Fill(1)])
            .areas(words);
    let title = Line::from(vec![
        Span::styled(run.task.to_string(), theme.style(Role::Title)),
        Span::raw("  "),
        badge::run(run.state, theme),
    ]);
    frame.render_widget(title, name);
    let (step, steps) = (run.progress.step, run.progress.steps.max(1));
    let bar = Gauge::default()
        .ratio(f64::from(step.min(steps)) / f64::from(steps))
        .label(format!("step {step} of {steps}"))
        // Its label is drawn in the colour of what lies under it.
        .gauge_style(theme.style(Role::Running).bg(theme.ground().unwrap_or_default()));
    frame.render_widget(bar, gauge);
    let speed = app
        .queue
        .pace(run, app.now)
        .map(|each| format!("{each:.2} s a step, about {:.0} s left", each * f64::from(steps.saturating_sub(step))));
    let seeds = run.seeds.as_slice().len();
    let text = vec![
        Line::styled(speed.unwrap_or_default(), theme.style(Role::Text)),
        Line::styled(counted(seeds, "seed"), theme.style(Role::Faint)),
    ];
    frame.render_widget(Paragraph::new(text), facts);
}

pub fn heading(app: &App) -> String {
    let queue = &app.queue;
    let waiting = queue.runs.iter().filter(|run| run.state == RunState::Queued).count();
    let state = match queue.running() {
        Some(run) => format!("{} runs, {waiting} waiting", run.task),
        None => format!("{waiting} waiting"),
    };
    match &queue.card {
        Some(card) => format!("{state}, {}", described(card)),
        None => state,
    }
}

fn described(card: &GpuStatus) -> String {
    let gigabytes = |bytes: u64| bytes as f64 / f64::from(1 << 30);
    let (used, total) = (gigabytes(card.memory_used), gigabytes(card.memory_total));
    format!("{}: {used:.1} of {total:.1} GB, {} % busy", card.name, card.load)
}

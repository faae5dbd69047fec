//! Queue: the running run with its preview, the queued runs, and the last ones that failed or were cancelled.

use jiff::Timestamp;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Cell, Gauge, Paragraph, Row, Table, TableState, Wrap};

use super::{LOADING, Screen, placeholder};
use crate::service::queue::Queue as QueueState;
use crate::studio::ids::RunId;
use crate::studio::queue::{Pause, PauseReason};
use crate::studio::run::Run;
use crate::studio::state::RunState;
use crate::studio::text::clean;
use crate::studio::worker::Activity;
use crate::tui::action::Action;
use crate::tui::command::Command;
use crate::tui::context::Context;
use crate::tui::effects::Effect;
use crate::tui::effects::jobs::Job;
use crate::tui::effects::reads::{Loaded, Read};
use crate::tui::pictures::Pictures;
use crate::tui::screen_id::ScreenId;
use crate::tui::selection::{Select, SelectedSubject, Selection};
use crate::tui::shown::Shown;
use crate::tui::theme::Role;
use crate::tui::widgets::badge;
use crate::tui::widgets::cursor::Cursor;
use crate::tui::widgets::hints::Hint;
use crate::tui::widgets::lines::{ago, counted, fit};
use crate::worker::gpu::GpuStatus;

#[derive(Debug, Default)]
pub struct Queue {
    /// None until it is loaded.
    state: Option<QueueState>,
    card: Option<GpuStatus>,
    cursor: Cursor,
    /// The running run, its step when this screen first saw it, and when that was. A run can have rested before.
    seen: Option<(RunId, u32, Timestamp)>,
}

impl Queue {
    fn runs(&self) -> &[Run] {
        self.state.as_ref().map_or(&[], |state| &state.runs)
    }

    pub fn running(&self) -> Option<&Run> {
        self.runs().iter().find(|run| run.state == RunState::Running)
    }

    /// Why no queued run runs, in a few words; `None` if one runs or nothing is queued.
    pub fn standstill(&self, now: Timestamp) -> Option<&'static str> {
        let state = self.state.as_ref()?;
        if self.running().is_some() || !state.runs.iter().any(|run| run.state == RunState::Queued) {
            return None;
        }
        let does = |activity| state.workers.iter().any(|worker| !worker.is_silent(now) && worker.activity == activity);
        if state.paused.is_some() {
            Some("‖ queue paused")
        } else if does(Activity::Restarting) {
            Some("‖ worker restarting")
        } else if does(Activity::WaitingForDevice) {
            Some("‖ waiting for the device")
        } else if state.workers.iter().all(|worker| worker.is_silent(now)) {
            Some("‖ no worker")
        } else {
            None
        }
    }

    fn paused(&self) -> Option<&Pause> {
        self.state.as_ref()?.paused.as_ref()
    }

    fn position(&self, selection: &Selection) -> Option<usize> {
        self.runs().iter().position(|run| Some(run.id) == selection.run())
    }

    fn selected(&self, selection: &Selection) -> Option<&Run> {
        self.runs().get(self.position(selection)?)
    }

    /// Seconds per step of the running run, as far as this screen has seen it.
    fn pace(&self, run: &Run, now: Timestamp) -> Option<f64> {
        let (_, from, since) = self.seen.filter(|(seen, ..)| *seen == run.id)?;
        let steps = run.progress.step.checked_sub(from).filter(|&steps| steps > 0)?;
        Some(now.duration_since(since).as_secs_f64() / f64::from(steps))
    }

    /// Selects a run of the selected subject if the selected run is not in the queue. Runs of other subjects are
    /// selected only by moving the cursor: a look at the queue must not change the subject.
    fn follow(&mut self, selection: &Selection) -> Vec<Command> {
        if let Some(at) = self.position(selection) {
            self.cursor.at = at;
            return Vec::new();
        }
        let own = self.runs().iter().find(|run| Some(run.subject) == selection.subject_id());
        own.map(select).into_iter().collect()
    }
}

fn select(run: &Run) -> Command {
    let subject = SelectedSubject { id: run.subject, handle: run.task.subject.clone() };
    Command::Select(Select::Run(subject, run.id))
}

impl Screen for Queue {
    fn handle(&mut self, context: &Context, action: Action) -> Option<Vec<Command>> {
        let selection = &context.selection;
        let position = self.position(selection);
        let mut cursor = Cursor { at: position.unwrap_or(self.cursor.at), ..self.cursor };
        // Without a selected run, the first key selects the one at the cursor.
        let before = cursor;
        if cursor.act(action, self.runs().len(), 1, context.body_rows()) {
            self.cursor = if position.is_some() { cursor } else { before };
            return Some(self.runs().get(self.cursor.at).map(select).into_iter().collect());
        }
        if action == Action::Pause {
            let job = if self.paused().is_some() { Job::Resume } else { Job::Pause };
            return Some(vec![Command::Effect(job.into())]);
        }
        if !matches!(action, Action::Cancel | Action::Retry | Action::MoveUp | Action::MoveDown) {
            return None;
        }
        let Some((at, run)) = position.zip(self.selected(selection)) else {
            let key = context.key_of(Action::Down);
            let text =
                if self.runs().is_empty() { "Queue empty.".to_owned() } else { format!("Select a run first ({key}).") };
            return Some(vec![Command::Notice(text)]);
        };
        let queued = |at: usize| self.runs().get(at).filter(|run| run.state == RunState::Queued).map(|run| run.id);
        let job = match action {
            Action::Cancel => Some(Job::Cancel(run.id)),
            Action::Retry => Some(Job::Retry(run.id)),
            _ if run.state != RunState::Queued => None,
            Action::MoveUp => at.checked_sub(1).and_then(queued).map(|above| Job::MoveBefore(run.id, above)),
            _ => queued(at + 1).map(|below| Job::MoveBefore(below, run.id)),
        };
        Some(job.map(|job| Command::Effect(job.into())).into_iter().collect())
    }

    fn enter(&mut self, context: &Context, _: ScreenId) -> Vec<Command> {
        self.follow(&context.selection)
    }

    fn reload(&self, _: &Context) -> Vec<Effect> {
        vec![Read::Queue.into()]
    }

    fn loaded(&mut self, context: &Context, loaded: Loaded) -> Vec<Command> {
        let Loaded::Queue { queue, card } = loaded else { return Vec::new() };
        (self.state, self.card) = (Some(queue), card);
        self.cursor.at = self.cursor.at.min(self.runs().len().saturating_sub(1));
        let seen = self.seen.map(|(run, ..)| run);
        match self.running().map(|run| (run.id, run.progress.step)) {
            None => self.seen = None,
            Some((run, step)) if seen != Some(run) => self.seen = Some((run, step, context.now)),
            Some(_) => {}
        }
        if context.screen == ScreenId::Queue { self.follow(&context.selection) } else { Vec::new() }
    }

    fn heading(&self, _: &Context) -> String {
        let queued = self.runs().iter().filter(|run| run.state == RunState::Queued).count();
        let state = match self.running() {
            Some(run) => format!("{} running · {queued} queued", run.task),
            None => format!("{queued} queued"),
        };
        match &self.card {
            Some(card) => format!("{state} · {}", describe(card)),
            None => state,
        }
    }

    fn hints(&self, _: &Context) -> Vec<Hint> {
        let pause = match self.paused() {
            Some(_) => Hint::Named(Action::Pause, "resume".to_owned()),
            None => Hint::Action(Action::Pause),
        };
        let others = Hint::all([Action::Cancel, Action::Retry, Action::MoveUp, Action::MoveDown, Action::Back]);
        [pause].into_iter().chain(others).collect()
    }

    fn view(&self, context: &Context, frame: &mut Frame, area: Rect, pictures: &mut Pictures) {
        let theme = &context.theme;
        let running = self.running();
        let top_height = if running.is_some() { (area.height / 2).min(14) } else { 0 };
        let error = self.selected(&context.selection).and_then(|run| run.error.as_deref());
        let workers = self.state.as_ref().map_or(&[][..], |state| &state.workers);
        let [top, report, paused, list, below] = Layout::vertical([
            Constraint::Length(top_height),
            Constraint::Length(workers.len().min(MAX_WORKERS) as u16),
            Constraint::Length(self.paused().is_some().into()),
            Constraint::Fill(1),
            Constraint::Length(if error.is_some() { 2 } else { 0 }),
        ])
        .areas(area);
        if let Some(error) = error {
            let text = Paragraph::new(clean(error)).wrap(Wrap { trim: true }).style(theme.style(Role::Danger));
            frame.render_widget(text, below);
        }
        if let Some(run) = running {
            self.draw_running(run, context, frame, top, pictures);
        }
        let lines = workers.iter().map(|worker| {
            let up = match ago(worker.started, context.now).as_str() {
                "now" => "just started".to_owned(),
                age => format!("up {age}"),
            };
            let text = format!("{worker}, {up}: {}", worker.describe(context.now));
            let is_well = !worker.is_silent(context.now) && worker.activity != Activity::Restarting;
            let role = if is_well { Role::Faint } else { Role::Danger };
            Line::styled(fit(&text, report.width.into()), theme.style(role))
        });
        frame.render_widget(Paragraph::new(lines.take(MAX_WORKERS).collect::<Vec<_>>()), report);
        if let Some(pause) = self.paused() {
            let key = context.key_of(Action::Pause);
            let why = match pause.reason {
                PauseReason::User if pause.message.is_empty() => "Paused.".to_owned(),
                _ => format!("Paused: {}.", pause.to_string().trim_end_matches('.')),
            };
            let rest = running.map_or(String::new(), |run| format!(" {} finishes first.", run.task));
            let text = format!("‖ {why}{rest} {key} resumes.");
            frame.render_widget(Line::styled(fit(&text, paused.width.into()), theme.style(Role::Warning)), paused);
        }
        if self.runs().is_empty() {
            let text = if self.state.is_some() { "Queue empty." } else { LOADING };
            return placeholder(context, frame, list, text);
        }
        self.draw_list(context, frame, list);
    }
}

/// So many workers are listed at most.
const MAX_WORKERS: usize = 4;
/// Columns before the prompt.
const BEFORE_PROMPT: u16 = 22 + 13 + 8 + 5 + 4;

impl Queue {
    fn draw_list(&self, context: &Context, frame: &mut Frame, area: Rect) {
        let theme = &context.theme;
        let visible = area.height.saturating_sub(1) as usize;
        let position = self.position(&context.selection);
        let mut cursor = Cursor { at: position.unwrap_or(self.cursor.at), ..self.cursor };
        cursor.keep_in_sight(self.runs().len(), 1, visible);
        let rows = self.runs().iter().skip(cursor.top).take(visible).map(|run| {
            let prompt = fit(&run.recipe.prompt.assembled(), area.width.saturating_sub(BEFORE_PROMPT).into());
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
        let mut state = TableState::new().with_selected(position.map(|at| at - cursor.top));
        frame.render_stateful_widget(table, area, &mut state);
    }

    fn draw_running(&self, run: &Run, context: &Context, frame: &mut Frame, area: Rect, pictures: &mut Pictures) {
        let theme = &context.theme;
        let [picture, words] =
            Layout::horizontal([Constraint::Length(area.height * 2), Constraint::Fill(1)]).spacing(2).areas(area);
        let previews = self.state.iter().flat_map(|state| &state.previews);
        if let Some(preview) = previews.into_iter().find(|preview| preview.run == run.id) {
            pictures.draw(frame, picture, &Shown::Preview(preview.clone()), theme);
        }
        let [name, gauge, facts, _] = Layout::vertical([
            Constraint::Length(1),
            Constraint::Length(1),
            Constraint::Length(2),
            Constraint::Fill(1),
        ])
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
            // The gauge draws its label in the colour of the background under it.
            .gauge_style(theme.style(Role::Running).bg(theme.ground().unwrap_or_default()));
        frame.render_widget(bar, gauge);
        let left = f64::from(steps.saturating_sub(step));
        let speed =
            self.pace(run, context.now).map(|each| format!("{each:.2} s per step, about {:.0} s left", each * left));
        let text = vec![
            Line::styled(speed.unwrap_or_default(), theme.style(Role::Text)),
            Line::styled(counted(run.seeds.as_slice().len(), "seed"), theme.style(Role::Faint)),
        ];
        frame.render_widget(Paragraph::new(text), facts);
    }
}

fn describe(card: &GpuStatus) -> String {
    let gigabytes = |bytes: u64| bytes as f64 / f64::from(1 << 30);
    let (used, total) = (gigabytes(card.memory_used), gigabytes(card.memory_total));
    format!("{}: {used:.1} of {total:.1} GB, {} % busy", card.name, card.load)
}

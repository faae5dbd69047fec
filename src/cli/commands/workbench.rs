//! `pentimento` without a command: the workbench, with a worker in the same process.

use std::sync::Arc;
use std::sync::mpsc;

use anyhow::Context;
use jiff::Timestamp;

use crate::cli::failure::Interrupted;
use crate::cli::lookup;
use crate::cli::output::terminal::chosen_protocol;
use crate::cli::output::{describe, print};
use crate::cli::project::{self, NoProject, ProjectArguments};
use crate::config::Config;
use crate::imaging::compact;
use crate::service::models::MINI;
use crate::service::{Service, sample};
use crate::store::Store;
use crate::studio::settings::Settings;
use crate::studio::state::RunState;
use crate::terminal::capabilities::Capabilities;
use crate::terminal::colours::Colours;
use crate::terminal::pictures::Codecs;
use crate::terminal::protocol::Protocol;
use crate::terminal::session::Session;
use crate::terminal::{self};
use crate::tui::app::App;
use crate::tui::context::Defaults;
use crate::tui::effects::Runner;
use crate::tui::event::EventSender;
use crate::tui::keymap::Keymap;
use crate::tui::pictures::Pictures;
use crate::tui::problem::Problem;
use crate::tui::theme::Theme;
use crate::tui::{self, End, watch};
use crate::worker::{Options, Stop, Worker, release_dead_workers};

pub fn run(project: &ProjectArguments) -> anyhow::Result<()> {
    // Check first: without a terminal, no project is created.
    terminal::require()?;
    let (store, fresh) = open(project)?;
    let store = Arc::new(store);
    let worker = Worker::start(store.clone(), Options { low_priority: true, restart: true, ..Options::default() })?;
    let ended = screen(&store, &worker, fresh);
    // Stop the worker even if the screen failed. After a hang-up or an error, it first finishes the queue.
    let hung_up = matches!(ended, Ok(End::HungUp) | Err(_));
    worker.stop(if hung_up { Stop::AfterQueue } else { Stop::AfterStep });
    worker.join()?;
    let left = unfinished(&store);
    // This fails if another process uses the project, which then checkpoints the log itself.
    let _ = store.checkpoint();
    match ended? {
        End::Quit => Ok(left.map_or(Ok(()), |left| print::lines([left]))?),
        End::HungUp => Ok(()),
        End::Signal(signal) => {
            let status = u8::try_from(128 + signal).unwrap_or(1);
            Err(Interrupted { status, text: "stopped; the current run resumes when you reopen pentimento".to_owned() }
                .into())
        }
    }
}

/// The runs that are not finished after the worker of this process has stopped, in one sentence. Runs of dead workers
/// are queued again first.
fn unfinished(store: &Store) -> Option<String> {
    let reader = store.reader().ok()?;
    // If this fails, the runs of dead workers count as running.
    let _ = release_dead_workers(store, &reader).and_then(|_| store.release_expired(Timestamp::now()));
    let runs = reader.queue(u32::MAX).ok()?;
    let running = runs.iter().filter(|run| run.state == RunState::Running).count() as u64;
    let queued = runs.len() as u64 - running;
    match (running, queued) {
        (0, 0) => None,
        (0, 1) => {
            Some("1 run is still queued. It resumes when you reopen pentimento, or run `pentimento worker` now.".into())
        }
        (0, queued) => Some(format!(
            "{queued} runs are still queued. They resume when you reopen pentimento, or run `pentimento worker` now."
        )),
        // This worker has stopped, so another process runs them and takes the queued ones next.
        (running, queued) => {
            let text = format!("Another process continues {}", describe::count(running, "running run"));
            Some(if queued == 0 { format!("{text}.") } else { format!("{text} and {queued} queued.") })
        }
    }
}

/// Opens the project, or creates the user's own with the sample. True if it is new.
fn open(project: &ProjectArguments) -> anyhow::Result<(Store, bool)> {
    match project::open(project) {
        Ok(store) => Ok((store, false)),
        Err(error) if error.is::<NoProject>() => {
            let folder = Config::current().folders.own_project().context("no folder for a new project: set HOME")?;
            let store = Store::create(&folder)?;
            sample::fill(&store)?;
            Ok((store, true))
        }
        Err(error) => Err(error),
    }
}

fn screen(store: &Arc<Store>, worker: &Worker, fresh: bool) -> anyhow::Result<End> {
    let capabilities = terminal::detect(chosen_protocol(), Config::current().colour.value);
    let (keymap, theme, problems) = looks(&capabilities);
    let mut session = Session::open()?;
    let (sender, received) = mpsc::channel();
    let waker = session.waker();
    let events = {
        let waker = waker.clone();
        EventSender::new(sender, move || waker.wake())
    };
    let codecs = Codecs { png: compact::png, jpeg: compact::jpeg, sixel: compact::sixel };
    let shown = terminal::pictures::Pictures::new(&capabilities, codecs, move || waker.wake());
    let service = Service::new(store.clone()).with_worker(worker.waker());
    let runner = Runner::start(&service, &events);
    let mut pictures = Pictures::new(shown, service.clone(), events.clone());
    watch::project(service, events.clone());
    if let Some(own) = Config::current().folders.themes() {
        watch::theme(theme.name.clone(), own, capabilities.colours, events);
    }
    let size = (capabilities.columns, capabilities.rows);
    let mut app = App::new(keymap, theme, defaults(), size, Timestamp::now());
    app.problems = problems;
    app.context.keeps_pictures = !matches!(capabilities.protocol, Protocol::Sixel | Protocol::Iterm2);
    if fresh {
        app.notice = Some("This is a sample project with two runs. Press ? for help.".to_owned());
    }
    Ok(tui::run(&mut session, &mut app, &mut pictures, &runner, &received)?)
}

fn defaults() -> Defaults {
    Defaults { checkpoint: MINI.to_owned(), settings: Settings::for_checkpoint(MINI), reviewer: lookup::reviewer(None) }
}

/// The user's keymap and theme on top of the built-in ones, and the problems in them.
fn looks(capabilities: &Capabilities) -> (Keymap, Theme, Vec<Problem>) {
    let mut wrong = Vec::new();
    let config = Config::current();
    wrong.extend(config.errors.iter().map(|error| Problem::new(error)));
    let table = config.folders.keymap().and_then(|path| std::fs::read_to_string(path).ok());
    let (keymap, problems) = Keymap::built_in().over(table.as_deref().unwrap_or_default());
    wrong.extend(problems.iter().map(|problem| Problem::new(problem)));
    let colours = capabilities.colours;
    let usual = if colours == Colours::None { "plain" } else { Theme::DEFAULT };
    let name = config.theme.value.as_deref().unwrap_or(usual);
    let theme = Theme::named(name, colours, config.folders.themes().as_deref()).unwrap_or_else(|error| {
        wrong.push(Problem::new(&error));
        Theme::parse(name, "name = \"none\"\n[roles]\n", colours)
            .unwrap_or_else(|_| unreachable!("an empty theme reads"))
    });
    (keymap, theme, wrong)
}

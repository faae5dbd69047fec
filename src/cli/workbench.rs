//! `pentimento` alone: the workbench on the project, with a worker beside it.

use std::sync::Arc;
use std::sync::mpsc;

use anyhow::Context;
use jiff::Timestamp;

use super::failure::StoppedBy;
use super::lookup;
use super::print;
use super::project::{self, NoProject, ProjectArguments};
use super::terminal::chosen_protocol;
use crate::config::Config;
use crate::imaging::compact;
use crate::service::models::MINI;
use crate::service::{Service, models, sample};
use crate::store::Store;
use crate::terminal::capabilities::Capabilities;
use crate::terminal::colours::Colours;
use crate::terminal::pictures::Codecs;
use crate::terminal::protocol::Protocol;
use crate::terminal::session::Session;
use crate::terminal::{self};
use crate::tui::app::{App, Usual};
use crate::tui::effect::{Problem, Runner};
use crate::tui::keymap::Keymap;
use crate::tui::mail::Mail;
use crate::tui::pictures::Pictures;
use crate::tui::theme::Theme;
use crate::tui::{self, End, watch};
use crate::worker::{Options, Stop, Worker};

pub fn run(project: &ProjectArguments) -> anyhow::Result<()> {
    // Before anything is made that nobody would see.
    terminal::require()?;
    let (store, fresh) = open(project)?;
    let store = Arc::new(store);
    let worker = Worker::start(store.clone(), Options { low_priority: true, ..Options::default() })?;
    let ended = screen(&store, &worker, fresh);
    // Whatever came of the screen, the run under way is not lost.
    let hung_up = matches!(ended, Ok(End::HungUp) | Err(_));
    worker.stop(if hung_up { Stop::AfterQueue } else { Stop::AfterStep });
    worker.join()?;
    let left = left_over(&store);
    // Another process may be at it; then the log is that one's to bring in.
    let _ = store.checkpoint();
    match ended? {
        End::Left => Ok(left.map_or(Ok(()), |left| print::lines([left]))?),
        End::HungUp => Ok(()),
        End::Signal(signal) => {
            let status = u8::try_from(128 + signal).unwrap_or(1);
            Err(StoppedBy { status, text: "stopped; what was under way goes on from there later".to_owned() }.into())
        }
    }
}

/// What is still to be done when the screen is gone, in a line.
fn left_over(store: &Store) -> Option<String> {
    let count = store.reader().and_then(|reader| reader.queue(MOST_COUNTED)).ok()?.len();
    let (runs, wait) = match count {
        0 => return None,
        1 => ("1 run".to_owned(), "waits"),
        count if count == MOST_COUNTED as usize => (format!("{count} runs or more"), "wait"),
        count => (format!("{count} runs"), "wait"),
    };
    Some(format!("{runs} still {wait}; the next start goes on with them, or `pentimento worker` without a screen."))
}

/// Runs that wait are counted so far.
const MOST_COUNTED: u32 = 1000;

/// The project that is meant, or a new one of one's own with something to look at. True if it is new.
fn open(project: &ProjectArguments) -> anyhow::Result<(Store, bool)> {
    match project::open(project) {
        Ok(store) => Ok((store, false)),
        Err(error) if error.is::<NoProject>() => {
            let folder = Config::current()
                .folders
                .own_project()
                .context("HOME is not set, so there is no place for a project of your own")?;
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
    let (events, received) = mpsc::channel();
    let waker = session.waker();
    let mail = {
        let waker = waker.clone();
        Mail::new(events, move || waker.wake())
    };
    let codecs = Codecs { png: compact::png, jpeg: compact::jpeg, sixel: compact::sixel };
    let shown = terminal::pictures::Pictures::new(&capabilities, codecs, move || waker.wake());
    let reader = store.reader()?;
    let mut pictures = Pictures::new(shown, reader, mail.clone());
    let service = Service::new(store.clone()).with_worker(worker.waker());
    let runner = Runner::start(service, mail.clone())?;
    watch::project(store.reader()?, mail.clone());
    if let Some(own) = Config::current().folders.themes() {
        watch::theme(theme.name.clone(), own, capabilities.colours, mail);
    }
    let size = (capabilities.columns, capabilities.rows);
    let mut app = App::new(keymap, theme, usual(), size, Timestamp::now());
    app.problems = problems;
    app.keeps_pictures = !matches!(capabilities.protocol, Protocol::Sixel | Protocol::Iterm2);
    if fresh {
        app.notice = Some("A sample project, with two runs to begin with. ? shows the keys.".to_owned());
    }
    Ok(tui::run(&mut session, &mut app, &mut pictures, &runner, &received)?)
}

fn usual() -> Usual {
    Usual { checkpoint: MINI.to_owned(), settings: models::default_settings(MINI), reviewer: lookup::reviewer(None) }
}

/// The keymap and the theme, the user's own over the built-in ones, and what is wrong with those.
fn looks(capabilities: &Capabilities) -> (Keymap, Theme, Vec<Problem>) {
    let mut wrong = Vec::new();
    let config = Config::current();
    wrong.extend(config.errors.iter().map(|error| Problem::new(error)));
    let table = config.folders.keymap().and_then(|path| std::fs::read_to_string(path).ok());
    let (keymap, problems) = Keymap::built_in().over(table.as_deref().unwrap_or_default());
    wrong.extend(problems.iter().map(|problem| Problem::new(problem)));
    let colours = capabilities.colours;
    let usual = if colours == Colours::None { "plain" } else { Theme::USUAL };
    let name = config.theme.value.as_deref().unwrap_or(usual);
    let theme = Theme::named(name, colours, config.folders.themes().as_deref()).unwrap_or_else(|error| {
        wrong.push(Problem::new(&error));
        Theme::parse(name, "name = \"none\"\n[roles]\n", colours)
            .unwrap_or_else(|_| unreachable!("an empty theme reads"))
    });
    (keymap, theme, wrong)
}

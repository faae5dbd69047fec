//! The workbench: the interactive screen.
//!
//! One way through: a key becomes an [`action`] by the [`keymap`]; the front layer or the screen in front turns it into
//! [`command`]s; these change the [`app`] or ask for [`effects`], which run on other threads and come back as
//! [`event`]s. `view` only draws. The screen's thread never touches the disk, the database or a tensor.

pub mod action;
pub mod app;
pub mod command;
pub mod context;
pub mod effects;
pub mod event;
pub mod keymap;
pub mod layers;
pub mod outputs;
pub mod pictures;
pub mod problem;
pub mod query;
pub mod screen_id;
pub mod screens;
pub mod selection;
pub mod shown;
pub mod theme;
pub mod view;
pub mod watch;
pub mod widgets;

use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use crokey::KeyCombination;

use crate::terminal::late_replies::LateReply;
use crate::terminal::session::{self, Session};
use crate::terminal::{self, input};

use app::{App, SessionRequest};
use effects::Runner;
use event::Event;
use pictures::Pictures;

/// The most events between two frames.
const MOST_EVENTS: usize = 256;

/// A lost connection arrives as this signal.
const SIGHUP: i32 = 1;

/// Why the workbench ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Quit,
    /// A signal, by its number.
    Signal(i32),
    /// The terminal is gone. Runs may go on.
    HungUp,
}

/// Runs the workbench until it ends. The caller makes its parts, so that tests can make others.
pub fn run(
    session: &mut Session,
    app: &mut App,
    pictures: &mut Pictures,
    runner: &Runner,
    events: &Receiver<Event>,
) -> terminal::Result<End> {
    let end = run_loop(session, app, pictures, runner, events)?;
    if end != End::HungUp {
        drain_replies(session, pictures);
    }
    Ok(end)
}

/// Reads the terminal's outstanding replies, which the shell would take for input.
fn drain_replies(session: &mut Session, pictures: &mut Pictures) {
    for _ in 0..session.drain_replies(pictures.screen().pending_replies()) {
        pictures.screen().handle_reply(&LateReply::Name);
    }
}

fn run_loop(
    session: &mut Session,
    app: &mut App,
    pictures: &mut Pictures,
    runner: &Runner,
    events: &Receiver<Event>,
) -> terminal::Result<End> {
    app.start().into_iter().for_each(|effect| runner.run(effect));
    loop {
        draw(session, app, pictures)?;
        let now = Instant::now();
        let alarm = app.alarm().map(|at| at.saturating_duration_since(now));
        let patience = pictures.screen().time_until_work(now).into_iter().chain(alarm).min();
        let mut next: Vec<Event> = Vec::new();
        let mut wait = patience;
        // Several events share a frame: keys may come faster than frames can be drawn.
        while let Some(event) = session.next(wait)? {
            match received(session, pictures, event) {
                Received::Event(event) => next.push(event),
                Received::Nothing => {}
                Received::End(end) => return Ok(end),
            }
            if next.len() == MOST_EVENTS {
                break;
            }
            wait = Some(Duration::ZERO);
        }
        if app.alarm().is_some_and(|at| at <= Instant::now()) {
            next.push(Event::Alarm);
        }
        for event in next.into_iter().chain(events.try_iter()) {
            match event {
                Event::Picture(shown, picture) => pictures.arrived(shown, picture),
                event => app.update(event).into_iter().for_each(|effect| runner.run(effect)),
            }
        }
        match app.request.take() {
            Some(SessionRequest::Redraw) => {
                session.redraw();
                pictures.screen().invalidate_all();
            }
            Some(SessionRequest::Suspend) => {
                drain_replies(session, pictures);
                session.suspend()?;
            }
            None => {}
        }
        if app.quitting {
            return Ok(End::Quit);
        }
    }
}

fn draw(session: &mut Session, app: &mut App, pictures: &mut Pictures) -> terminal::Result<()> {
    // Terminals draw pictures over text: those under a layer are cut.
    match view::layer_area(app) {
        Some(area) => pictures.screen().cover(area),
        None => pictures.screen().uncover(),
    }
    let prelude = pictures.screen().prepare_frame(Instant::now());
    session.draw(&prelude, |frame| {
        app.context.size = (frame.area().width, frame.area().height);
        view::view(app, frame, pictures);
    })
}

enum Received {
    Event(Event),
    Nothing,
    End(End),
}

/// Turns what the terminal sent into an event.
fn received(session: &mut Session, pictures: &mut Pictures, event: session::Event) -> Received {
    match event {
        session::Event::Key(key) => Received::Event(Event::Key(KeyCombination::from(key))),
        session::Event::Paste(text) => Received::Event(Event::Paste(text)),
        session::Event::Resized | session::Event::Reattached => {
            session.cell_size().into_iter().for_each(|size| pictures.screen().set_cell_size(size));
            pictures.screen().invalidate_all();
            Received::Event(Event::Redraw)
        }
        session::Event::FocusGained => {
            pictures.screen().invalidate_all();
            Received::Event(Event::Redraw)
        }
        session::Event::Reply(reply) => {
            pictures.screen().handle_reply(&reply);
            Received::Nothing
        }
        session::Event::Woken => Received::Nothing,
        session::Event::Shutdown(input::Shutdown::Signal(SIGHUP) | input::Shutdown::HungUp) => {
            Received::End(End::HungUp)
        }
        session::Event::Shutdown(input::Shutdown::Signal(signal)) => Received::End(End::Signal(signal)),
    }
}

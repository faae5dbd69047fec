//! The workbench: the screen people live in.
//!
//! A key becomes an [`action`] by the [`keymap`], `update` changes the [`app`] and asks for effects, these run off the
//! screen's thread and come back as events, and `view` draws. Nothing on the screen's thread touches the disk, the
//! database or a tensor.

pub mod action;
pub mod app;
pub mod complete;
pub mod effect;
pub mod event;
pub mod keymap;
pub mod mail;
pub mod pictures;
pub mod popups;
pub mod screens;
pub mod theme;
pub mod update;
pub mod view;
pub mod watch;
pub mod widgets;

use std::sync::mpsc::Receiver;
use std::time::Instant;

use crokey::KeyCombination;

use crate::terminal::late_replies::LateReply;
use crate::terminal::session::{self, Session};
use crate::terminal::{self, input};

use app::App;
use effect::{Effect, Runner};
use event::Event;
use pictures::Pictures;

/// SIGHUP, by which a lost connection is told.
const HANG_UP: i32 = 1;

/// How the screen came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Somebody left.
    Left,
    /// A signal asked for it, by its number.
    Signal(i32),
    /// The terminal has gone away; what is under way may go on.
    HungUp,
}

/// Runs the screen until it ends. What it needs is made before, so that a test can make it otherwise.
pub fn run(
    session: &mut Session,
    app: &mut App,
    pictures: &mut Pictures,
    runner: &Runner,
    mail: &Receiver<Event>,
) -> terminal::Result<End> {
    let end = live(session, app, pictures, runner, mail)?;
    if end != End::HungUp {
        drain_replies(session, pictures);
    }
    Ok(end)
}

/// Replies that are still to come must not be typed into the shell.
fn drain_replies(session: &mut Session, pictures: &mut Pictures) {
    for _ in 0..session.drain_replies(pictures.screen().pending_replies()) {
        pictures.screen().handle_reply(&LateReply::Name);
    }
}

fn live(
    session: &mut Session,
    app: &mut App,
    pictures: &mut Pictures,
    runner: &Runner,
    mail: &Receiver<Event>,
) -> terminal::Result<End> {
    for effect in update::reload(app).into_iter().chain([Effect::LoadQueue]) {
        runner.ask(effect);
    }
    loop {
        cover(app, pictures);
        let prelude = pictures.screen().prepare_frame(Instant::now());
        session.draw(&prelude, |frame| {
            app.size = (frame.area().width, frame.area().height);
            view::view(app, pictures, frame);
        })?;
        let now = Instant::now();
        let alarm = app.alarm.map(|at| at.saturating_duration_since(now));
        let patience = pictures.screen().time_until_work(now).into_iter().chain(alarm).min();
        if let Some(event) = session.next(patience)?
            && let Some(end) = take(session, app, pictures, runner, event)?
        {
            return Ok(end);
        }
        if app.alarm.is_some_and(|at| at <= Instant::now()) {
            update::update(app, Event::Alarm).into_iter().for_each(|effect| runner.ask(effect));
        }
        for event in mail.try_iter() {
            match event {
                Event::Picture(shown, picture) => pictures.arrived(shown, picture),
                event => update::update(app, event).into_iter().for_each(|effect| runner.ask(effect)),
            }
        }
        if app.leaving {
            return Ok(End::Left);
        }
    }
}

/// What the terminal tells. The end, if that is what it tells.
fn take(
    session: &mut Session,
    app: &mut App,
    pictures: &mut Pictures,
    runner: &Runner,
    event: session::Event,
) -> terminal::Result<Option<End>> {
    let event = match event {
        session::Event::Key(key) => {
            let key = KeyCombination::from(key);
            match app.keymap.action(app.place, key) {
                Some(action::Action::Redraw) => {
                    session.redraw();
                    pictures.screen().invalidate_all();
                    return Ok(None);
                }
                Some(action::Action::Suspend) => {
                    drain_replies(session, pictures);
                    session.suspend()?;
                    return Ok(None);
                }
                _ => Event::Key(key),
            }
        }
        session::Event::Paste(text) => Event::Paste(text),
        session::Event::Resized | session::Event::Reattached => {
            session.cell_size().into_iter().for_each(|size| pictures.screen().set_cell_size(size));
            pictures.screen().invalidate_all();
            Event::Redraw
        }
        session::Event::FocusGained => {
            pictures.screen().invalidate_all();
            Event::Redraw
        }
        session::Event::Reply(reply) => {
            pictures.screen().handle_reply(&reply);
            return Ok(None);
        }
        session::Event::Woken => return Ok(None),
        session::Event::Shutdown(input::Shutdown::Signal(HANG_UP)) => return Ok(Some(End::HungUp)),
        session::Event::Shutdown(input::Shutdown::Signal(signal)) => return Ok(Some(End::Signal(signal))),
        session::Event::Shutdown(input::Shutdown::HungUp) => return Ok(Some(End::HungUp)),
    };
    update::update(app, event).into_iter().for_each(|effect| runner.ask(effect));
    Ok(None)
}

/// Pictures that would come to lie over a popup are told of it.
fn cover(app: &App, pictures: &mut Pictures) {
    match popups::area(app) {
        Some(area) => pictures.screen().cover(area),
        None => pictures.screen().uncover(),
    }
}

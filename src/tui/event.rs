//! Events: keys, and what other threads bring.

use std::sync::Arc;
use std::sync::mpsc::Sender;

use crokey::KeyCombination;
use image::RgbImage;

use super::effects::jobs::Finished;
use super::effects::reads::Loaded;
use super::problem::Problem;
use super::shown::Shown;
use super::theme::Theme;

#[derive(Clone, Debug)]
pub enum Event {
    Key(KeyCombination),
    /// Pasted text, for text fields.
    Paste(String),
    /// The terminal may have lost what it showed.
    Redraw,
    /// Another process or the worker has written to the project.
    Changed,
    /// The time that [`super::app::App::alarm`] asked for has come.
    Alarm,
    /// A read has brought something.
    Loaded(Loaded),
    /// A read was skipped, because a newer one asks for the same.
    Skipped,
    /// A read has failed.
    ReadFailed(Problem),
    /// A job is done.
    Finished(Finished),
    /// A job has failed.
    JobFailed(Problem),
    /// A picture was opened, or the reason why it cannot be.
    Picture(Shown, Result<Arc<RgbImage>, String>),
    /// The theme's file was edited.
    Theme(Box<Theme>),
    Notice(String),
}

impl Event {
    /// Whether this ends an effect. Every effect ends with exactly one such event.
    pub fn ends_effect(&self) -> bool {
        matches!(self, Self::Loaded(_) | Self::Skipped | Self::ReadFailed(_) | Self::Finished(_) | Self::JobFailed(_))
    }
}

/// Sends events from other threads, and wakes the screen for them.
#[derive(Clone)]
pub struct EventSender {
    events: Sender<Event>,
    wake: Arc<dyn Fn() + Send + Sync>,
}

impl EventSender {
    /// `wake` makes the screen's thread look for events.
    pub fn new(events: Sender<Event>, wake: impl Fn() + Send + Sync + 'static) -> Self {
        Self { events, wake: Arc::new(wake) }
    }

    /// False if the screen has ended.
    pub fn send(&self, event: Event) -> bool {
        let sent = self.events.send(event).is_ok();
        if sent {
            (self.wake)();
        }
        sent
    }
}

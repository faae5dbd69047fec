//! Events from other threads, and waking the screen for them.

use std::sync::Arc;
use std::sync::mpsc::Sender;

use super::event::Event;

/// Where other threads put events.
#[derive(Clone)]
pub struct Mail {
    events: Sender<Event>,
    wake: Arc<dyn Fn() + Send + Sync>,
}

impl Mail {
    /// `wake` makes the screen look.
    pub fn new(events: Sender<Event>, wake: impl Fn() + Send + Sync + 'static) -> Self {
        Self { events, wake: Arc::new(wake) }
    }

    /// False if there is no screen any more.
    pub fn send(&self, event: Event) -> bool {
        let sent = self.events.send(event).is_ok();
        if sent {
            (self.wake)();
        }
        sent
    }
}

//! Threads that watch for changes: of the project by other processes, of the theme's file.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime};

use super::event::{Event, EventSender};
use super::theme::Theme;
use crate::service::Service;
use crate::terminal::colours::Colours;

/// How often the project is checked, and so how often progress is shown.
const INTERVAL: Duration = Duration::from_millis(250);

/// Sends [`Event::Changed`] when a worker or another process has written to the project.
pub fn project(service: Service, events: EventSender) {
    thread::spawn(move || {
        let reader = match service.reader() {
            Ok(reader) => reader,
            Err(error) => {
                events.send(Event::ReadFailed(error.into()));
                return;
            }
        };
        let mut before = reader.version().ok();
        loop {
            thread::sleep(INTERVAL);
            let now = reader.version().ok();
            if now != before && !events.send(Event::Changed) {
                return;
            }
            before = now;
        }
    });
}

/// Sends [`Event::Theme`] when the theme's file was edited.
pub fn theme(name: String, own: PathBuf, colours: Colours, events: EventSender) {
    thread::spawn(move || {
        let file = own.join(format!("{name}.toml"));
        let mut before = modified(&file);
        loop {
            thread::sleep(Duration::from_secs(1));
            let now = modified(&file);
            if now == before {
                continue;
            }
            before = now;
            let event = match Theme::named(&name, colours, Some(&own)) {
                Ok(theme) => Event::Theme(Box::new(theme)),
                Err(error) => Event::Notice(error.to_string()),
            };
            if !events.send(event) {
                return;
            }
        }
    });
}

fn modified(file: &Path) -> Option<SystemTime> {
    file.metadata().ok()?.modified().ok()
}

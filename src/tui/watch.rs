//! Threads that look for what others have changed: the project, the theme.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime};

use super::event::Event;
use super::mail::Mail;
use super::theme::Theme;
use crate::store::Reader;
use crate::terminal::colours::Colours;

/// Progress is shown at most so often.
const GLANCE: Duration = Duration::from_millis(250);

/// Tells when somebody else, a worker or another process, has written to the project.
pub fn project(reader: Reader, mail: Mail) {
    thread::spawn(move || {
        let mut before = reader.version().ok();
        loop {
            thread::sleep(GLANCE);
            let now = reader.version().ok();
            if now != before && !mail.send(Event::Changed) {
                return;
            }
            before = now;
        }
    });
}

/// Tells when the file of a theme was edited.
pub fn theme(name: String, own: PathBuf, colours: Colours, mail: Mail) {
    thread::spawn(move || {
        let file = own.join(format!("{name}.toml"));
        let mut before = edited(&file);
        loop {
            thread::sleep(Duration::from_secs(1));
            let now = edited(&file);
            if now == before {
                continue;
            }
            before = now;
            let event = match Theme::named(&name, colours, Some(&own)) {
                Ok(theme) => Event::Theme(Box::new(theme)),
                Err(error) => Event::Notice(error.to_string()),
            };
            if !mail.send(event) {
                return;
            }
        }
    });
}

fn edited(file: &Path) -> Option<SystemTime> {
    file.metadata().ok()?.modified().ok()
}

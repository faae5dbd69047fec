//! Pictures on the screen. Drawing asks for them, a thread opens them, and a later frame shows them.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::thread;

use image::RgbImage;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::event::{Event, EventSender};
use super::shown::Shown;
use super::theme::{Role, Theme};
use super::widgets::lines::fit;
use crate::service::{self, Service, pictures};
use crate::store::Reader;
use crate::terminal;

#[derive(Debug)]
enum Opened {
    Waiting,
    Ready(Arc<RgbImage>),
    /// The reason why it cannot be opened.
    Failed(String),
}

pub struct Pictures {
    screen: terminal::pictures::Pictures<Shown>,
    opened: HashMap<Shown, Opened>,
    ask: Sender<Shown>,
    waiting: bool,
}

/// Shown until a picture is ready.
const WAITING: &str = "…";
/// Shown if the terminal cannot show pictures, or the configuration turns them off.
const NO_PICTURES: &str = "no pictures in this terminal: run pentimento doctor";
/// At so many opened pictures all are dropped; the visible ones are opened again.
const MAX_OPENED: usize = 400;

impl Pictures {
    pub fn new(screen: terminal::pictures::Pictures<Shown>, service: Service, events: EventSender) -> Self {
        let (ask, asked) = mpsc::channel::<Shown>();
        thread::spawn(move || {
            let reader = service.reader().map_err(|error| error.to_string());
            // The newest request is what is on the screen now, so that it comes first, in drawing order.
            let mut stack: Vec<Shown> = Vec::new();
            while let Some(shown) = stack.pop().or_else(|| asked.recv().ok()) {
                let newer: Vec<Shown> = asked.try_iter().collect();
                if !newer.is_empty() {
                    stack.push(shown);
                    stack.extend(newer.into_iter().rev());
                    continue;
                }
                let opened = reader.as_ref().map_err(Clone::clone);
                let opened = opened.and_then(|reader| open(reader, &shown).map_err(|error| error.to_string()));
                let picture = opened.map(Arc::new);
                if !events.send(Event::Picture(shown, picture)) {
                    return;
                }
            }
        });
        Self { screen, opened: HashMap::new(), ask, waiting: false }
    }

    pub fn screen(&mut self) -> &mut terminal::pictures::Pictures<Shown> {
        &mut self.screen
    }

    /// Takes a picture from the thread, or the reason why it cannot be opened.
    pub fn arrived(&mut self, shown: Shown, picture: Result<Arc<RgbImage>, String>) {
        let opened = match picture {
            Ok(picture) => Opened::Ready(picture),
            Err(problem) => Opened::Failed(problem),
        };
        self.opened.insert(shown, opened);
    }

    /// Begins a frame.
    pub fn begin(&mut self) {
        self.waiting = false;
    }

    /// Whether the last frame has a picture that is not ready.
    pub fn is_waiting(&self) -> bool {
        self.waiting
    }

    /// Draws a picture, or a note if it is not ready or cannot be shown.
    pub fn draw(&mut self, frame: &mut Frame, area: Rect, shown: &Shown, theme: &Theme) {
        if area.is_empty() {
            return;
        }
        if !self.screen.is_enabled() {
            let long = usize::from(area.width) >= NO_PICTURES.len();
            let note = if long { NO_PICTURES } else { "no picture" };
            let note = fit(note, area.width.into());
            frame.render_widget(Line::styled(note, theme.style(Role::Faint)), Rect { height: 1, ..area });
            return;
        }
        let note = match self.opened.get(shown) {
            Some(Opened::Ready(picture)) => {
                if !self.screen.contains(shown, area) {
                    self.screen.add(shown.clone(), picture.clone(), area);
                }
                if self.screen.draw(frame, area, shown) {
                    return;
                }
                WAITING
            }
            Some(Opened::Failed(problem)) => problem,
            Some(Opened::Waiting) => WAITING,
            None => {
                if self.opened.len() >= MAX_OPENED {
                    self.opened.clear();
                }
                self.opened.insert(shown.clone(), Opened::Waiting);
                // The thread ends only after the screen.
                let _ = self.ask.send(shown.clone());
                WAITING
            }
        };
        self.waiting |= note == WAITING;
        let note = fit(note, area.width.into());
        frame.render_widget(Line::styled(note, theme.style(Role::Faint)), Rect { height: 1, ..area });
    }
}

/// Reads and decodes a picture.
fn open(reader: &Reader, shown: &Shown) -> service::Result<RgbImage> {
    match shown {
        Shown::Blob(hash) => pictures::open(reader, hash),
        Shown::Difference(one, other) => pictures::difference(reader, one, other),
        Shown::Preview(preview) => pictures::preview(&preview.png),
    }
}

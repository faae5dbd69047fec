//! Pictures on the screen: asked for while drawing, opened on a thread of their own, drawn once they are there.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::thread;

use image::RgbImage;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::event::Event;
use super::mail::Mail;
use super::theme::{Role, Theme};
pub use crate::service::queue::Preview;
use crate::service::{self, pictures};
use crate::store::Reader;
use crate::studio::reference::Picture;
use crate::terminal;

/// A picture that can be shown.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Shown {
    /// A file of the project, by its hash.
    Blob(blake3::Hash),
    /// How far two pictures are apart, pixel by pixel.
    Difference(blake3::Hash, blake3::Hash),
    /// What a run under way looks like.
    Preview(Preview),
}

impl Shown {
    /// The small copy of a stored picture, where there is one.
    pub fn stored(picture: &Picture) -> Self {
        Self::Blob(picture.thumbnail.unwrap_or(picture.blob))
    }

    /// The picture itself.
    pub fn whole(picture: &Picture) -> Self {
        Self::Blob(picture.blob)
    }
}

/// What a picture is when it was asked for.
#[derive(Debug)]
enum Opened {
    Asked,
    There(Arc<RgbImage>),
    Broken(String),
}

pub struct Pictures {
    screen: terminal::pictures::Pictures<Shown>,
    opened: HashMap<Shown, Opened>,
    ask: Sender<Shown>,
    waiting: bool,
}

/// Stands where a picture will.
const WAITING: &str = "…";
/// Stands there where the terminal, or a wish, rules pictures out.
const NO_PICTURES: &str = "no picture here: see pentimento doctor";
/// So many opened pictures are kept; then all are let go, and those in sight are opened again.
const MOST: usize = 400;

impl Pictures {
    pub fn new(screen: terminal::pictures::Pictures<Shown>, reader: Reader, mail: Mail) -> Self {
        let (ask, asked) = mpsc::channel::<Shown>();
        thread::spawn(move || {
            // What was asked for last is what is looked at: it comes first, in the order in which it stands there.
            let mut stack: Vec<Shown> = Vec::new();
            while let Some(shown) = stack.pop().or_else(|| asked.recv().ok()) {
                let newer: Vec<Shown> = asked.try_iter().collect();
                if !newer.is_empty() {
                    stack.push(shown);
                    stack.extend(newer.into_iter().rev());
                    continue;
                }
                let picture = open(&reader, &shown).map(Arc::new).map_err(|error| error.to_string());
                if !mail.send(Event::Picture(shown, picture)) {
                    return;
                }
            }
        });
        Self { screen, opened: HashMap::new(), ask, waiting: false }
    }

    pub fn screen(&mut self) -> &mut terminal::pictures::Pictures<Shown> {
        &mut self.screen
    }

    /// A picture was opened, or could not be.
    pub fn arrived(&mut self, shown: Shown, picture: Result<Arc<RgbImage>, String>) {
        let opened = match picture {
            Ok(picture) => Opened::There(picture),
            Err(problem) => Opened::Broken(problem),
        };
        self.opened.insert(shown, opened);
    }

    /// Before a frame is drawn.
    pub fn begin(&mut self) {
        self.waiting = false;
    }

    /// Whether a picture of the last frame is still to come.
    pub fn is_waiting(&self) -> bool {
        self.waiting
    }

    /// Draws a picture into its place, or says why it is not there.
    pub fn draw(&mut self, frame: &mut Frame, area: Rect, shown: &Shown, theme: &Theme) {
        if area.is_empty() {
            return;
        }
        if !self.screen.is_enabled() {
            let long = usize::from(area.width) >= NO_PICTURES.len();
            let note = if long { NO_PICTURES } else { "no picture" };
            let note = super::widgets::lines::fit(note, area.width.into());
            frame.render_widget(Line::styled(note, theme.style(Role::Faint)), Rect { height: 1, ..area });
            return;
        }
        let note = match self.opened.get(shown) {
            Some(Opened::There(picture)) => {
                if !self.screen.contains(shown, area) {
                    self.screen.add(shown.clone(), picture.clone(), area);
                }
                if self.screen.draw(frame, area, shown) {
                    return;
                }
                WAITING
            }
            Some(Opened::Broken(problem)) => problem,
            Some(Opened::Asked) => WAITING,
            None => {
                if self.opened.len() >= MOST {
                    self.opened.clear();
                }
                self.opened.insert(shown.clone(), Opened::Asked);
                // A thread that is gone leaves the place empty.
                let _ = self.ask.send(shown.clone());
                WAITING
            }
        };
        self.waiting |= note == WAITING;
        let note = super::widgets::lines::fit(note, area.width.into());
        frame.render_widget(Line::styled(note, theme.style(Role::Faint)), Rect { height: 1, ..area });
    }
}

fn open(reader: &Reader, shown: &Shown) -> service::Result<RgbImage> {
    match shown {
        Shown::Blob(hash) => pictures::open(reader, hash),
        Shown::Difference(one, other) => pictures::difference(reader, one, other),
        Shown::Preview(preview) => pictures::preview(&preview.png),
    }
}

//! Scaling and encoding, off the screen's thread. Half-blocks of all that is waiting come first.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::imageops::{self, FilterType};
use image::{DynamicImage, RgbImage};
use ratatui::buffer::Buffer;
use ratatui::layout::{Rect, Size};
use ratatui::widgets::Widget;
use ratatui_image::Image;
use ratatui_image::protocol::Protocol as Drawn;
use ratatui_image::protocol::halfblocks::Halfblocks;
use ratatui_image::protocol::iterm2::Iterm2;
use ratatui_image::protocol::sixel::Sixel;

use super::{Codecs, Data};
use crate::terminal::colours::Colours;
use crate::terminal::tmux;
use crate::terminal::verdict::{Cell, Protocol};

/// What encoding depends on, apart from the picture.
pub(super) struct Work {
    pub(super) protocol: Protocol,
    pub(super) colours: Colours,
    pub(super) codecs: Codecs,
    /// What goes after a picture that travels inside the text, so that its arrival is told.
    pub(super) fence: Vec<u8>,
    pub(super) through_tmux: bool,
    /// Whether a picture also empties the column to its right, in the terminal's own colour: Konsole.
    pub(super) spills: bool,
}

/// A picture to be encoded for a place of so many cells.
pub(super) struct Job<N> {
    pub(super) name: N,
    pub(super) picture: Arc<RgbImage>,
    pub(super) cells: Size,
    /// Pixels of a cell.
    pub(super) cell: Cell,
    pub(super) wanted: Wanted,
}

/// When a picture was last wanted, in the screen's frames, and which frame it is.
#[derive(Clone)]
pub(super) struct Wanted {
    last: Arc<AtomicU64>,
    now: Arc<AtomicU64>,
}

/// What came of it.
pub(super) enum Made {
    Coarse(Buffer),
    Sharp(Data),
    /// Nobody looks at it any more.
    Dropped,
    Failed,
}

pub(super) struct Encoder<N> {
    jobs: Sender<Job<N>>,
    made: Receiver<(N, Made)>,
}

impl Wanted {
    pub(super) fn new(now: &Arc<AtomicU64>) -> Self {
        Self { last: Arc::new(AtomicU64::new(now.load(Ordering::Relaxed))), now: now.clone() }
    }

    pub(super) fn touch(&self) {
        self.last.store(self.now.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    /// Whether it was drawn since the last tick.
    pub(super) fn is_visible(&self) -> bool {
        self.age() == 0
    }

    pub(super) fn age(&self) -> u64 {
        self.now.load(Ordering::Relaxed).saturating_sub(self.last.load(Ordering::Relaxed))
    }
}

impl<N: Clone + Send + 'static> Encoder<N> {
    /// The thread ends when this is dropped.
    pub(super) fn start(work: Work, wake: impl Fn() + Send + 'static) -> Self {
        let (jobs, incoming) = channel();
        let (outgoing, made) = channel();
        std::thread::spawn(move || run(&work, &incoming, &outgoing, &wake));
        Self { jobs, made }
    }

    pub(super) fn order(&self, job: Job<N>) {
        // A thread that is gone leaves the picture as it is: in half-blocks, or not at all.
        let _ = self.jobs.send(job);
    }

    pub(super) fn made(&self) -> impl Iterator<Item = (N, Made)> + '_ {
        self.made.try_iter()
    }
}

fn run<N: Clone>(work: &Work, incoming: &Receiver<Job<N>>, outgoing: &Sender<(N, Made)>, wake: &impl Fn()) {
    let mut waiting = VecDeque::new();
    loop {
        if waiting.is_empty() {
            let Ok(job) = incoming.recv() else { return };
            waiting.extend(coarse(work, job, outgoing));
        }
        while let Ok(job) = incoming.try_recv() {
            waiting.extend(coarse(work, job, outgoing));
        }
        wake();
        let Some(job) = waiting.pop_front() else { continue };
        let made = match job.wanted.age() {
            0..=2 => work.sharp(&job.picture, job.cells, job.cell).map_or(Made::Failed, Made::Sharp),
            _ => Made::Dropped,
        };
        if outgoing.send((job.name, made)).is_err() {
            return;
        }
        wake();
    }
}

/// Draws the half-blocks, and returns the job where more is to be done.
fn coarse<N: Clone>(work: &Work, job: Job<N>, outgoing: &Sender<(N, Made)>) -> Option<Job<N>> {
    if let Some(buffer) = work.coarse(&job.picture, job.cells) {
        outgoing.send((job.name.clone(), Made::Coarse(buffer))).ok()?;
    }
    work.protocol.is_sharp().then_some(job)
}

impl Work {
    fn coarse(&self, picture: &RgbImage, cells: Size) -> Option<Buffer> {
        if self.colours == Colours::None {
            return None;
        }
        // What is soon painted over need not be exact: an index travels in half the bytes.
        let is_soon_sharp = self.protocol.is_sharp() && self.colours == Colours::True;
        let colours = if is_soon_sharp { Colours::Indexed } else { self.colours };
        let mut small = scale(picture, u32::from(cells.width), 2 * u32::from(cells.height));
        colours.dither(&mut small);
        let blocks = Drawn::Halfblocks(Halfblocks::new(DynamicImage::ImageRgb8(small), cells).ok()?);
        let area = Rect::new(0, 0, cells.width, cells.height);
        let mut buffer = Buffer::empty(area);
        Image::new(&blocks).render(area, &mut buffer);
        for cell in &mut buffer.content {
            cell.fg = colours.nearest(cell.fg);
            cell.bg = colours.nearest(cell.bg);
        }
        Some(buffer)
    }

    fn sharp(&self, picture: &RgbImage, cells: Size, cell: Cell) -> Option<Data> {
        let width = u32::from(cells.width) * u32::from(cell.width);
        let height = u32::from(cells.height) * u32::from(cell.height);
        match self.protocol {
            // kitty enlarges by itself, smoothly: what is smaller than its place travels as it is.
            Protocol::Kitty if picture.width() <= width && picture.height() <= height => {
                (self.codecs.png)(picture).map(Data::Upload)
            }
            Protocol::Kitty => (self.codecs.png)(&scale(picture, width, height)).map(Data::Upload),
            Protocol::Iterm2 => {
                let jpeg = (self.codecs.jpeg)(&scale(picture, width, height))?;
                let (columns, rows) = (cells.width, cells.height);
                let (size, text) = (jpeg.len(), STANDARD.encode(&jpeg));
                let sequence = format!(
                    "\x1b]1337;File=inline=1;size={size};width={columns};height={rows};preserveAspectRatio=0;\
                     doNotMoveCursor=1:{text}\x07"
                );
                let data = self.in_text(sequence.as_bytes(), cells)?;
                let bytes = data.len();
                Some(Data::InText { bytes, drawn: Drawn::ITerm2(Iterm2 { data, size: cells, is_tmux: false }) })
            }
            Protocol::Sixel => {
                let sixel = (self.codecs.sixel)(&scale(picture, width, height))?;
                let data = self.in_text(&sixel, cells)?;
                let bytes = data.len();
                Some(Data::InText { bytes, drawn: Drawn::Sixel(Sixel { data, size: cells, is_tmux: false }) })
            }
            Protocol::HalfBlocks | Protocol::Off => None,
        }
    }

    /// A picture as the content of its first cell: its place is wiped, the picture drawn, the cursor left where it was,
    /// and the terminal asked whether it has seen it.
    fn in_text(&self, picture: &[u8], cells: Size) -> Option<String> {
        let wipe = format!("\x1b[{}X\x1b[1B", cells.width).repeat(usize::from(cells.height));
        let column = match self.spills {
            true => {
                let row = format!("\x1b7\x1b[{}C \x1b8\x1b[1B", cells.width);
                format!("{}\x1b[{}A", row.repeat(cells.height.into()), cells.height)
            }
            false => String::new(),
        };
        let column = column.as_bytes();
        let all = [b"\x1b7", wipe.as_bytes(), b"\x1b8", b"\x1b7", picture, b"\x1b8", column, &self.fence].concat();
        let all = if self.through_tmux { tmux::wrap(&all) } else { all };
        String::from_utf8(all).ok()
    }
}

/// A large picture is first brought near the size by averaging, which costs little.
fn scale(picture: &RgbImage, width: u32, height: u32) -> RgbImage {
    let (width, height) = (width.max(1), height.max(1));
    if picture.dimensions() == (width, height) {
        return picture.clone();
    }
    let near = (2 * width < picture.width() && 2 * height < picture.height())
        .then(|| imageops::thumbnail(picture, 2 * width, 2 * height));
    imageops::resize(near.as_ref().unwrap_or(picture), width, height, FilterType::Triangle)
}

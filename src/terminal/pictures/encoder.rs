//! Scales and encodes pictures on a separate thread. The half-blocks of all waiting pictures come first.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::imageops::{self, FilterType};
use image::{DynamicImage, RgbImage};
use ratatui::buffer::Buffer;
use ratatui::layout::{Rect, Size};
use ratatui::widgets::Widget;
use ratatui_image::Image;
use ratatui_image::protocol::Protocol as InlineWidget;
use ratatui_image::protocol::halfblocks::Halfblocks;
use ratatui_image::protocol::iterm2::Iterm2;
use ratatui_image::protocol::sixel::Sixel;

use super::codecs::Codecs;
use super::entry::{LastSeen, SharpData};
use crate::terminal::cell_size::CellSize;
use crate::terminal::colours::Colours;
use crate::terminal::protocol::Protocol;
use crate::terminal::tmux;

/// What the encoded bytes depend on, apart from the picture.
pub(super) struct Target {
    pub(super) protocol: Protocol,
    pub(super) colours: Colours,
    pub(super) codecs: Codecs,
    /// Follows an inline picture, so that its arrival is acknowledged.
    pub(super) acknowledgement_query: Vec<u8>,
    pub(super) through_tmux: bool,
    /// Whether a picture also erases the column to its right with the terminal's own background (Konsole).
    pub(super) erases_right_column: bool,
}

/// An order for both versions of a picture.
pub(super) struct Job<S> {
    pub(super) slot: S,
    pub(super) picture: Arc<RgbImage>,
    /// The cells that the picture fills.
    pub(super) cells: Size,
    pub(super) cell_size: CellSize,
    pub(super) last_seen: LastSeen,
}

/// A finished piece of work.
pub(super) enum Encoded {
    /// The picture in half-blocks.
    Coarse(Buffer),
    Sharp(SharpData),
    /// The picture is no longer visible.
    Skipped,
    Failed,
}

pub(super) struct Encoder<S> {
    jobs: Sender<Job<S>>,
    finished: Receiver<(S, Encoded)>,
}

impl<S: Clone + Send + 'static> Encoder<S> {
    /// Starts the thread. It ends when the encoder is dropped.
    pub(super) fn start(target: Target, wake: impl Fn() + Send + 'static) -> Self {
        let (jobs, incoming) = channel();
        let (outgoing, finished) = channel();
        std::thread::spawn(move || run(&target, &incoming, &outgoing, &wake));
        Self { jobs, finished }
    }

    pub(super) fn order(&self, job: Job<S>) {
        // If the thread is gone, the picture stays as it is: in half-blocks or invisible.
        let _ = self.jobs.send(job);
    }

    /// What was finished since the last call.
    pub(super) fn finished(&self) -> impl Iterator<Item = (S, Encoded)> + '_ {
        self.finished.try_iter()
    }
}

fn run<S: Clone>(target: &Target, incoming: &Receiver<Job<S>>, outgoing: &Sender<(S, Encoded)>, wake: &impl Fn()) {
    let mut waiting = VecDeque::new();
    loop {
        if waiting.is_empty() {
            let Ok(job) = incoming.recv() else { return };
            waiting.extend(coarse(target, job, outgoing));
        }
        while let Ok(job) = incoming.try_recv() {
            waiting.extend(coarse(target, job, outgoing));
        }
        wake();
        let Some(job) = waiting.pop_front() else { continue };
        let encoded = match job.last_seen.frames_ago() {
            0..=2 => target.sharp(&job.picture, job.cells, job.cell_size).map_or(Encoded::Failed, Encoded::Sharp),
            _ => Encoded::Skipped,
        };
        if outgoing.send((job.slot, encoded)).is_err() {
            return;
        }
        wake();
    }
}

/// Makes the half-blocks, and returns the job if a sharp version follows.
fn coarse<S: Clone>(target: &Target, job: Job<S>, outgoing: &Sender<(S, Encoded)>) -> Option<Job<S>> {
    if let Some(buffer) = target.coarse(&job.picture, job.cells) {
        outgoing.send((job.slot.clone(), Encoded::Coarse(buffer))).ok()?;
    }
    target.protocol.is_sharp().then_some(job)
}

impl Target {
    fn coarse(&self, picture: &RgbImage, cells: Size) -> Option<Buffer> {
        if self.colours == Colours::None {
            return None;
        }
        // Half-blocks that are soon replaced need not be exact: a colour index takes half the bytes of an RGB colour.
        let is_soon_sharp = self.protocol.is_sharp() && self.colours == Colours::True;
        let colours = if is_soon_sharp { Colours::Indexed } else { self.colours };
        let mut small = scale(picture, u32::from(cells.width), 2 * u32::from(cells.height));
        colours.dither(&mut small);
        let blocks = InlineWidget::Halfblocks(Halfblocks::new(DynamicImage::ImageRgb8(small), cells).ok()?);
        let area = Rect::new(0, 0, cells.width, cells.height);
        let mut buffer = Buffer::empty(area);
        Image::new(&blocks).render(area, &mut buffer);
        for cell in &mut buffer.content {
            cell.fg = colours.nearest(cell.fg);
            cell.bg = colours.nearest(cell.bg);
        }
        Some(buffer)
    }

    fn sharp(&self, picture: &RgbImage, cells: Size, cell: CellSize) -> Option<SharpData> {
        let width = u32::from(cells.width) * u32::from(cell.width);
        let height = u32::from(cells.height) * u32::from(cell.height);
        match self.protocol {
            // kitty enlarges smoothly itself: a smaller picture is sent as it is.
            Protocol::Kitty if picture.width() <= width && picture.height() <= height => {
                (self.codecs.png)(picture).map(SharpData::Upload)
            }
            Protocol::Kitty => (self.codecs.png)(&scale(picture, width, height)).map(SharpData::Upload),
            Protocol::Iterm2 => {
                let jpeg = (self.codecs.jpeg)(&scale(picture, width, height))?;
                let (columns, rows) = (cells.width, cells.height);
                let (size, text) = (jpeg.len(), STANDARD.encode(&jpeg));
                let sequence = format!(
                    "\x1b]1337;File=inline=1;size={size};width={columns};height={rows};preserveAspectRatio=0;\
                     doNotMoveCursor=1:{text}\x07"
                );
                let data = self.inline(sequence.as_bytes(), cells)?;
                let bytes = data.len();
                Some(SharpData::Inline {
                    bytes,
                    widget: InlineWidget::ITerm2(Iterm2 { data, size: cells, is_tmux: false }),
                })
            }
            Protocol::Sixel => {
                let sixel = (self.codecs.sixel)(&scale(picture, width, height))?;
                let data = self.inline(&sixel, cells)?;
                let bytes = data.len();
                Some(SharpData::Inline {
                    bytes,
                    widget: InlineWidget::Sixel(Sixel { data, size: cells, is_tmux: false }),
                })
            }
            Protocol::HalfBlocks | Protocol::Off => None,
        }
    }

    /// A picture as the content of its first cell: erases its place, draws it, restores the cursor, and asks for an
    /// acknowledgement.
    fn inline(&self, picture: &[u8], cells: Size) -> Option<String> {
        let erase = format!("\x1b[{}X\x1b[1B", cells.width).repeat(usize::from(cells.height));
        let repaint_column = match self.erases_right_column {
            true => {
                let row = format!("\x1b7\x1b[{}C \x1b8\x1b[1B", cells.width);
                format!("{}\x1b[{}A", row.repeat(cells.height.into()), cells.height)
            }
            false => String::new(),
        };
        let repaint_column = repaint_column.as_bytes();
        let all = [
            b"\x1b7",
            erase.as_bytes(),
            b"\x1b8",
            b"\x1b7",
            picture,
            b"\x1b8",
            repaint_column,
            &self.acknowledgement_query,
        ]
        .concat();
        let all = if self.through_tmux { tmux::wrap(&all) } else { all };
        String::from_utf8(all).ok()
    }
}

/// Scales a picture. Averaging first brings a large one near the size, which is fast.
fn scale(picture: &RgbImage, width: u32, height: u32) -> RgbImage {
    let (width, height) = (width.max(1), height.max(1));
    if picture.dimensions() == (width, height) {
        return picture.clone();
    }
    let near = (2 * width < picture.width() && 2 * height < picture.height())
        .then(|| imageops::thumbnail(picture, 2 * width, 2 * height));
    imageops::resize(near.as_ref().unwrap_or(picture), width, height, FilterType::Triangle)
}

//! Pictures in the terminal with their captions, or the captions alone if it cannot show pictures.

use std::io::{self, Write};

use image::{DynamicImage, RgbImage};
use viuer::ViuError;

use super::terminal::{Images, Terminal};
use crate::imaging::sheet;

/// Cells between two pictures.
const GAP: u32 = 2;
/// The maximum width of a picture in cells.
const WIDEST: u32 = 44;

/// Writes pictures and lines to stdout.
pub struct Screen {
    terminal: Terminal,
}

impl Screen {
    pub fn of_stdout() -> Self {
        Self { terminal: Terminal::on_stdout() }
    }

    /// Whether the terminal shows pictures.
    pub fn shows_pictures(&self) -> bool {
        self.terminal.images != Images::Off
    }

    /// Prints one line.
    pub fn line(&self, text: &str) -> io::Result<()> {
        writeln!(io::stdout(), "{text}")
    }

    /// Prints pictures in rows that fill the terminal, each above its caption. If the terminal cannot show pictures,
    /// prints one caption per line.
    pub fn pictures(&self, pictures: &[&RgbImage], captions: &[String]) -> io::Result<()> {
        if self.terminal.images == Images::Off {
            captions.iter().try_for_each(|caption| self.line(&format!("  {caption}")))?;
            return self.line("");
        }
        let (columns, width) = self.layout(pictures.len());
        for (pictures, captions) in pictures.chunks(columns).zip(captions.chunks(columns)) {
            self.strip(pictures, width).map_err(as_io)?;
            self.captions(captions, width)?;
        }
        Ok(())
    }

    /// The number of pictures per row, and the width of each in cells. A face in half-blocks needs more cells than one
    /// in pixels.
    fn layout(&self, count: usize) -> (usize, u32) {
        let least = if self.terminal.images == Images::HalfBlocks { 36 } else { 18 };
        let available = u32::from(self.terminal.capabilities.columns).max(least);
        let count = count.max(1) as u32;
        let fitting = ((available + GAP) / (least + GAP)).clamp(1, count);
        // Fill the rows evenly.
        let columns = count.div_ceil(count.div_ceil(fitting));
        let width = (available - (columns - 1) * GAP) / columns;
        // An even number, because a cell is about twice as high as it is wide.
        (columns as usize, width.min(WIDEST) & !1)
    }

    /// Prints one row of pictures, scaled here so that only visible pixels are sent.
    fn strip(&self, pictures: &[&RgbImage], width: u32) -> Result<(), ViuError> {
        // A half-block is one pixel wide and two high. Other cells are about ten pixels wide; those terminals scale up
        // themselves, so that at most twice the picture's own size is sent.
        let side = match self.terminal.images {
            Images::HalfBlocks => width,
            _ => pictures
                .iter()
                .map(|picture| 2 * picture.width().max(picture.height()))
                .fold(0, u32::max)
                .min(10 * width),
        };
        let strip = sheet::strip(pictures, side, GAP * side / width);
        let count = pictures.len() as u32;
        let config = viuer::Config {
            transparent: true,
            absolute_offset: false,
            width: Some(count * width + (count - 1) * GAP),
            height: Some(width / 2),
            truecolor: self.terminal.is_truecolor(),
            use_kitty: self.terminal.images == Images::Kitty,
            use_iterm: self.terminal.images == Images::Iterm2,
            ..viuer::Config::default()
        };
        viuer::print(&DynamicImage::ImageRgba8(strip), &config).map(drop)
    }

    /// Prints captions below their pictures, wrapped to the same width.
    fn captions(&self, captions: &[String], width: u32) -> io::Result<()> {
        let width = width as usize;
        let wrapped: Vec<Vec<String>> = captions.iter().map(|caption| sheet::wrap(caption, width)).collect();
        let lines = wrapped.iter().map(Vec::len).max().unwrap_or(0);
        let mut out = io::stdout().lock();
        for number in 0..lines {
            let line: Vec<String> = wrapped
                .iter()
                .map(|lines| format!("{:<width$}", lines.get(number).map_or("", String::as_str)))
                .collect();
            writeln!(out, "{}", line.join(&" ".repeat(GAP as usize)).trim_end())?;
        }
        writeln!(out)
    }
}

/// Keeps the kind of I/O errors, because a closed pipe is not a failure.
fn as_io(error: ViuError) -> io::Error {
    match error {
        ViuError::Io(error) => error,
        other => io::Error::other(other.to_string()),
    }
}

//! Shows pages of twelve pictures, to test a terminal:
//!
//!     cargo run --release --example thumbnails [FOLDER] [--images kitty|sixel|iterm2|halfblocks|off]
//!
//! Arrow keys move, n and N turn pages, p opens a popup, Ctrl-L redraws, Ctrl-Z suspends, q quits, ! panics. Without a
//! folder it shows the built-in model's references with their colours rotated.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, ensure};
use crossterm::event::{KeyCode, KeyModifiers};
use image::RgbImage;
use pentimento::imaging::{self, compact};
use pentimento::terminal::capabilities::Capabilities;
use pentimento::terminal::detect;
use pentimento::terminal::pictures::{Codecs, Pictures};
use pentimento::terminal::protocol::ChosenProtocol;
use pentimento::terminal::session::{Event, Session};
use ratatui::Frame;
use ratatui::layout::{Rect, Size};
use ratatui::style::{Modifier, Style};
use ratatui::widgets::{Block, Clear, Paragraph, Wrap};

const COLUMNS: usize = 4;
const PAGE: usize = 12;
/// Cells of a picture, without its frame.
const CELLS: Size = Size::new(24, 11);

struct App {
    pictures: Pictures<usize>,
    shown: Vec<(String, Arc<RgbImage>)>,
    selected: usize,
    popup: bool,
    about: String,
}

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (mut chosen, mut folder) = (None, None);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--images" => {
                let protocol = arguments.next().unwrap_or_default().parse().context("the value of --images")?;
                chosen = Some(ChosenProtocol { protocol, source: "flag --images".to_owned() });
            }
            path => folder = Some(PathBuf::from(path)),
        }
    }
    let shown = load(folder.as_deref())?;
    let capabilities = detect(chosen, true);
    let mut session = Session::open()?;
    let waker = session.waker();
    let codecs = Codecs { png: compact::png, jpeg: compact::jpeg, sixel: compact::sixel };
    let pictures = Pictures::new(&capabilities, codecs, move || waker.wake());
    let mut app = App { pictures, shown, selected: 0, popup: false, about: about(&capabilities) };
    loop {
        let prelude = app.pictures.prepare_frame(Instant::now());
        session.draw(&prelude, |frame| app.draw(frame))?;
        let Some(event) = session.next(app.pictures.time_until_work(Instant::now()))? else { continue };
        match event {
            Event::Key(key) if key.modifiers.contains(KeyModifiers::CONTROL) => match key.code {
                KeyCode::Char('l') => {
                    session.redraw();
                    app.pictures.invalidate_all();
                }
                KeyCode::Char('z') => session.suspend()?,
                _ => {}
            },
            Event::Key(key) => match key.code {
                KeyCode::Char('q') => {
                    session.drain_replies(app.pictures.pending_replies());
                    return Ok(());
                }
                KeyCode::Char('!') => panic!("panic requested with !"),
                KeyCode::Char('p') => app.toggle_popup(),
                code => app.step(code),
            },
            Event::Resized | Event::Reattached => {
                session.cell_size().into_iter().for_each(|size| app.pictures.set_cell_size(size));
                app.pictures.invalidate_all();
            }
            Event::Reply(reply) => app.pictures.handle_reply(&reply),
            Event::Shutdown(_) => return Ok(()),
            Event::FocusGained | Event::Woken | Event::Paste(_) => {}
        }
    }
}

impl App {
    fn step(&mut self, code: KeyCode) {
        let pages = self.shown.len().div_ceil(PAGE);
        let selected = match code {
            KeyCode::Left => self.selected.saturating_sub(1),
            KeyCode::Right => self.selected + 1,
            KeyCode::Up => self.selected.saturating_sub(COLUMNS),
            KeyCode::Down => self.selected + COLUMNS,
            KeyCode::Char('n') => (self.selected / PAGE + 1) % pages * PAGE,
            KeyCode::Char('N') => (self.selected / PAGE + pages - 1) % pages * PAGE,
            _ => self.selected,
        };
        self.selected = selected.min(self.shown.len() - 1);
    }

    fn toggle_popup(&mut self) {
        self.popup = !self.popup;
        if self.popup { self.pictures.cover(POPUP) } else { self.pictures.uncover() }
    }

    fn draw(&mut self, frame: &mut Frame<'_>) {
        let page = self.selected / PAGE * PAGE;
        for (place, index) in (page..self.shown.len().min(page + PAGE)).enumerate() {
            let (column, row) = ((place % COLUMNS) as u16, (place / COLUMNS) as u16);
            let area =
                Rect::new(column * (CELLS.width + 2), row * (CELLS.height + 2), CELLS.width + 2, CELLS.height + 2);
            if area.intersection(frame.area()) != area {
                continue;
            }
            let style =
                if index == self.selected { Style::new().add_modifier(Modifier::REVERSED) } else { Style::new() };
            let (name, picture) = &self.shown[index];
            let block = Block::bordered().title(name.as_str()).border_style(style);
            let inside = block.inner(area);
            frame.render_widget(block, area);
            if !self.pictures.draw(frame, inside, &index) {
                self.pictures.add(index, picture.clone(), inside);
            }
        }
        let side = Rect::new(105, 0, 15, 30).intersection(frame.area());
        frame.render_widget(Paragraph::new(self.about.as_str()).wrap(Wrap { trim: true }), side);
        if self.popup {
            let area = POPUP.intersection(frame.area());
            frame.render_widget(Clear, area);
            let text = Paragraph::new("A popup over the pictures.\n\nNo picture may show through it.");
            frame.render_widget(text.block(Block::bordered().title("popup")), area);
        }
    }
}

const POPUP: Rect = Rect::new(38, 8, 34, 12);

fn about(capabilities: &Capabilities) -> String {
    let Capabilities { protocol, reason, cell_size, colours, .. } = capabilities;
    format!("{protocol}: {reason}. Cell {}×{}, {}.", cell_size.width, cell_size.height, colours.name())
}

/// Fills four pages with the pictures of a folder, repeated with rotated colour channels.
fn load(folder: Option<&Path>) -> anyhow::Result<Vec<(String, Arc<RgbImage>)>> {
    let embedded = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/mini/subject");
    let folder = folder.unwrap_or(&embedded);
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .with_context(|| format!("reading {}", folder.display()))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| ["png", "jpg"].iter().any(|known| extension == *known)))
        .collect();
    paths.sort();
    ensure!(!paths.is_empty(), "no pictures in {}", folder.display());
    let originals: Vec<RgbImage> = paths
        .iter()
        .map(|path| Ok(imaging::thumbnail(&imaging::open_picture(path)?.picture)))
        .collect::<imaging::Result<_>>()?;
    let turned = |number: usize| {
        let mut picture = originals[number % originals.len()].clone();
        let turns = number / originals.len();
        picture.pixels_mut().for_each(|pixel| pixel.0.rotate_left(turns % 3));
        (format!("{:02}", number + 1), Arc::new(picture))
    };
    Ok((0..4 * PAGE).map(turned).collect())
}

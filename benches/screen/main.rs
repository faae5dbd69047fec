//! Measures the screen: bytes for pictures in each protocol, bytes and latency of keys while a worker generates, and the
//! time from start to first frame. See `benches/terminal.md`.

#[path = "../project/fill.rs"]
#[allow(dead_code)]
mod fill;
mod photographs;
mod terminal;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};

use terminal::{Kind, Part, Terminal, frames};

fn main() -> Result<()> {
    let filters: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let is_selected = |name: &str| filters.is_empty() || filters.iter().any(|filter| name.contains(filter.as_str()));
    if is_selected("thumbnails") {
        thumbnails()?;
    }
    if let Ok(link) = std::env::var("PENTIMENTO_BENCH_LINK") {
        slow_link(&link)?;
    }
    if is_selected("keys") {
        keys()?;
    }
    if is_selected("start") {
        start()?;
    }
    Ok(())
}

/// The example that shows pages of twelve pictures of 24×11 cells.
fn example() -> Result<PathBuf> {
    let example = std::env::current_exe()?.with_file_name("../examples/thumbnails");
    ensure!(example.exists(), "{} is missing: run `cargo build --release --example thumbnails`", example.display());
    Ok(example)
}

/// Pages of twelve photographs in kitty over a link. `link` is a command that runs another one, such as `ssh -tt host`.
/// Measures the time from the key that turns the page until the page is readable and until it is sharp, and a cursor
/// move during uploads.
fn slow_link(link: &str) -> Result<()> {
    let folder = tempfile::tempdir()?;
    photographs::write(folder.path(), 48)?;
    let mut arguments = link.split_whitespace();
    let mut command = Command::new(arguments.next().unwrap_or_default());
    command.args(arguments).arg(example()?).arg(folder.path());
    for name in ["HOME", "PATH"] {
        command.env(name, std::env::var_os(name).unwrap_or_default());
    }
    let mut terminal = Terminal::open(&mut command, Kind::Kitty, (120, 40))?;
    terminal.until("\x1b[?2026l", Duration::from_secs(30))?;
    let quiet = Duration::from_millis(1500);
    terminal.wait(Duration::from_secs(8));
    println!("over {link:?}, in ms");
    println!("page    readable   sharp");
    for page in 2..=4 {
        let parts = terminal.press("n", quiet)?;
        // With the last half-blocks, all twelve pictures are visible.
        let readable = parts.iter().rfind(|part| String::from_utf8_lossy(&part.bytes).contains(['▀', '▄']));
        let at = |part: Option<&Part>| part.map_or(f64::NAN, |part| part.at.as_secs_f64() * 1e3);
        println!("{page:>4}  {:>10.0}{:>8.0}", at(readable), at(parts.last()));
    }
    terminal.press("n", quiet)?;
    let mut moves: Vec<f64> = Vec::new();
    for _ in 0..10 {
        let parts = terminal.press("\x1b[C", Duration::from_millis(400))?;
        moves.extend(parts.last().map(|part| part.at.as_secs_f64() * 1e3));
    }
    moves.sort_by(f64::total_cmp);
    println!("cursor move: median {:.0}, worst {:.0}\n", moves[moves.len() / 2], moves[moves.len() - 1]);
    terminal.end("q")
}

/// The bytes for pages of twelve photographs of 24×11 cells.
fn thumbnails() -> Result<()> {
    let example = example()?;
    let folder = tempfile::tempdir()?;
    photographs::write(folder.path(), 48)?;
    println!("bytes         first page  cursor move  popup opens  closes  new page  back to a page  ten idle seconds");
    for kind in [Kind::Kitty, Kind::Iterm2, Kind::Sixel] {
        let mut terminal = Terminal::open(Command::new(&example).arg(folder.path()), kind, (120, 40))?;
        let long = Duration::from_millis(1500);
        let first = bytes(&terminal.until_quiet(long));
        let mut mean = |key: &str, times: usize| -> Result<usize> {
            let mut all = 0;
            for _ in 0..times {
                all += bytes(&terminal.press(key, Duration::from_millis(300))?);
            }
            Ok(all / times)
        };
        let cursor_move = mean("\x1b[C", 10)?;
        let (open, closed) = (bytes(&terminal.press("p", long)?), bytes(&terminal.press("p", long)?));
        let pages: Vec<usize> = (0..4).map(|_| Ok(bytes(&terminal.press("n", long)?))).collect::<Result<_>>()?;
        let idle = bytes(&terminal.wait(Duration::from_secs(10)));
        let (other, back) = (pages[0], pages[3]);
        println!(
            "{:<12}  {first:>10}  {cursor_move:>11}  {open:>11}  {closed:>6}  {other:>8}  {back:>14}  {idle:>16}",
            kind.name()
        );
        terminal.end("q")?;
    }
    println!();
    Ok(())
}

/// Keys in the grid of pictures, while the worker in the same process generates more.
fn keys() -> Result<()> {
    let home = tempfile::tempdir()?;
    let run = |arguments: &[&str]| -> Result<()> {
        let output = program(home.path()).args(arguments).output()?;
        ensure!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    };
    let mut terminal = Terminal::open(&mut program(home.path()), Kind::Kitty, (120, 40))?;
    terminal.until("sample", Duration::from_secs(20))?;
    terminal.end("q")?;
    run(&["run", "sample", "--parent", "sample-0001", "--set", "guidance=4", "--seeds", "10x60"])?;
    run(&["worker", "--until-empty"])?;
    let long = ["run", "sample", "--parent", "sample-0001", "--set", "steps=300", "--seeds", "10x30"];
    run(&long)?;

    let mut terminal = Terminal::open(&mut program(home.path()), Kind::Kitty, (120, 40))?;
    terminal.until("▶", Duration::from_secs(20))?;
    let pause = Duration::from_millis(60);
    terminal.press("\r", Duration::from_millis(150))?;
    terminal.press("t", Duration::from_millis(150))?;
    // Visits all pages once, until their pictures are shown.
    for key in ["l", "h"] {
        for _ in 0..60 {
            terminal.press(key, pause)?;
        }
        terminal.wait(Duration::from_secs(3));
    }
    let before = terminal.cpu_time()?;
    let began = std::time::Instant::now();
    let (mut first, mut last_frame, mut sizes) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..5 {
        for _ in 0..60 {
            let parts = terminal.press(if round % 2 == 0 { "l" } else { "h" }, pause)?;
            let drawn = frames(&parts);
            let own: Vec<_> = drawn.iter().filter(|frame| !frame.is_title).collect();
            if let (Some(one), Some(last)) = (own.first(), own.last()) {
                first.push(one.ended.as_secs_f64() * 1e3);
                last_frame.push(last.ended.as_secs_f64() * 1e3);
                sizes.push(own.iter().map(|frame| frame.bytes as f64).sum());
            }
        }
    }
    let cores = (terminal.cpu_time()? - before).as_secs_f64() / began.elapsed().as_secs_f64();
    println!("{} keys in the grid, with {cores:.1} of {} cores busy", first.len(), core_count());
    println!("                          median     p95   worst");
    for (name, figures) in [("first frame, ms", &mut first), ("last frame, ms", &mut last_frame), ("bytes", &mut sizes)]
    {
        figures.sort_by(f64::total_cmp);
        let at = |share: f64| figures[((figures.len() - 1) as f64 * share).round() as usize];
        println!("{name:<24} {:>8.1}{:>8.1}{:>8.1}", at(0.5), at(0.95), at(1.0));
    }
    println!();
    terminal.end("q")
}

/// The time from the start of the program to its first frame and to the list of subjects, in a project of 100,000 runs.
fn start() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let project = folder.path().join("project");
    let size = fill::Size::of(100_000);
    fill::project(&project, size)?;
    let on_project = || -> Command {
        let mut command = program(folder.path());
        command.arg("--project").arg(&project);
        command
    };
    ensure!(on_project().args(["queue", "pause"]).output()?.status.success(), "`queue pause` failed");
    let (mut frame, mut list) = (Vec::new(), Vec::new());
    for time in 0..12 {
        let mut terminal = Terminal::open(&mut on_project(), Kind::Kitty, (120, 40))?;
        // The check mark is the first one in the list of subjects, where it marks a valid consent.
        let seen =
            [terminal.until("\x1b[?2026l", Duration::from_secs(20))?, terminal.until("✓", Duration::from_secs(20))?];
        // The first start fills the system's file cache.
        if time > 0 {
            frame.push(seen[0].as_secs_f64() * 1e3);
            list.push(seen[1].as_secs_f64() * 1e3);
        }
        terminal.end("q")?;
    }
    println!("{size}: time from start, in ms");
    println!("                          median   worst");
    for (name, mut figures) in [("first frame", frame), ("list of subjects", list)] {
        figures.sort_by(f64::total_cmp);
        println!("{name:<24} {:>8.1}{:>8.1}", figures[figures.len() / 2], figures[figures.len() - 1]);
    }
    println!();
    Ok(())
}

fn program(home: &Path) -> Command {
    let mut command = Command::new(PathBuf::from(env!("CARGO_BIN_EXE_pentimento")));
    command.env_clear().env("HOME", home).env("USER", "bench").env("COLORTERM", "truecolor");
    command
}

fn bytes(parts: &[Part]) -> usize {
    parts.iter().map(|part| part.bytes.len()).sum()
}

fn core_count() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

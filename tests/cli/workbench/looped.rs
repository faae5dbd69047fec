//! The whole loop through the real program in a terminal: from a fresh home to the drafted next run.

use std::io::{Read, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{self, Ran, pentimento};

const SIZE: (u16, u16) = (100, 30);
/// Longer than anything here takes, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(120);

/// The program in a terminal.
struct Terminal {
    // Closed when it goes, which the program hears.
    _master: Box<dyn MasterPty + Send>,
    writer: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    seen: Arc<Mutex<vt100::Parser>>,
}

impl Terminal {
    fn open(home: &Path, words: &[&str]) -> Self {
        let (cols, rows) = SIZE;
        let pair = native_pty_system().openpty(PtySize { rows, cols, pixel_width: 0, pixel_height: 0 }).unwrap();
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_pentimento"));
        command.args(words);
        command.env_clear();
        command.env("HOME", home);
        command.env("TERM", "xterm-256color");
        command.env("PENTIMENTO_IMAGES", "halfblocks");
        command.env("PENTIMENTO_LOG", "off");
        command.env("USER", "tester");
        command.cwd(home);
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let mut reader = pair.master.try_clone_reader().unwrap();
        let seen = Arc::new(Mutex::new(vt100::Parser::new(rows, cols, 0)));
        let to = seen.clone();
        std::thread::spawn(move || {
            let mut part = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut part) {
                to.lock().unwrap().process(&part[..count]);
            }
        });
        let writer = pair.master.take_writer().unwrap();
        Self { _master: pair.master, writer, child, seen }
    }

    fn text(&self) -> String {
        self.seen.lock().unwrap().screen().contents()
    }

    /// Waits until this stands on the screen.
    #[track_caller]
    fn wait(&self, words: &str) -> &Self {
        let until = Instant::now() + PATIENCE;
        while !self.text().contains(words) {
            assert!(Instant::now() < until, "{words:?} does not come:\n{}", self.text());
            std::thread::sleep(Duration::from_millis(20));
        }
        self
    }

    fn press(&mut self, keys: &str) -> &mut Self {
        self.writer.write_all(keys.as_bytes()).unwrap();
        self.writer.flush().unwrap();
        self
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.process_id().unwrap() as i32).unwrap();
        kill_process(pid, signal).unwrap();
    }

    fn ended(&mut self) -> u32 {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.exit_code();
            }
            assert!(Instant::now() < until, "it does not end:\n{}", self.text());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn cli(home: &Path, words: &[&str]) -> Ran {
    support::run(pentimento().args(words).env("HOME", home).current_dir(home))
}

#[test]
fn from_a_fresh_home_to_the_drafted_next_run() {
    let home = tempfile::tempdir().unwrap();
    let picture = home.path().join("frontal.png");
    support::picture(&picture, 90);

    let mut screen = Terminal::open(home.path(), &[]);
    screen.wait("sample").wait("in force");
    screen.press("a").wait("The new subject's name");
    screen.press("Ada\r").wait("ada is there");
    screen.press("g").wait("ada");
    screen.press("R").wait("No reference yet");

    screen.press("g").wait("on what ground");
    screen.press("\r").wait("own: who allowed what");
    screen.press("pictures of myself\r").wait("The right is kept");
    screen.press("i").wait("Tab completes");
    screen.press(picture.parent().unwrap().to_str().unwrap()).press("/fr").wait("frontal.png");
    screen.press("\t\r").wait("is a candidate");
    screen.press("a").wait("✓ approved");

    screen.press("C").wait("the first run");
    screen.press("\r").press("portrait of a calm person\r").wait("may be queued");
    // Down to the steps, and typed.
    screen.press("jjjjjjjjj\r").press("\x152\r").press("s");
    screen.wait("ada-0001");
    screen.press("H").wait("3 pictures, newest first");
    screen.press("\r").wait("waxy");
    screen.press("3").wait("suspect");
    screen.press("\r").wait("ada-0002 waits");
    screen.press("q");
    assert_eq!(screen.ended(), 0);

    let run = cli(home.path(), &["show", "ada-0002", "--json"]).json();
    assert_eq!(run["parent"], "ada-0001", "{run}");
    assert_eq!(run["delta"].as_array().map(Vec::len), Some(1), "{run}");
    let first = cli(home.path(), &["show", "ada-0001", "--json"]).json();
    assert_eq!(first["state"], "done", "{first}");
    assert!(first.to_string().contains("waxy"), "{first}");
}

/// The states of all runs.
fn states(home: &Path) -> Vec<String> {
    let runs = cli(home, &["runs", "--json"]).json();
    runs["runs"].as_array().unwrap().iter().map(|run| run["state"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_lost_connection_takes_the_screen_and_leaves_the_worker() {
    let home = tempfile::tempdir().unwrap();
    let mut screen = Terminal::open(home.path(), &[]);
    screen.wait("sample").wait("▶ sample-0001");
    screen.signal(Signal::HUP);
    screen.ended();
    assert_eq!(states(home.path()), ["done", "done"]);
    assert_eq!(cli(home.path(), &["verify"]).status, 0);
}

#[test]
fn a_terminated_screen_leaves_its_run_to_the_next() {
    let home = tempfile::tempdir().unwrap();
    let mut screen = Terminal::open(home.path(), &[]);
    screen.wait("sample").wait("▶ sample-0001");
    screen.signal(Signal::TERM);
    assert_eq!(screen.ended(), 143);
    assert!(!states(home.path()).contains(&"running".to_owned()), "{:?}", states(home.path()));
    let mut again = Terminal::open(home.path(), &[]);
    again.wait("sample");
    again.press("Q").wait("Nothing waits");
    again.press("q");
    assert_eq!(again.ended(), 0);
    assert_eq!(states(home.path()), ["done", "done"]);
}

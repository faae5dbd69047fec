//! A drawn screen in a pseudo-terminal: what it leaves behind however it ends, and what it hears. The screen is this
//! test's own program, run again for the test `screen`.
#![cfg(unix)]

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crossterm::event::{KeyCode, KeyModifiers};
use pentimento::terminal::input::End;
use pentimento::terminal::kitty;
use pentimento::terminal::session::{Before, Event, Session};
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use ratatui::layout::Size;
use ratatui::widgets::Paragraph;
use rustix::process::{Pid, Signal, kill_process};
use rustix::termios::{LocalModes, tcgetattr};

const VARIABLE: &str = "PENTIMENTO_TEST_SCREEN";
/// Longer than any of this takes, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(60);
const ROWS: u16 = 10;
const COLUMNS: u16 = 160;

/// The screen that is tested: shows what it hears. Run by the others, in a terminal.
#[test]
#[ignore = "run by the other tests"]
fn screen() {
    let Some(report) = std::env::var_os(VARIABLE) else { return };
    let mut heard = String::new();
    let ended = {
        let mut session = Session::open().unwrap();
        loop {
            session
                .draw(&Before::default(), |frame| {
                    frame.render_widget(Paragraph::new(format!("heard:{heard}.")), frame.area())
                })
                .unwrap();
            let Some(event) = session.next(None).unwrap() else { continue };
            match event {
                Event::Key(key) => match (key.code, key.modifiers) {
                    (KeyCode::Char('q'), _) => break None,
                    (KeyCode::Char('!'), _) => panic!("asked for"),
                    (KeyCode::Char('t'), _) => drop(std::thread::spawn(|| panic!("a thread was asked for")).join()),
                    (KeyCode::Char('z'), KeyModifiers::CONTROL) => session.suspend().unwrap(),
                    (KeyCode::Char('u'), _) => {
                        let parts = kitty::upload(0x7fff_1234, Size::new(2, 1), b"no picture", false);
                        parts.iter().for_each(|part| session.send(part).unwrap());
                    }
                    (KeyCode::Char('w'), _) => heard += &format!(" {} of 2", session.hear_out(2)),
                    // Deaf and blind.
                    (KeyCode::Char('d'), _) => std::thread::sleep(PATIENCE),
                    (code, _) => heard += &format!(" {code}"),
                },
                Event::Paste(text) => heard += &format!(" pasted {text:?}"),
                Event::Resized => heard += " resized",
                Event::Reattached => heard += " reattached",
                Event::FocusGained => heard += " focus",
                Event::Answer(answer) => heard += &format!(" {answer:?}"),
                Event::Woken => heard += " woken",
                Event::Ended(end) => {
                    if matches!(end, End::HungUp | End::Signal(1)) {
                        // The screen is still there, and has nothing to do.
                        let before = processor_time();
                        std::thread::sleep(Duration::from_secs(1));
                        let spent = processor_time() - before;
                        std::fs::write(&report, spent.as_millis().to_string()).unwrap();
                    }
                    break Some(end);
                }
            }
        }
    };
    // A terminal that has gone away takes no words.
    let _ = writeln!(std::io::stdout(), "ended: {ended:?}");
}

/// Of this process, in all its threads.
fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(10 * ticks)
}

/// The screen in its terminal.
struct Rig {
    master: Option<Box<dyn MasterPty + Send>>,
    writer: Option<Box<dyn Write + Send>>,
    child: Box<dyn Child + Send + Sync>,
    seen: Arc<Mutex<(Vec<u8>, vt100::Parser)>>,
    closed: Arc<AtomicBool>,
    tty: File,
    folder: tempfile::TempDir,
}

impl Rig {
    fn start() -> Self {
        let size = PtySize { rows: ROWS, cols: COLUMNS, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut command = CommandBuilder::new(std::env::current_exe().unwrap());
        command.args(["screen", "--exact", "--ignored", "--nocapture", "--test-threads=1"]);
        command.env(VARIABLE, folder.path().join("report"));
        command.env("TERM", "xterm-256color");
        let child = pair.slave.spawn_command(command).unwrap();
        let name = pair.master.tty_name().unwrap();
        let no_controlling_terminal = rustix::fs::OFlags::NOCTTY.bits() as i32;
        let tty = OpenOptions::new().read(true).custom_flags(no_controlling_terminal).open(name).unwrap();
        drop(pair.slave);
        let mut reader = pair.master.try_clone_reader().unwrap();
        let seen = Arc::new(Mutex::new((Vec::new(), vt100::Parser::new(ROWS, COLUMNS, 0))));
        let closed = Arc::new(AtomicBool::new(false));
        let (to, over) = (seen.clone(), closed.clone());
        std::thread::spawn(move || {
            let mut part = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut part) {
                if over.load(Ordering::SeqCst) {
                    return;
                }
                let mut seen = to.lock().unwrap();
                seen.0.extend_from_slice(&part[..count]);
                seen.1.process(&part[..count]);
            }
        });
        let writer = pair.master.take_writer().unwrap();
        let rig = Self { master: Some(pair.master), writer: Some(writer), child, seen, closed, tty, folder };
        rig.wait("heard:.");
        rig
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.child.process_id().unwrap() as i32).unwrap()
    }

    fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    fn type_in(&mut self, text: &str) {
        let writer = self.writer.as_mut().unwrap();
        writer.write_all(text.as_bytes()).unwrap();
        writer.flush().unwrap();
    }

    fn text(&self) -> String {
        self.seen.lock().unwrap().1.screen().contents()
    }

    fn raw(&self) -> String {
        String::from_utf8_lossy(&self.seen.lock().unwrap().0).into_owned()
    }

    #[track_caller]
    fn until(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so(self) {
            assert!(Instant::now() < deadline, "{what} never came; the screen shows: {}", self.text());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[track_caller]
    fn wait(&self, text: &str) {
        self.until(text, |rig| rig.text().contains(text));
    }

    /// The status it ends with.
    #[track_caller]
    fn ends(&mut self) -> u32 {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.exit_code();
            }
            if Instant::now() > deadline {
                self.child.kill().unwrap();
                panic!("it goes on; the screen shows: {}", self.text());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Whether the terminal is as it was before, for a shell to go on with.
    fn is_restored(&self) -> bool {
        let seen = self.seen.lock().unwrap();
        let screen = seen.1.screen();
        let modes = tcgetattr(&self.tty).unwrap().local_modes;
        let raw = String::from_utf8_lossy(&seen.0);
        let last = |on: &str, off: &str| raw.rfind(off) > raw.rfind(on);
        modes.contains(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG)
            && !screen.alternate_screen()
            && !screen.bracketed_paste()
            && !screen.hide_cursor()
            && last("\x1b[?1004h", "\x1b[?1004l")
            && last("\x1b[?2026h", "\x1b[?2026l")
    }

    fn is_taken(&self) -> bool {
        let seen = self.seen.lock().unwrap();
        let screen = seen.1.screen();
        let modes = tcgetattr(&self.tty).unwrap().local_modes;
        !modes.intersects(LocalModes::ICANON | LocalModes::ECHO) && screen.alternate_screen() && screen.hide_cursor()
    }

    fn is_stopped(&self) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid().as_raw_nonzero())).unwrap();
        stat.rsplit(')').next().unwrap().trim_start().starts_with('T')
    }

    /// Closes the terminal. The reader lets go of it when it next hears something.
    fn hang_up(&mut self) {
        self.closed.store(true, Ordering::SeqCst);
        self.writer = None;
        self.master = None;
        self.signal(Signal::WINCH);
    }

    fn report(&self) -> PathBuf {
        self.folder.path().join("report")
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        let _ = self.child.kill();
    }
}

#[test]
fn the_terminal_is_taken_and_given_back() {
    let mut rig = Rig::start();
    rig.until("the terminal is taken", Rig::is_taken);
    assert!(!rig.is_restored());
    rig.type_in("q");
    assert_eq!(rig.ends(), 0);
    rig.until("the terminal is restored", Rig::is_restored);
    rig.wait("ended: None");
}

#[test]
fn a_panic_restores_the_terminal_before_its_message() {
    let mut rig = Rig::start();
    rig.type_in("!");
    assert_ne!(rig.ends(), 0);
    rig.until("the terminal is restored", Rig::is_restored);
    rig.until("its message", |rig| rig.raw().contains("asked for"));
    let raw = rig.raw();
    assert!(raw.find("panicked at") > raw.find("\x1b[?1049l"), "{raw:?}");
}

#[test]
fn a_panic_elsewhere_is_told_at_the_end() {
    let mut rig = Rig::start();
    rig.type_in("tx");
    rig.wait("heard: x.");
    assert!(rig.is_taken() && !rig.raw().contains("a thread was asked for"));
    rig.type_in("q");
    assert_eq!(rig.ends(), 0);
    rig.until("its message", |rig| rig.raw().contains("a thread was asked for"));
    assert!(rig.is_restored());
}

#[test]
fn a_signal_ends_the_screen_and_takes_its_pictures_away() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut rig = Rig::start();
        rig.type_in("u");
        rig.until("an upload", |rig| rig.raw().contains("a=T,U=1"));
        rig.signal(signal);
        assert_eq!(rig.ends(), 0);
        rig.until("the terminal is restored", Rig::is_restored);
        rig.wait(&format!("ended: Some(Signal({}))", signal.as_raw()));
        assert!(rig.raw().contains("\x1b_Ga=d,d=I,i=2147422772,q=2\x1b\\"));
    }
}

#[test]
fn a_second_signal_ends_a_screen_that_does_not_listen() {
    let mut rig = Rig::start();
    rig.type_in("d");
    // It may not have read the key yet; either way the second signal ends it, or the first.
    std::thread::sleep(Duration::from_millis(300));
    rig.signal(Signal::TERM);
    std::thread::sleep(Duration::from_millis(300));
    rig.signal(Signal::TERM);
    assert_eq!(rig.ends(), 128 + 15);
    rig.until("the terminal is restored", Rig::is_restored);
}

#[test]
fn stopped_it_gives_the_terminal_back_and_takes_it_again() {
    for by_key in [true, false] {
        let mut rig = Rig::start();
        if by_key {
            rig.type_in("\x1a")
        } else {
            rig.signal(Signal::TSTP)
        }
        rig.until("it stops", Rig::is_stopped);
        rig.until("the terminal is restored", Rig::is_restored);
        rig.signal(Signal::CONT);
        rig.until("the terminal is taken", Rig::is_taken);
        rig.wait("heard: reattached.");
        rig.type_in("q");
        assert_eq!(rig.ends(), 0);
        rig.until("the terminal is restored", Rig::is_restored);
    }
}

#[test]
fn stopped_without_being_asked_it_comes_back_whole() {
    let mut rig = Rig::start();
    rig.signal(Signal::STOP);
    rig.until("it stops", Rig::is_stopped);
    let before = rig.raw().len();
    rig.signal(Signal::CONT);
    rig.wait("heard: reattached.");
    let after = rig.raw()[before..].to_owned();
    assert!(after.contains("\x1b[?1049h") && after.contains("heard:"), "{after:?}");
    rig.type_in("q");
    assert_eq!(rig.ends(), 0);
}

#[test]
fn a_terminal_that_goes_away_ends_the_screen_and_nothing_spins() {
    let mut rig = Rig::start();
    // In the middle of a sequence, where a reader waits for the rest.
    rig.type_in("\x1b[20");
    std::thread::sleep(Duration::from_millis(100));
    rig.hang_up();
    rig.ends();
    let spent = std::fs::read_to_string(rig.report()).unwrap();
    assert!(spent.parse::<u64>().unwrap() < 500, "{spent} ms of a second's work after the end");
}

#[test]
fn answers_are_told_from_keys_however_they_are_cut() {
    let mut rig = Rig::start();
    rig.type_in("a\x1bP>|kitty(0.41.1)\x1b\\b\x1b_Gi=5;ENOENT:gone\x1b\\c");
    rig.wait("heard: a Name b Graphics { id: 5, error: Some(\"ENOENT:gone\")");
    rig.wait(" c.");
    // A late answer to what is asked at the start: sizes and attributes.
    rig.type_in("\x1b[6;17;8t\x1b[4;680;800t\x1b[?62;4cx");
    rig.wait(" c x.");
    for part in ["\x1b", "P>|foot(1.", "21.0)\x1b", "\\", "e"] {
        rig.type_in(part);
    }
    rig.wait(" x Name e.");
    rig.type_in("\x1b");
    rig.wait(" e Esc.");
}

#[test]
fn answers_on_their_way_are_taken_in_but_not_waited_for_for_ever() {
    let mut rig = Rig::start();
    rig.type_in("w");
    for part in ["\x1bP>|kitty(0.", "41.1)\x1b\\k", "\x1bP>|kitty(0.41.1)\x1b\\"] {
        rig.type_in(part);
    }
    rig.wait("heard: 2 of 2.");
    rig.type_in("w\x1bP>|kitty(0.41.1)\x1b\\");
    rig.wait(" 1 of 2.");
}

#[test]
fn pastes_focus_and_sizes_are_heard() {
    let mut rig = Rig::start();
    rig.type_in("\x1b[200~two\nlines\x1b[201~");
    rig.wait("pasted \"two\\nlines\"");
    rig.type_in("\x1b[I\x1b[O");
    rig.wait(" focus.");
    // The same size: somebody has attached again, and everything is drawn anew.
    let before = rig.raw().len();
    rig.signal(Signal::WINCH);
    rig.wait(" focus reattached.");
    assert!(rig.raw()[before..].contains("\x1b[2J"));
    let size = PtySize { rows: ROWS, cols: COLUMNS - 5, pixel_width: 0, pixel_height: 0 };
    rig.master.as_ref().unwrap().resize(size).unwrap();
    rig.until("resized", |rig| rig.raw().contains("resized"));
    let raw = rig.raw();
    assert_eq!(raw.matches("\x1b[?2026h").count(), raw.matches("\x1b[?2026l").count());
}

#[test]
fn without_a_terminal_it_says_so() {
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["screen", "--exact", "--ignored", "--nocapture"])
        .env(VARIABLE, "unused")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("NoTerminal") && !said.contains('\x1b'), "{said}");
}

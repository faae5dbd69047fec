//! A session in a pseudo-terminal: whether it restores the terminal however it ends, and which events it delivers. The
//! other tests run this test binary again, for the test `screen`.
#![cfg(unix)]

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crossterm::event::{KeyCode, KeyModifiers};
use pentimento::terminal::frame::FramePrelude;
use pentimento::terminal::input::Shutdown;
use pentimento::terminal::kitty;
use pentimento::terminal::session::{Event, Session};
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use ratatui::layout::Size;
use ratatui::widgets::Paragraph;
use rustix::process::{Pid, Signal, kill_process};
use rustix::termios::{LocalModes, tcgetattr};

const VARIABLE: &str = "PENTIMENTO_TEST_SCREEN";
/// The time limit of every wait; long enough for a busy machine.
const TIMEOUT: Duration = Duration::from_secs(60);
const ROWS: u16 = 10;
const COLUMNS: u16 = 160;

/// The tested screen: it prints the events that it gets. The other tests run it in a terminal.
#[test]
#[ignore = "run by the other tests"]
fn screen() {
    let Some(report) = std::env::var_os(VARIABLE) else { return };
    let mut events = String::new();
    let shutdown = {
        let mut session = Session::open().unwrap();
        loop {
            session
                .draw(&FramePrelude::default(), |frame| {
                    frame.render_widget(Paragraph::new(format!("events:{events}.")), frame.area())
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
                    (KeyCode::Char('w'), _) => events += &format!(" {} of 2", session.drain_replies(2)),
                    // Does not respond.
                    (KeyCode::Char('d'), _) => std::thread::sleep(TIMEOUT),
                    (code, _) => events += &format!(" {code}"),
                },
                Event::Paste(text) => events += &format!(" pasted {text:?}"),
                Event::Resized => events += " resized",
                Event::Reattached => events += " reattached",
                Event::FocusGained => events += " focus",
                Event::Reply(reply) => events += &format!(" {reply:?}"),
                Event::Woken => events += " woken",
                Event::Shutdown(cause) => {
                    if matches!(cause, Shutdown::HungUp | Shutdown::Signal(1)) {
                        // The session is still open and should use no CPU time.
                        let before = cpu_time();
                        std::thread::sleep(Duration::from_secs(1));
                        let spent = cpu_time() - before;
                        std::fs::write(&report, spent.as_millis().to_string()).unwrap();
                    }
                    break Some(cause);
                }
            }
        }
    };
    // Fails if the terminal is gone.
    let _ = writeln!(std::io::stdout(), "shutdown: {shutdown:?}");
}

/// The CPU time of all threads of this process.
fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(10 * ticks)
}

/// The tested screen in a pseudo-terminal.
struct Rig {
    master: Option<Box<dyn MasterPty + Send>>,
    writer: Option<Box<dyn Write + Send>>,
    child: Box<dyn Child + Send + Sync>,
    /// Everything that the screen wrote, as bytes and as a screen.
    output: Arc<Mutex<(Vec<u8>, vt100::Parser)>>,
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
        let output = Arc::new(Mutex::new((Vec::new(), vt100::Parser::new(ROWS, COLUMNS, 0))));
        let closed = Arc::new(AtomicBool::new(false));
        let (output_of_reader, reader_closed) = (output.clone(), closed.clone());
        std::thread::spawn(move || {
            let mut part = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut part) {
                if reader_closed.load(Ordering::SeqCst) {
                    return;
                }
                let mut output = output_of_reader.lock().unwrap();
                output.0.extend_from_slice(&part[..count]);
                output.1.process(&part[..count]);
            }
        });
        let writer = pair.master.take_writer().unwrap();
        let rig = Self { master: Some(pair.master), writer: Some(writer), child, output, closed, tty, folder };
        rig.wait("events:.");
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
        self.output.lock().unwrap().1.screen().contents()
    }

    fn raw(&self) -> String {
        String::from_utf8_lossy(&self.output.lock().unwrap().0).into_owned()
    }

    #[track_caller]
    fn until(&self, what: &str, condition: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + TIMEOUT;
        while !condition(self) {
            assert!(Instant::now() < deadline, "{what}: not within the time limit; the screen shows: {}", self.text());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[track_caller]
    fn wait(&self, text: &str) {
        self.until(text, |rig| rig.text().contains(text));
    }

    /// Waits for the end, and returns the exit status.
    #[track_caller]
    fn exit_status(&mut self) -> u32 {
        let deadline = Instant::now() + TIMEOUT;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.exit_code();
            }
            if Instant::now() > deadline {
                self.child.kill().unwrap();
                panic!("it does not end; the screen shows: {}", self.text());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Whether the terminal is as it was before the session.
    fn is_restored(&self) -> bool {
        let output = self.output.lock().unwrap();
        let screen = output.1.screen();
        let modes = tcgetattr(&self.tty).unwrap().local_modes;
        let raw = String::from_utf8_lossy(&output.0);
        let last = |on: &str, off: &str| raw.rfind(off) > raw.rfind(on);
        modes.contains(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG)
            && !screen.alternate_screen()
            && !screen.bracketed_paste()
            && !screen.hide_cursor()
            && last("\x1b[?1004h", "\x1b[?1004l")
            && last("\x1b[?2026h", "\x1b[?2026l")
    }

    /// Whether the session has the terminal.
    fn is_taken(&self) -> bool {
        let output = self.output.lock().unwrap();
        let screen = output.1.screen();
        let modes = tcgetattr(&self.tty).unwrap().local_modes;
        !modes.intersects(LocalModes::ICANON | LocalModes::ECHO) && screen.alternate_screen() && screen.hide_cursor()
    }

    fn is_stopped(&self) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid().as_raw_nonzero())).unwrap();
        stat.rsplit(')').next().unwrap().trim_start().starts_with('T')
    }

    /// Closes the terminal. The reader thread closes its end when it next reads something: the signal makes the screen
    /// write.
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
fn the_terminal_is_taken_and_restored() {
    let mut rig = Rig::start();
    rig.until("the terminal is taken", Rig::is_taken);
    assert!(!rig.is_restored());
    rig.type_in("q");
    assert_eq!(rig.exit_status(), 0);
    rig.until("the terminal is restored", Rig::is_restored);
    rig.wait("shutdown: None");
}

#[test]
fn a_panic_restores_the_terminal_before_its_message() {
    let mut rig = Rig::start();
    rig.type_in("!");
    assert_ne!(rig.exit_status(), 0);
    rig.until("the terminal is restored", Rig::is_restored);
    rig.until("its message", |rig| rig.raw().contains("asked for"));
    let raw = rig.raw();
    assert!(raw.find("panicked at") > raw.find("\x1b[?1049l"), "{raw:?}");
}

#[test]
fn a_panic_of_another_thread_is_printed_after_the_session() {
    let mut rig = Rig::start();
    rig.type_in("tx");
    rig.wait("events: x.");
    assert!(rig.is_taken() && !rig.raw().contains("a thread was asked for"));
    rig.type_in("q");
    assert_eq!(rig.exit_status(), 0);
    rig.until("its message", |rig| rig.raw().contains("a thread was asked for"));
    assert!(rig.is_restored());
}

#[test]
fn a_signal_ends_the_session_and_deletes_its_pictures() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut rig = Rig::start();
        rig.type_in("u");
        rig.until("an upload", |rig| rig.raw().contains("a=T,U=1"));
        rig.signal(signal);
        assert_eq!(rig.exit_status(), 0);
        rig.until("the terminal is restored", Rig::is_restored);
        rig.wait(&format!("shutdown: Some(Signal({}))", signal.as_raw()));
        assert!(rig.raw().contains("\x1b_Ga=d,d=I,i=2147422772,q=2\x1b\\"));
    }
}

#[test]
fn signals_that_end_at_once_restore_the_terminal() {
    for signal in [Signal::QUIT, Signal::ABORT, Signal::BUS] {
        let mut rig = Rig::start();
        rig.type_in("a");
        rig.wait("events: a.");
        rig.signal(signal);
        assert_ne!(rig.exit_status(), 0);
        rig.until("the terminal is restored", Rig::is_restored);
    }
}

#[test]
fn a_window_of_impossible_size_is_clamped() {
    let mut rig = Rig::start();
    let size = PtySize { rows: u16::MAX, cols: u16::MAX, pixel_width: 0, pixel_height: 0 };
    rig.master.as_ref().unwrap().resize(size).unwrap();
    rig.until("resized", |rig| rig.raw().contains("resized"));
    rig.type_in("q");
    assert_eq!(rig.exit_status(), 0);
    rig.until("the terminal is restored", Rig::is_restored);
}

#[test]
fn a_second_signal_ends_a_session_that_does_not_respond() {
    let mut rig = Rig::start();
    rig.type_in("d");
    // If it has not read the key yet, the first signal ends it.
    std::thread::sleep(Duration::from_millis(300));
    rig.signal(Signal::TERM);
    std::thread::sleep(Duration::from_millis(300));
    rig.signal(Signal::TERM);
    assert_eq!(rig.exit_status(), 128 + 15);
    rig.until("the terminal is restored", Rig::is_restored);
}

#[test]
fn stopping_restores_the_terminal_and_resuming_takes_it_again() {
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
        rig.wait("events: reattached.");
        rig.type_in("q");
        assert_eq!(rig.exit_status(), 0);
        rig.until("the terminal is restored", Rig::is_restored);
    }
}

#[test]
fn the_screen_is_redrawn_after_sigstop() {
    let mut rig = Rig::start();
    rig.signal(Signal::STOP);
    rig.until("it stops", Rig::is_stopped);
    let before = rig.raw().len();
    rig.signal(Signal::CONT);
    rig.wait("events: reattached.");
    let after = rig.raw()[before..].to_owned();
    assert!(after.contains("\x1b[?1049h") && after.contains("events:"), "{after:?}");
    rig.type_in("q");
    assert_eq!(rig.exit_status(), 0);
}

#[test]
fn a_hang_up_ends_the_session_without_spinning() {
    let mut rig = Rig::start();
    // In the middle of a sequence, where a reader waits for more.
    rig.type_in("\x1b[20");
    std::thread::sleep(Duration::from_millis(100));
    rig.hang_up();
    rig.exit_status();
    let spent = std::fs::read_to_string(rig.report()).unwrap();
    assert!(spent.parse::<u64>().unwrap() < 500, "{spent} ms of CPU time in the second after the hang-up");
}

#[test]
fn replies_are_separated_from_keys_however_they_are_cut() {
    let mut rig = Rig::start();
    rig.type_in("a\x1bP>|kitty(0.41.1)\x1b\\b\x1b_Gi=5;ENOENT:gone\x1b\\c");
    rig.wait("events: a Name b Graphics { id: 5, error: Some(\"ENOENT:gone\")");
    rig.wait(" c.");
    // Late replies to the queries of the start: sizes and attributes.
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
fn pending_replies_are_drained_for_a_limited_time() {
    let mut rig = Rig::start();
    rig.type_in("w");
    for part in ["\x1bP>|kitty(0.", "41.1)\x1b\\k", "\x1bP>|kitty(0.41.1)\x1b\\"] {
        rig.type_in(part);
    }
    rig.wait("events: 2 of 2.");
    rig.type_in("w\x1bP>|kitty(0.41.1)\x1b\\");
    rig.wait(" 1 of 2.");
}

#[test]
fn pastes_focus_and_sizes_are_events() {
    let mut rig = Rig::start();
    rig.type_in("\x1b[200~two\nlines\x1b[201~");
    rig.wait("pasted \"two\\nlines\"");
    rig.type_in("\x1b[I\x1b[O");
    rig.wait(" focus.");
    // The same size means a reattachment: everything is drawn again.
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
fn opening_without_a_terminal_fails() {
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["screen", "--exact", "--ignored", "--nocapture"])
        .env(VARIABLE, "unused")
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(error.contains("NoTerminal") && !error.contains('\x1b'), "{error}");
}

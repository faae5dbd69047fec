//! A terminal that answers late or never.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

/// Longer than any step takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
const ANSWER: &[u8] = b"\x1b[6;20;10t\x1b[4;800;1200t\x1bP>|SlowTerm 1.0\x1b\\\x1b[?62;4;22c";

struct Slow {
    _master: Box<dyn MasterPty + Send>,
    writer: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    /// Keeps the terminal open after the program has ended.
    tty: File,
    output: Arc<Mutex<Vec<u8>>>,
}

impl Slow {
    fn open(home: &Path, words: &[&str]) -> Self {
        let pair =
            native_pty_system().openpty(PtySize { rows: 30, cols: 100, pixel_width: 0, pixel_height: 0 }).unwrap();
        let flags = (rustix::fs::OFlags::NOCTTY | rustix::fs::OFlags::NONBLOCK).bits() as i32;
        let tty = OpenOptions::new().read(true).custom_flags(flags).open(pair.master.tty_name().unwrap()).unwrap();
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_pentimento"));
        command.args(words);
        command.env_clear();
        for (name, value) in [("TERM", "xterm-256color"), ("PENTIMENTO_LOG", "off"), ("LANG", "C.UTF-8")] {
            command.env(name, value);
        }
        command.env("HOME", home);
        command.cwd(home);
        let child = pair.slave.spawn_command(command).unwrap();
        let (mut reader, output) = (pair.master.try_clone_reader().unwrap(), Arc::new(Mutex::new(Vec::new())));
        let to = output.clone();
        std::thread::spawn(move || {
            let mut part = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut part) {
                to.lock().unwrap().extend_from_slice(&part[..count]);
            }
        });
        let writer = pair.master.take_writer().unwrap();
        let slow = Self { _master: pair.master, writer, child, tty, output };
        slow.wait(b"\x1b[c");
        slow
    }

    #[track_caller]
    fn wait(&self, bytes: &[u8]) {
        let until = Instant::now() + PATIENCE;
        while !self.output.lock().unwrap().windows(bytes.len()).any(|part| part == bytes) {
            assert!(Instant::now() < until, "{:?} is not written", String::from_utf8_lossy(bytes));
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn write(&mut self, bytes: &[u8]) {
        self.writer.write_all(bytes).unwrap();
        self.writer.flush().unwrap();
    }

    #[track_caller]
    fn ended(&mut self) -> u32 {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.exit_code();
            }
            assert!(Instant::now() < until, "the program does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// What the shell would read next.
    fn left(&mut self) -> String {
        let mut modes = tcgetattr(&self.tty).unwrap();
        assert!(modes.local_modes.contains(LocalModes::ICANON | LocalModes::ECHO), "the modes are restored");
        modes.local_modes &= !(LocalModes::ICANON | LocalModes::ECHO);
        tcsetattr(&self.tty, OptionalActions::Now, &modes).unwrap();
        let mut bytes = [0; 4096];
        let count = self.tty.read(&mut bytes).unwrap_or(0);
        String::from_utf8_lossy(&bytes[..count]).into_owned()
    }
}

#[test]
fn a_late_answer_is_not_left_to_the_shell() {
    let home = tempfile::tempdir().unwrap();
    let mut slow = Slow::open(home.path(), &["doctor"]);
    std::thread::sleep(Duration::from_millis(1300));
    slow.write(ANSWER);
    assert_eq!((slow.ended(), slow.left().as_str()), (0, ""));
}

#[test]
fn the_workbench_takes_late_answers_and_early_keys() {
    let home = tempfile::tempdir().unwrap();
    // The first key is typed while the terminal is asked; the answer comes after the screen has closed.
    let mut slow = Slow::open(home.path(), &[]);
    std::thread::sleep(Duration::from_millis(300));
    slow.write(b"q");
    slow.wait(b"\x1b[?1049l");
    slow.write(ANSWER);
    assert_eq!((slow.ended(), slow.left().as_str()), (0, ""));
}

#[test]
fn a_terminal_that_never_answers_is_waited_for_only_shortly() {
    let home = tempfile::tempdir().unwrap();
    let mut slow = Slow::open(home.path(), &["doctor"]);
    let began = Instant::now();
    slow.wait(b"log");
    assert_eq!((slow.ended(), slow.left().as_str()), (0, ""));
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
}

//! The log: one text file a day in the user's state folder, written through `tracing`.
//!
//! Each line has a UTC time, the process id, the level, the module and the event. A span adds a line when it closes, with
//! the time that it took. The levels `error`, `warn` and `info` contain no prompts, no paths and no names of people;
//! `debug` and `trace` may. Nothing goes to the screen, and a log that cannot be written never stops the program.

mod file;

use std::fmt;
use std::panic;
use std::path::PathBuf;

use jiff::Timestamp;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::{FmtSpan, Writer};
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{Folders, LogLevel};
use file::DailyFile;

/// Starts the log of this process. Only the first call has an effect.
pub fn start(level: LogLevel, folders: &Folders) {
    let Some(folder) = folder(folders).filter(|_| level != LogLevel::Off) else { return };
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(DailyFile::new(folder))
        .with_timer(Stamp { process: std::process::id() })
        .with_ansi(false)
        .with_span_events(FmtSpan::CLOSE)
        // These errors would go to stderr.
        .log_internal_errors(false)
        .with_filter(Targets::new().with_target(env!("CARGO_CRATE_NAME"), filter(level)));
    if tracing_subscriber::registry().with(lines).try_init().is_ok() {
        log_panics();
    }
}

/// Where the log is and whether it can be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Today's file. `None` if the home folder is unknown.
    pub path: Option<PathBuf>,
    /// Why the file cannot be written.
    pub problem: Option<String>,
}

/// Opens today's file to see whether it can be written, unless the log is off.
pub fn status(level: LogLevel, folders: &Folders) -> Status {
    let Some(folder) = folder(folders) else {
        return Status { path: None, problem: Some("the home folder is unknown".to_owned()) };
    };
    let log = DailyFile::new(folder);
    let opened = if level == LogLevel::Off { Ok(()) } else { log.try_open() };
    Status { path: Some(log.path()), problem: opened.err().map(|error| error.to_string()) }
}

fn folder(folders: &Folders) -> Option<PathBuf> {
    folders.state.as_deref().map(|state| state.join("log"))
}

fn filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Off => LevelFilter::OFF,
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}

/// Logs where a thread panicked, then lets the previous hook report it. The message may contain a path or a prompt.
fn log_panics() {
    let previous = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        let place = panic.location().map_or_else(String::new, ToString::to_string);
        tracing::error!(place, "panic");
        tracing::debug!("panic: {}", panic.payload_as_str().unwrap_or_default());
        previous(panic);
    }));
}

/// The time to the millisecond, and the process: several write to one file.
struct Stamp {
    process: u32,
}

impl FormatTime for Stamp {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        write!(writer, "{:.3} {}", Timestamp::now(), self.process)
    }
}

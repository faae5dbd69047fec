//! A file per day that only the user can read.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
#[cfg(unix)]
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use tracing_subscriber::fmt::MakeWriter;

use crate::studio::text::clean;

/// How many days are kept.
const KEPT: usize = 7;

/// Appends lines to `FOLDER/YEAR-MONTH-DAY.log`. The file is opened with the first line and changes at midnight UTC.
pub struct DailyFile {
    folder: PathBuf,
    open: Mutex<Option<Open>>,
}

struct Open {
    day: String,
    file: File,
}

impl DailyFile {
    pub fn new(folder: PathBuf) -> Self {
        Self { folder, open: Mutex::new(None) }
    }

    /// Today's file.
    pub fn path(&self) -> PathBuf {
        self.path_on(&today())
    }

    /// Opens today's file to check that it can be written.
    pub fn try_open(&self) -> io::Result<()> {
        self.open(&today()).map(drop)
    }

    /// Writes one line, without the control characters of the event.
    fn append(&self, line: &str) -> io::Result<()> {
        let day = today();
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let current = match open.take().filter(|open| open.day == day) {
            Some(current) => current,
            None => Open { file: self.open(&day)?, day },
        };
        // One write for a whole line: other processes append to the same file.
        let line = format!("{}\n", clean(line.trim_end()));
        let written = (&current.file).write_all(line.as_bytes());
        *open = Some(current);
        written
    }

    fn open(&self, day: &str) -> io::Result<File> {
        make_private_folder(&self.folder)?;
        let path = self.path_on(day);
        let is_new = !path.exists();
        let mut options = OpenOptions::new();
        options.create(true).append(true);
        #[cfg(unix)]
        options.mode(0o600);
        let file = options.open(path)?;
        if is_new {
            remove_old_files(&self.folder)?;
        }
        Ok(file)
    }

    fn path_on(&self, day: &str) -> PathBuf {
        self.folder.join(format!("{day}.log"))
    }
}

/// Today's date in UTC, as `2026-11-28`.
fn today() -> String {
    Timestamp::now().strftime("%F").to_string()
}

fn make_private_folder(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    builder.mode(0o700);
    builder.create(folder)?;
    #[cfg(unix)]
    if fs::metadata(folder)?.permissions().mode() & 0o077 != 0 {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}

/// Removes all but the newest files. Files with other names stay.
fn remove_old_files(folder: &Path) -> io::Result<()> {
    let mut logs: Vec<PathBuf> = fs::read_dir(folder)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.file_name().and_then(|name| name.to_str()).is_some_and(is_log))
        .collect();
    logs.sort();
    for old in logs.iter().rev().skip(KEPT) {
        // Another process may have removed it already.
        let _ = fs::remove_file(old);
    }
    Ok(())
}

/// Whether a name is a day and `.log`.
fn is_log(name: &str) -> bool {
    name.strip_suffix(".log").is_some_and(|day| day.parse::<jiff::civil::Date>().is_ok())
}

impl<'a> MakeWriter<'a> for DailyFile {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line(self)
    }
}

/// Takes one formatted event, which arrives in one piece.
pub struct Line<'a>(&'a DailyFile);

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A full disk or a missing folder must not stop what is being logged; `doctor` reports the cause.
        let _ = self.0.append(&String::from_utf8_lossy(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_holds_no_control_characters() {
        let folder = tempfile::tempdir().unwrap();
        let log = DailyFile::new(folder.path().join("log"));
        log.append("one\u{1b}[31m\ntwo\u{202e}\r\n").unwrap();
        log.append("three").unwrap();
        assert_eq!(fs::read_to_string(log.path()).unwrap(), "one[31m two\nthree\n");
    }

    #[test]
    fn the_newest_seven_files_stay() {
        let folder = tempfile::tempdir().unwrap();
        for day in 1..=9 {
            fs::write(folder.path().join(format!("2025-01-0{day}.log")), "").unwrap();
        }
        fs::write(folder.path().join("notes.log"), "").unwrap();
        DailyFile::new(folder.path().to_owned()).append("a").unwrap();
        let mut names: Vec<String> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names.len(), 8, "{names:?}");
        assert_eq!((names[0].as_str(), names[7].as_str()), ("2025-01-04.log", "notes.log"));
    }

    #[cfg(unix)]
    #[test]
    fn only_the_user_can_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let log = DailyFile::new(folder.path().join("state/log"));
        log.append("a").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&log.folder), 0o700);
        assert_eq!(mode(&log.path()), 0o600);
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_reported() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("log"), "").unwrap();
        let log = DailyFile::new(folder.path().join("log"));
        assert!(log.try_open().is_err());
        assert_eq!(Line(&log).write(b"a\n").unwrap(), 2);
    }
}

//! Subjects, and the names people type: `ada` (a subject), `ada-0042` (a run), `ada-0042:7` (its output for seed 7),
//! `ada-r3` (a reference).

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use uuid::Uuid;

use super::ids::SubjectId;
use super::text;

/// The longest handle, in characters.
const LONGEST: usize = 40;

/// A subject's handle: lower-case letters, digits and single hyphens, starting with a letter. It is part of every task
/// ID and does not change when the subject is renamed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Handle(String);

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadName {
    #[error(
        "invalid handle {0:?}: use lower-case letters, digits and single hyphens, starting with a letter, at most \
         {LONGEST} characters (such as ada-lovelace)"
    )]
    Handle(String),
    #[error("invalid task ID {0:?}: use HANDLE-NUMBER, such as ada-0042")]
    Task(String),
    #[error("invalid output {0:?}: use TASK:SEED, such as ada-0042:7")]
    Output(String),
    #[error("invalid reference {0:?}: use HANDLE-rNUMBER, such as ada-r3")]
    Reference(String),
}

impl Handle {
    /// Makes a handle from a name: `Ada Lovelace` becomes `ada-lovelace`. `None` if the name has no ASCII letter.
    pub fn suggest(name: &str) -> Option<Self> {
        let mut handle = String::new();
        for c in name.chars().flat_map(char::to_lowercase) {
            if c.is_ascii_alphanumeric() {
                handle.push(c);
            } else if !handle.is_empty() && !handle.ends_with('-') {
                handle.push('-');
            }
        }
        let handle = handle.trim_start_matches(|c: char| !c.is_ascii_lowercase());
        let handle: String = handle.chars().take(LONGEST).collect();
        handle.trim_end_matches('-').parse().ok()
    }

    /// The handle with a number appended, for when it is taken: `ada-2`. `None` if the result is not a handle.
    pub fn numbered(&self, number: u32) -> Option<Self> {
        let end = format!("-{number}");
        let room = LONGEST.checked_sub(end.len())?;
        let stem: String = self.0.chars().take(room).collect();
        format!("{}{end}", stem.trim_end_matches('-')).parse().ok()
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Handle {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fits = text.len() <= LONGEST
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && !text.ends_with('-')
            && !text.contains("--")
            && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
        if fits { Ok(Self(text.to_owned())) } else { Err(BadName::Handle(text::clean(text))) }
    }
}

impl fmt::Display for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of a run: the subject's handle, and a number that is never reused.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskId {
    pub subject: Handle,
    pub number: u32,
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{:04}", self.subject, self.number)
    }
}

impl FromStr for TaskId {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        named(text, "")
            .map(|(subject, number)| Self { subject, number })
            .ok_or_else(|| BadName::Task(text::clean(text)))
    }
}

/// The name of an output: its run and its seed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OutputName {
    pub task: TaskId,
    pub seed: u64,
}

impl fmt::Display for OutputName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.task, self.seed)
    }
}

impl FromStr for OutputName {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let split = || {
            let (task, seed) = text.split_once(':')?;
            let is_number = seed.chars().all(|c| c.is_ascii_digit());
            Some(Self { task: task.parse().ok()?, seed: seed.parse().ok().filter(|_| is_number)? })
        };
        split().ok_or_else(|| BadName::Output(text::clean(text)))
    }
}

/// The name of a reference: the subject's handle, and a number that is never reused.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ReferenceName {
    pub subject: Handle,
    pub number: u32,
}

impl fmt::Display for ReferenceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-r{}", self.subject, self.number)
    }
}

impl FromStr for ReferenceName {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        named(text, "r")
            .map(|(subject, number)| Self { subject, number })
            .ok_or_else(|| BadName::Reference(text::clean(text)))
    }
}

/// Splits `ada-r3` at its last hyphen into `ada` and 3.
fn named(text: &str, letter: &str) -> Option<(Handle, u32)> {
    let (subject, number) = text.rsplit_once('-')?;
    let digits = number.strip_prefix(letter)?;
    if digits.is_empty() || !digits.chars().all(|c| c.is_ascii_digit()) {
        return None;
    }
    Some((subject.parse().ok()?, digits.parse().ok().filter(|&number| number > 0)?))
}

/// A person, or a thing, that portraits show.
#[derive(Clone, Debug, PartialEq)]
pub struct Subject {
    pub id: SubjectId,
    pub uuid: Uuid,
    pub handle: Handle,
    pub name: String,
    pub note: String,
    pub created: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_parse_and_print() {
        let task: TaskId = "ada-lovelace-0042".parse().unwrap();
        assert_eq!(
            (task.subject.as_str(), task.number, task.to_string().as_str()),
            ("ada-lovelace", 42, "ada-lovelace-0042")
        );
        let reference: ReferenceName = "ada-r3".parse().unwrap();
        assert_eq!((reference.number, reference.to_string().as_str()), (3, "ada-r3"));
        let output: OutputName = "ada-0042:18446744073709551615".parse().unwrap();
        assert_eq!((output.seed, output.to_string().as_str()), (u64::MAX, "ada-0042:18446744073709551615"));
        assert_eq!("ada-12345".parse::<TaskId>().unwrap().to_string(), "ada-12345");
    }

    #[test]
    fn invalid_names_are_refused() {
        for text in ["", "-ada", "ada-", "Ada", "a--b", "1ada", "ada/../x", "adä", &"a".repeat(41)] {
            assert!(text.parse::<Handle>().is_err(), "{text}");
        }
        for text in ["ada", "ada-", "ada-r3", "ada-+3", "ada-0000", "ada-99999999999", "-3"] {
            assert!(text.parse::<TaskId>().is_err(), "{text}");
        }
        for text in ["ada-0042", "ada-0042:", "ada-0042:+7", "ada-r3:7", "ada-0042:7:7", ":7"] {
            assert!(text.parse::<OutputName>().is_err(), "{text}");
        }
        for text in ["ada-3", "ada-r", "r3", "ada-r0"] {
            assert!(text.parse::<ReferenceName>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_handle_is_suggested_from_a_name() {
        let suggest = |name| Handle::suggest(name).map(|handle| handle.to_string());
        assert_eq!(suggest("Ada  Lovelace!").as_deref(), Some("ada-lovelace"));
        assert_eq!(suggest("007 James").as_deref(), Some("james"));
        assert_eq!(suggest("肖像"), None);
        assert_eq!(suggest(&"ab ".repeat(30)).map(|handle| handle.len() <= LONGEST), Some(true));
    }
}

//! Copies text to the clipboard of the machine that the terminal runs on, also over SSH.

use std::io::Write;
use std::process::{Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The notice after copying. Terminals do not confirm: most copy, some ask the user, some ignore the sequence.
pub const SENT: &str = "sent to the terminal's clipboard";

/// Terminals truncate or ignore longer texts.
const MAX_BYTES: usize = 74_000;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("text too long for the terminal's clipboard ({bytes} bytes, limit {MAX_BYTES}): save it to a file instead")]
    TooLong { bytes: usize },

    #[error("tmux cannot copy the text ({reason}): check that tmux is 3.2 or newer")]
    Tmux { reason: String },
}

/// The escape sequence that copies a text (OSC 52).
pub fn sequence(text: &str) -> Result<Vec<u8>, Error> {
    if text.len() > MAX_BYTES {
        return Err(Error::TooLong { bytes: text.len() });
    }
    Ok(format!("\x1b]52;c;{}\x07", STANDARD.encode(text)).into_bytes())
}

/// Copies a text through tmux, which forwards it to its terminal. Waits for tmux: do not call it on the drawing thread.
pub fn through_tmux(text: &str) -> Result<(), Error> {
    let failed = |error: std::io::Error| Error::Tmux { reason: error.to_string() };
    let mut tmux = Command::new("tmux")
        .args(["load-buffer", "-w", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(failed)?;
    let written = tmux.stdin.take().map_or(Ok(()), |mut stdin| stdin.write_all(text.as_bytes()));
    let status = tmux.wait().map_err(failed)?;
    if !status.success() {
        return Err(Error::Tmux { reason: status.to_string() });
    }
    written.map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_sent_as_base64() {
        assert_eq!(sequence("a\x1b\x07b").unwrap(), b"\x1b]52;c;YRsHYg==\x07");
        assert!(sequence(&"x".repeat(MAX_BYTES + 1)).unwrap_err().to_string().contains("74001 bytes"));
    }
}

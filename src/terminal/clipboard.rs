//! Copying to the clipboard of the machine where the terminal is, which may be far away.

use std::io::Write;
use std::process::{Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// What to tell the user. Whether the terminal obeyed is not known: most do, some ask, some ignore it.
pub const SENT: &str = "sent to the terminal's clipboard";

/// Larger texts are cut off or ignored by terminals.
const LONGEST: usize = 74_000;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{length} bytes are more than a terminal's clipboard takes ({}); write them to a file instead", LONGEST)]
    TooLong { length: usize },

    #[error("tmux did not take the text: {reason}; `tmux load-buffer -w -` needs tmux 3.2 or newer")]
    Tmux { reason: String },
}

/// What to write to the terminal to copy a text (OSC 52).
pub fn sequence(text: &str) -> Result<Vec<u8>, Error> {
    if text.len() > LONGEST {
        return Err(Error::TooLong { length: text.len() });
    }
    Ok(format!("\x1b]52;c;{}\x07", STANDARD.encode(text)).into_bytes())
}

/// Hands a text to tmux, which hands it to its terminal. Waits for tmux, so this is no work for the screen's thread.
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
    fn a_text_travels_as_base64_whatever_is_in_it() {
        assert_eq!(sequence("a\x1b\x07b").unwrap(), b"\x1b]52;c;YRsHYg==\x07");
        assert!(sequence(&"x".repeat(LONGEST + 1)).unwrap_err().to_string().contains("74001 bytes"));
    }
}

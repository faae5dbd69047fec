//! tmux: passing escape sequences through it to the terminal behind it.

use std::process::{Command, Stdio};

/// Wraps one complete escape sequence so that tmux passes it through, provided that `allow-passthrough` is on.
pub fn wrap(sequence: &[u8]) -> Vec<u8> {
    let mut wrapped = b"\x1bPtmux;".to_vec();
    for &byte in sequence {
        if byte == 0x1b {
            wrapped.push(0x1b);
        }
        wrapped.push(byte);
    }
    wrapped.extend_from_slice(b"\x1b\\");
    wrapped
}

/// The state of tmux's `allow-passthrough`; `None` if tmux does not report it. Before 3.3, tmux had no such option and
/// always passed sequences through.
pub fn allows_passthrough() -> Option<bool> {
    let output = Command::new("tmux")
        .args(["show-options", "-Apv", "allow-passthrough"])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    if !output.status.success() {
        return None;
    }
    match String::from_utf8_lossy(&output.stdout).trim() {
        "" => None,
        answer => Some(answer != "off"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_escape_is_doubled() {
        assert_eq!(wrap(b"\x1b_Ga=d\x1b\\"), b"\x1bPtmux;\x1b\x1b_Ga=d\x1b\x1b\\\x1b\\");
    }
}

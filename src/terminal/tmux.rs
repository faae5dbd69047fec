//! tmux: a terminal in between, that keeps most things to itself.

use std::process::{Command, Stdio};

/// Wraps a whole escape sequence so that tmux hands it to its own terminal, provided that `allow-passthrough` is on.
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

/// Whether tmux says that it hands things on; none if it does not say (before 3.3 it always did).
pub fn passes_through() -> Option<bool> {
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

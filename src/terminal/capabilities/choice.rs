//! Chooses the protocol for pictures, with the reason that `doctor` prints.

use super::Tmux;
use super::name::{is_named, version};
use crate::terminal::environment::Environment;
use crate::terminal::probe::Replies;
use crate::terminal::protocol::Protocol;

/// The device attribute (DA1) that reports sixel support.
const SIXEL: u16 = 4;
/// Advice for terminals that show pictures as half-blocks.
const SHARP_TERMINALS: &str = "for sharp pictures, use kitty, Ghostty, foot, WezTerm, Konsole or iTerm2";

/// A protocol, why it was chosen, and how to get a better one.
pub(super) struct Choice {
    pub protocol: Protocol,
    pub reason: String,
    pub advice: String,
}

impl Choice {
    pub fn new(protocol: Protocol, reason: impl Into<String>) -> Self {
        Self { protocol, reason: reason.into(), advice: String::new() }
    }

    fn advise(self, advice: impl Into<String>) -> Self {
        Self { advice: advice.into(), ..self }
    }
}

/// The best protocol that this terminal shows without faults.
pub(super) fn detect(replies: &Replies, environment: &Environment, tmux: Tmux) -> Choice {
    if !environment.is_terminal {
        return Choice::new(Protocol::Off, "standard output is a file or a pipe");
    }
    if environment.is_dumb() {
        let reason = format!("TERM is {:?}, a terminal without capabilities", environment.term);
        return Choice::new(Protocol::Off, reason);
    }
    let sixel = replies.attributes.as_ref().is_some_and(|list| list.contains(&SIXEL));
    let name = replies.name.as_deref().unwrap_or_default();
    if environment.in_zellij || is_named(name, "Zellij") {
        return in_zellij(sixel);
    }
    if tmux != Tmux::Absent {
        return in_tmux(replies, tmux, sixel);
    }
    by_name(name, replies.kitty_graphics, sixel).unwrap_or_else(|| by_features(replies, environment, sixel))
}

fn in_zellij(sixel: bool) -> Choice {
    if sixel {
        return Choice::new(Protocol::Sixel, "Zellij passes sixel through, but not kitty's placeholders");
    }
    Choice::new(Protocol::HalfBlocks, "Zellij passes neither sixel nor kitty's placeholders through here")
        .advise("for sharp pictures, run pentimento outside Zellij")
}

/// tmux moves placeholders like any other text. Other pictures would stay where they are while the text moves, unless
/// tmux draws them itself.
fn in_tmux(replies: &Replies, tmux: Tmux, sixel: bool) -> Choice {
    let outer = replies.outer_name.as_deref().unwrap_or_default();
    let has_placeholders = is_named(outer, "kitty") || is_named(outer, "ghostty");
    if tmux == Tmux::PassesThrough && replies.kitty_graphics && has_placeholders {
        return Choice::new(Protocol::Kitty, format!("tmux passes kitty's graphics through to {outer}"));
    }
    if sixel {
        return Choice::new(Protocol::Sixel, "tmux draws sixel itself");
    }
    if tmux == Tmux::Blocks {
        return Choice::new(Protocol::HalfBlocks, "tmux passes no pictures through: its allow-passthrough is off")
            .advise("for sharp pictures in kitty or Ghostty, run `tmux set -g allow-passthrough on`");
    }
    let terminal = if outer.is_empty() { "the unnamed terminal behind it" } else { outer };
    Choice::new(
        Protocol::HalfBlocks,
        format!("tmux moves only text, and {terminal} does not support kitty's placeholders"),
    )
    .advise("for sharp pictures, run pentimento outside tmux, or run tmux in kitty or Ghostty")
}

/// Terminals that are known by name. Some of them answer queries in misleading ways.
fn by_name(name: &str, kitty_graphics: bool, sixel: bool) -> Option<Choice> {
    let choose = |protocol, reason: &str| Some(Choice::new(protocol, format!("{name} {reason}")));
    if is_named(name, "kitty") {
        if version(name) < Some((0, 28)) {
            return Some(
                Choice::new(Protocol::HalfBlocks, format!("{name} has no placeholders for pictures"))
                    .advise("for sharp pictures, update kitty to 0.28 or newer"),
            );
        }
        return choose(Protocol::Kitty, "supports kitty's graphics");
    }
    if is_named(name, "ghostty") && kitty_graphics {
        return choose(Protocol::Kitty, "supports kitty's graphics");
    }
    // These accept the kitty graphics query, but print placeholders as text.
    if is_named(name, "WezTerm") || (is_named(name, "Konsole") && version(name) >= Some((22, 4))) {
        return choose(Protocol::Iterm2, "supports iTerm2's inline images, and kitty's graphics without placeholders");
    }
    if is_named(name, "iTerm2") {
        return choose(Protocol::Iterm2, "supports its own inline images");
    }
    if sixel && !name.is_empty() {
        return choose(Protocol::Sixel, "reports sixel support");
    }
    None
}

/// Terminals that are not known by name.
fn by_features(replies: &Replies, environment: &Environment, sixel: bool) -> Choice {
    if environment.term_program == "iTerm.app" || environment.lc_terminal == "iTerm2" {
        return Choice::new(Protocol::Iterm2, "TERM_PROGRAM or LC_TERMINAL names iTerm2");
    }
    if sixel {
        return Choice::new(Protocol::Sixel, "the terminal reports sixel support");
    }
    if let Some(name) = &replies.name
        && !replies.kitty_graphics
    {
        return Choice::new(Protocol::HalfBlocks, format!("{name} reports no support for pictures"))
            .advise(SHARP_TERMINALS);
    }
    let reason = if replies.kitty_graphics {
        "the terminal supports kitty's graphics, but its support for placeholders is unknown"
    } else if replies.attributes.is_some() {
        "the terminal reports no support for pictures"
    } else {
        "the terminal did not answer in time"
    };
    Choice::new(Protocol::HalfBlocks, reason)
        .advise(format!("{SHARP_TERMINALS}, or choose a protocol with --images or PENTIMENTO_IMAGES"))
}

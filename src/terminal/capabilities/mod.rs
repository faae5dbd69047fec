//! What the terminal can do, concluded from its replies and from the environment.

mod choice;
mod name;

use super::cell_size::CellSize;
use super::colours::Colours;
use super::environment::Environment;
use super::probe::Replies;
use super::protocol::{ChosenProtocol, Protocol};

use choice::Choice;
use name::is_named;

/// What the terminal can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// How the full screen shows pictures.
    pub protocol: Protocol,
    /// Why this protocol: one clause without a final full stop.
    pub reason: String,
    /// How to get a better protocol; empty if there is none.
    pub advice: String,
    pub cell_size: CellSize,
    /// Whether the cell size was reported, not assumed.
    pub cell_size_is_known: bool,
    pub colours: Colours,
    pub tmux: Tmux,
    /// The terminal's name and version; behind tmux, those of the outer terminal if it answers.
    pub terminal: Option<String>,
    /// Whether the terminal answers the name query, which proves how far it has read.
    pub answers_name_query: bool,
    /// Whether text that is written over an inline picture leaves the picture visible.
    pub text_keeps_pictures: bool,
    /// Whether commands that print a picture and end can use kitty's protocol, although the full screen uses another:
    /// printing needs no placeholders.
    pub prints_kitty: bool,
    pub columns: u16,
    pub rows: u16,
}

/// Whether tmux is in front of the terminal, and whether it passes escape sequences through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tmux {
    Absent,
    PassesThrough,
    Blocks,
}

/// Assesses the replies and the environment. The user's choice overrides detection, except for files and pipes.
pub fn assess(replies: &Replies, environment: &Environment, chosen: Option<ChosenProtocol>) -> Capabilities {
    let tmux = tmux_state(replies, environment);
    let terminal = match tmux {
        Tmux::Absent => replies.name.clone(),
        _ => replies.outer_name.clone(),
    };
    let colours = colours(terminal.as_deref(), tmux, environment);
    let (cell_size, cell_size_is_known) = match known_cell_size(replies, tmux, environment) {
        Some(size) => (size, true),
        None => (CellSize::DEFAULT, false),
    };
    let chosen = chosen.filter(|_| environment.is_terminal);
    let is_detected = chosen.is_none();
    let mut choice = match chosen {
        Some(ChosenProtocol { protocol, source }) => Choice::new(protocol, format!("chosen by {source}")),
        None => choice::detect(replies, environment, tmux),
    };
    if choice.protocol == Protocol::HalfBlocks && colours == Colours::None {
        choice = Choice::new(Protocol::Off, "half-blocks need colours, and NO_COLOR or TERM rules them out");
    }
    Capabilities {
        protocol: choice.protocol,
        reason: choice.reason,
        advice: choice.advice,
        cell_size,
        cell_size_is_known,
        colours,
        tmux,
        answers_name_query: if tmux == Tmux::Absent { replies.name.is_some() } else { terminal.is_some() },
        text_keeps_pictures: terminal.as_deref().is_some_and(|name| is_named(name, "Konsole")),
        prints_kitty: is_detected
            && replies.kitty_graphics
            && tmux == Tmux::Absent
            && choice.protocol == Protocol::Iterm2,
        terminal,
        columns: environment.columns,
        rows: environment.rows,
    }
}

/// Whether tmux sent the replies.
pub fn is_tmux(replies: &Replies) -> bool {
    replies.name.as_deref().is_some_and(|name| is_named(name, "tmux"))
}

fn tmux_state(replies: &Replies, environment: &Environment) -> Tmux {
    if !environment.in_tmux && !is_tmux(replies) {
        return Tmux::Absent;
    }
    if replies.outer_attributes.is_some() || replies.outer_name.is_some() { Tmux::PassesThrough } else { Tmux::Blocks }
}

/// The colour depth. It is 16 million colours only if a variable says so, or if the terminal is known and no
/// multiplexer is in front of it.
fn colours(terminal: Option<&str>, tmux: Tmux, environment: &Environment) -> Colours {
    const TRUE_COLOUR: [&str; 8] = ["kitty", "ghostty", "WezTerm", "Konsole", "foot", "iTerm2", "XTerm", "VTE"];
    const SIXTEEN_COLOURS: [&str; 5] = ["linux", "ansi", "vt", "cons", "sun"];
    if environment.no_color || !environment.is_terminal || environment.is_dumb() {
        return Colours::None;
    }
    let term = &environment.term;
    let is_declared = ["truecolor", "24bit"].iter().any(|word| environment.colorterm.contains(word));
    let is_direct = tmux == Tmux::Absent && !environment.in_zellij && !term.starts_with("screen");
    let is_known = terminal.is_some_and(|name| TRUE_COLOUR.iter().any(|known| is_named(name, known)));
    if is_declared || term.ends_with("-direct") || (is_direct && is_known) {
        Colours::True
    } else if SIXTEEN_COLOURS.iter().any(|prefix| term.starts_with(prefix)) || term.ends_with("-16color") {
        Colours::Basic
    } else {
        Colours::Indexed
    }
}

/// The cell size as the terminal or the kernel reports it.
fn known_cell_size(replies: &Replies, tmux: Tmux, environment: &Environment) -> Option<CellSize> {
    let per_cell = |pixels: (u16, u16)| CellSize::of_window(pixels, environment.columns, environment.rows);
    // Behind tmux, the outer window is larger than the pane whose rows and columns are known.
    let window = replies.window_size.filter(|_| tmux == Tmux::Absent);
    let reported = replies.cell_size.and_then(|(width, height)| CellSize::plausible(width, height));
    reported.or_else(|| window.and_then(per_cell)).or_else(|| per_cell(environment.pixels))
}

#[cfg(test)]
mod tests;

//! From what the terminal said, and hints from the environment, to what it is trusted with, and why.

use std::fmt;
use std::io::IsTerminal;

use rustix::termios::tcgetwinsize;

use super::colours::Colours;
use super::probe::{Layers, Replies};
use super::tmux;

/// How pictures get onto the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// kitty's graphics with unicode placeholders.
    Kitty,
    Sixel,
    /// iTerm2's inline pictures.
    Iterm2,
    HalfBlocks,
    Off,
}

/// What the user asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wish {
    /// Nothing: the environment's wish, or else the verdict.
    #[default]
    Auto,
    Only(Protocol),
    /// Unless the environment says otherwise.
    Usually(Protocol),
}

/// Whether tmux is in between, and what it does with what is not meant for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tmux {
    Absent,
    PassesThrough,
    KeepsToItself,
}

/// Pixels of a character cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    pub width: u16,
    pub height: u16,
}

/// What the terminal can do, and why it is thought so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    pub protocol: Protocol,
    /// A sentence without its stop.
    pub why: String,
    /// What would make it better; empty where nothing would.
    pub advice: String,
    pub cell: Cell,
    /// Whether the cell's size was told, and not assumed.
    pub cell_is_known: bool,
    pub colours: Colours,
    pub tmux: Tmux,
    /// The name and version by which the terminal calls itself; behind tmux, if it could be asked.
    pub terminal: Option<String>,
    /// Whether it answers to be asked for its name again, which tells how far it has read.
    pub answers: bool,
    /// Whether pictures that are drawn with the text stay under it when other text is written over them.
    pub pictures_stay: bool,
    /// Whether kitty's pictures can be printed, which needs no placeholders, although the protocol is another one.
    pub prints_kitty: bool,
    pub columns: u16,
    pub rows: u16,
}

/// The variable that overrules the guess.
pub const VARIABLE: &str = "PENTIMENTO_IMAGES";

/// What the environment says. It is not carried along by SSH: hints, not facts.
#[derive(Clone, Debug, Default)]
pub struct Hints {
    /// Whether stdout is a terminal.
    pub is_terminal: bool,
    pub term: String,
    pub colorterm: String,
    pub term_program: String,
    /// Carried along by SSH where it carries the language.
    pub lc_terminal: String,
    pub no_color: bool,
    pub in_tmux: bool,
    /// What tmux says about handing things on.
    pub passes_through: Option<bool>,
    pub in_zellij: bool,
    /// `PENTIMENTO_IMAGES`.
    pub variable: Option<String>,
    pub columns: u16,
    pub rows: u16,
    /// Pixels of the window, as the kernel knows them; often 0.
    pub pixels: (u16, u16),
}

/// The size that is assumed where none is told: of the usual shape.
const USUAL: Cell = Cell { width: 8, height: 16 };
const SIXEL: u16 = 4;

impl Protocol {
    pub const ALL: [Self; 5] = [Self::Kitty, Self::Sixel, Self::Iterm2, Self::HalfBlocks, Self::Off];

    pub fn name(self) -> &'static str {
        match self {
            Self::Kitty => "kitty",
            Self::Sixel => "sixel",
            Self::Iterm2 => "iterm2",
            Self::HalfBlocks => "halfblocks",
            Self::Off => "off",
        }
    }

    /// Whether pictures are shown in pixels.
    pub fn is_sharp(self) -> bool {
        matches!(self, Self::Kitty | Self::Sixel | Self::Iterm2)
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for Wish {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        let known = Protocol::ALL.into_iter().find(|protocol| protocol.name() == text);
        known.map(Self::Only).ok_or_else(|| {
            let names: Vec<&str> = Protocol::ALL.into_iter().map(Protocol::name).collect();
            format!("{text:?} is no way to show pictures; there are auto, {}", names.join(", "))
        })
    }
}

impl Hints {
    pub fn of_this_process() -> Self {
        let variable = |name: &str| std::env::var(name).unwrap_or_default();
        let is_terminal = std::io::stdout().is_terminal();
        let in_tmux = !variable("TMUX").is_empty();
        let size = tcgetwinsize(std::io::stdout()).ok();
        let (columns, rows) = size.as_ref().map_or((0, 0), |size| (size.ws_col, size.ws_row));
        Self {
            is_terminal,
            term: variable("TERM"),
            colorterm: variable("COLORTERM"),
            term_program: variable("TERM_PROGRAM"),
            lc_terminal: variable("LC_TERMINAL"),
            no_color: !variable("NO_COLOR").is_empty(),
            in_tmux,
            passes_through: (is_terminal && in_tmux).then(tmux::passes_through).flatten(),
            in_zellij: !variable("ZELLIJ").is_empty(),
            variable: std::env::var(VARIABLE).ok().filter(|value| !value.is_empty()),
            columns: if columns == 0 { 80 } else { columns },
            rows: if rows == 0 { 24 } else { rows },
            pixels: size.map_or((0, 0), |size| (size.ws_xpixel, size.ws_ypixel)),
        }
    }

    /// Whether a question would be understood, or at least not printed.
    pub fn may_ask(&self) -> bool {
        self.is_terminal && !self.is_dumb() && self.term != "linux"
    }

    pub fn layers(&self) -> Layers {
        if self.in_tmux && self.passes_through != Some(false) { Layers::Two } else { Layers::One }
    }

    fn is_dumb(&self) -> bool {
        self.term.is_empty() || self.term == "dumb"
    }
}

/// Judges. The wish given here overrules the variable, and either overrules what was found.
pub fn judge(replies: &Replies, hints: &Hints, wish: Wish) -> Verdict {
    let tmux = tmux_of(replies, hints);
    let terminal = match tmux {
        Tmux::Absent => replies.name.clone(),
        _ => replies.name_beyond.clone(),
    };
    let colours = colours_of(terminal.as_deref(), tmux, hints);
    let (cell, cell_is_known) = cell_of(replies, tmux, hints);
    let wished = wished(hints, wish);
    let is_free = wished.is_none();
    let found = wished.unwrap_or_else(|| find(replies, hints, tmux));
    let found = if found.protocol == Protocol::HalfBlocks && colours == Colours::None {
        Found::new(Protocol::Off, "pictures in half-blocks need colours, and NO_COLOR or the terminal rules them out")
    } else {
        found
    };
    let prints_kitty = is_free && replies.kitty && tmux == Tmux::Absent && found.protocol == Protocol::Iterm2;
    Verdict {
        protocol: found.protocol,
        why: found.why,
        advice: found.advice,
        cell,
        cell_is_known,
        colours,
        tmux,
        answers: if tmux == Tmux::Absent { replies.name.is_some() } else { terminal.is_some() },
        pictures_stay: terminal.as_deref().is_some_and(|name| is(name, "Konsole")),
        prints_kitty,
        terminal,
        columns: hints.columns,
        rows: hints.rows,
    }
}

/// Whether it is tmux that answers.
pub fn is_tmux(replies: &Replies) -> bool {
    replies.name.as_deref().is_some_and(|name| is(name, "tmux"))
}

struct Found {
    protocol: Protocol,
    why: String,
    advice: String,
}

impl Found {
    fn new(protocol: Protocol, why: impl Into<String>) -> Self {
        Self { protocol, why: why.into(), advice: String::new() }
    }

    fn advise(self, advice: impl Into<String>) -> Self {
        Self { advice: advice.into(), ..self }
    }
}

/// What was asked for, where a terminal is there at all.
fn wished(hints: &Hints, wish: Wish) -> Option<Found> {
    if !hints.is_terminal {
        return None;
    }
    if let Wish::Only(protocol) = wish {
        return Some(Found::new(protocol, "it was asked for"));
    }
    match (hints.variable.as_deref().map(str::parse), wish) {
        (Some(Ok(Wish::Only(protocol))), _) => Some(Found::new(protocol, format!("{VARIABLE} says so"))),
        (None, Wish::Usually(protocol)) => Some(Found::new(protocol, "config.toml says so")),
        _ => None,
    }
}

fn find(replies: &Replies, hints: &Hints, tmux: Tmux) -> Found {
    if !hints.is_terminal {
        return Found::new(Protocol::Off, "the output goes to a file or a pipe");
    }
    if hints.is_dumb() {
        return Found::new(Protocol::Off, format!("TERM is {:?}, which promises nothing", hints.term));
    }
    let sixel = replies.attributes.as_ref().is_some_and(|list| list.contains(&SIXEL));
    let name = replies.name.as_deref().unwrap_or_default();
    if hints.in_zellij || is(name, "Zellij") {
        return in_zellij(sixel);
    }
    if tmux != Tmux::Absent {
        return in_tmux(replies, tmux, sixel);
    }
    named(name, replies.kitty, sixel).unwrap_or_else(|| unnamed(replies, hints, sixel))
}

fn in_zellij(sixel: bool) -> Found {
    if sixel {
        return Found::new(Protocol::Sixel, "Zellij hands sixel on, and kitty's placeholders it does not");
    }
    Found::new(Protocol::HalfBlocks, "Zellij hands kitty's placeholders not on, and here no sixel either")
        .advise("outside Zellij they may be sharp")
}

/// Placeholders are text that tmux moves about like any other. Pictures without them stand where they were while the
/// text moves on, unless tmux draws them itself.
fn in_tmux(replies: &Replies, tmux: Tmux, sixel: bool) -> Found {
    let beyond = replies.name_beyond.as_deref().unwrap_or_default();
    if tmux == Tmux::PassesThrough && replies.kitty && (is(beyond, "kitty") || is(beyond, "ghostty")) {
        return Found::new(Protocol::Kitty, format!("tmux hands kitty's pictures on, and {beyond} shows them"));
    }
    if sixel {
        return Found::new(Protocol::Sixel, "tmux draws sixel itself");
    }
    if tmux == Tmux::KeepsToItself {
        return Found::new(Protocol::HalfBlocks, "tmux hands no pictures on: its allow-passthrough is off")
            .advise("in kitty and Ghostty, `tmux set -g allow-passthrough on` makes them sharp");
    }
    let who = if beyond.is_empty() { "the terminal behind it, which does not say its name," } else { beyond };
    Found::new(
        Protocol::HalfBlocks,
        format!("tmux moves text and not pictures, and {who} knows no placeholders for them"),
    )
    .advise("outside tmux they may be sharp; inside it they are in kitty and Ghostty")
}

/// Terminals that are known by name, some of which answer in ways that mislead.
fn named(name: &str, kitty: bool, sixel: bool) -> Option<Found> {
    let found = |protocol, why: &str| Some(Found::new(protocol, format!("{name} {why}")));
    if is(name, "kitty") {
        if version(name) < Some((0, 28)) {
            return Some(
                Found::new(Protocol::HalfBlocks, format!("{name} knows no placeholders for pictures"))
                    .advise("kitty does from 0.28 on"),
            );
        }
        return found(Protocol::Kitty, "shows kitty's pictures");
    }
    if is(name, "ghostty") && kitty {
        return found(Protocol::Kitty, "shows kitty's pictures");
    }
    // These say yes to kitty's question, and then print the placeholders.
    if is(name, "WezTerm") || (is(name, "Konsole") && version(name) >= Some((22, 4))) {
        return found(Protocol::Iterm2, "shows iTerm2's pictures, and kitty's only without placeholders");
    }
    if is(name, "iTerm2") {
        return found(Protocol::Iterm2, "shows its own pictures");
    }
    if sixel && !name.is_empty() {
        return found(Protocol::Sixel, "says that it shows sixel");
    }
    None
}

fn unnamed(replies: &Replies, hints: &Hints, sixel: bool) -> Found {
    const OVERRULE: &str = "kitty, Ghostty, foot, WezTerm, Konsole and iTerm2 show them sharp";
    if hints.term_program == "iTerm.app" || hints.lc_terminal == "iTerm2" {
        return Found::new(Protocol::Iterm2, "the environment names iTerm2");
    }
    if sixel {
        return Found::new(Protocol::Sixel, "the terminal says that it shows sixel");
    }
    let why = if replies.kitty {
        "the terminal knows kitty's pictures, but does not say whether it knows placeholders for them"
    } else if let Some(name) = &replies.name {
        return Found::new(Protocol::HalfBlocks, format!("{name} says nothing about pictures of its own"))
            .advise(OVERRULE);
    } else if replies.attributes.is_some() {
        "the terminal says nothing about pictures of its own"
    } else {
        "the terminal answered nothing in time"
    };
    Found::new(Protocol::HalfBlocks, why)
        .advise(format!("{OVERRULE}; {VARIABLE}=kitty|sixel|iterm2 overrules the guess"))
}

fn tmux_of(replies: &Replies, hints: &Hints) -> Tmux {
    if !hints.in_tmux && !is_tmux(replies) {
        return Tmux::Absent;
    }
    if replies.beyond.is_some() || replies.name_beyond.is_some() { Tmux::PassesThrough } else { Tmux::KeepsToItself }
}

/// 16 million only with evidence. tmux and others in between have to say so themselves.
fn colours_of(terminal: Option<&str>, tmux: Tmux, hints: &Hints) -> Colours {
    const TRUE: [&str; 8] = ["kitty", "ghostty", "WezTerm", "Konsole", "foot", "iTerm2", "XTerm", "VTE"];
    const FEW: [&str; 5] = ["linux", "ansi", "vt", "cons", "sun"];
    if hints.no_color || !hints.is_terminal || hints.is_dumb() {
        return Colours::None;
    }
    let said = ["truecolor", "24bit"].iter().any(|word| hints.colorterm.contains(word));
    let alone = tmux == Tmux::Absent && !hints.in_zellij && !hints.term.starts_with("screen");
    let named = terminal.is_some_and(|name| TRUE.iter().any(|known| is(name, known)));
    if said || hints.term.ends_with("-direct") || (alone && named) {
        Colours::True
    } else if FEW.iter().any(|few| hints.term.starts_with(few)) || hints.term.ends_with("-16color") {
        Colours::Basic
    } else {
        Colours::Indexed
    }
}

fn cell_of(replies: &Replies, tmux: Tmux, hints: &Hints) -> (Cell, bool) {
    let per_cell = |(width, height): (u16, u16)| {
        (hints.columns > 0 && hints.rows > 0).then(|| (width / hints.columns, height / hints.rows))
    };
    // Behind tmux the window is larger than the pane whose cells are known.
    let window = replies.window.filter(|_| tmux == Tmux::Absent);
    let told = [replies.cell, window.and_then(per_cell), per_cell(hints.pixels)];
    let plausible = |&(width, height): &(u16, u16)| (2..=128).contains(&width) && (4..=256).contains(&height);
    match told.into_iter().flatten().find(plausible) {
        Some((width, height)) => (Cell { width, height }, true),
        None => (USUAL, false),
    }
}

/// Whether a name such as `kitty(0.41.1)` or `Konsole 25.04.2` is this terminal's.
fn is(name: &str, terminal: &str) -> bool {
    let rest = name.get(..terminal.len()).filter(|start| start.eq_ignore_ascii_case(terminal));
    rest.is_some() && !name[terminal.len()..].starts_with(|c: char| c.is_alphanumeric())
}

/// The first two numbers in a name.
fn version(name: &str) -> Option<(u32, u32)> {
    let start = name.find(|c: char| c.is_ascii_digit())?;
    let mut numbers = name[start..].split(|c: char| !c.is_ascii_digit()).map(|number| number.parse().unwrap_or(0));
    Some((numbers.next()?, numbers.next().unwrap_or(0)))
}

#[cfg(test)]
mod tests;

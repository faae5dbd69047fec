//! What real terminals answer, and what becomes of it.

use super::super::probe::Parser;
use super::*;

/// A terminal by its answers and its environment.
struct Case {
    what: &'static str,
    replies: &'static str,
    env: &'static [(&'static str, &'static str)],
    expected: (Protocol, Colours, Tmux, (u16, u16)),
}

const ON: (&str, &str) = ("passthrough", "on");
const OFF: (&str, &str) = ("passthrough", "off");
const KITTY: &str = "\x1b_Gi=31;OK\x1b\\\x1b[6;17;8t\x1b[4;680;800t\x1bP>|kitty(0.41.1)\x1b\\\x1b[?62;c";
const TMUX: &str = "\x1bP>|tmux 3.3a\x1b\\\x1b[?1;2c";
const FOOT: &str = "\x1b[6;17;8t\x1b[4;680;800t\x1bP>|foot(1.21.0)\x1b\\\x1b[?62;4;22;28c";
const XTERM: &str = "\x1bP>|XTerm(398)\x1b\\\x1b[?63;1;2;4;6;9;15;16;22;28c";
const KONSOLE: &str = "\x1b_Gi=31;OK\x1b\\\x1b[6;15;8t\x1b[4;600;800t\x1bP>|Konsole 25.04.2\x1b\\\x1b[?62;1;4c";
const WEZTERM: &str = "\x1b_Gi=31;OK\x1b\\\x1b[6;17;8t\x1bP>|WezTerm 20240203-110809\x1b\\\x1b[?65;4;6;18;22;52c";
const ITERM: &str = "\x1b[4;680;800t\x1bP>|iTerm2 3.5.14\x1b\\\x1b[?64;1;2;4;6;17;18;21;22;52c";

#[rustfmt::skip]
const CASES: [Case; 25] = [
    Case { what: "kitty", replies: KITTY, env: &[("TERM", "xterm-kitty")],
        expected: (Protocol::Kitty, Colours::True, Tmux::Absent, (8, 17)) },
    Case { what: "kitty that calls itself xterm over ssh", replies: KITTY, env: &[("TERM", "xterm-256color")],
        expected: (Protocol::Kitty, Colours::True, Tmux::Absent, (8, 17)) },
    Case { what: "an old kitty", replies: "\x1b_Gi=31;OK\x1b\\\x1bP>|kitty(0.26.5)\x1b\\\x1b[?62;c", env: &[("TERM", "xterm-kitty")],
        expected: (Protocol::HalfBlocks, Colours::True, Tmux::Absent, (8, 16)) },
    Case { what: "ghostty", replies: "\x1b_Gi=31;OK\x1b\\\x1b[6;17;8t\x1bP>|ghostty 1.2.0\x1b\\\x1b[?62;22;52c", env: &[("TERM", "xterm-ghostty")],
        expected: (Protocol::Kitty, Colours::True, Tmux::Absent, (8, 17)) },
    Case { what: "wezterm over ssh", replies: WEZTERM, env: &[("TERM", "xterm-256color")],
        expected: (Protocol::Iterm2, Colours::True, Tmux::Absent, (8, 17)) },
    Case { what: "konsole over ssh", replies: KONSOLE, env: &[("TERM", "xterm-256color")],
        expected: (Protocol::Iterm2, Colours::True, Tmux::Absent, (8, 15)) },
    Case { what: "an old konsole", replies: "\x1b_Gi=31;OK\x1b\\\x1bP>|Konsole 21.12.0\x1b\\\x1b[?62;1;4c", env: &[("TERM", "xterm-256color")],
        expected: (Protocol::Sixel, Colours::True, Tmux::Absent, (8, 16)) },
    Case { what: "foot", replies: FOOT, env: &[("TERM", "foot")],
        expected: (Protocol::Sixel, Colours::True, Tmux::Absent, (8, 17)) },
    Case { what: "xterm as a vt340, which tells sizes to nobody", replies: XTERM, env: &[("TERM", "xterm-256color")],
        expected: (Protocol::Sixel, Colours::True, Tmux::Absent, (8, 16)) },
    Case { what: "xterm as it comes", replies: "\x1bP>|XTerm(398)\x1b\\\x1b[?64;1;2;6;9;15;16;17;18;21;22;28c", env: &[("TERM", "xterm-256color"), ("pixels", "800x680")],
        expected: (Protocol::HalfBlocks, Colours::True, Tmux::Absent, (8, 17)) },
    Case { what: "iTerm2 over ssh", replies: ITERM, env: &[("TERM", "xterm-256color"), ("LC_TERMINAL", "iTerm2")],
        expected: (Protocol::Iterm2, Colours::True, Tmux::Absent, (8, 17)) },
    Case { what: "an iTerm2 that does not say its name", replies: "\x1b[?1;2c", env: &[("TERM", "xterm-256color"), ("LC_TERMINAL", "iTerm2")],
        expected: (Protocol::Iterm2, Colours::Indexed, Tmux::Absent, (8, 16)) },
    Case { what: "alacritty", replies: "\x1b[4;680;800t\x1b[?6c", env: &[("TERM", "alacritty"), ("COLORTERM", "truecolor")],
        expected: (Protocol::HalfBlocks, Colours::True, Tmux::Absent, (8, 17)) },
    Case { what: "alacritty over ssh", replies: "\x1b[4;680;800t\x1b[?6c", env: &[("TERM", "xterm-256color")],
        expected: (Protocol::HalfBlocks, Colours::Indexed, Tmux::Absent, (8, 17)) },
    Case { what: "mlterm", replies: "\x1b[6;17;8t\x1bP>|mlterm(3.9.3)\x1b\\\x1b[?63;1;2;3;4;7;29c", env: &[("TERM", "mlterm")],
        expected: (Protocol::Sixel, Colours::Indexed, Tmux::Absent, (8, 17)) },
    Case { what: "an unknown one that knows kitty's question", replies: "\x1b_Gi=31;OK\x1b\\\x1b[?62;c", env: &[("TERM", "xterm-256color")],
        expected: (Protocol::HalfBlocks, Colours::Indexed, Tmux::Absent, (8, 16)) },
    Case { what: "tmux in kitty", replies: "{TMUX}{KITTY}", env: &[("TERM", "tmux-256color"), ("TMUX", "x"), ON],
        expected: (Protocol::Kitty, Colours::Indexed, Tmux::PassesThrough, (8, 17)) },
    Case { what: "tmux in kitty that keeps to itself", replies: TMUX, env: &[("TERM", "tmux-256color"), ("TMUX", "x"), OFF, ("pixels", "800x680")],
        expected: (Protocol::HalfBlocks, Colours::Indexed, Tmux::KeepsToItself, (8, 17)) },
    Case { what: "tmux in foot", replies: "{TMUX}{FOOT}", env: &[("TERM", "tmux-256color"), ("TMUX", "x"), ("COLORTERM", "truecolor"), ON],
        expected: (Protocol::HalfBlocks, Colours::True, Tmux::PassesThrough, (8, 17)) },
    Case { what: "tmux that draws sixel", replies: "\x1bP>|tmux 3.5a\x1b\\\x1b[?1;2;4c", env: &[("TERM", "tmux-256color"), ("TMUX", "x"), OFF],
        expected: (Protocol::Sixel, Colours::Indexed, Tmux::KeepsToItself, (8, 16)) },
    Case { what: "ssh out of a tmux", replies: TMUX, env: &[("TERM", "screen-256color")],
        expected: (Protocol::HalfBlocks, Colours::Indexed, Tmux::KeepsToItself, (8, 16)) },
    Case { what: "zellij in kitty", replies: "\x1b_Gi=31;OK\x1b\\\x1bP>|Zellij(4300)\x1b\\\x1b[?62;22c", env: &[("TERM", "xterm-kitty"), ("ZELLIJ", "0")],
        expected: (Protocol::HalfBlocks, Colours::Indexed, Tmux::Absent, (8, 16)) },
    Case { what: "zellij in foot", replies: "\x1bP>|Zellij(4300)\x1b\\\x1b[?62;4c", env: &[("TERM", "foot")],
        expected: (Protocol::Sixel, Colours::Indexed, Tmux::Absent, (8, 16)) },
    Case { what: "one that answers nothing", replies: "", env: &[("TERM", "xterm-256color")],
        expected: (Protocol::HalfBlocks, Colours::Indexed, Tmux::Absent, (8, 16)) },
    Case { what: "a dumb one", replies: "", env: &[("TERM", "dumb")],
        expected: (Protocol::Off, Colours::None, Tmux::Absent, (8, 16)) },
];

fn hints(env: &[(&str, &str)]) -> Hints {
    let get = |name: &str| env.iter().find(|(key, _)| *key == name).map_or("", |(_, value)| *value);
    let pixels = get("pixels").split_once('x').map_or((0, 0), |(x, y)| (x.parse().unwrap(), y.parse().unwrap()));
    Hints {
        is_terminal: true,
        term: get("TERM").to_owned(),
        colorterm: get("COLORTERM").to_owned(),
        lc_terminal: get("LC_TERMINAL").to_owned(),
        no_color: !get("NO_COLOR").is_empty(),
        in_tmux: !get("TMUX").is_empty(),
        passes_through: Some(get("passthrough")).filter(|value| !value.is_empty()).map(|value| value == "on"),
        in_zellij: !get("ZELLIJ").is_empty(),
        variable: Some(get(VARIABLE).to_owned()).filter(|value| !value.is_empty()),
        columns: 100,
        rows: 40,
        pixels,
        ..Hints::default()
    }
}

fn replies(text: &str) -> Replies {
    let text = text.replace("{TMUX}", TMUX).replace("{KITTY}", KITTY).replace("{FOOT}", FOOT);
    let mut parser = Parser::default();
    let mut replies = Replies::default();
    text.bytes().filter_map(|byte| parser.feed(byte)).for_each(|reply| replies.take(reply));
    replies
}

#[test]
fn real_terminals_are_judged_rightly() {
    for case in CASES {
        let verdict = judge(&replies(case.replies), &hints(case.env), Wish::Auto);
        let cell = (verdict.cell.width, verdict.cell.height);
        let found = (verdict.protocol, verdict.colours, verdict.tmux, cell);
        assert_eq!(found, case.expected, "{}: {}", case.what, verdict.why);
        assert!(verdict.why.len() > 15 && !verdict.why.ends_with('.'), "{}: {}", case.what, verdict.why);
    }
}

#[test]
fn a_wish_overrules_the_variable_and_that_the_terminal() {
    let env = [("TERM", "xterm-kitty"), (VARIABLE, "sixel")];
    let verdict = judge(&replies(KITTY), &hints(&env), Wish::Auto);
    assert_eq!((verdict.protocol, verdict.why.as_str()), (Protocol::Sixel, "PENTIMENTO_IMAGES says so"));
    let verdict = judge(&replies(KITTY), &hints(&env), Wish::Only(Protocol::HalfBlocks));
    assert_eq!(verdict.protocol, Protocol::HalfBlocks);
    // What names nothing changes nothing, and neither can make a pipe show pictures.
    let verdict = judge(&replies(KITTY), &hints(&[("TERM", "xterm-kitty"), (VARIABLE, "sharp")]), Wish::Auto);
    assert_eq!(verdict.protocol, Protocol::Kitty);
    let pipe = Hints { is_terminal: false, ..hints(&env) };
    assert_eq!(judge(&Replies::default(), &pipe, Wish::Only(Protocol::Kitty)).protocol, Protocol::Off);
    assert!("sharp".parse::<Wish>().unwrap_err().contains("auto, kitty, sixel"));
}

#[test]
fn what_needs_no_placeholders_is_printed_by_kittys_protocol() {
    let env = [("TERM", "xterm-256color")];
    assert!(judge(&replies(KONSOLE), &hints(&env), Wish::Auto).prints_kitty);
    assert!(judge(&replies(WEZTERM), &hints(&env), Wish::Auto).prints_kitty);
    assert!(!judge(&replies(ITERM), &hints(&env), Wish::Auto).prints_kitty);
    assert!(!judge(&replies(WEZTERM), &hints(&env), Wish::Only(Protocol::Iterm2)).prints_kitty);
}

#[test]
fn without_colours_there_are_no_half_blocks() {
    let no_color = ("NO_COLOR", "1");
    let verdict = judge(&replies("\x1b[?6c"), &hints(&[("TERM", "alacritty"), no_color]), Wish::Auto);
    assert_eq!((verdict.protocol, verdict.colours), (Protocol::Off, Colours::None));
    // Pixels are not text.
    let verdict = judge(&replies(KITTY), &hints(&[("TERM", "xterm-kitty"), no_color]), Wish::Auto);
    assert_eq!((verdict.protocol, verdict.colours), (Protocol::Kitty, Colours::None));
}

#[test]
fn tmux_is_told_apart_and_told_about() {
    let off = judge(&replies(TMUX), &hints(&[("TERM", "tmux-256color"), ("TMUX", "x"), OFF]), Wish::Auto);
    assert!(off.why.contains("allow-passthrough is off") && off.advice.contains("tmux set -g"), "{off:?}");
    assert_eq!(hints(&[("TMUX", "x"), OFF]).layers(), Layers::One);
    assert_eq!(hints(&[("TMUX", "x")]).layers(), Layers::Two);
    assert_eq!(off.terminal, None);
    let on = judge(&replies("{TMUX}{KITTY}"), &hints(&[("TERM", "tmux-256color"), ("TMUX", "x")]), Wish::Auto);
    assert_eq!(on.terminal.as_deref(), Some("kitty(0.41.1)"));
}

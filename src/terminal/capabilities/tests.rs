//! The replies of real terminals, and the capabilities that follow from them.

use super::*;
use crate::terminal::probe::Layers;
use crate::terminal::reply::Parser;

/// A terminal by its replies and its environment.
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
    Case { what: "kitty with TERM of xterm over ssh", replies: KITTY, env: &[("TERM", "xterm-256color")],
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
    Case { what: "xterm as a vt340, which reports no sizes", replies: XTERM, env: &[("TERM", "xterm-256color")],
        expected: (Protocol::Sixel, Colours::True, Tmux::Absent, (8, 16)) },
    Case { what: "xterm with default settings", replies: "\x1bP>|XTerm(398)\x1b\\\x1b[?64;1;2;6;9;15;16;17;18;21;22;28c", env: &[("TERM", "xterm-256color"), ("pixels", "800x680")],
        expected: (Protocol::HalfBlocks, Colours::True, Tmux::Absent, (8, 17)) },
    Case { what: "iTerm2 over ssh", replies: ITERM, env: &[("TERM", "xterm-256color"), ("LC_TERMINAL", "iTerm2")],
        expected: (Protocol::Iterm2, Colours::True, Tmux::Absent, (8, 17)) },
    Case { what: "an iTerm2 that does not report its name", replies: "\x1b[?1;2c", env: &[("TERM", "xterm-256color"), ("LC_TERMINAL", "iTerm2")],
        expected: (Protocol::Iterm2, Colours::Indexed, Tmux::Absent, (8, 16)) },
    Case { what: "alacritty", replies: "\x1b[4;680;800t\x1b[?6c", env: &[("TERM", "alacritty"), ("COLORTERM", "truecolor")],
        expected: (Protocol::HalfBlocks, Colours::True, Tmux::Absent, (8, 17)) },
    Case { what: "alacritty over ssh", replies: "\x1b[4;680;800t\x1b[?6c", env: &[("TERM", "xterm-256color")],
        expected: (Protocol::HalfBlocks, Colours::Indexed, Tmux::Absent, (8, 17)) },
    Case { what: "mlterm", replies: "\x1b[6;17;8t\x1bP>|mlterm(3.9.3)\x1b\\\x1b[?63;1;2;3;4;7;29c", env: &[("TERM", "mlterm")],
        expected: (Protocol::Sixel, Colours::Indexed, Tmux::Absent, (8, 17)) },
    Case { what: "an unknown terminal that accepts the kitty graphics query", replies: "\x1b_Gi=31;OK\x1b\\\x1b[?62;c", env: &[("TERM", "xterm-256color")],
        expected: (Protocol::HalfBlocks, Colours::Indexed, Tmux::Absent, (8, 16)) },
    Case { what: "tmux in kitty", replies: "{TMUX}{KITTY}", env: &[("TERM", "tmux-256color"), ("TMUX", "x"), ON],
        expected: (Protocol::Kitty, Colours::Indexed, Tmux::PassesThrough, (8, 17)) },
    Case { what: "tmux in kitty without passthrough", replies: TMUX, env: &[("TERM", "tmux-256color"), ("TMUX", "x"), OFF, ("pixels", "800x680")],
        expected: (Protocol::HalfBlocks, Colours::Indexed, Tmux::Blocks, (8, 17)) },
    Case { what: "tmux in foot", replies: "{TMUX}{FOOT}", env: &[("TERM", "tmux-256color"), ("TMUX", "x"), ("COLORTERM", "truecolor"), ON],
        expected: (Protocol::HalfBlocks, Colours::True, Tmux::PassesThrough, (8, 17)) },
    Case { what: "tmux that draws sixel", replies: "\x1bP>|tmux 3.5a\x1b\\\x1b[?1;2;4c", env: &[("TERM", "tmux-256color"), ("TMUX", "x"), OFF],
        expected: (Protocol::Sixel, Colours::Indexed, Tmux::Blocks, (8, 16)) },
    Case { what: "ssh from within tmux", replies: TMUX, env: &[("TERM", "screen-256color")],
        expected: (Protocol::HalfBlocks, Colours::Indexed, Tmux::Blocks, (8, 16)) },
    Case { what: "zellij in kitty", replies: "\x1b_Gi=31;OK\x1b\\\x1bP>|Zellij(4300)\x1b\\\x1b[?62;22c", env: &[("TERM", "xterm-kitty"), ("ZELLIJ", "0")],
        expected: (Protocol::HalfBlocks, Colours::Indexed, Tmux::Absent, (8, 16)) },
    Case { what: "zellij in foot", replies: "\x1bP>|Zellij(4300)\x1b\\\x1b[?62;4c", env: &[("TERM", "foot")],
        expected: (Protocol::Sixel, Colours::Indexed, Tmux::Absent, (8, 16)) },
    Case { what: "a terminal that answers nothing", replies: "", env: &[("TERM", "xterm-256color")],
        expected: (Protocol::HalfBlocks, Colours::Indexed, Tmux::Absent, (8, 16)) },
    Case { what: "a dumb terminal", replies: "", env: &[("TERM", "dumb")],
        expected: (Protocol::Off, Colours::None, Tmux::Absent, (8, 16)) },
];

fn environment(variables: &[(&str, &str)]) -> Environment {
    let get = |name: &str| variables.iter().find(|(key, _)| *key == name).map_or("", |(_, value)| *value);
    let pixels = get("pixels").split_once('x').map_or((0, 0), |(x, y)| (x.parse().unwrap(), y.parse().unwrap()));
    Environment {
        is_terminal: true,
        term: get("TERM").to_owned(),
        colorterm: get("COLORTERM").to_owned(),
        lc_terminal: get("LC_TERMINAL").to_owned(),
        no_color: !get("NO_COLOR").is_empty(),
        in_tmux: !get("TMUX").is_empty(),
        tmux_passthrough: Some(get("passthrough")).filter(|value| !value.is_empty()).map(|value| value == "on"),
        in_zellij: !get("ZELLIJ").is_empty(),
        columns: 100,
        rows: 40,
        pixels,
        ..Environment::default()
    }
}

fn replies(text: &str) -> Replies {
    let text = text.replace("{TMUX}", TMUX).replace("{KITTY}", KITTY).replace("{FOOT}", FOOT);
    let mut parser = Parser::default();
    let mut replies = Replies::default();
    text.bytes().filter_map(|byte| parser.feed(byte)).for_each(|reply| replies.add(reply));
    replies
}

fn chosen(protocol: Protocol) -> Option<ChosenProtocol> {
    Some(ChosenProtocol { protocol, source: "flag --images".to_owned() })
}

#[test]
fn real_terminals_are_recognised() {
    for case in CASES {
        let found = assess(&replies(case.replies), &environment(case.env), None);
        let cell_size = (found.cell_size.width, found.cell_size.height);
        let actual = (found.protocol, found.colours, found.tmux, cell_size);
        assert_eq!(actual, case.expected, "{}: {}", case.what, found.reason);
        assert!(found.reason.len() > 15 && !found.reason.ends_with('.'), "{}: {}", case.what, found.reason);
    }
}

#[test]
fn a_chosen_protocol_overrides_detection() {
    let kitty = environment(&[("TERM", "xterm-kitty")]);
    let found = assess(&replies(KITTY), &kitty, chosen(Protocol::Sixel));
    assert_eq!((found.protocol, found.reason.as_str()), (Protocol::Sixel, "chosen by flag --images"));
    // A pipe shows no pictures, even if a protocol was chosen.
    let pipe = Environment { is_terminal: false, ..kitty };
    assert_eq!(assess(&Replies::default(), &pipe, chosen(Protocol::Kitty)).protocol, Protocol::Off);
}

#[test]
fn commands_print_with_kitty_graphics_where_placeholders_are_missing() {
    let xterm = environment(&[("TERM", "xterm-256color")]);
    assert!(assess(&replies(KONSOLE), &xterm, None).prints_kitty);
    assert!(assess(&replies(WEZTERM), &xterm, None).prints_kitty);
    assert!(!assess(&replies(ITERM), &xterm, None).prints_kitty);
    assert!(!assess(&replies(WEZTERM), &xterm, chosen(Protocol::Iterm2)).prints_kitty);
}

#[test]
fn without_colours_there_are_no_half_blocks() {
    let no_color = ("NO_COLOR", "1");
    let found = assess(&replies("\x1b[?6c"), &environment(&[("TERM", "alacritty"), no_color]), None);
    assert_eq!((found.protocol, found.colours), (Protocol::Off, Colours::None));
    // NO_COLOR concerns text, not pictures in pixels.
    let found = assess(&replies(KITTY), &environment(&[("TERM", "xterm-kitty"), no_color]), None);
    assert_eq!((found.protocol, found.colours), (Protocol::Kitty, Colours::None));
}

#[test]
fn tmux_without_passthrough_is_reported() {
    let off = assess(&replies(TMUX), &environment(&[("TERM", "tmux-256color"), ("TMUX", "x"), OFF]), None);
    assert!(off.reason.contains("allow-passthrough is off") && off.advice.contains("tmux set -g"), "{off:?}");
    assert_eq!(environment(&[("TMUX", "x"), OFF]).layers(), Layers::One);
    assert_eq!(environment(&[("TMUX", "x")]).layers(), Layers::Two);
    assert_eq!(off.terminal, None);
    let on = assess(&replies("{TMUX}{KITTY}"), &environment(&[("TERM", "tmux-256color"), ("TMUX", "x")]), None);
    assert_eq!(on.terminal.as_deref(), Some("kitty(0.41.1)"));
}

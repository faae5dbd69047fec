//! Names as terminals report them, such as `kitty(0.41.1)` or `Konsole 25.04.2`.

/// Whether a reported name belongs to this terminal; the case is ignored.
pub(super) fn is_named(reported: &str, terminal: &str) -> bool {
    let start = reported.get(..terminal.len()).filter(|start| start.eq_ignore_ascii_case(terminal));
    start.is_some() && !reported[terminal.len()..].starts_with(|c: char| c.is_alphanumeric())
}

/// The first two numbers of the version.
pub(super) fn version(reported: &str) -> Option<(u32, u32)> {
    let start = reported.find(|c: char| c.is_ascii_digit())?;
    let mut numbers = reported[start..].split(|c: char| !c.is_ascii_digit()).map(|number| number.parse().unwrap_or(0));
    Some((numbers.next()?, numbers.next().unwrap_or(0)))
}

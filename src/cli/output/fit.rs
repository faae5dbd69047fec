//! The width of stdout, and how a table shares it among its columns.

use std::io::IsTerminal;

/// The width if stdout is not a terminal.
const DEFAULT: usize = 80;
/// The width below which a column is not narrowed.
const MINIMUM: usize = 8;

/// The width of stdout.
pub fn columns() -> usize {
    if std::io::stdout().is_terminal() { usize::from(viuer::terminal_size().0).clamp(40, 240) } else { DEFAULT }
}

/// Shares the width among columns. Each column gets what it needs; if that is too much, the widest columns get less.
pub fn shares(needs: &[usize], room: usize) -> Vec<usize> {
    let widest = needs.iter().copied().max().unwrap_or(0);
    let shares = |most: usize| needs.iter().map(move |need| *need.min(&most));
    let most = (MINIMUM..=widest.min(room)).rev().find(|&most| shares(most).sum::<usize>() <= room);
    shares(most.unwrap_or(MINIMUM)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_widest_columns_are_narrowed() {
        assert_eq!(shares(&[8, 10, 90], 40), [8, 10, 22]);
        assert_eq!(shares(&[8, 90, 90], 40), [8, 16, 16]);
        assert_eq!(shares(&[3, 4], 40), [3, 4]);
        assert_eq!(shares(&[50, 50, 50], 10), [MINIMUM; 3]);
    }
}

//! Fuzzy search.

use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};

/// The indices of the texts that match, the best match first; all of them for an empty pattern.
pub fn find(pattern: &str, texts: impl Iterator<Item = String>) -> Vec<usize> {
    let mut matcher = Matcher::new(Config::DEFAULT);
    let parsed = Pattern::parse(pattern, CaseMatching::Ignore, Normalization::Smart);
    let mut characters = Vec::new();
    let mut found: Vec<(u32, usize)> = texts
        .enumerate()
        .filter_map(|(number, text)| Some((parsed.score(Utf32Str::new(&text, &mut characters), &mut matcher)?, number)))
        .collect();
    found.sort_by_key(|&(score, number)| (std::cmp::Reverse(score), number));
    found.into_iter().map(|(_, number)| number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_match_comes_first_and_an_empty_pattern_finds_all() {
        let names = ["grandmother", "ada", "adam and anna"];
        let found = |pattern: &str| find(pattern, names.iter().map(|name| (*name).to_owned()));
        assert_eq!(found(""), [0, 1, 2]);
        assert_eq!(found("ada"), [1, 2]);
        assert_eq!(found("GM"), [0]);
        assert_eq!(found("anna ada"), [2]);
        assert!(found("zz").is_empty());
        assert_eq!(find("ada", ["a-long-dark-aside", "ada"].map(str::to_owned).into_iter()), [1, 0]);
    }
}

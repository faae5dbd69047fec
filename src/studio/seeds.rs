//! The seeds of a run, and how people write them.

use std::fmt;
use std::str::FromStr;

use super::text;

/// The seeds of a run: at least one, no duplicates, in the order given.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Seeds(Vec<u64>);

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSeeds {
    #[error("a run needs at least one seed")]
    None,
    #[error("seed {0} is given twice: a seed makes the same image each time")]
    Twice(u64),
    #[error("invalid seeds {0:?}: use a list (7,8,9) or start×count (7x3)")]
    Unreadable(String),
    #[error("{0} seeds are too many: a run takes at most {most}", most = Seeds::MOST)]
    TooMany(usize),
}

impl Seeds {
    /// The largest number of seeds in a run.
    pub const MOST: usize = 1000;

    pub fn new(seeds: Vec<u64>) -> Result<Self, BadSeeds> {
        if seeds.is_empty() {
            return Err(BadSeeds::None);
        }
        if seeds.len() > Self::MOST {
            return Err(BadSeeds::TooMany(seeds.len()));
        }
        let mut sorted = seeds.clone();
        sorted.sort_unstable();
        match sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(BadSeeds::Twice(pair[0])),
            None => Ok(Self(seeds)),
        }
    }

    pub fn as_slice(&self) -> &[u64] {
        &self.0
    }

    /// As many new seeds: the ones after the largest, or from 0 if there is no room after it.
    pub fn following(&self) -> Self {
        let count = self.0.len() as u64;
        let after = self.0.iter().max().and_then(|largest| largest.checked_add(1));
        let first = after.filter(|first| first.checked_add(count).is_some()).unwrap_or(0);
        Self((first..first + count).collect())
    }
}

/// Reads a list (`7,8,9`) or start×count (`7x3` for 7, 8, 9).
impl FromStr for Seeds {
    type Err = BadSeeds;

    fn from_str(list: &str) -> Result<Self, Self::Err> {
        let unreadable = || BadSeeds::Unreadable(text::clean(list));
        if let Some((first, count)) = list.split_once(['x', '×']) {
            let first: u64 = first.trim().parse().map_err(|_| unreadable())?;
            let count: usize = count.trim().parse().map_err(|_| unreadable())?;
            if count > Self::MOST {
                return Err(BadSeeds::TooMany(count));
            }
            let end = first.checked_add(count as u64).ok_or_else(unreadable)?;
            return Self::new((first..end).collect());
        }
        let seeds: Result<Vec<u64>, _> = list.split(',').map(|seed| seed.trim().parse()).collect();
        Self::new(seeds.map_err(|_| unreadable())?)
    }
}

/// Writes what [`FromStr`] reads: `7x3` for consecutive seeds, otherwise a list.
impl fmt::Display for Seeds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let follow = |pair: &[u64]| pair[0].checked_add(1) == Some(pair[1]);
        // `start + count` has to be a u64, or it could not be read back.
        let end = self.0[0].checked_add(self.0.len() as u64);
        if self.0.len() > 1 && end.is_some() && self.0.windows(2).all(follow) {
            return write!(f, "{}x{}", self.0[0], self.0.len());
        }
        let seeds: Vec<String> = self.0.iter().map(u64::to_string).collect();
        f.write_str(&seeds.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_a_list_or_a_start_and_a_count() {
        let seeds = |list: &str| list.parse::<Seeds>().map(|seeds| seeds.as_slice().to_vec());
        assert_eq!(seeds("7, 8,18446744073709551615"), Ok(vec![7, 8, u64::MAX]));
        assert_eq!(seeds("7x3"), Ok(vec![7, 8, 9]));
        assert_eq!(seeds("7x0"), Err(BadSeeds::None));
        assert_eq!(seeds("7,8,7"), Err(BadSeeds::Twice(7)));
        assert_eq!(seeds("7x100000000000"), Err(BadSeeds::TooMany(100_000_000_000)));
        for list in ["", "a", "-1", "1,,2", "18446744073709551615x2"] {
            assert!(matches!(seeds(list), Err(BadSeeds::Unreadable(_))), "{list}");
        }
    }

    #[test]
    fn new_seeds_follow_the_largest() {
        let following = |list: &str| list.parse::<Seeds>().unwrap().following().to_string();
        assert_eq!((following("7x3"), following("9,2")), ("10x3".to_owned(), "10x2".to_owned()));
        assert_eq!(following("3,18446744073709551615"), "0x2");
    }

    #[test]
    fn seeds_are_written_as_they_are_read() {
        for list in ["7", "7x3", "9,8,7", "7,9", "0,18446744073709551615", "18446744073709551614,18446744073709551615"]
        {
            assert_eq!(list.parse::<Seeds>().unwrap().to_string(), list);
        }
        assert_eq!("3,4,5".parse::<Seeds>().unwrap().to_string(), "3x3");
    }
}

//! The seeds of a run, and how people write them.

use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;

use super::text;

/// The seeds of a run: at least one, no duplicates, in the order given.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Seeds(Vec<u64>);

/// A seed as a person writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeedChoice {
    Number(u64),
    /// `-1`: a seed is drawn.
    Random,
}

/// Seeds that a person gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenSeeds {
    pub seeds: Seeds,
    /// Whether any of them was drawn.
    pub drawn: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSeeds {
    #[error("a run needs at least one seed")]
    None,
    #[error("seed {0} is given twice: a seed makes the same image each time")]
    Twice(u64),
    #[error("invalid seed {0:?}: use a number from -9223372036854775808 to 18446744073709551615, or -1 to draw one")]
    OutOfRange(String),
    #[error("invalid seeds {0:?}: use a list (7,8,9) or start×count (7x3)")]
    Unreadable(String),
    #[error("{0} seeds are too many: a run takes at most {most}", most = Seeds::MOST)]
    TooMany(usize),
}

/// Reads a seed with the range of `torch.Generator.manual_seed`, which maps negative seeds to 2⁶⁴ + seed. `-1` draws a
/// seed, as in other programs; the seed that torch makes of -1 is written 18446744073709551615.
impl FromStr for SeedChoice {
    type Err = BadSeeds;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || BadSeeds::OutOfRange(text::clean(text));
        let number: i128 = text.trim().parse().map_err(|_| bad())?;
        match (i64::try_from(number), u64::try_from(number)) {
            (Ok(-1), _) => Ok(Self::Random),
            (_, Ok(seed)) => Ok(Self::Number(seed)),
            (Ok(seed), Err(_)) => Ok(Self::Number(seed.cast_unsigned())),
            (Err(_), Err(_)) => Err(bad()),
        }
    }
}

impl SeedChoice {
    /// The seed, drawn with `random` if it has to be.
    pub fn or_draw(self, random: impl FnOnce() -> u64) -> u64 {
        match self {
            Self::Number(seed) => seed,
            Self::Random => random(),
        }
    }
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

impl GivenSeeds {
    /// Reads a list (`7,8,9`) or start×count (`7x3` for 7, 8, 9). Each `-1` is drawn with `random`.
    pub fn read(list: &str, mut random: impl FnMut() -> u64) -> Result<Self, BadSeeds> {
        let unreadable = || BadSeeds::Unreadable(text::clean(list));
        // Only a number that is out of range has a better error than the whole list.
        let choice = |seed: &str| match seed.trim().parse::<SeedChoice>() {
            Err(_) if !is_number(seed.trim()) => Err(unreadable()),
            choice => choice,
        };
        if let Some((first, count)) = list.split_once(['x', '×']) {
            let first = choice(first)?;
            let count: usize = count.trim().parse().map_err(|_| unreadable())?;
            if count > Seeds::MOST {
                return Err(BadSeeds::TooMany(count));
            }
            let start = first.or_draw(random);
            let end = start.checked_add(count as u64).ok_or_else(unreadable)?;
            return Ok(Self { seeds: Seeds::new((start..end).collect())?, drawn: first == SeedChoice::Random });
        }
        let choices = list.split(',').map(choice).collect::<Result<Vec<_>, _>>()?;
        if choices.len() > Seeds::MOST {
            return Err(BadSeeds::TooMany(choices.len()));
        }
        let mut taken: HashSet<u64> = choices.iter().filter_map(|choice| choice.number()).collect();
        let mut seeds = Vec::with_capacity(choices.len());
        for choice in &choices {
            seeds.push(choice.or_draw(|| {
                let mut seed = random();
                while !taken.insert(seed) {
                    seed = seed.wrapping_add(1);
                }
                seed
            }));
        }
        Ok(Self { seeds: Seeds::new(seeds)?, drawn: choices.contains(&SeedChoice::Random) })
    }
}

impl SeedChoice {
    fn number(self) -> Option<u64> {
        match self {
            Self::Number(seed) => Some(seed),
            Self::Random => None,
        }
    }
}

fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// Reads seeds without `-1`, as [`GivenSeeds::read`] does.
impl FromStr for Seeds {
    type Err = BadSeeds;

    fn from_str(list: &str) -> Result<Self, Self::Err> {
        let given = GivenSeeds::read(list, || 0)?;
        if given.drawn { Err(BadSeeds::Unreadable(text::clean(list))) } else { Ok(given.seeds) }
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
        for list in ["", "a", "-1", "1,,2", "-", "1.5", "18446744073709551615x2"] {
            assert!(matches!(seeds(list), Err(BadSeeds::Unreadable(_))), "{list}");
        }
        for seed in ["-9223372036854775809", "18446744073709551616", "7,99999999999999999999"] {
            let error = seeds(seed).unwrap_err().to_string();
            assert!(error.contains("from -9223372036854775808 to 18446744073709551615"), "{error}");
        }
    }

    #[test]
    fn negative_seeds_are_those_of_torch() {
        // `torch.Generator().manual_seed(seed).initial_seed()` of torch 2.15.0.
        let cases = [
            ("-2", 18446744073709551614),
            ("-5", 18446744073709551611),
            ("-9223372036854775808", 9223372036854775808),
            ("9223372036854775808", 9223372036854775808),
            ("18446744073709551615", 18446744073709551615),
        ];
        for (text, seed) in cases {
            assert_eq!(text.parse(), Ok(SeedChoice::Number(seed)), "{text}");
        }
        assert_eq!("-5x3".parse::<Seeds>().unwrap().to_string(), "18446744073709551611x3");
        assert_eq!("-5,-7".parse::<Seeds>().unwrap().as_slice(), [u64::MAX - 4, u64::MAX - 6]);
    }

    #[test]
    fn minus_one_draws_a_seed() {
        let read = |list: &str| GivenSeeds::read(list, || 40).unwrap();
        assert_eq!("-1".parse(), Ok(SeedChoice::Random));
        assert_eq!((read("-1").seeds.to_string(), read("-1").drawn), ("40".to_owned(), true));
        assert_eq!(read("-1x3").seeds.to_string(), "40x3");
        // Drawn seeds differ from each other and from the given ones.
        assert_eq!(read("41, -1,-1").seeds.as_slice(), [41, 40, 42]);
        assert!(!read("7x3").drawn);
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

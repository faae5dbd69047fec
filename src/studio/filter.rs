//! Filters on outputs: `failure:waxy guidance>7 since:2w soft light`.
//!
//! Named terms compare a field; plain words are searched in prompts, diagnoses and notes. All terms must match.

use std::cmp::Ordering;
use std::str::FromStr;

use super::review::{Key, Verdict};
use super::subject::{Handle, ReferenceName};
use super::text;
use super::variable::Variable;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    pub terms: Vec<Term>,
    /// The plain words, joined by spaces.
    pub words: String,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Term {
    Subject(Handle),
    Reference(ReferenceName),
    Failure(Key),
    Verdict(Verdict),
    /// The run changed this variable compared with its parent.
    Changed(Variable),
    /// At most this many seconds old.
    Since(i64),
    Number(Number, Ordering, f64),
}

/// A number that a term can compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Number {
    Guidance,
    Steps,
    Seed,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadFilter {
    #[error(
        "unknown filter {0:?}: use subject:, ref:, failure:, verdict:, changed:, since:, or guidance, steps or seed with <, > or ="
    )]
    Unknown(String),
    #[error("{term}: {problem}")]
    Value { term: String, problem: String },
}

impl FromStr for Filter {
    type Err = BadFilter;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut filter = Self::default();
        let mut words: Vec<&str> = Vec::new();
        for part in text.split_whitespace() {
            match term(part)? {
                Some(term) => filter.terms.push(term),
                None => words.push(part),
            }
        }
        filter.words = words.join(" ");
        Ok(filter)
    }
}

impl Filter {
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty() && self.words.is_empty()
    }
}

/// A named term; `None` for a plain word.
fn term(part: &str) -> Result<Option<Term>, BadFilter> {
    if let Some(at) = part.find(['<', '>', '=']).filter(|&at| at > 0) {
        return number(part, at).map(Some);
    }
    let Some((name, value)) = part.split_once(':').filter(|(name, _)| !name.is_empty()) else { return Ok(None) };
    let bad = |problem: String| BadFilter::Value { term: text::clean(part), problem };
    let said = |error: &dyn std::fmt::Display| bad(error.to_string());
    Ok(Some(match name {
        "subject" => Term::Subject(value.parse().map_err(|error| said(&error as &super::subject::BadName))?),
        "ref" => Term::Reference(value.parse().map_err(|error| said(&error as &super::subject::BadName))?),
        "failure" => Term::Failure(value.parse().map_err(|error| said(&error as &super::review::BadReview))?),
        "changed" => Term::Changed(value.parse().map_err(|error| said(&error as &super::variable::UnknownVariable))?),
        "verdict" => {
            // Screens say "unreviewed"; stored records say "open".
            let verdict = if value == "unreviewed" { Some(Verdict::Open) } else { Verdict::from_name(value) };
            Term::Verdict(verdict.ok_or_else(|| bad("use unreviewed, accepted or rejected".to_owned()))?)
        }
        "since" => Term::Since(seconds(value).ok_or_else(|| bad("use a span such as 30min, 6h, 3d or 2w".to_owned()))?),
        other => return Err(BadFilter::Unknown(text::clean(other))),
    }))
}

fn number(part: &str, at: usize) -> Result<Term, BadFilter> {
    let (name, rest) = part.split_at(at);
    let which = match name {
        "guidance" => Number::Guidance,
        "steps" => Number::Steps,
        "seed" => Number::Seed,
        other => return Err(BadFilter::Unknown(text::clean(other))),
    };
    let order = match &rest[..1] {
        "<" => Ordering::Less,
        ">" => Ordering::Greater,
        _ => Ordering::Equal,
    };
    let value: Option<f64> = rest[1..].parse().ok().filter(|value: &f64| value.is_finite());
    let problem = "use a number".to_owned();
    let value = value.ok_or_else(|| BadFilter::Value { term: text::clean(part), problem })?;
    Ok(Term::Number(which, order, value))
}

/// Seconds of a span such as `90s`, `30min`, `6h`, `3d` or `2w`; at most a hundred years.
fn seconds(span: &str) -> Option<i64> {
    let digits = span.find(|c: char| !c.is_ascii_digit())?;
    let (count, unit) = span.split_at(digits);
    let unit = match unit {
        "s" => 1,
        "min" | "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        "w" => 7 * 86_400,
        _ => return None,
    };
    count.parse::<i64>().ok()?.checked_mul(unit).filter(|&seconds| seconds <= 100 * 366 * 86_400)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_and_words() {
        let filter: Filter = "failure:waxy guidance>7 soft since:2w light steps=8".parse().unwrap();
        assert_eq!(filter.words, "soft light");
        assert_eq!(
            filter.terms,
            [
                Term::Failure("waxy".parse().unwrap()),
                Term::Number(Number::Guidance, Ordering::Greater, 7.0),
                Term::Since(14 * 86_400),
                Term::Number(Number::Steps, Ordering::Equal, 8.0),
            ]
        );
        assert!("".parse::<Filter>().unwrap().is_empty());
        assert_eq!(
            ":) a<".parse::<Filter>().map_err(|error| error.to_string()).unwrap_err().split(':').next(),
            Some("unknown filter \"a\"")
        );
    }

    #[test]
    fn unreviewed_is_the_word_for_open() {
        for text in ["verdict:unreviewed", "verdict:open"] {
            assert_eq!(
                text.parse::<Filter>().map(|filter| filter.terms),
                Ok(vec![Term::Verdict(Verdict::Open)]),
                "{text}"
            );
        }
    }

    #[test]
    fn invalid_terms_are_refused() {
        for (text, part) in [
            ("failur:waxy", "unknown filter \"failur\""),
            ("guidance>warm", "use a number"),
            ("since:yesterday", "30min"),
            ("since:99999999999999999999w", "30min"),
            ("verdict:good", "use unreviewed, accepted or rejected"),
            ("subject:Ada!", "subject:Ada!"),
        ] {
            let error = text.parse::<Filter>().unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}

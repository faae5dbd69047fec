//! Parsers of single values. Each error says what is expected; clap puts the flag and the value before it.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::service::runs;
use crate::studio::failures::Failures;
use crate::studio::review::{Key, Rubric, Score};
use crate::studio::seeds::{BadSeeds, GivenSeeds};
use crate::studio::state::Priority;
use crate::studio::subject::{BadName, ReferenceName};

/// A finite number.
pub fn number(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|value: &f64| value.is_finite()).ok_or_else(|| "not a number".to_owned())
}

/// A number from 0 to 1.
pub fn fraction(text: &str) -> Result<f64, String> {
    number(text).ok().filter(|value| (0.0..=1.0).contains(value)).ok_or_else(|| "use a number from 0 to 1".to_owned())
}

/// A block of the UNet and its adapter scale: `up_blocks.1=0.6`.
pub fn block_scale(text: &str) -> Result<(String, f64), String> {
    let (name, scale) = text.split_once('=').ok_or("use NAME=SCALE, such as up_blocks.1=0.6")?;
    Ok((name.to_owned(), number(scale)?))
}

/// The start of a day in UTC: `2028-01-01`.
pub fn day(text: &str) -> Result<Timestamp, String> {
    let expected = || "use a date such as 2028-01-01".to_owned();
    let day: Date = text.parse().map_err(|_| expected())?;
    day.to_zoned(TimeZone::UTC).map(|midnight| midnight.timestamp()).map_err(|_| expected())
}

/// Seeds as a list or start×count; each -1 is drawn.
pub fn seeds(list: &str) -> Result<GivenSeeds, BadSeeds> {
    GivenSeeds::read(list, runs::draw_seed)
}

pub fn priority(name: &str) -> Result<Priority, String> {
    let found = Priority::ALL.into_iter().find(|priority| priority.name() == name);
    found.ok_or_else(|| "use low, normal or high".to_owned())
}

/// A named reference, or `none`. A newtype, because clap treats `Option` as an optional argument.
pub type ReferenceChoice = Option<ReferenceName>;

/// The name of a reference, or `none` for no reference.
pub fn reference(text: &str) -> Result<ReferenceChoice, String> {
    if text == "none" {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|error: BadName| error.to_string())
}

/// The key of a failure mode: `waxy`.
pub fn failure(text: &str) -> Result<Key, String> {
    let table = Failures::embedded();
    let keys = || table.all().iter().map(|failure| failure.key.as_str()).collect::<Vec<_>>().join(", ");
    let key: Key = text.parse().map_err(|_| format!("use one of {}", keys()))?;
    table.get(&key).map(|failure| failure.key.clone()).map_err(|error| error.to_string())
}

/// A criterion of the rubric and its score: `skin=3`.
pub fn score(text: &str) -> Result<(Key, Score), String> {
    let rubric = Rubric::embedded();
    let keys = || rubric.criteria.iter().map(|criterion| criterion.key.as_str()).collect::<Vec<_>>().join(", ");
    let expected = || format!("use CRITERION=N with N from 0 (absent) to 4 (excellent) and one of {}", keys());
    let (key, score) = text.split_once('=').ok_or_else(expected)?;
    let key: Key = key.trim().parse().map_err(|_| expected())?;
    let criterion = rubric.get(&key).map_err(|error| error.to_string())?;
    let score = score.trim().parse().ok().and_then(|score| Score::new(score).ok()).ok_or_else(expected)?;
    Ok((criterion.key.clone(), score))
}

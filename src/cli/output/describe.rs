//! Values as people read them, each described in one place.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::studio::consent::{Consent, ConsentStatus};
use crate::studio::delta::{Change, Delta};
use crate::studio::reference::Reference;
use crate::studio::review::{Key, Score, Verdict};
pub use crate::studio::text::counted as count;
use crate::studio::words::Word;
use crate::studio::worker::WorkerReport;

/// `2028-01-01 09:30 UTC`
pub fn minute(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// `2028-01-01`
pub fn day(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}

/// `worker 4711 on box, cpu, since 2028-01-01 09:30 UTC: working on ada-0042`
pub fn worker(worker: &WorkerReport, now: Timestamp) -> String {
    format!("{worker}, since {}: {}", minute(worker.started), worker.describe(now))
}

/// `12.5 MiB`
pub fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

/// `appearance 3, skin 1`
pub fn scores(scores: &BTreeMap<Key, Score>) -> String {
    scores.iter().map(|(key, score)| format!("{key} {}", score.get())).collect::<Vec<_>>().join(", ")
}

pub fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Open => "unreviewed",
        Verdict::Accepted => "accepted",
        Verdict::Rejected => "rejected",
    }
}

/// Whether a consent is valid now: `valid until 2028-01-01`, `withdrawn on 2027-05-03`.
pub fn standing(consent: &Consent, now: Timestamp) -> String {
    match consent.status(now) {
        ConsentStatus::Valid => match consent.grant.expires() {
            Some(expires) => format!("valid until {}", day(expires)),
            None => "valid".to_owned(),
        },
        ConsentStatus::NotYetValid(at) => format!("valid from {}", day(at)),
        ConsentStatus::Expired(at) => format!("expired on {}", day(at)),
        ConsentStatus::Withdrawn(at) => format!("withdrawn on {}", day(at)),
    }
}

/// `512×768`, or nothing for a deleted picture.
pub fn size(reference: &Reference) -> String {
    reference.picture.map_or(String::new(), |picture| format!("{}×{}", picture.width, picture.height))
}

/// All changes of a run on one line. Of an edited prompt, only the words beside each edit are kept.
pub fn delta(delta: &Delta) -> String {
    let short = |change: &Change| format!("{}: {}", change.variable, values(change, neighbours));
    delta.changes.iter().map(short).collect::<Vec<_>>().join("; ")
}

/// `guidance: 5 → 6.5`, or `lighting: a [-warm-] {+cold+} light`.
pub fn change(change: &Change) -> String {
    format!("{}: {}", change.variable, change_values(change))
}

/// `5 → 6.5`, or `a [-warm-] {+cold+} light` with removed words in [-…-] and added words in {+…+}.
pub fn change_values(change: &Change) -> String {
    values(change, |text, _, _| text.to_owned())
}

/// `unchanged` shortens the words between two edits; its flags say whether an edit comes before and after them.
fn values(change: &Change, unchanged: impl Fn(&str, bool, bool) -> String) -> String {
    let words = &change.words;
    if words.iter().all(|word| matches!(word, Word::Same(_))) {
        return format!("{} → {}", change.before, change.after);
    }
    let part = |(place, word): (usize, &Word)| match word {
        Word::Same(text) => unchanged(text, place > 0, place + 1 < words.len()),
        Word::Removed(text) => format!("[-{text}-]"),
        Word::Added(text) => format!("{{+{text}+}}"),
    };
    words.iter().enumerate().map(part).collect::<Vec<_>>().join(" ")
}

/// The few words next to an edit, with … for the others.
fn neighbours(text: &str, edit_before: bool, edit_after: bool) -> String {
    const FEW: usize = 3;
    let words: Vec<&str> = text.split(' ').collect();
    let (head, tail) = (if edit_before { FEW } else { 0 }, if edit_after { FEW } else { 0 });
    if words.len() <= head + tail + 1 {
        return text.to_owned();
    }
    format!("{} … {}", words[..head].join(" "), words[words.len() - tail..].join(" ")).trim().to_owned()
}

//! Word diffs of texts.

use serde::{Deserialize, Serialize};
use similar::{Algorithm, ChangeTag, capture_diff_slices};

/// A stretch of words, joined by single spaces.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Word {
    Same(String),
    Removed(String),
    Added(String),
}

/// Texts with more words are not compared: all of one is removed and all of the other added. Prompts are far shorter.
const MOST_WORDS: usize = 5000;

/// The shortest edit from one text to the other, in whole words. White space does not count.
pub fn diff(before: &str, after: &str) -> Vec<Word> {
    let (old, new): (Vec<&str>, Vec<&str>) = (before.split_whitespace().collect(), after.split_whitespace().collect());
    if old.len().max(new.len()) > MOST_WORDS {
        return vec![Word::Removed(old.join(" ")), Word::Added(new.join(" "))];
    }
    let stretch = |(tag, words): (ChangeTag, &[&str])| match tag {
        ChangeTag::Equal => Word::Same(words.join(" ")),
        ChangeTag::Delete => Word::Removed(words.join(" ")),
        ChangeTag::Insert => Word::Added(words.join(" ")),
    };
    let changes = capture_diff_slices(Algorithm::Myers, &old, &new);
    changes.iter().flat_map(|change| change.iter_slices(&old[..], &new[..]).map(stretch)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(before: &str, after: &str) -> String {
        let stretches = diff(before, after).into_iter().map(|word| match word {
            Word::Same(text) => text,
            Word::Removed(text) => format!("[-{text}-]"),
            Word::Added(text) => format!("{{+{text}+}}"),
        });
        stretches.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn only_changed_words_are_marked() {
        assert_eq!(shown("warm cinematic light", "cold cinematic light"), "[-warm-] {+cold+} cinematic light");
        assert_eq!(shown("a b c d", "a c d e"), "a [-b-] c d {+e+}");
        assert_eq!(shown("", "soft light"), "{+soft light+}");
        assert_eq!(shown("soft light", ""), "[-soft light-]");
        assert_eq!(shown("same", "same"), "same");
        assert_eq!(shown("x a y b z", "a b"), "[-x-] a [-y-] b [-z-]");
    }

    #[test]
    fn both_texts_can_be_rebuilt() {
        let texts = ["a b a b c", "b a c", "", "c c c", "a  b\tc", "one two three four"];
        for before in texts {
            for after in texts {
                let (mut old, mut new) = (Vec::new(), Vec::new());
                for word in diff(before, after) {
                    match word {
                        Word::Same(text) => {
                            old.push(text.clone());
                            new.push(text);
                        }
                        Word::Removed(text) => old.push(text),
                        Word::Added(text) => new.push(text),
                    }
                }
                let plain = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
                assert_eq!((old.join(" "), new.join(" ")), (plain(before), plain(after)));
            }
        }
    }

    #[test]
    fn very_long_texts_change_as_a_whole() {
        let long = |word: &str| format!("head {} tail", vec![word; MOST_WORDS].join(" "));
        assert_eq!(diff(&long("x"), &long("y")), [Word::Removed(long("x")), Word::Added(long("y"))]);
    }
}

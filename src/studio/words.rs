//! Which words of a text changed.

use serde::{Deserialize, Serialize};

/// A stretch of words, joined by single spaces.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Word {
    Same(String),
    Removed(String),
    Added(String),
}

/// Above so many pairs of words the middle of a text counts as changed as a whole.
const MOST_PAIRS: usize = 1 << 20;

/// The shortest way from one text to the other in whole words: the longest common subsequence stays.
pub fn diff(before: &str, after: &str) -> Vec<Word> {
    let (old, new): (Vec<&str>, Vec<&str>) = (before.split_whitespace().collect(), after.split_whitespace().collect());
    let head = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let tail = old[head..].iter().rev().zip(new[head..].iter().rev()).take_while(|(a, b)| a == b).count();
    let (old_middle, new_middle) = (&old[head..old.len() - tail], &new[head..new.len() - tail]);

    let mut words = Vec::new();
    push(&mut words, Word::Same, &old[..head]);
    if old_middle.len().saturating_mul(new_middle.len()) > MOST_PAIRS {
        push(&mut words, Word::Removed, old_middle);
        push(&mut words, Word::Added, new_middle);
    } else {
        middle(&mut words, old_middle, new_middle);
    }
    push(&mut words, Word::Same, &old[old.len() - tail..]);
    words
}

fn middle(words: &mut Vec<Word>, old: &[&str], new: &[&str]) {
    // common[i][j]: the longest common subsequence of old[i..] and new[j..].
    let width = new.len() + 1;
    let mut common = vec![0u32; (old.len() + 1) * width];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            common[i * width + j] = if old[i] == new[j] {
                common[(i + 1) * width + j + 1] + 1
            } else {
                common[(i + 1) * width + j].max(common[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            push(words, Word::Same, &old[i..=i]);
            (i, j) = (i + 1, j + 1);
        } else if j == new.len() || i < old.len() && common[(i + 1) * width + j] >= common[i * width + j + 1] {
            push(words, Word::Removed, &old[i..=i]);
            i += 1;
        } else {
            push(words, Word::Added, &new[j..=j]);
            j += 1;
        }
    }
}

/// Adds words to the last stretch where it is of their kind.
fn push(words: &mut Vec<Word>, kind: fn(String) -> Word, more: &[&str]) {
    if more.is_empty() {
        return;
    }
    let more = kind(more.join(" "));
    match (words.last_mut(), &more) {
        (Some(Word::Same(text)), Word::Same(more))
        | (Some(Word::Removed(text)), Word::Removed(more))
        | (Some(Word::Added(text)), Word::Added(more)) => {
            text.push(' ');
            text.push_str(more);
        }
        _ => words.push(more),
    }
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
    fn the_least_that_changed_is_marked() {
        assert_eq!(shown("warm cinematic light", "cold cinematic light"), "[-warm-] {+cold+} cinematic light");
        assert_eq!(shown("a b c d", "a c d e"), "a [-b-] c d {+e+}");
        assert_eq!(shown("", "soft light"), "{+soft light+}");
        assert_eq!(shown("soft light", ""), "[-soft light-]");
        assert_eq!(shown("same", "same"), "same");
        assert_eq!(shown("x a y b z", "a b"), "[-x-] a [-y-] b [-z-]");
    }

    #[test]
    fn both_texts_can_be_read_back() {
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
        let long = |word: &str| vec![word; 2000].join(" ");
        let words = diff(&format!("head {} tail", long("x")), &format!("head {} tail", long("y")));
        assert_eq!(words.len(), 4);
    }
}

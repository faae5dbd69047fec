//! Splits a line of `Name: value` pairs, as AUTOMATIC1111's web UI writes it. Values may be quoted, and may contain
//! commas within brackets.

use std::collections::HashSet;

/// A pair, or text without a name.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Pair<'a> {
    pub name: Option<&'a str>,
    pub value: String,
}

pub(super) fn pairs(line: &str) -> Vec<Pair<'_>> {
    let mut scanner = Scanner { line, unmatched: HashSet::new(), budget: 64 * line.len() };
    let (mut found, mut at) = (Vec::new(), 0);
    while at < line.len() {
        let rest = &line[at..];
        let start = at + rest.len() - rest.trim_start_matches(|c: char| c == ',' || c.is_whitespace()).len();
        if start == line.len() {
            break;
        }
        let stop = line[start..].find([':', ',']).map(|length| start + length);
        let name = stop.filter(|&stop| line.as_bytes()[stop] == b':').map(|stop| line[start..stop].trim());
        let name = name.filter(|name| is_name(name));
        let from = match (name, stop) {
            (Some(_), Some(stop)) => stop + 1 + line[stop + 1..].len() - line[stop + 1..].trim_start().len(),
            _ => start,
        };
        let (value, end) = quoted(line, from).unwrap_or_else(|| {
            let end = scanner.end_of_value(from);
            (line[from..end].trim().to_owned(), end)
        });
        found.push(Pair { name, value });
        at = end;
    }
    found
}

fn is_name(name: &str) -> bool {
    name.len() > 1 && name.len() < 80 && name.chars().all(|c| c.is_alphanumeric() || " _-/+.".contains(c))
}

/// The value of a quoted text that a comma or the end follows, and its end.
fn quoted(line: &str, from: usize) -> Option<(String, usize)> {
    let end = from + end_of_quote(&line[from..])?;
    let rest = line[end..].trim_start();
    if !rest.is_empty() && !rest.starts_with(',') {
        return None;
    }
    Some((serde_json::from_str(&line[from..end]).ok()?, end))
}

/// The position after the closing quote of a text that starts with a quote.
fn end_of_quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if at == 0 => (byte == b'"').then_some(())?,
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// Finds the ends of values.
struct Scanner<'a> {
    line: &'a str,
    /// Brackets and quotes that nothing closes: ordinary characters.
    unmatched: HashSet<usize>,
    /// How many bytes may still be searched for closing brackets. Only lines of many unmatched brackets need more.
    budget: usize,
}

impl Scanner<'_> {
    /// The position of the first comma that is not within brackets.
    fn end_of_value(&mut self, from: usize) -> usize {
        while self.budget > 0 {
            let (mut open, mut in_json, mut quoted, mut escaped) = (Vec::new(), 0, None, false);
            for (at, byte) in self.line.bytes().enumerate().skip(from) {
                self.budget = self.budget.saturating_sub(1);
                match byte {
                    _ if escaped => escaped = false,
                    b'\\' => escaped = quoted.is_some(),
                    b'"' if quoted.is_some() => quoted = None,
                    _ if quoted.is_some() => {}
                    // Quotes count only in JSON.
                    b'"' if in_json > 0 && !self.unmatched.contains(&at) => quoted = Some(at),
                    b'(' | b'[' | b'{' if !self.unmatched.contains(&at) => {
                        in_json += usize::from(byte != b'(');
                        open.push((at, if byte == b'(' { b')' } else { byte + 2 }));
                    }
                    b')' | b']' | b'}' if open.last().is_some_and(|(_, closing)| *closing == byte) => {
                        in_json -= usize::from(byte != b')');
                        open.pop();
                    }
                    b',' if open.is_empty() => return at,
                    _ => {}
                }
            }
            if open.is_empty() && quoted.is_none() {
                return self.line.len();
            }
            self.unmatched.extend(open.iter().map(|(at, _)| *at).chain(quoted));
        }
        self.line[from..].find(',').map_or(self.line.len(), |length| from + length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(line: &str) -> Vec<(Option<&str>, String)> {
        pairs(line).into_iter().map(|pair| (pair.name, pair.value)).collect()
    }

    #[test]
    fn brackets_and_quotes_keep_a_value_whole() {
        for value in [
            "garden [v1, overfit]",
            "(1.5, 0.8, 0.3)",
            r#"{"vae":"11","lora:a, b]":"2"}"#,
            r#"[{"name":"Seed: 9, Steps: 4"},{"b":[1,{"c":2}]}]"#,
            "2024-05-05T10:11:12.1314Z",
            "[7, 8, ]",
            r#"6" tall"#,
        ] {
            let line = format!("A name: {value}, Seed: 5");
            assert_eq!(split(&line), [(Some("A name"), value.to_owned()), (Some("Seed"), "5".to_owned())]);
        }
        assert_eq!(split(r#"A1: "a, \"b\": c", B2: 1"#)[0].1, "a, \"b\": c");
    }

    #[test]
    fn an_unmatched_bracket_is_an_ordinary_character() {
        for value in ["a [b", "a {b (c", "c] d", "{\"a", "[\"x] ("] {
            let line = format!("A name: {value}, Seed: 5");
            assert_eq!(split(&line), [(Some("A name"), value.to_owned()), (Some("Seed"), "5".to_owned())], "{value}");
        }
    }

    #[test]
    fn text_without_a_name_is_kept() {
        assert_eq!(
            split("Karras, Seed: 5, https://a.example/b, ,"),
            [(None, "Karras".to_owned()), (Some("Seed"), "5".to_owned()), (Some("https"), "//a.example/b".to_owned())]
        );
    }

    #[test]
    fn hostile_lines_are_split_quickly() {
        for piece in ["ab: [, ", "ab: {\", ", "ab: (,", "[{", "\"[\"", ",:"] {
            let line = piece.repeat(200_000 / piece.len());
            let start = std::time::Instant::now();
            pairs(&line);
            assert!(start.elapsed().as_secs() < 5, "{piece}");
        }
    }
}

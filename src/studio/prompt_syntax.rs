//! Finds prompt syntax of other programs, which the text encoder reads as plain words.
//!
//! The forms are those of AUTOMATIC1111's web UI (`modules/prompt_parser.py`, `modules/extra_networks.py`), ComfyUI
//! (`embedding:name`, `{a|b}`), NovelAI (`{word}`) and sd-dynamic-prompts (`{a|b}`, `__name__`).

use std::ops::Range;

use strum::VariantArray;

use super::text;

/// What a piece of foreign syntax does in the programs that know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, VariantArray)]
pub enum SyntaxKind {
    /// Weighs words: `(word:1.2)`, `((word))`, `[word]`, `{word}`.
    Weight,
    /// Changes words between steps: `[from:to:0.5]`, `[a|b]`.
    Schedule,
    /// Splits the prompt: `BREAK`, `AND`.
    Keyword,
    /// Loads a LoRA or a hypernetwork: `<lora:name:0.8>`.
    Network,
    /// Loads a textual inversion: `embedding:name`.
    Embedding,
    /// Chooses a text at random: `{a|b}`, `__name__`.
    Wildcard,
    /// Keeps a bracket from weighing words: `\(`.
    Escape,
}

/// A piece of foreign syntax in a prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignSyntax {
    pub kind: SyntaxKind,
    /// Its bytes in the prompt.
    pub range: Range<usize>,
    pub text: String,
}

/// Finds foreign syntax, in the order in which it begins. Of nested brackets only the outermost foreign ones are
/// listed; an embedding, a network or a keyword in brackets is listed after them. A single `(word)` is plain text,
/// because people write it, too.
pub fn foreign_syntax(prompt: &str) -> Vec<ForeignSyntax> {
    let mut scan =
        Scan { prompt, at: 0, open: Default::default(), closed: None, colon: None, bar: None, found: vec![] };
    scan.run();
    let mut found = scan.found;
    // A bracket is found when it closes, so an inner one comes before the one around it.
    found.sort_by_key(|(_, range)| (range.start, std::cmp::Reverse(range.end)));
    let mut covered = 0;
    found.retain(|(kind, range)| {
        let in_brackets = matches!(kind, SyntaxKind::Weight | SyntaxKind::Schedule | SyntaxKind::Wildcard);
        let is_inner = range.end <= covered && (in_brackets || *kind == SyntaxKind::Escape);
        if in_brackets {
            covered = covered.max(range.end);
        }
        !is_inner
    });
    let owned = |(kind, range): (SyntaxKind, Range<usize>)| ForeignSyntax {
        text: prompt[range.clone()].to_owned(),
        kind,
        range,
    };
    found.into_iter().map(owned).collect()
}

/// One sentence for each kind of foreign syntax in the prompts: what was found, and what happens to it.
pub fn notes(prompts: &[&str]) -> Vec<String> {
    let found: Vec<ForeignSyntax> = prompts.iter().flat_map(|prompt| foreign_syntax(prompt)).collect();
    let note = |&kind: &SyntaxKind| {
        let mut texts: Vec<&str> = Vec::new();
        for syntax in found.iter().filter(|syntax| syntax.kind == kind) {
            if !texts.contains(&syntax.text.as_str()) {
                texts.push(&syntax.text);
            }
            if texts.len() > LISTED {
                break;
            }
        }
        (!texts.is_empty()).then(|| kind.sentence(&listed(&texts)))
    };
    SyntaxKind::VARIANTS.iter().filter_map(note).collect()
}

/// The most texts that a note lists.
const LISTED: usize = 3;
/// The most columns of a text in a note.
const WIDEST: usize = 40;
/// No weight is written with more bytes.
const WEIGHT_LENGTH: usize = 16;

impl SyntaxKind {
    fn sentence(self, texts: &str) -> String {
        match self {
            Self::Weight => {
                format!("{texts}: pentimento has no prompt weights and reads brackets and numbers as plain words")
            }
            Self::Schedule => {
                format!("{texts}: pentimento keeps the prompt the same in all steps and reads this as plain words")
            }
            Self::Keyword => format!("{texts}: pentimento has no keywords in a prompt and reads this as a plain word"),
            Self::Network => {
                format!("{texts}: a prompt loads no LoRA or hypernetwork, and pentimento reads this as plain words")
            }
            Self::Embedding => {
                format!("{texts}: a prompt loads no embedding, and pentimento reads this as plain words")
            }
            Self::Wildcard => format!("{texts}: pentimento chooses no alternative and reads this as plain words"),
            Self::Escape => format!("{texts}: pentimento reads the backslash as part of the text: leave it out"),
        }
    }
}

fn listed(texts: &[&str]) -> String {
    let shown: Vec<String> = texts.iter().take(LISTED).map(|part| text::fit(part, WIDEST)).collect();
    let more = if texts.len() > LISTED { " and more" } else { "" };
    format!("{}{more}", shown.join(", "))
}

struct Scan<'a> {
    prompt: &'a str,
    at: usize,
    /// Where the open `(`, `[` and `{` are.
    open: [Vec<usize>; 3],
    /// The round brackets that closed last.
    closed: Option<Range<usize>>,
    /// The last `:` and the last `|`.
    colon: Option<usize>,
    bar: Option<usize>,
    found: Vec<(SyntaxKind, Range<usize>)>,
}

impl Scan<'_> {
    fn run(&mut self) {
        let bytes = self.prompt.as_bytes();
        while let Some(&byte) = bytes.get(self.at) {
            let at = self.at;
            self.at += 1;
            match byte {
                b'\\' if bytes.get(at + 1).is_some_and(|next| b"()[]{}".contains(next)) => {
                    self.take(SyntaxKind::Escape, at, 2)
                }
                b'(' => self.open[0].push(at),
                b'[' => self.open[1].push(at),
                b'{' => self.open[2].push(at),
                b')' => self.close_round(at),
                b']' => self.close_square(at),
                b'}' => self.close_curly(at),
                b':' => self.colon = Some(at),
                b'|' => self.bar = Some(at),
                b'<' => self.network(at),
                b'_' if bytes[at..].starts_with(b"__") => self.wildcard(at),
                _ if byte.is_ascii_alphabetic() && self.starts_word(at) => self.word(at),
                _ => {}
            }
        }
    }

    fn take(&mut self, kind: SyntaxKind, start: usize, length: usize) {
        self.found.push((kind, start..start + length));
        self.at = start + length;
    }

    fn close_round(&mut self, end: usize) {
        let Some(start) = self.open[0].pop() else { return };
        let is_double = self.closed.as_ref() == Some(&(start + 1..end));
        if is_double || self.has_number(start, end) {
            self.found.push((SyntaxKind::Weight, start..end + 1));
        }
        self.closed = Some(start..end + 1);
    }

    fn close_square(&mut self, end: usize) {
        let Some(start) = self.open[1].pop() else { return };
        if self.bar > Some(start) || self.has_number(start, end) {
            self.found.push((SyntaxKind::Schedule, start..end + 1));
        } else if !self.is_blank(start, end) {
            self.found.push((SyntaxKind::Weight, start..end + 1));
        }
    }

    fn close_curly(&mut self, end: usize) {
        let Some(start) = self.open[2].pop() else { return };
        if self.bar > Some(start) {
            self.found.push((SyntaxKind::Wildcard, start..end + 1));
        } else if !self.is_blank(start, end) {
            self.found.push((SyntaxKind::Weight, start..end + 1));
        }
    }

    /// Whether the text between two brackets ends in `:` and a number.
    fn has_number(&self, start: usize, end: usize) -> bool {
        let Some(colon) = self.colon.filter(|colon| *colon > start && end - colon <= WEIGHT_LENGTH) else {
            return false;
        };
        let number = self.prompt[colon + 1..end].trim();
        number.bytes().all(|byte| byte.is_ascii_digit() || b"+-.".contains(&byte)) && number.parse::<f64>().is_ok()
    }

    fn is_blank(&self, start: usize, end: usize) -> bool {
        self.prompt[start + 1..end].chars().all(char::is_whitespace)
    }

    /// `<word:anything>`
    fn network(&mut self, start: usize) {
        let inside = &self.prompt[start + 1..];
        let name = inside.bytes().take_while(|byte| is_word_byte(*byte)).count();
        if name == 0 || !inside[name..].starts_with(':') {
            return;
        }
        let Some(end) = inside.find(['<', '>']).filter(|end| inside[*end..].starts_with('>') && *end > name + 1) else {
            return;
        };
        self.take(SyntaxKind::Network, start, end + 2);
    }

    /// `__name__`
    fn wildcard(&mut self, start: usize) {
        let inside = &self.prompt[start + 2..];
        let name = inside.bytes().take_while(|byte| is_word_byte(*byte) || b"/-*".contains(byte)).count();
        let end = inside[..name].trim_end_matches('_').len();
        match end > 0 && name >= end + 2 {
            true => self.take(SyntaxKind::Wildcard, start, 2 + end + 2),
            false => self.at = start + 2 + name,
        }
    }

    /// A word: a keyword, an embedding or plain.
    fn word(&mut self, start: usize) {
        let rest = &self.prompt[start..];
        let length = rest.bytes().take_while(|byte| is_word_byte(*byte)).count();
        self.at = start + length;
        if !self.ends_word(self.at) {
            return;
        }
        match &rest[..length] {
            "BREAK" | "AND" => self.take(SyntaxKind::Keyword, start, length),
            "embedding" if rest[length..].starts_with(':') => {
                let name = rest[length + 1..].find(|c: char| c.is_whitespace() || ",:()[]{}<>|".contains(c));
                let name = name.unwrap_or(rest.len() - length - 1);
                if name > 0 {
                    self.take(SyntaxKind::Embedding, start, length + 1 + name);
                }
            }
            _ => {}
        }
    }

    fn starts_word(&self, at: usize) -> bool {
        self.prompt[..at].chars().next_back().is_none_or(|before| !before.is_alphanumeric())
    }

    fn ends_word(&self, at: usize) -> bool {
        self.prompt[at..].chars().next().is_none_or(|after| !after.is_alphanumeric())
    }
}

fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(prompt: &str) -> Vec<(SyntaxKind, String)> {
        let syntax = foreign_syntax(prompt);
        assert!(syntax.iter().all(|syntax| prompt[syntax.range.clone()] == syntax.text), "{prompt}");
        syntax.into_iter().map(|syntax| (syntax.kind, syntax.text)).collect()
    }

    #[test]
    fn syntax_of_other_programs_is_found() {
        use SyntaxKind::{Embedding, Escape, Keyword, Network, Schedule, Weight, Wildcard};
        let cases: [(&str, &[(SyntaxKind, &str)]); 21] = [
            ("a woman, (smiling:1.4)", &[(Weight, "(smiling:1.4)")]),
            ("(müde Augen : .8 ), x", &[(Weight, "(müde Augen : .8 )")]),
            ("((blue eyes)), x", &[(Weight, "((blue eyes))")]),
            ("a (((very)) small) face", &[(Weight, "((very))")]),
            ("[freckles] and {freckles}", &[(Weight, "[freckles]"), (Weight, "{freckles}")]),
            ("(a (b:1.2), [c]:1.1)", &[(Weight, "(a (b:1.2), [c]:1.1)")]),
            ("(a, [soft light], b)", &[(Weight, "[soft light]")]),
            (
                "[cat:dog:0.5], [cat::10], [a|b]",
                &[(Schedule, "[cat:dog:0.5]"), (Schedule, "[cat::10]"), (Schedule, "[a|b]")],
            ),
            ("a face BREAK soft light", &[(Keyword, "BREAK")]),
            ("a cat AND a dog", &[(Keyword, "AND")]),
            ("smiling <lora:add detail:0.8>", &[(Network, "<lora:add detail:0.8>")]),
            ("<hypernet:x>,<lyco:y:1:2>", &[(Network, "<hypernet:x>"), (Network, "<lyco:y:1:2>")]),
            ("<a:b<lora:c:1>", &[(Network, "<lora:c:1>")]),
            ("embedding:bad-hands.pt, x", &[(Embedding, "embedding:bad-hands.pt")]),
            ("(embedding:bad:1.2)", &[(Weight, "(embedding:bad:1.2)"), (Embedding, "embedding:bad")]),
            ("(<lora:x:1>, smile:1.1)", &[(Weight, "(<lora:x:1>, smile:1.1)"), (Network, "<lora:x:1>")]),
            ("{red|green} hair, __colour/hair__ eyes", &[(Wildcard, "{red|green}"), (Wildcard, "__colour/hair__")]),
            (r"saber \(fate\)", &[(Escape, r"\("), (Escape, r"\)")]),
            (r"(saber \(fate\):1.2)", &[(Weight, r"(saber \(fate\):1.2)")]),
            ("肖像(微笑:1.2)", &[(Weight, "(微笑:1.2)")]),
            ("(a:1.2)(b:1.3)", &[(Weight, "(a:1.2)"), (Weight, "(b:1.3)")]),
        ];
        for (prompt, expected) in cases {
            let expected: Vec<_> = expected.iter().map(|(kind, text)| (*kind, (*text).to_owned())).collect();
            assert_eq!(found(prompt), expected, "{prompt}");
        }
    }

    #[test]
    fn plain_words_are_not_syntax() {
        for prompt in [
            "",
            "a violinist, calm gaze, soft window light, 85 mm",
            "a woman (smiling), photo: portrait",
            "a woman (left) and a man (right)",
            "((unclosed and :) or (:",
            "<3, a < b > c, <|endoftext|>, <cat-toy>",
            "BREAKFAST, SAND, ANDÉ, a break and a pause",
            "embedding: and reembedding:x",
            "[], [ ], {}, snake__case, ____, __",
            "a|b, c:1.2, 16:9",
            "\\o/",
        ] {
            assert_eq!(found(prompt), [], "{prompt}");
        }
    }

    #[test]
    fn a_note_names_each_kind_once() {
        let prompts = ["(smiling:1.4), (a:1.1), (smiling:1.4), <lora:x:1>", "BREAK (b:2), (c:2)"];
        assert_eq!(
            notes(&prompts),
            [
                "(smiling:1.4), (a:1.1), (b:2) and more: pentimento has no prompt weights and reads brackets and numbers \
                 as plain words",
                "BREAK: pentimento has no keywords in a prompt and reads this as a plain word",
                "<lora:x:1>: a prompt loads no LoRA or hypernetwork, and pentimento reads this as plain words",
            ]
        );
        assert_eq!(notes(&["a violinist", ""]), Vec::<String>::new());
        let long = format!("({}\u{1b}[2J:1.2)", "x".repeat(500));
        assert!(notes(&[&long])[0].starts_with(&format!("({}…: ", "x".repeat(38))));
    }

    #[test]
    fn a_hostile_prompt_takes_linear_time() {
        let start = std::time::Instant::now();
        for piece in ["(", "()", "(:1)", "[", "{|", "<a:", "__", "_", "\\", "embedding", "(:1", "[ ", "AND"] {
            foreign_syntax(&piece.repeat(200_000));
        }
        let nested = |open: &str, close: &str| foreign_syntax(&(open.repeat(100_000) + &close.repeat(100_000)));
        assert_eq!(nested("((", "))").len(), 1);
        nested("(:1", ")");
        nested("[ ", "]");
        assert!(start.elapsed() < std::time::Duration::from_secs(10), "{:?}", start.elapsed());
    }
}

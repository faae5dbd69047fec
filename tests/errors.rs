//! Prints every error message of the program into `tests/snapshots/errors.snap`, so that they can be read as a list.
//!
//! The messages are read from the sources: `#[error(…)]` attributes; messages of `bail!`, `ensure!`, `anyhow!` and
//! `context`; and the parts that some errors hold (`reason: …`, `wrong(…)`). A new error or variant therefore appears by
//! itself. After a change, regenerate the snapshot and review its diff:
//!
//! ```text
//! INSTA_UPDATE=always cargo test --test errors
//! ```
//!
//! In the snapshot `{path}` stands for a value. A function such as `{advice(state)}` chooses a part of the message; its
//! texts are listed below the message.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// Fields of errors that hold a part of the message.
const FIELDS: [&str; 4] = ["reason", "advice", "remedy", "problem"];

/// The most words in a sentence of a message.
const MAX_WORDS: usize = 25;

#[test]
fn error_messages_are_listed() {
    let mut list = String::new();
    for (file, messages) in messages() {
        writeln!(list, "{file}").unwrap();
        for message in messages {
            writeln!(list, "  {}: {}", message.source, message.text).unwrap();
            for (function, texts) in message.parts {
                writeln!(list, "    {function}: {}", texts.join(" | ")).unwrap();
            }
        }
        list.push('\n');
    }
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!("errors", list));
}

#[test]
fn error_messages_have_one_form() {
    let mut faults = Vec::new();
    for (file, messages) in messages() {
        for Message { source, text, .. } in messages {
            faults.extend(faults_of(&text).into_iter().map(|fault| format!("{file} {source}: {fault}\n    {text}")));
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn no_error_attribute_is_overlooked() {
    for (path, text) in sources() {
        let attributes = text.lines().filter(|line| line.trim_start().starts_with("#[error(")).count();
        let found = errors(&tokens(&text));
        assert_eq!(found.len(), attributes, "{path}");
        assert!(!text.contains("std::error::Error for"), "{path} implements Error by hand: derive thiserror::Error");
    }
}

#[test]
fn attributes_and_macros_are_read() {
    let source = r##"
        // #[error("in a comment")]
        #[derive(Debug, thiserror::Error)]
        pub enum Error {
            /// "quoted"
            #[error("no {what} in {}: \
                     look {}", path.display(), advice(*.state))]
            Missing { path: PathBuf, what: &'static str, state: State },
            #[error(transparent)]
            #[allow(dead_code)]
            Other(#[from] io::Error),
            #[error("bad {0:?} {{}}")]
            Bad(String),
        }
        fn advice(state: State) -> &'static str { if state == '"' { "here" } else { "there" } }
        fn f() -> Result<()> { ensure!(a(1, 2) == "x", "{} is {}", b, c); x().with_context(|| format!("in {b}"))?; bail!(e) }
        #[cfg(test)] mod tests { fn f() { bail!("in a test") } }
    "##;
    let messages = messages_in(source);
    let texts: Vec<_> = messages.iter().map(|message| (message.source.as_str(), message.text.as_str())).collect();
    assert_eq!(
        texts,
        [
            ("Error::Missing", "no {what} in {path}: look {advice(state)}"),
            ("Error::Other", "(the message of its source)"),
            ("Error::Bad", "bad {0:?} {}"),
            ("ensure!", "{b} is {c}"),
            ("with_context", "in {b}"),
        ]
    );
    assert_eq!(messages[0].parts, [("advice".to_owned(), vec!["here".to_owned(), "there".to_owned()])].into());
    assert_eq!(faults_of("no path: give one"), [""; 0]);
    assert_eq!(faults_of("No path: give one.").len(), 2);
    assert_eq!(faults_of("no path. Give one. Or two").len(), 1);
}

struct Message {
    /// The type and variant, or the macro.
    source: String,
    text: String,
    /// The texts of functions that the message calls.
    parts: BTreeMap<String, Vec<String>>,
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    /// A string literal.
    Text(String),
    Sign(char),
}

use Token::{Sign, Text, Word};

/// What a message breaks of the form: a problem, then an action; lower case; no full stop after a single sentence.
fn faults_of(text: &str) -> Vec<&'static str> {
    let mut faults = Vec::new();
    let sentences: Vec<&str> = text.split(". ").collect();
    let first = text.split([' ', ':', ',']).next().unwrap_or_default();
    let is_plain_word = first.chars().skip(1).all(char::is_lowercase) && first.chars().count() > 1;
    if is_plain_word && first.starts_with(char::is_uppercase) {
        faults.push("starts in upper case");
    }
    if text.ends_with('.') && sentences.len() == 1 {
        faults.push("ends with a full stop");
    }
    if sentences.len() > 2 {
        faults.push("has more than two sentences");
    }
    if sentences
        .iter()
        .flat_map(|sentence| sentence.split("; "))
        .any(|part| part.split_whitespace().count() > MAX_WORDS)
    {
        faults.push("has a long sentence");
    }
    faults
}

/// The messages of each file that has some.
fn messages() -> Vec<(String, Vec<Message>)> {
    let files = sources().into_iter().map(|(path, text)| (path, messages_in(&text)));
    files.filter(|(_, messages)| !messages.is_empty()).collect()
}

fn messages_in(source: &str) -> Vec<Message> {
    let tokens = tokens(source);
    let mut messages = Vec::new();
    for (source, arguments) in errors(&tokens).into_iter().chain(other_messages(&tokens)) {
        let text = match arguments.first().map(Vec::as_slice) {
            Some([Text(template)]) => fill(template, &arguments[1..]),
            _ => "(the message of its source)".to_owned(),
        };
        let called = arguments.iter().flat_map(|argument| argument.windows(2)).filter_map(|pair| match pair {
            [Word(name), Sign('(')] => function_texts(&tokens, name).map(|texts| (name.clone(), texts)),
            _ => None,
        });
        let parts = called.filter(|(_, texts)| !texts.is_empty()).collect();
        messages.push(Message { source, text, parts });
    }
    messages
}

/// The `#[error(…)]` attributes: the type and variant, and the arguments.
fn errors(tokens: &[Token]) -> Vec<(String, Vec<Vec<Token>>)> {
    let start = [Sign('#'), Sign('['), Word("error".to_owned()), Sign('(')];
    let mut found = Vec::new();
    let mut enumeration = String::new();
    for at in 0..tokens.len() {
        if let [Word(keyword), Word(name), ..] = &tokens[at..]
            && keyword == "enum"
        {
            enumeration.clone_from(name);
        }
        if !tokens[at..].starts_with(&start) {
            continue;
        }
        let inside = group(&tokens[at + 3..]);
        let mut rest = &tokens[at + 3 + inside.len() + 3..];
        // Further attributes of the same item.
        while let [Sign('#'), attribute @ ..] = rest {
            rest = &attribute[group(attribute).len() + 2..];
        }
        let words: Vec<&String> =
            rest.iter().filter_map(|token| if let Word(word) = token { Some(word) } else { None }).take(5).collect();
        let named = words.iter().position(|word| ["struct", "enum"].contains(&word.as_str()));
        let name = match named {
            Some(keyword) if words[..keyword].iter().all(|word| ["pub", "crate", "super"].contains(&word.as_str())) => {
                words[keyword + 1].clone()
            }
            _ => format!("{enumeration}::{}", words[0]),
        };
        found.push((name, split(inside)));
    }
    found
}

/// The messages outside attributes: the macro, function or field, and the arguments from the format string on.
fn other_messages(tokens: &[Token]) -> Vec<(String, Vec<Vec<Token>>)> {
    let mut found = Vec::new();
    for at in 0..tokens.len() {
        let before = at.checked_sub(1).map(|before| &tokens[before]);
        let (name, inside) = match &tokens[at..] {
            [Word(name), Sign('!'), Sign('('), ..] if ["bail", "ensure", "anyhow"].contains(&name.as_str()) => {
                (format!("{name}!"), group(&tokens[at + 2..]))
            }
            [Word(name), Sign('('), ..]
                if ["context", "with_context"].contains(&name.as_str()) && before == Some(&Sign('.')) =>
            {
                (name.clone(), group(&tokens[at + 1..]))
            }
            [Word(name), Sign('('), ..] if name == "wrong" && before != Some(&Word("fn".to_owned())) => {
                (name.clone(), group(&tokens[at + 1..]))
            }
            // `reason: format!("…")`, `reason: "…".to_owned()`, and the same after `let reason =`.
            [Word(name), Sign(sign @ (':' | '=')), value @ ..]
                if FIELDS.contains(&name.as_str()) && (*sign == ':' || before == Some(&Word("let".to_owned()))) =>
            {
                let end = value.iter().position(|token| matches!(token, Sign(',' | ';' | '}')));
                let is_format = matches!(value, [Word(name), Sign('!'), ..] if name == "format");
                let value = if is_format { group(&value[2..]) } else { &value[..end.unwrap_or(value.len())] };
                (name.clone(), value)
            }
            _ => continue,
        };
        let format = [Word("format".to_owned()), Sign('!'), Sign('(')];
        let start = inside.windows(3).position(|window| window == format);
        let inside = start.map_or(inside, |start| group(&inside[start + 2..]));
        let mut arguments = split(inside);
        // The condition of `ensure!` comes before its message.
        while arguments.first().is_some_and(|argument| !matches!(argument.first(), Some(Text(_)))) {
            arguments.remove(0);
        }
        if let Some(first) = arguments.first_mut() {
            first.truncate(1);
            found.push((name, arguments));
        }
    }
    found
}

/// The texts in the body of a function; separators and formats of times do not count.
fn function_texts(tokens: &[Token], name: &str) -> Option<Vec<String>> {
    let start = [Word("fn".to_owned()), Word(name.to_owned())];
    let at = tokens.windows(2).position(|window| window == start)?;
    let open = at + tokens[at..].iter().position(|token| *token == Sign('{'))?;
    let texts = group(&tokens[open..]).iter().filter_map(|token| match token {
        Text(text) if text.contains(char::is_alphabetic) && !text.starts_with('%') => Some(text.clone()),
        _ => None,
    });
    Some(texts.collect())
}

/// The tokens between an opening bracket, which comes first, and its closing one.
fn group(tokens: &[Token]) -> &[Token] {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate() {
        match token {
            Sign('(' | '[' | '{') => depth += 1,
            Sign(')' | ']' | '}') => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return tokens.get(1..at).unwrap_or_default();
        }
    }
    panic!("a bracket is not closed: {tokens:?}")
}

/// Splits at commas outside brackets.
fn split(tokens: &[Token]) -> Vec<Vec<Token>> {
    let mut parts = vec![Vec::new()];
    let mut depth = 0;
    for token in tokens {
        match token {
            Sign('(' | '[' | '{') => depth += 1,
            Sign(')' | ']' | '}') => depth -= 1,
            _ => {}
        }
        if depth == 0 && *token == Sign(',') {
            parts.push(Vec::new());
        } else {
            parts.last_mut().unwrap().push(token.clone());
        }
    }
    parts.retain(|part| !part.is_empty());
    parts
}

/// Puts the expressions into the places of a format string.
fn fill(template: &str, arguments: &[Vec<Token>]) -> String {
    let mut arguments = arguments.iter();
    let mut text = String::new();
    let mut letters = template.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '{' | '}' if letters.next_if_eq(&letter).is_some() => text.push(letter),
            '{' => {
                let place: String = letters.by_ref().take_while(|&letter| letter != '}').collect();
                let (name, format) = place.split_once(':').unwrap_or((&place, ""));
                let name = if name.is_empty() {
                    arguments.next().map(|a| expression(a)).unwrap_or_default()
                } else {
                    name.to_owned()
                };
                let colon = if format.is_empty() { "" } else { ":" };
                write!(text, "{{{name}{colon}{format}}}").unwrap();
            }
            letter => text.push(letter),
        }
    }
    text
}

/// An argument in short: `path` for `path.display()` and `.path`.
fn expression(tokens: &[Token]) -> String {
    let mut text = String::new();
    for (at, token) in tokens.iter().enumerate() {
        let before = at.checked_sub(1).map(|before| &tokens[before]);
        match token {
            Word(word) => {
                if matches!(before, Some(Word(_))) {
                    text.push(' ');
                }
                text.push_str(word);
            }
            Text(literal) => write!(text, "{literal:?}").unwrap(),
            Sign('*' | '&') => {}
            // A field of the error, as thiserror writes it.
            Sign('.') if !matches!(before, Some(Word(_) | Sign(')' | ']'))) => {}
            Sign(',') => text.push_str(", "),
            Sign(sign) => text.push(*sign),
        }
    }
    for end in [".display()", ".join(\", \")"] {
        text = text.strip_suffix(end).unwrap_or(&text).to_owned();
    }
    text
}

/// The tokens of a source file, without comments, and up to its unit tests.
fn tokens(source: &str) -> Vec<Token> {
    let source = source.split("#[cfg(test)]").next().unwrap_or_default();
    let letters: Vec<char> = source.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < letters.len() {
        let letter = letters[at];
        let next = letters.get(at + 1).copied().unwrap_or_default();
        match letter {
            '/' if next == '/' => {
                at += letters[at..].iter().position(|&letter| letter == '\n').unwrap_or(letters.len() - at)
            }
            'r' if next == '"' || next == '#' && letters.get(at + 2) == Some(&'"') => {
                let end: Vec<char> = if next == '"' { vec!['"'] } else { vec!['"', '#'] };
                let start = at + 1 + end.len();
                let length = letters[start..].windows(end.len()).position(|window| window == end).unwrap();
                tokens.push(Text(letters[start..start + length].iter().collect()));
                at = start + length + end.len();
            }
            '"' => {
                let (text, length) = literal(&letters[at + 1..]);
                tokens.push(Text(text));
                at += 1 + length;
            }
            // A character; a lifetime has no second quote.
            '\'' if next == '\\' => at += 3 + letters[at + 3..].iter().position(|&letter| letter == '\'').unwrap() + 1,
            '\'' if letters.get(at + 2) == Some(&'\'') => at += 3,
            letter if letter.is_alphanumeric() || letter == '_' => {
                let word: String = letters[at..].iter().take_while(|&&l| l.is_alphanumeric() || l == '_').collect();
                at += word.chars().count();
                tokens.push(Word(word));
            }
            letter => {
                if !letter.is_whitespace() {
                    tokens.push(Sign(letter));
                }
                at += 1;
            }
        }
    }
    tokens
}

/// A string literal after its opening quote, and its length with the closing one.
fn literal(letters: &[char]) -> (String, usize) {
    let mut text = String::new();
    let mut at = 0;
    loop {
        match letters[at] {
            '"' => return (text, at + 1),
            '\\' if letters[at + 1] == '\n' => {
                at += 1;
                at += letters[at..].iter().take_while(|letter| letter.is_whitespace()).count();
            }
            '\\' => {
                text.push(match letters[at + 1] {
                    'n' => '\n',
                    other => other,
                });
                at += 2;
            }
            letter => {
                text.push(letter);
                at += 1;
            }
        }
    }
}

/// The files below `src/`: their paths and texts.
fn sources() -> Vec<(String, String)> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                walk(&entry, found);
            } else if entry.extension().is_some_and(|extension| extension == "rs") {
                found.push(entry);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    walk(&root.join("src"), &mut found);
    found.sort();
    let read = |path: PathBuf| {
        let name = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
        (name, fs::read_to_string(&path).unwrap())
    };
    found.into_iter().map(read).collect()
}

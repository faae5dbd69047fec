//! Reads the files of a tokenizer folder, in every form that a version of transformers has written.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;
use tokenizers::AddedToken;

use crate::diffusion::checkpoint::Files;
use crate::diffusion::{Error, Result};

/// The default of all special tokens but the start.
const END_OF_TEXT: &str = "<|endoftext|>";
/// `model_max_length` of every published CLIP text encoder.
const DEFAULT_LENGTH: usize = 77;
/// Files write 10³⁰ for "no limit". Any length above this means the same.
const LARGEST_LENGTH: f64 = 4096.0;

/// The contents of a folder's files.
pub(super) struct TokenizerFiles {
    /// The file with vocabulary and merges, for messages.
    pub vocabulary_file: &'static str,
    pub vocab: HashMap<String, u32>,
    /// In rising rank.
    pub merges: Vec<(String, String)>,
    pub special: SpecialTokens,
    /// Tokens that are matched as whole strings, special ones included, in the order in which they are added.
    pub added: Vec<AddedToken>,
    /// The number of ids that a prompt is truncated and padded to.
    pub length: usize,
}

pub(super) struct SpecialTokens {
    pub bos: AddedToken,
    pub eos: AddedToken,
    pub unk: AddedToken,
    pub pad: AddedToken,
}

impl TokenizerFiles {
    /// Reads a folder.
    pub fn read(folder: &Files) -> Result<Self> {
        let config: Config = optional(folder, "tokenizer_config.json")?;
        let whole: Option<WholeFile> =
            folder.has("tokenizer.json").then(|| folder.json("tokenizer.json")).transpose()?;

        let mut named = config.special;
        let mut added: BTreeMap<u32, AddedToken> = BTreeMap::new();
        if let Some(tokens) = config.added_tokens_decoder {
            for (id, token) in tokens {
                let reason = || format!("added_tokens_decoder has the entry {id:?}, which is not an id");
                let number = id.parse().map_err(|_| bad(folder, "tokenizer_config.json", reason()))?;
                added.insert(number, token.into_token(false));
            }
        } else {
            // Older versions split what added_tokens_decoder holds over up to three files.
            named = named.overridden_by(optional(folder, "special_tokens_map.json")?);
            for (text, id) in optional::<HashMap<String, u32>>(folder, "added_tokens.json")? {
                let special = named.all().any(|token| token.text() == text);
                added.insert(id, AddedToken::from(text, special).normalized(!special));
            }
            for token in whole.iter().flat_map(|whole| &whole.added_tokens) {
                added.insert(token.id, token.token.clone().into_token(false));
            }
        }
        let known: HashMap<String, AddedToken> =
            added.values().map(|token| (token.content.clone(), token.clone())).collect();
        let special = |token: &Option<TokenForm>, default: &str| {
            let token = token.clone().unwrap_or_else(|| TokenForm::Text(default.to_owned()));
            known.get(token.text()).cloned().unwrap_or_else(|| token.into_token(true)).special(true)
        };
        let special = SpecialTokens {
            bos: special(&named.bos_token, "<|startoftext|>"),
            eos: special(&named.eos_token, END_OF_TEXT),
            unk: special(&named.unk_token, END_OF_TEXT),
            pad: special(&named.pad_token, END_OF_TEXT),
        };
        let (vocabulary_file, vocab, merges) = match whole {
            Some(whole) => {
                let merges = whole.model.merges.into_iter().map(Merge::pair).collect::<Option<Vec<_>>>();
                let merges = merges.ok_or_else(|| bad(folder, "tokenizer.json", "a merge is not a pair".to_owned()))?;
                ("tokenizer.json", whole.model.vocab, merges)
            }
            None => ("vocab.json", folder.json("vocab.json")?, read_merges(folder)?),
        };
        check(&vocab, &merges).map_err(|reason| bad(folder, vocabulary_file, reason))?;
        let mut all: Vec<AddedToken> = added.into_values().collect();
        all.extend([&special.bos, &special.eos, &special.unk, &special.pad].map(Clone::clone));
        let length = length(config.model_max_length).map_err(|reason| bad(folder, "tokenizer_config.json", reason))?;
        Ok(Self { vocabulary_file, vocab, merges, special, added: all, length })
    }
}

/// `tokenizer_config.json`.
#[derive(Default, Deserialize)]
struct Config {
    #[serde(flatten)]
    special: NamedTokens,
    added_tokens_decoder: Option<HashMap<String, TokenForm>>,
    model_max_length: Option<f64>,
}

/// The special tokens in `tokenizer_config.json` and in `special_tokens_map.json`.
#[derive(Default, Deserialize)]
struct NamedTokens {
    bos_token: Option<TokenForm>,
    eos_token: Option<TokenForm>,
    unk_token: Option<TokenForm>,
    pad_token: Option<TokenForm>,
}

impl NamedTokens {
    fn overridden_by(self, other: Self) -> Self {
        Self {
            bos_token: other.bos_token.or(self.bos_token),
            eos_token: other.eos_token.or(self.eos_token),
            unk_token: other.unk_token.or(self.unk_token),
            pad_token: other.pad_token.or(self.pad_token),
        }
    }

    fn all(&self) -> impl Iterator<Item = &TokenForm> {
        [&self.bos_token, &self.eos_token, &self.unk_token, &self.pad_token].into_iter().flatten()
    }
}

/// A token as its text, or as its text and how it is matched in a prompt.
#[derive(Clone, Deserialize)]
#[serde(untagged)]
enum TokenForm {
    Text(String),
    Full {
        content: String,
        #[serde(default)]
        single_word: bool,
        #[serde(default)]
        lstrip: bool,
        #[serde(default)]
        rstrip: bool,
        normalized: Option<bool>,
        #[serde(default)]
        special: bool,
    },
}

impl TokenForm {
    fn text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Full { content, .. } => content,
        }
    }

    /// `named` tokens are special. A token is normalised unless it is special or its file says otherwise.
    fn into_token(self, named: bool) -> AddedToken {
        match self {
            Self::Text(text) => AddedToken::from(text, named),
            Self::Full { content, single_word, lstrip, rstrip, normalized, special } => {
                let special = special || named;
                AddedToken::from(content, special)
                    .single_word(single_word)
                    .lstrip(lstrip)
                    .rstrip(rstrip)
                    .normalized(normalized.unwrap_or(!special))
            }
        }
    }
}

/// `tokenizer.json`. Its normaliser and pre-tokenizer are ignored in favour of CLIP's own, as in transformers.
#[derive(Deserialize)]
struct WholeFile {
    #[serde(default)]
    added_tokens: Vec<NumberedToken>,
    model: Model,
}

#[derive(Deserialize)]
struct NumberedToken {
    id: u32,
    #[serde(flatten)]
    token: TokenForm,
}

#[derive(Deserialize)]
struct Model {
    vocab: HashMap<String, u32>,
    merges: Vec<Merge>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Merge {
    Line(String),
    Pair(String, String),
}

impl Merge {
    fn pair(self) -> Option<(String, String)> {
        match self {
            Self::Pair(first, second) => Some((first, second)),
            Self::Line(line) => pair(&line),
        }
    }
}

/// Reads `merges.txt`, which has a pair in each line, in rising rank.
fn read_merges(folder: &Files) -> Result<Vec<(String, String)>> {
    const NAME: &str = "merges.txt";
    let bytes = folder.read(NAME)?;
    let text = std::str::from_utf8(&bytes).map_err(|error| bad(folder, NAME, error.to_string()))?;
    text.lines()
        .enumerate()
        .filter(|(_, line)| !line.starts_with("#version") && !line.is_empty())
        .map(|(number, line)| {
            pair(line).ok_or_else(|| bad(folder, NAME, format!("line {} is not a pair of tokens", number + 1)))
        })
        .collect()
}

fn pair(line: &str) -> Option<(String, String)> {
    let (first, second) = line.split_once(' ')?;
    (!second.contains(' ')).then(|| (first.to_owned(), second.to_owned()))
}

/// Checks what the tokenizers crate assumes and would panic on.
fn check(vocab: &HashMap<String, u32>, merges: &[(String, String)]) -> Result<(), String> {
    if vocab.is_empty() {
        return Err("the vocabulary is empty".to_owned());
    }
    for (first, second) in merges {
        for token in [first, second, &format!("{first}{second}")] {
            if !vocab.contains_key(token) {
                return Err(format!("it merges {first:?} and {second:?}, but has no token {token:?}"));
            }
        }
    }
    Ok(())
}

/// Reads `model_max_length`, which must leave room for a token between start and end.
fn length(configured: Option<f64>) -> Result<usize, String> {
    match configured {
        Some(length) if length < 3.0 => Err(format!("model_max_length is {length}, less than 3")),
        Some(length) if length <= LARGEST_LENGTH => Ok(length as usize),
        _ => Ok(DEFAULT_LENGTH),
    }
}

fn optional<T: Default + serde::de::DeserializeOwned>(folder: &Files, name: &str) -> Result<T> {
    if folder.has(name) { folder.json(name) } else { Ok(T::default()) }
}

fn bad(folder: &Files, name: &str, reason: String) -> Error {
    Error::BadConfig { path: folder.path_of(name), reason }
}

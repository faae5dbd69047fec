//! A prompt becomes token ids: CLIP's byte-pair encoding, put together as transformers 5 does it from `vocab.json` and
//! `merges.txt` or from `tokenizer.json` (`models/clip/tokenization_clip.py`, `tokenization_utils_tokenizers.py`).

mod files;

use tokenizers::models::bpe::BPE;
use tokenizers::normalizers::replace::{Replace, ReplacePattern};
use tokenizers::normalizers::{Lowercase, NFC, Sequence as Normalizers};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::sequence::Sequence as PreTokenizers;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{Encoding, SplitDelimiterBehavior};

use self::files::TokenizerFiles;
use super::checkpoint::Files;
use super::{Error, Result};

/// What one piece of a normalised prompt is, before it is looked up in pairs.
const PIECES: &str = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+";

/// `tokenizer/` of a checkpoint.
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    start: u32,
    end: u32,
    pad: u32,
    length: usize,
    vocab_size: usize,
    folder: Files,
}

/// A prompt as the text encoder reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tokens {
    /// Exactly [`Tokenizer::length`]: start, prompt, end, padding.
    pub ids: Vec<u32>,
    /// What did not fit, as it stands in the prompt.
    pub dropped: Option<String>,
    /// Tokens of the whole prompt, without start and end.
    pub count: usize,
}

impl Tokenizer {
    /// Loads a checkpoint's tokenizer folder.
    pub fn load(folder: &Files) -> Result<Self> {
        let files = TokenizerFiles::read(folder)?;
        let bad = |error: tokenizers::Error| Error::BadConfig {
            path: folder.path_of(files.vocabulary_file),
            reason: error.to_string(),
        };
        let largest = files.vocab.values().copied().max().unwrap_or(0);
        let model = BPE::builder()
            .vocab_and_merges(files.vocab.into_iter().collect::<tokenizers::models::bpe::Vocab>(), files.merges)
            .continuing_subword_prefix(String::new())
            .end_of_word_suffix("</w>".to_owned())
            .unk_token(files.special.unk.content.clone())
            .build()
            .map_err(bad)?;
        let mut inner = tokenizers::Tokenizer::new(model);
        let spaces = Replace::new(ReplacePattern::Regex(r"\s+".to_owned()), " ").map_err(bad)?;
        inner
            .with_normalizer(Some(Normalizers::new(vec![NFC.into(), spaces.into(), Lowercase.into()])))
            .map_err(bad)?;
        let pieces = SplitPattern::Regex(PIECES.to_owned());
        let pieces = Split::new(pieces, SplitDelimiterBehavior::Removed, true).map_err(bad)?;
        inner.with_pre_tokenizer(Some(PreTokenizers::new(vec![
            pieces.into(),
            ByteLevel::new(false, true, true).into(),
        ])));
        let special = files.special;
        inner.add_tokens(files.added).map_err(bad)?;

        let id = |token: &str| {
            inner.token_to_id(token).ok_or_else(|| Error::BadConfig {
                path: folder.path_of(files.vocabulary_file),
                reason: format!("it has no token {token:?}"),
            })
        };
        let (start, end, pad) = (id(&special.bos.content)?, id(&special.eos.content)?, id(&special.pad.content)?);
        let largest = inner.get_added_tokens_decoder().keys().copied().chain([largest]).max().unwrap_or(largest);
        Ok(Self {
            inner,
            start,
            end,
            pad,
            length: files.length,
            vocab_size: largest as usize + 1,
            folder: folder.clone(),
        })
    }

    /// A prompt in one go: what is too long falls off at the end.
    pub fn encode(&self, prompt: &str) -> Result<Tokens> {
        let encoding = self.encoding(prompt)?;
        let all = encoding.get_ids();
        let fit = all.len().min(self.room());
        let dropped = encoding.get_offsets().get(fit).map(|(start, _)| {
            // Offsets are those of characters in the prompt; were one not, the whole prompt is named.
            prompt.get(*start..).unwrap_or(prompt).trim().to_owned()
        });
        Ok(Tokens { ids: self.framed(&all[..fit]), dropped, count: all.len() })
    }

    /// A prompt in as many pieces as it needs, each framed by start, end and padding like a whole prompt; an empty
    /// prompt is one piece.
    pub fn encode_chunks(&self, prompt: &str) -> Result<Vec<Vec<u32>>> {
        let encoding = self.encoding(prompt)?;
        let ids = encoding.get_ids();
        if ids.is_empty() {
            return Ok(vec![self.framed(&[])]);
        }
        Ok(ids.chunks(self.room()).map(|chunk| self.framed(chunk)).collect())
    }

    /// Tokens that a text encoder is given at once: `model_max_length`, 77 for every published CLIP.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Every id is below this; the text encoder must know as many.
    pub fn vocab_size(&self) -> usize {
        self.vocab_size
    }

    fn encoding(&self, prompt: &str) -> Result<Encoding> {
        self.inner
            .encode(prompt, false)
            .map_err(|error| Error::BadConfig { path: self.folder.path(), reason: error.to_string() })
    }

    /// Tokens of a prompt that fit between start and end.
    fn room(&self) -> usize {
        self.length - 2
    }

    /// At most `room` ids between start and end, padded to the whole length.
    fn framed(&self, ids: &[u32]) -> Vec<u32> {
        let mut framed = Vec::with_capacity(self.length);
        framed.push(self.start);
        framed.extend_from_slice(ids);
        framed.push(self.end);
        framed.resize(self.length, self.pad);
        framed
    }
}

#[cfg(test)]
mod tests;

//! CLIP's tokenizer: byte-pair encoding of prompts, built as in transformers 5 from `vocab.json` and `merges.txt` or
//! from `tokenizer.json` (`models/clip/tokenization_clip.py`, `tokenization_utils_tokenizers.py`).

mod files;

use tokenizers::models::bpe::BPE;
use tokenizers::normalizers::replace::{Replace, ReplacePattern};
use tokenizers::normalizers::{Lowercase, NFC, Sequence as Normalizers};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::sequence::Sequence as PreTokenizers;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{Encoding, SplitDelimiterBehavior};

use self::files::TokenizerFiles;
use crate::diffusion::checkpoint::Files;
use crate::diffusion::{Error, Result};

/// Matches the words and signs of a normalised prompt, each of which is encoded on its own.
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

/// The tokens of a prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tokens {
    /// Exactly [`Tokenizer::length`] ids: start, prompt, end, padding.
    pub ids: Vec<u32>,
    /// The end of the prompt that did not fit, as the prompt spells it.
    pub dropped: Option<String>,
    /// The number of tokens of the whole prompt, without start and end.
    pub count: usize,
}

impl Tokenizer {
    /// Loads a tokenizer folder. Pads with `<|endoftext|>` where its files do not name a padding token, as transformers
    /// does; the folders of Stable Diffusion 2.x name "!".
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

    /// Encodes a prompt, dropping the end that does not fit.
    pub fn encode(&self, prompt: &str) -> Result<Tokens> {
        let encoding = self.encoding(prompt)?;
        let all = encoding.get_ids();
        let fit = all.len().min(self.room());
        let dropped = encoding.get_offsets().get(fit).map(|(start, _)| {
            // Offsets lie on character boundaries. If one did not, the whole prompt would be reported.
            prompt.get(*start..).unwrap_or(prompt).trim().to_owned()
        });
        Ok(Tokens { ids: self.framed(&all[..fit]), dropped, count: all.len() })
    }

    /// Encodes a prompt as as many chunks as it needs, each with start, end and padding. An empty prompt is one chunk.
    pub fn encode_chunks(&self, prompt: &str) -> Result<Vec<Vec<u32>>> {
        let encoding = self.encoding(prompt)?;
        let ids = encoding.get_ids();
        if ids.is_empty() {
            return Ok(vec![self.framed(&[])]);
        }
        Ok(ids.chunks(self.room()).map(|chunk| self.framed(chunk)).collect())
    }

    /// The number of ids in [`Tokens`] and in each chunk: `model_max_length`, which is 77 for every published CLIP.
    pub fn length(&self) -> usize {
        self.length
    }

    /// All ids are below this. A text encoder needs at least as many embeddings.
    pub fn vocab_size(&self) -> usize {
        self.vocab_size
    }

    fn encoding(&self, prompt: &str) -> Result<Encoding> {
        self.inner
            .encode(prompt, false)
            .map_err(|error| Error::BadConfig { path: self.folder.path(), reason: error.to_string() })
    }

    /// The number of tokens that fit between start and end.
    fn room(&self) -> usize {
        self.length - 2
    }

    /// Puts at most `room` ids between start and end, and pads them to the whole length.
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

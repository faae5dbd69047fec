//! Models by name: finding them, their default settings, and how many tokens of a prompt they read.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use crate::diffusion::tokenizer::Tokenizer;
use crate::diffusion::{self};
use crate::studio::recipe::Model;
use crate::worker::model::NamedModel;

pub use crate::studio::settings::MINI;

/// Finds a run's checkpoint, adapter and image encoder.
pub fn find(model: &Model) -> diffusion::Result<NamedModel> {
    let (adapter, encoder) = (model.adapter.as_deref(), model.image_encoder.as_deref());
    crate::worker::model::find(&model.checkpoint, adapter.map(str::as_ref), encoder.map(str::as_ref))
}

/// How much of a text encoder's context a prompt fills, start and end tokens included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenCount {
    pub used: usize,
    /// How many tokens the text encoder reads at once.
    pub limit: usize,
}

/// Counts tokens. A checkpoint's tokenizer is loaded at its first count and kept.
#[derive(Default)]
pub struct TokenCounter {
    /// By the checkpoint's name.
    tokenizers: Mutex<HashMap<String, Arc<Tokenizer>>>,
}

impl TokenCounter {
    pub fn count(&self, model: &Model, prompt: &str) -> diffusion::Result<TokenCount> {
        let tokenizer = self.tokenizer(model)?;
        // Tokenizer::encode counts neither the start nor the end token.
        let used = tokenizer.encode(prompt)?.count + 2;
        Ok(TokenCount { used, limit: tokenizer.length() })
    }

    fn tokenizer(&self, model: &Model) -> diffusion::Result<Arc<Tokenizer>> {
        // The map holds complete tokenizers only, so it is valid even after a panic.
        let mut tokenizers = self.tokenizers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tokenizer) = tokenizers.get(&model.checkpoint) {
            return Ok(tokenizer.clone());
        }
        let named = find(&Model::named(&model.checkpoint))?;
        let tokenizer = Arc::new(named.model.tokenizer()?);
        tokenizers.insert(model.checkpoint.clone(), tokenizer.clone());
        Ok(tokenizer)
    }
}

impl fmt::Debug for TokenCounter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenCounter").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tokenizer_is_loaded_once() {
        let counter = TokenCounter::default();
        let mini = Model::named(MINI);
        let first = counter.tokenizer(&mini).unwrap();
        let second = counter.tokenizer(&mini).unwrap();
        assert!(Arc::ptr_eq(&first, &second));
        assert_eq!(counter.count(&mini, "").unwrap(), TokenCount { used: 2, limit: first.length() });
    }
}

//! From prompts to the text states that the UNet looks at, through every text encoder of a checkpoint.

use std::ops::ControlFlow;

use candle_core::{Device, Tensor};

use crate::diffusion::checkpoint::{Checkpoint, Component, TextEncoderConfig, TextPart};
use crate::diffusion::compute::Compute;
use crate::diffusion::text_encoder::TextEncoder;
use crate::diffusion::tokenizer::Tokenizer;
use crate::diffusion::{Error, Result};
use crate::studio::settings::LongPrompt;

/// The text encoders of a checkpoint, each with its tokenizer, in the order in which their states lie side by side.
pub(super) struct TextEncoders {
    pairs: Vec<(Tokenizer, TextEncoder)>,
}

impl TextEncoders {
    /// Loads them one after the other; `loading` is called with the folder of each before its weights load.
    pub fn load(
        checkpoint: &Checkpoint,
        compute: &Compute,
        mut loading: impl FnMut(&'static str) -> Result<()>,
    ) -> Result<Self> {
        let pair = |part: &TextPart| {
            let tokenizer = Tokenizer::load(&checkpoint.folder(part.tokenizer))?;
            loading(part.encoder.folder)?;
            let config = TextEncoderConfig::load(&checkpoint.folder(part.encoder.folder))?;
            require_vocabulary(checkpoint, part.encoder, &config, &tokenizer)?;
            let weights = checkpoint.weights(part.encoder, compute.dtype, &compute.device)?;
            Ok((tokenizer, TextEncoder::load(&weights, &config)?))
        };
        Ok(Self { pairs: checkpoint.parts().text.iter().map(pair).collect::<Result<_>>()? })
    }

    /// The width C of the states.
    pub fn width(&self) -> usize {
        self.pairs.iter().map(|(_, encoder)| encoder.width()).sum()
    }

    /// States of each prompt, [prompts, 77·chunks, C], all with as many chunks as the longest prompt needs.
    ///
    /// `truncated` receives the end of each prompt that does not fit, as the first tokenizer reads it.
    pub fn encode(
        &self,
        prompts: &[&str],
        long: LongPrompt,
        device: &Device,
        truncated: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<Tensor> {
        let mut all = Vec::with_capacity(self.pairs.len());
        for (number, (tokenizer, _)) in self.pairs.iter().enumerate() {
            let mut chunks = Vec::with_capacity(prompts.len());
            for prompt in prompts {
                chunks.push(match long {
                    LongPrompt::Chunk => tokenizer.encode_chunks(prompt)?,
                    LongPrompt::Truncate => {
                        let tokens = tokenizer.encode(prompt)?;
                        let dropped = tokens.dropped.filter(|_| number == 0);
                        if dropped.is_some_and(|dropped| truncated(&dropped).is_break()) {
                            return Err(Error::Cancelled);
                        }
                        vec![tokens.ids]
                    }
                });
            }
            all.push(chunks);
        }
        let most = all.iter().flatten().map(Vec::len).max().unwrap_or(1);
        let states = self.pairs.iter().zip(all).map(|(pair, chunks)| states(pair, chunks, most, device));
        side_by_side(states.collect::<Result<_>>()?)
    }
}

/// One encoder's states [prompts, 77·chunks, width] of the ids in each chunk of each prompt, filled up to `most` chunks
/// with the empty prompt.
fn states(
    (tokenizer, encoder): &(Tokenizer, TextEncoder),
    prompts: Vec<Vec<Vec<u32>>>,
    most: usize,
    device: &Device,
) -> Result<Tensor> {
    let empty = tokenizer.encode("")?.ids;
    let rows = prompts.into_iter().map(|mut chunks| {
        chunks.resize(most, empty.clone());
        let states = chunks.into_iter().map(|ids| {
            let ids = Tensor::from_vec(ids, (1, tokenizer.length()), device)?;
            encoder.forward(&ids) // [1, 77, width]
        });
        Ok(Tensor::cat(&states.collect::<Result<Vec<_>>>()?, 1)?)
    });
    Ok(Tensor::cat(&rows.collect::<Result<Vec<_>>>()?, 0)?)
}

/// The states of several encoders, joined along their width.
fn side_by_side(mut states: Vec<Tensor>) -> Result<Tensor> {
    if states.len() == 1 { Ok(states.swap_remove(0)) } else { Ok(Tensor::cat(&states, 2)?) }
}

fn require_vocabulary(
    checkpoint: &Checkpoint,
    encoder: Component,
    config: &TextEncoderConfig,
    tokenizer: &Tokenizer,
) -> Result<()> {
    let (tokens, length) = (tokenizer.vocab_size(), tokenizer.length());
    if tokens <= config.vocab_size && length <= config.max_position_embeddings {
        return Ok(());
    }
    let reason = format!(
        "it has {} tokens at {} positions, but the tokenizer makes {length} of {tokens} tokens",
        config.vocab_size, config.max_position_embeddings
    );
    Err(Error::BadConfig { path: checkpoint.config_path(encoder), reason })
}

#[cfg(test)]
mod tests {
    use candle_core::DType;

    use super::*;
    use crate::diffusion::checkpoint::{Family, Files, Weights};

    fn encoders(count: usize) -> TextEncoders {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/parity/data/sd1");
        let checkpoint = Checkpoint::open(&Files::on_disk(folder)).unwrap();
        assert_eq!(checkpoint.family(), Family::Sd1);
        let part = &checkpoint.parts().text[0];
        let pair = |_| {
            let weights: Weights = checkpoint.weights(part.encoder, DType::F32, &Device::Cpu).unwrap();
            let encoder = TextEncoder::load(&weights, &checkpoint.config(part.encoder).unwrap()).unwrap();
            (Tokenizer::load(&checkpoint.folder(part.tokenizer)).unwrap(), encoder)
        };
        TextEncoders { pairs: (0..count).map(pair).collect() }
    }

    #[test]
    fn states_of_two_encoders_lie_side_by_side() {
        let prompts = ["a portrait", &"many words ".repeat(60)];
        let encode = |encoders: &TextEncoders, long| {
            let mut truncated = 0;
            let states = encoders.encode(&prompts, long, &Device::Cpu, &mut |_| {
                truncated += 1;
                ControlFlow::Continue(())
            });
            (states.unwrap(), truncated)
        };
        let (one, two) = (encoders(1), encoders(2));
        for (long, expected) in [(LongPrompt::Truncate, 1), (LongPrompt::Chunk, 0)] {
            let (alone, _) = encode(&one, long);
            let (both, truncated) = encode(&two, long);
            assert_eq!(truncated, expected);
            assert_eq!((both.dim(2).unwrap(), two.width()), (2 * one.width(), 2 * one.width()));
            for half in both.chunk(2, 2).unwrap() {
                let difference = (half - &alone).unwrap().abs().unwrap().max_all().unwrap();
                assert_eq!(difference.to_scalar::<f32>().unwrap(), 0.0);
            }
        }
    }
}

//! A generation between two steps, as bytes that outlive the process: a safetensors file in memory.
//!
//! Whatever comes back is checked: that it is whole, that it belongs to the picture that is to be made, and that it fits
//! the sampler. What is refused is no loss but time, because the seed can always begin again.

use std::collections::HashMap;

use candle_core::{DType, Device, Tensor};
use safetensors::SafeTensors;
use safetensors::tensor::TensorView;
use serde::{Deserialize, Serialize};

use super::scheduler::History;
use super::{Error, Result};
use crate::studio::settings::Sampler;

/// The state of one batch after a step.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub(super) facts: Facts,
    /// [seeds, channels, h, w], in float32, as is all of the memory.
    pub(super) latents: Tensor,
    pub(super) memory: History,
}

/// What it belongs to, and how far it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Facts {
    pub sampler: String,
    pub seeds: Vec<u64>,
    /// Steps done, and of how many.
    pub done: usize,
    pub of: usize,
    /// How often noise was drawn; drawn again, it brings the generators to where they were.
    pub draws: usize,
}

/// The names in the file's metadata and of its tensors.
const FACTS: &str = "pentimento.snapshot";
const CHECKSUM: &str = "checksum";
const LATENTS: &str = "latents";
const SAMPLE: &str = "sample";
/// The most tensors that a sampler remembers.
const MOST_OUTPUTS: usize = 8;

impl Snapshot {
    /// The steps that are done.
    pub fn done(&self) -> usize {
        self.facts.done
    }

    /// The same as bytes. `owner` says what the picture is made from; without it the bytes are of no use.
    pub fn to_bytes(&self, owner: &blake3::Hash) -> Result<Vec<u8>> {
        let mut tensors = vec![(LATENTS.to_owned(), Plain::of(&self.latents)?)];
        for (index, output) in self.memory.outputs.iter().enumerate() {
            tensors.push((output_name(index), Plain::of(output)?));
        }
        if let Some(sample) = &self.memory.sample {
            tensors.push((SAMPLE.to_owned(), Plain::of(sample)?));
        }
        let unwritable = |error: &dyn std::fmt::Display| bad(format!("it cannot be written ({error})"));
        let facts = serde_json::to_string(&self.facts).map_err(|error| unwritable(&error))?;
        let checksum = checksum(owner, &facts, tensors.iter().map(|(name, plain)| (name.as_str(), plain.view())));
        let metadata = HashMap::from([(FACTS.to_owned(), facts), (CHECKSUM.to_owned(), checksum)]);
        let views = tensors.iter().map(|(name, plain)| Ok((name.as_str(), plain.tensor_view()?)));
        let views = views.collect::<Result<Vec<_>>>()?;
        safetensors::serialize(views, Some(metadata)).map_err(|error| unwritable(&error))
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote for the same owner; anything else is refused.
    pub fn from_bytes(bytes: &[u8], owner: &blake3::Hash) -> Result<Self> {
        let damaged = |error: &dyn std::fmt::Display| bad(format!("it is damaged ({error})"));
        let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(|error| damaged(&error))?;
        let own = metadata.metadata().as_ref();
        let text = |key: &str| own.and_then(|own| own.get(key)).ok_or_else(|| bad(format!("it says no {key}")));
        let (facts, expected) = (text(FACTS)?, text(CHECKSUM)?);

        let file = SafeTensors::deserialize(bytes).map_err(|error| damaged(&error))?;
        let tensors: Vec<(&str, TensorView<'_>)> = file.iter().collect();
        let views = tensors.iter().map(|(name, view)| (*name, (view.shape(), view.data())));
        if checksum(owner, facts, views) != *expected {
            return Err(bad("it is damaged, or of another picture"));
        }
        let facts = serde_json::from_str(facts).map_err(|error| damaged(&error))?;
        let tensor = |name: &str| {
            let found = tensors.iter().find(|(other, _)| *other == name);
            found.map(|(_, view)| read(view)).transpose()
        };
        let mut memory = History { outputs: Vec::new(), sample: tensor(SAMPLE)? };
        for index in 0..MOST_OUTPUTS {
            memory.outputs.extend(tensor(&output_name(index))?);
        }
        let latents = tensor(LATENTS)?.ok_or_else(|| bad("it has no latents"))?;
        Ok(Self { facts, latents, memory })
    }

    /// Refuses a state that is not one on the way of this sampler with these seeds to latents of this shape.
    pub(super) fn fits(&self, sampler: Sampler, seeds: &[u64], of: usize, shape: &[usize]) -> Result<()> {
        let Facts { sampler: own, seeds: own_seeds, done, of: own_of, draws } = &self.facts;
        let tensors = self.memory.outputs.iter().chain(&self.memory.sample).chain([&self.latents]);
        let all: Vec<&[usize]> = tensors.map(Tensor::dims).collect();
        match () {
            () if own != sampler.name() => Err(bad(format!("it is of the sampler {own}, not {sampler}"))),
            () if own_seeds != seeds => Err(bad(format!("it is of the seeds {own_seeds:?}, not {seeds:?}"))),
            // Noise is drawn at the beginning, and at most once a step.
            () if *own_of != of || *done > of || *draws > of + 1 => {
                Err(bad(format!("it is after step {done} of {own_of}, but there are {of} steps")))
            }
            () if all.iter().any(|found| *found != shape) => {
                Err(bad(format!("its latents are of the shape {:?}, not {shape:?}", self.latents.dims())))
            }
            () => Ok(()),
        }
    }

    /// On the device where it goes on.
    pub(super) fn on(self, device: &Device) -> Result<(Tensor, History)> {
        let History { outputs, sample } = self.memory;
        let outputs = outputs.iter().map(|output| Ok(output.to_device(device)?)).collect::<Result<_>>()?;
        let sample = sample.map(|sample| sample.to_device(device)).transpose()?;
        Ok((self.latents.to_device(device)?, History { outputs, sample }))
    }
}

pub(super) fn bad(reason: impl Into<String>) -> Error {
    Error::BadSnapshot { reason: reason.into() }
}

/// A float32 tensor's shape and its values in the order and bytes of a file.
struct Plain {
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Plain {
    fn of(tensor: &Tensor) -> Result<Self> {
        let values = tensor.to_dtype(DType::F32)?.to_device(&Device::Cpu)?.flatten_all()?.to_vec1::<f32>()?;
        let bytes = values.into_iter().flat_map(f32::to_le_bytes).collect();
        Ok(Self { shape: tensor.dims().to_vec(), bytes })
    }

    fn view(&self) -> (&[usize], &[u8]) {
        (&self.shape, &self.bytes)
    }

    fn tensor_view(&self) -> Result<TensorView<'_>> {
        let view = TensorView::new(safetensors::Dtype::F32, self.shape.clone(), &self.bytes);
        view.map_err(|error| bad(format!("it cannot be written ({error})")))
    }
}

fn read(view: &TensorView<'_>) -> Result<Tensor> {
    if view.dtype() != safetensors::Dtype::F32 {
        return Err(bad("its numbers are not float32"));
    }
    let (numbers, _) = view.data().as_chunks::<4>();
    let values: Vec<f32> = numbers.iter().map(|number| f32::from_le_bytes(*number)).collect();
    Ok(Tensor::from_vec(values, view.shape(), &Device::Cpu)?)
}

/// Over the owner, the facts and every tensor, whatever the order in the file.
fn checksum<'a>(
    owner: &blake3::Hash,
    facts: &str,
    tensors: impl Iterator<Item = (&'a str, (&'a [usize], &'a [u8]))>,
) -> String {
    let mut parts: Vec<_> =
        tensors.map(|(name, (shape, data))| format!("{name} {shape:?} {}", blake3::hash(data))).collect();
    parts.sort();
    let mut hasher = blake3::Hasher::new_derive_key("pentimento 2026-11 snapshot");
    hasher.update(owner.as_bytes());
    hasher.update(facts.as_bytes());
    hasher.update(parts.join("\n").as_bytes());
    hasher.finalize().to_hex().to_string()
}

fn output_name(index: usize) -> String {
    format!("outputs.{index}")
}

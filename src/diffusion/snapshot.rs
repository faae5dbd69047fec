//! A generation between two steps, as the bytes of a safetensors file that outlive the process.
//!
//! What is read back is checked: that it is whole, that it belongs to this picture, and that it fits the sampler. A
//! refused snapshot costs only time, because the seed can start again.

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
    pub(super) progress: Progress,
    /// [seeds, channels, h, w] in float32.
    pub(super) latents: Tensor,
    /// What the sampler remembers, in float32.
    pub(super) history: History,
}

/// What a snapshot belongs to, and how far it got.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Progress {
    pub sampler: String,
    pub seeds: Vec<u64>,
    /// Steps that are done.
    pub done: usize,
    /// Steps in all.
    pub of: usize,
    /// How often noise was drawn. Drawing as often again restores the generators.
    pub draws: usize,
}

/// Keys of the file's metadata.
const PROGRESS: &str = "pentimento.snapshot";
const CHECKSUM: &str = "checksum";
/// Names of its tensors; see also [`output_name`].
const LATENTS: &str = "latents";
const SAMPLE: &str = "sample";
/// The most outputs that a sampler remembers.
const MOST_OUTPUTS: usize = 8;

impl Snapshot {
    /// How many steps are done.
    pub fn done(&self) -> usize {
        self.progress.done
    }

    /// Writes the snapshot as bytes. `owner` hashes everything that the picture is made from; the bytes can be read
    /// only with the same owner.
    pub fn to_bytes(&self, owner: &blake3::Hash) -> Result<Vec<u8>> {
        let mut tensors = vec![(LATENTS.to_owned(), Plain::of(&self.latents)?)];
        for (index, output) in self.history.outputs.iter().enumerate() {
            tensors.push((output_name(index), Plain::of(output)?));
        }
        if let Some(sample) = &self.history.sample {
            tensors.push((SAMPLE.to_owned(), Plain::of(sample)?));
        }
        let unwritable = |error: &dyn std::fmt::Display| bad_snapshot(format!("it cannot be written ({error})"));
        let progress = serde_json::to_string(&self.progress).map_err(|error| unwritable(&error))?;
        let checksum = checksum(owner, &progress, tensors.iter().map(|(name, plain)| (name.as_str(), plain.view())));
        let metadata = HashMap::from([(PROGRESS.to_owned(), progress), (CHECKSUM.to_owned(), checksum)]);
        let views = tensors.iter().map(|(name, plain)| Ok((name.as_str(), plain.tensor_view()?)));
        let views = views.collect::<Result<Vec<_>>>()?;
        safetensors::serialize(views, Some(metadata)).map_err(|error| unwritable(&error))
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote for the same owner. Returns [`Error::BadSnapshot`] for any other
    /// bytes.
    pub fn from_bytes(bytes: &[u8], owner: &blake3::Hash) -> Result<Self> {
        let damaged = |error: &dyn std::fmt::Display| bad_snapshot(format!("it is damaged ({error})"));
        let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(|error| damaged(&error))?;
        let entries = metadata.metadata().as_ref();
        let entry = |key: &str| {
            entries
                .and_then(|entries| entries.get(key))
                .ok_or_else(|| bad_snapshot(format!("it lacks the entry {key}")))
        };
        let (progress, expected) = (entry(PROGRESS)?, entry(CHECKSUM)?);

        let file = SafeTensors::deserialize(bytes).map_err(|error| damaged(&error))?;
        let tensors: Vec<(&str, TensorView<'_>)> = file.iter().collect();
        let views = tensors.iter().map(|(name, view)| (*name, (view.shape(), view.data())));
        if checksum(owner, progress, views) != *expected {
            return Err(bad_snapshot("it is damaged or belongs to another picture"));
        }
        let progress = serde_json::from_str(progress).map_err(|error| damaged(&error))?;
        let tensor = |name: &str| {
            let found = tensors.iter().find(|(other, _)| *other == name);
            found.map(|(_, view)| read(view)).transpose()
        };
        let mut history = History { outputs: Vec::new(), sample: tensor(SAMPLE)? };
        for index in 0..MOST_OUTPUTS {
            history.outputs.extend(tensor(&output_name(index))?);
        }
        let latents = tensor(LATENTS)?.ok_or_else(|| bad_snapshot("it has no latents"))?;
        Ok(Self { progress, latents, history })
    }

    /// Checks that it is a state of this sampler on the way from these seeds, through `of` steps, to latents of this
    /// shape.
    pub(super) fn require_fit(&self, sampler: Sampler, seeds: &[u64], of: usize, shape: &[usize]) -> Result<()> {
        let Progress { sampler: own_sampler, seeds: own_seeds, done, of: own_of, draws } = &self.progress;
        let mut tensors = self.history.outputs.iter().chain(&self.history.sample).chain([&self.latents]);
        if own_sampler != sampler.name() {
            return Err(bad_snapshot(format!("it belongs to the sampler {own_sampler}, not {sampler}")));
        }
        if own_seeds != seeds {
            return Err(bad_snapshot(format!("it belongs to the seeds {own_seeds:?}, not {seeds:?}")));
        }
        // Noise is drawn at the start and at most once a step.
        if *own_of != of || *done > of || *draws > of + 1 {
            return Err(bad_snapshot(format!("it was taken after step {done} of {own_of}, but there are {of} steps")));
        }
        if let Some(other) = tensors.find(|tensor| tensor.dims() != shape) {
            return Err(bad_snapshot(format!("it has latents of shape {:?}, not {shape:?}", other.dims())));
        }
        Ok(())
    }

    /// Its latents and sampler history on the device that resumes.
    pub(super) fn to_device(&self, device: &Device) -> Result<(Tensor, History)> {
        let History { outputs, sample } = &self.history;
        let outputs = outputs.iter().map(|output| Ok(output.to_device(device)?)).collect::<Result<_>>()?;
        let sample = sample.as_ref().map(|sample| sample.to_device(device)).transpose()?;
        Ok((self.latents.to_device(device)?, History { outputs, sample }))
    }
}

pub(super) fn bad_snapshot(reason: impl Into<String>) -> Error {
    Error::BadSnapshot { reason: reason.into() }
}

/// A float32 tensor's shape, and its values as the bytes of a file.
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
        view.map_err(|error| bad_snapshot(format!("it cannot be written ({error})")))
    }
}

fn read(view: &TensorView<'_>) -> Result<Tensor> {
    if view.dtype() != safetensors::Dtype::F32 {
        return Err(bad_snapshot("its tensors are not float32"));
    }
    let (numbers, _) = view.data().as_chunks::<4>();
    let values: Vec<f32> = numbers.iter().map(|number| f32::from_le_bytes(*number)).collect();
    Ok(Tensor::from_vec(values, view.shape(), &Device::Cpu)?)
}

/// Over the owner, the progress and every tensor, independent of their order in the file.
fn checksum<'a>(
    owner: &blake3::Hash,
    progress: &str,
    tensors: impl Iterator<Item = (&'a str, (&'a [usize], &'a [u8]))>,
) -> String {
    let mut parts: Vec<_> =
        tensors.map(|(name, (shape, data))| format!("{name} {shape:?} {}", blake3::hash(data))).collect();
    parts.sort();
    let mut hasher = blake3::Hasher::new_derive_key("pentimento 2026-11 snapshot");
    hasher.update(owner.as_bytes());
    hasher.update(progress.as_bytes());
    hasher.update(parts.join("\n").as_bytes());
    hasher.finalize().to_hex().to_string()
}

/// The name of the tensor of a remembered output.
fn output_name(index: usize) -> String {
    format!("outputs.{index}")
}

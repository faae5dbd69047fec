//! How much memory a generation needs, estimated before weights load, and how much is available.

use candle_core::DType;

use super::adapter;
use super::checkpoint::{UNetConfig, VaeConfig, Weights};
use super::compute::Compute;
use super::model::Model;
use super::{Error, Result};

/// What a generation needs, in bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// All weights in the type that layers compute in.
    pub weights: u64,
    /// The most feature maps at once, in the UNet or in the decoder.
    pub activations: u64,
}

impl Estimate {
    /// Weights and feature maps together.
    pub fn total(&self) -> u64 {
        self.weights.saturating_add(self.activations)
    }
}

/// Estimates a generation of `batch` pictures at once in this size, in pixels, from configs and weights' headers.
pub fn estimate(model: &Model, compute: &Compute, width: usize, height: usize, batch: usize) -> Result<Estimate> {
    let checkpoint = model.checkpoint()?;
    let parts = checkpoint.parts();
    let (unet, vae): (UNetConfig, VaeConfig) = (checkpoint.config(parts.unet)?, checkpoint.config(parts.vae)?);
    let components = [parts.unet].into_iter().chain(parts.text.iter().map(|text| text.encoder));
    let mut weights = 0;
    for component in components {
        weights += checkpoint.weights(component, compute.dtype, &compute.device)?.loaded_bytes();
    }
    weights += checkpoint.weights(parts.vae, vae.decoder_dtype(compute.dtype), &compute.device)?.loaded_bytes();
    if let Some(adapter) = &model.adapter {
        weights += Weights::open(&adapter.encoder, "model", compute.dtype, &compute.device)?.loaded_bytes();
        weights += adapter::open(&adapter.folder, &adapter.name, compute.dtype, &compute.device)?.loaded_bytes();
    }
    let activations = activations(&unet, &vae, compute.dtype, width, height, batch);
    Ok(Estimate { weights, activations })
}

/// Refuses what does not fit into the CPU's memory; `estimate` is in bytes.
pub fn require(estimate: u64, compute: &Compute) -> Result<()> {
    // A GPU's free memory is not known here. Its own allocation error says what to do.
    if !compute.device.is_cpu() {
        return Ok(());
    }
    match available() {
        Some(available) if estimate > available => {
            Err(Error::NotEnoughMemory { needed: estimate, available, device: compute.device_name().to_owned() })
        }
        _ => Ok(()),
    }
}

/// The bytes of the most feature maps at once in the UNet or the decoder, whichever needs more.
///
/// A count, not a measurement: the down blocks keep every result, and at the largest map a block holds about its input,
/// its output and intermediate results.
pub(super) fn activations(
    unet: &UNetConfig,
    vae: &VaeConfig,
    dtype: DType,
    width: usize,
    height: usize,
    batch: usize,
) -> u64 {
    let size = dtype.size_in_bytes() as f64;
    let factor = vae.factor() as f64;
    let pixels = width as f64 * height as f64;
    let latents = pixels / (factor * factor);
    // Guidance doubles the rows.
    let rows = 2.0 * batch as f64;
    let mut skips = 0.0;
    for (level, &channels) in unet.block_out_channels.iter().enumerate() {
        let layers = unet.layers_per_block.at(level).unwrap_or(2) as f64 + 1.0;
        skips += layers * channels as f64 * latents / 4f64.powi(level as i32);
    }
    let first = unet.block_out_channels.first().copied().unwrap_or(0) as f64;
    // The feed-forward widens to eight times the channels; a residual block holds about six maps.
    let unet_bytes = rows * size * (skips + 16.0 * first * latents);
    // The last level of the decoder enters with the channels of the level before it.
    let widest = vae.block_out_channels.get(1).or(vae.block_out_channels.first()).copied().unwrap_or(0) as f64;
    let vae_bytes = vae.decoder_dtype(dtype).size_in_bytes() as f64 * pixels * 4.0 * widest;
    unet_bytes.max(vae_bytes) as u64
}

/// Bytes of memory that can be allocated without swapping; `None` where the system does not report it.
pub fn available() -> Option<u64> {
    let system_memory = read_kib("/proc/meminfo", "MemAvailable:")?;
    // Inside a container the control group's limit applies as well.
    let limit = std::fs::read_to_string("/sys/fs/cgroup/memory.max").ok().and_then(|text| text.trim().parse().ok());
    let used = std::fs::read_to_string("/sys/fs/cgroup/memory.current").ok().and_then(|text| text.trim().parse().ok());
    match (limit, used) {
        (Some(limit), Some(used)) => Some(system_memory.min(u64::saturating_sub(limit, used))),
        _ => Some(system_memory),
    }
}

/// Resets [`peak`] to the memory in use now, where the system supports it.
pub fn reset_peak() {
    // Linux: writing 5 resets the peak (proc(5), clear_refs). Elsewhere the peak stays that of the whole process.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// The most bytes of memory that this process has used since the last reset; `None` where the system does not report
/// it.
pub fn peak() -> Option<u64> {
    read_kib("/proc/self/status", "VmHWM:")
}

fn read_kib(path: &str, key: &str) -> Option<u64> {
    let text = std::fs::read_to_string(path).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1024)
}

//! How much memory a generation needs and has; estimated before anything is loaded.

use candle_core::DType;

use super::checkpoint::{Files, UNetConfig, VaeConfig, Weights};
use super::compute::Compute;
use super::model::Model;
use super::{Error, Result};

/// What a generation will need, in bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// All weights in the type they are computed in.
    pub weights: u64,
    /// Feature maps at the busiest moment: in the UNet or in the decoder.
    pub activations: u64,
}

impl Estimate {
    pub fn total(&self) -> u64 {
        self.weights.saturating_add(self.activations)
    }
}

/// Estimates a generation of `batch` pictures at once of this size, from the files' headers and configs.
pub fn estimate(model: &Model, compute: &Compute, width: usize, height: usize, batch: usize) -> Result<Estimate> {
    let weights = |folder: &Files, stem: &str| -> Result<u64> {
        Ok(Weights::open(folder, stem, compute.dtype, &compute.device)?.loaded_bytes())
    };
    let files = &model.files;
    let mut sum = weights(&files.folder("unet"), "diffusion_pytorch_model")?
        + weights(&files.folder("vae"), "diffusion_pytorch_model")?
        + weights(&files.folder("text_encoder"), "model")?;
    if let Some(adapter) = &model.adapter {
        sum += weights(&adapter.encoder, "model")?;
        sum += Weights::open_in(&adapter.folder, &adapter.name, compute.dtype, &compute.device)?.loaded_bytes();
    }
    let unet: UNetConfig = files.folder("unet").json("config.json")?;
    let vae: VaeConfig = files.folder("vae").json("config.json")?;
    let activations = activations(&unet, &vae, compute.dtype, width, height, batch);
    Ok(Estimate { weights: sum, activations })
}

/// Refuses what would not fit, before it is loaded.
pub fn require(estimate: u64, compute: &Compute) -> Result<()> {
    // A GPU tells only when it is asked to allocate; its own error says what to do.
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

/// The feature maps of a UNet or decoder at the busiest moment. Counted rather than measured: on the way down every
/// result is kept, and where the map is largest a block holds about its input, its output and what it works on.
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
    let vae_bytes = size * pixels * 4.0 * widest;
    unet_bytes.max(vae_bytes) as u64
}

/// Bytes of memory that can still be taken without swapping; `None` where the system does not say.
pub fn available() -> Option<u64> {
    let system_memory = read_kib("/proc/meminfo", "MemAvailable:")?;
    // Inside a container the group's limit counts as well.
    let limit = std::fs::read_to_string("/sys/fs/cgroup/memory.max").ok().and_then(|text| text.trim().parse().ok());
    let used = std::fs::read_to_string("/sys/fs/cgroup/memory.current").ok().and_then(|text| text.trim().parse().ok());
    match (limit, used) {
        (Some(limit), Some(used)) => Some(system_memory.min(u64::saturating_sub(limit, used))),
        _ => Some(system_memory),
    }
}

/// Begins anew to look for the most memory that this process holds, where the system allows it.
pub fn reset_peak() {
    // Linux: 5 sets the mark to what is held now (proc(5), clear_refs). Elsewhere the mark stays that of the process.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// The most memory this process has held so far; `None` where the system does not say.
pub fn peak() -> Option<u64> {
    read_kib("/proc/self/status", "VmHWM:")
}

fn read_kib(path: &str, key: &str) -> Option<u64> {
    let text = std::fs::read_to_string(path).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1024)
}

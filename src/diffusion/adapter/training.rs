//! The names that tensors have while an adapter is trained (tencent-ailab/IP-Adapter, `tutorial_train.py`).

use std::sync::Arc;

use candle_core::{DType, Device};

use crate::diffusion::Result;
use crate::diffusion::checkpoint::{Files, Source, View, Weights};

/// Each part's name in training, and its published one.
const PARTS: [(&str, &str); 2] = [("image_proj_model.", "image_proj."), ("adapter_modules.", "ip_adapter.")];

/// Opens an adapter file under its published names. Reads no tensor yet.
pub fn open(folder: &Files, name: &str, dtype: DType, device: &Device) -> Result<Weights> {
    let source = Source::file(folder, name)?;
    if !is_training(&source) {
        return Ok(Weights::new(source, dtype, device));
    }
    let view = |stored: &str| Some((published(stored)?, View::of(stored)));
    let views: Vec<_> = source.names().filter_map(view).collect();
    Ok(Weights::viewed(Arc::new(source), views, dtype, device))
}

/// Says which tensors of a training checkpoint are not used.
pub fn note(folder: &Files, name: &str) -> Result<Option<String>> {
    let source = Source::file(folder, name)?;
    let unused: Vec<&str> = source.names().filter(|stored| published(stored).is_none()).collect();
    let Some(first) = unused.iter().min().filter(|_| is_training(&source)) else { return Ok(None) };
    let count = unused.len();
    Ok(Some(format!("{name} is a training checkpoint: its adapter is used, and {count} tensors ({first}, …) are not")))
}

fn is_training(source: &Source) -> bool {
    let has = |part: &str| source.names().any(|name| name.starts_with(part));
    PARTS.iter().all(|(training, published)| has(training) && !has(published))
}

fn published(stored: &str) -> Option<String> {
    PARTS.iter().find_map(|(training, published)| Some(format!("{published}{}", stored.strip_prefix(training)?)))
}

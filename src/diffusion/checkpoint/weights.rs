//! The tensors of one component by the names that layers ask for: views of a source, plus deltas.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use candle_core::{DType, Device, Shape, Tensor};

use super::files::Files;
use super::source::Source;
use super::values::Values;
use super::view::View;
use crate::diffusion::{Error, Result};

/// The tensors of one component, seen from a place in their tree of names; made for a device and a type.
///
/// Views and deltas are resolved here, before a layer packs its weights, so that they work for every device and layer.
/// Cheap to clone.
#[derive(Clone)]
pub struct Weights {
    tensors: Arc<Tensors>,
    prefix: String,
    dtype: DType,
    device: Device,
}

#[derive(Clone)]
struct Tensors {
    source: Arc<Source>,
    /// By the full name that a layer asks for.
    views: BTreeMap<String, View>,
    deltas: Vec<Arc<dyn Delta>>,
}

/// A change to tensors while they load, such as the low-rank update of a LoRA.
pub trait Delta: Send + Sync {
    /// Whether it changes the tensor of this full name.
    fn changes(&self, name: &str) -> bool;

    /// Adds the change to the tensor `name` of this shape, given in float32, row after row.
    fn add_to(&self, name: &str, shape: &[usize], numbers: &mut [f32]) -> Result<()>;
}

impl Weights {
    /// Every tensor of a source under its stored name.
    pub fn new(source: Source, dtype: DType, device: &Device) -> Self {
        let views: Vec<_> = source.names().map(|name| (name.to_owned(), View::of(name))).collect();
        Self::viewed(Arc::new(source), views, dtype, device)
    }

    /// Only these views of a source, by the names that layers ask for: one component of a file that holds several.
    pub fn viewed(
        source: Arc<Source>,
        views: impl IntoIterator<Item = (String, View)>,
        dtype: DType,
        device: &Device,
    ) -> Self {
        let tensors = Tensors { source, views: views.into_iter().collect(), deltas: Vec::new() };
        Self { tensors: Arc::new(tensors), prefix: String::new(), dtype, device: device.clone() }
    }

    /// Opens the weights of a component folder; see [`Source::component`].
    pub fn open(folder: &Files, stem: &str, dtype: DType, device: &Device) -> Result<Self> {
        Ok(Self::new(Source::component(folder, stem)?, dtype, device))
    }

    /// Opens one safetensors file of a folder.
    pub fn open_in(folder: &Files, name: &str, dtype: DType, device: &Device) -> Result<Self> {
        Ok(Self::new(Source::file(folder, name)?, dtype, device))
    }

    /// The same weights with more names. Both the name and the tensor that its view is of are below this place; that
    /// tensor may itself be a view.
    pub fn with_views<'a>(&self, views: impl IntoIterator<Item = (&'a str, View)>) -> Result<Self> {
        let mut tensors = Tensors::clone(&self.tensors);
        for (name, view) in views {
            let view = self.find(&self.full(view.stored()))?.followed_by(view);
            tensors.views.insert(self.full(name), view);
        }
        Ok(Self { tensors: Arc::new(tensors), ..self.clone() })
    }

    /// The same weights with a delta added to each tensor that it changes, after all earlier deltas.
    pub fn with_delta(&self, delta: Arc<dyn Delta>) -> Self {
        let mut tensors = Tensors::clone(&self.tensors);
        tensors.deltas.push(delta);
        Self { tensors: Arc::new(tensors), ..self.clone() }
    }

    /// The weights below `name`.
    pub fn pp(&self, name: impl std::fmt::Display) -> Self {
        Self { prefix: self.full(&name.to_string()), ..self.clone() }
    }

    /// Where layers compute.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The type that layers compute in.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// The file to name when something here does not fit.
    pub fn path(&self) -> PathBuf {
        self.tensors.source.path().to_owned()
    }

    /// The error that the config.json of these weights asks for what cannot be computed.
    pub fn bad_config(&self, reason: String) -> Error {
        Error::BadConfig { path: self.path().with_file_name("config.json"), reason }
    }

    /// Every name below this place, sorted.
    pub fn names(&self) -> Vec<String> {
        let below = self.full("");
        self.tensors.views.keys().filter_map(|name| name.strip_prefix(&below)).map(str::to_owned).collect()
    }

    /// Whether there is a tensor `name`.
    pub fn contains(&self, name: &str) -> bool {
        self.tensors.views.contains_key(&self.full(name))
    }

    /// The shape of a tensor, without reading it.
    pub fn shape(&self, name: &str) -> Result<Vec<usize>> {
        self.find(&self.full(name))?.shape(&self.tensors.source)
    }

    /// Checks that a tensor has exactly this shape, without reading it.
    pub fn require_shape(&self, expected: impl Into<Shape>, name: &str) -> Result<()> {
        let (expected, found) = (expected.into(), self.shape(name)?);
        if found == expected.dims() {
            return Ok(());
        }
        let full = self.full(name);
        let path = self.tensors.source.path_of(self.find(&full)?.stored());
        Err(Error::WrongShape { path, name: full, expected: expected.dims().to_vec(), found })
    }

    /// The bytes that all tensors take once loaded as this type.
    pub fn loaded_bytes(&self) -> u64 {
        let source = &self.tensors.source;
        let elements = |view: &View| view.shape(source).map_or(0, |shape| shape.iter().product::<usize>() as u64);
        self.tensors.views.values().map(elements).sum::<u64>() * self.dtype.size_in_bytes() as u64
    }

    /// Reads the tensor `name`, which must have exactly this shape.
    pub fn get(&self, shape: impl Into<Shape>, name: &str) -> Result<Tensor> {
        self.require_shape(shape, name)?;
        Ok(self.read(name)?.into_tensor()?.to_dtype(self.dtype)?.to_device(&self.device)?)
    }

    /// Reads the tensor `name`, which must have exactly this shape, as plain numbers for layers that pack them; `None`
    /// unless layers compute in float32 on the CPU.
    pub fn numbers(&self, shape: impl Into<Shape>, name: &str) -> Result<Option<Vec<f32>>> {
        self.require_shape(shape, name)?;
        if !self.device.is_cpu() || self.dtype != DType::F32 {
            return Ok(None);
        }
        Ok(Some(self.read(name)?.into_numbers()?))
    }

    /// A tensor with its view and all deltas resolved.
    fn read(&self, name: &str) -> Result<Values> {
        let full = self.full(name);
        let view = self.find(&full)?;
        let values = view.read(&self.tensors.source)?;
        let mut deltas = self.tensors.deltas.iter().filter(|delta| delta.changes(&full)).peekable();
        if deltas.peek().is_none() {
            return Ok(values);
        }
        let shape = view.shape(&self.tensors.source)?;
        let mut numbers = values.into_numbers()?;
        for delta in deltas {
            delta.add_to(&full, &shape, &mut numbers)?;
        }
        Ok(Values::Numbers { numbers, shape })
    }

    fn full(&self, name: &str) -> String {
        if self.prefix.is_empty() { name.to_owned() } else { format!("{}.{name}", self.prefix) }
    }

    fn find(&self, full: &str) -> Result<&View> {
        let missing = || Error::MissingTensor { path: self.path(), name: full.to_owned() };
        self.tensors.views.get(full).ok_or_else(missing)
    }
}

#[cfg(test)]
mod tests;

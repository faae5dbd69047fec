//! Tensors by name from safetensors files, checked before anything is allocated.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::{DType, Device, Shape, Tensor};
use memmap2::Mmap;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, Metadata};
use serde::Deserialize;

use super::files::{Bytes, Files};
use crate::diffusion::{Error, Result};

/// The header of the largest known checkpoints is below 1 MiB.
const LARGEST_HEADER: usize = 64 << 20;

/// The tensors of one component, seen from a place in their tree of names; made for a device and a type.
/// Cheap to clone.
#[derive(Clone)]
pub struct Weights {
    store: Arc<Store>,
    prefix: String,
    dtype: DType,
    device: Device,
}

struct Store {
    files: Vec<File>,
    /// The tensors' names, and the file each is in.
    index: HashMap<String, usize>,
}

struct File {
    path: PathBuf,
    data: Data,
    header: usize,
    metadata: Metadata,
}

enum Data {
    Mapped(Mmap),
    Embedded(&'static [u8]),
}

impl Weights {
    /// Opens the weights of a component folder: `{stem}.safetensors`, sharded as `{stem}.safetensors.index.json` says,
    /// or the fp16 variant of either.
    pub fn open(folder: &Files, stem: &str, dtype: DType, device: &Device) -> Result<Self> {
        let names = component_files(folder, stem)?;
        Self::from_files(folder, &names, dtype, device)
    }

    /// Opens one safetensors file.
    pub fn open_file(path: &Path, dtype: DType, device: &Device) -> Result<Self> {
        let folder = Files::on_disk(path.parent().unwrap_or(Path::new("")));
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if is_pickle(&name) && path.is_file() {
            return Err(Error::Pickle { path: path.to_owned() });
        }
        if !path.is_file() {
            return Err(Error::Missing {
                path: path.to_owned(),
                what: "there is no such file".to_owned(),
                remedy: "give the path of a .safetensors file".to_owned(),
            });
        }
        Self::from_files(&folder, &[name], dtype, device)
    }

    /// Opens one safetensors file of a folder.
    pub fn open_in(folder: &Files, name: &str, dtype: DType, device: &Device) -> Result<Self> {
        Self::from_files(folder, &[name.to_owned()], dtype, device)
    }

    fn from_files(folder: &Files, names: &[String], dtype: DType, device: &Device) -> Result<Self> {
        let files = names.iter().map(|name| File::open(folder, name)).collect::<Result<Vec<_>>>()?;
        let index = files
            .iter()
            .enumerate()
            .flat_map(|(number, file)| file.metadata.offset_keys().into_iter().map(move |name| (name, number)))
            .collect();
        Ok(Self { store: Arc::new(Store { files, index }), prefix: String::new(), dtype, device: device.clone() })
    }

    /// The weights below `name`.
    pub fn pp(&self, name: impl std::fmt::Display) -> Self {
        Self { prefix: self.full(&name.to_string()), ..self.clone() }
    }

    /// The same weights read as another type.
    pub fn with_dtype(&self, dtype: DType) -> Self {
        Self { dtype, ..self.clone() }
    }

    pub fn device(&self) -> &Device {
        &self.device
    }

    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// The file at fault when something here does not fit.
    pub fn path(&self) -> PathBuf {
        self.store.files.first().map(|file| file.path.clone()).unwrap_or_default()
    }

    /// Every name below the prefix, in the order of the tree.
    pub fn names(&self) -> Vec<String> {
        let below = if self.prefix.is_empty() { String::new() } else { format!("{}.", self.prefix) };
        let mut names: Vec<String> =
            self.store.index.keys().filter_map(|name| name.strip_prefix(&below)).map(str::to_owned).collect();
        names.sort();
        names
    }

    pub fn contains(&self, name: &str) -> bool {
        self.store.index.contains_key(&self.full(name))
    }

    /// The shape a tensor has in the file, without reading it.
    pub fn shape(&self, name: &str) -> Result<Vec<usize>> {
        Ok(self.find(&self.full(name))?.1.shape.clone())
    }

    /// The bytes that all tensors here take once loaded as this type.
    pub fn loaded_bytes(&self) -> u64 {
        let size = self.dtype.size_in_bytes() as u64;
        let elements = |file: &File| -> u64 {
            file.metadata.tensors().values().map(|info| info.shape.iter().product::<usize>() as u64).sum()
        };
        self.store.files.iter().map(elements).sum::<u64>() * size
    }

    /// The tensor `name`, which must have exactly this shape.
    pub fn get(&self, shape: impl Into<Shape>, name: &str) -> Result<Tensor> {
        let expected = shape.into();
        let full = self.full(name);
        let (file, info) = self.find(&full)?;
        if info.shape != expected.dims() {
            return Err(Error::WrongShape {
                path: file.path.clone(),
                name: full,
                expected: expected.dims().to_vec(),
                found: info.shape.clone(),
            });
        }
        self.get_any(name)
    }

    /// The tensor `name`, whatever its shape.
    pub fn get_any(&self, name: &str) -> Result<Tensor> {
        let full = self.full(name);
        let (file, info) = self.find(&full)?;
        let dtype = match info.dtype {
            Dtype::F32 => DType::F32,
            Dtype::F16 => DType::F16,
            Dtype::BF16 => DType::BF16,
            Dtype::F64 => DType::F64,
            other => {
                return Err(Error::WrongType { path: file.path.clone(), name: full, found: format!("{other:?}") });
            }
        };
        let bytes = &file.data.bytes()[file.header..][info.data_offsets.0..info.data_offsets.1];
        let tensor = Tensor::from_raw_buffer(bytes, dtype, &info.shape, &Device::Cpu)?;
        Ok(tensor.to_dtype(self.dtype)?.to_device(&self.device)?)
    }

    fn full(&self, name: &str) -> String {
        if self.prefix.is_empty() { name.to_owned() } else { format!("{}.{name}", self.prefix) }
    }

    fn find(&self, full: &str) -> Result<(&File, &safetensors::tensor::TensorInfo)> {
        let missing = || Error::MissingTensor { path: self.path(), name: full.to_owned() };
        let file = &self.store.files[*self.store.index.get(full).ok_or_else(missing)?];
        Ok((file, file.metadata.info(full).ok_or_else(missing)?))
    }
}

impl File {
    fn open(folder: &Files, name: &str) -> Result<Self> {
        let path = folder.path_of(name);
        let data = match folder.bytes(name)? {
            Bytes::Embedded(bytes) => Data::Embedded(bytes),
            Bytes::Disk(path) => {
                let unreadable = |source| Error::Unreadable { path: path.clone(), source };
                let file = std::fs::File::open(&path).map_err(unreadable)?;
                // SAFETY: the map is only read; a checkpoint that is changed while it is loaded is the one thing this
                // cannot guard against, and every byte of it is a valid number.
                Data::Mapped(unsafe { Mmap::map(&file) }.map_err(unreadable)?)
            }
        };
        let broken = |reason: String| Error::BrokenWeights { path: path.clone(), reason };
        let bytes = data.bytes();
        let length = bytes.first_chunk::<8>().map(|head| u64::from_le_bytes(*head));
        match length {
            None => return Err(broken("it is shorter than a header".to_owned())),
            Some(length) if length > LARGEST_HEADER as u64 => {
                return Err(broken(format!("its header claims {length} bytes")));
            }
            Some(_) => {}
        }
        let (header, metadata) = SafeTensors::read_metadata(bytes).map_err(|error| broken(format!("{error}")))?;
        let header = header + 8;
        let expected = header + metadata.data_len();
        if bytes.len() != expected {
            return Err(broken(format!("it should have {expected} bytes and has {}", bytes.len())));
        }
        Ok(Self { path, data, header, metadata })
    }
}

impl Data {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Mapped(map) => map,
            Self::Embedded(bytes) => bytes,
        }
    }
}

#[derive(Deserialize)]
struct ShardIndex {
    weight_map: HashMap<String, String>,
}

/// Which files hold a component's weights; the full-precision ones are preferred.
fn component_files(folder: &Files, stem: &str) -> Result<Vec<String>> {
    for name in [format!("{stem}.safetensors"), format!("{stem}.fp16.safetensors")] {
        if folder.has(&name) {
            return Ok(vec![name]);
        }
    }
    for name in [format!("{stem}.safetensors.index.json"), format!("{stem}.safetensors.index.fp16.json")] {
        if folder.has(&name) {
            let index: ShardIndex = folder.json(&name)?;
            let mut shards: Vec<String> = index.weight_map.into_values().collect();
            shards.sort();
            shards.dedup();
            if let Some(outside) = shards.iter().find(|shard| shard.contains(['/', '\\']) || shard.starts_with('.')) {
                let reason = format!("the shard {outside:?} is not a plain file name");
                return Err(Error::BadConfig { path: folder.path_of(&name), reason });
            }
            return Ok(shards);
        }
    }
    if let Some(pickle) = folder.names().iter().find(|name| is_pickle(name)) {
        return Err(Error::Pickle { path: folder.path_of(pickle) });
    }
    // The ordinary name makes the ordinary sentence.
    folder.bytes(&format!("{stem}.safetensors")).map(|_| vec![])
}

fn is_pickle(name: &str) -> bool {
    [".bin", ".ckpt", ".pt", ".pth", ".pkl"].iter().any(|ending| name.to_lowercase().ends_with(ending))
}

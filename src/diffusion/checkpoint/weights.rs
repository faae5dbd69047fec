//! Tensors by name from safetensors files, checked before anything is allocated.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{DType, Device, Shape, Tensor};
use safetensors::tensor::{Dtype, Metadata, TensorInfo};
use serde::Deserialize;

use super::files::{Bytes, Files};
use crate::diffusion::{Error, Result, ops};

/// The header of the largest known checkpoints is below 1 MiB.
const LARGEST_HEADER: u64 = 64 << 20;

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
    /// Where the tensors' bytes begin.
    start: usize,
    metadata: Metadata,
}

/// Read tensor by tensor rather than mapped: a map's pages would count as memory beside the tensors made from them.
enum Data {
    Disk(Mutex<fs::File>),
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
        self.has_shape(&shape.into(), name)?;
        self.get_any(name)
    }

    /// The same as plain numbers, for layers that keep them in an order of their own; `None` where weights are not
    /// float32 on the CPU.
    pub fn numbers(&self, shape: impl Into<Shape>, name: &str) -> Result<Option<Vec<f32>>> {
        self.has_shape(&shape.into(), name)?;
        if !self.device.is_cpu() || self.dtype != DType::F32 {
            return Ok(None);
        }
        let full = self.full(name);
        let (file, info) = self.find(&full)?;
        match file.floats(info)? {
            Some(numbers) => Ok(Some(numbers)),
            None => Ok(Some(self.get_any(name)?.flatten_all()?.to_vec1()?)),
        }
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
        let tensor = match file.floats(info)? {
            Some(numbers) => Tensor::from_vec(numbers, info.shape.as_slice(), &Device::Cpu)?,
            None => Tensor::from_raw_buffer(&file.bytes(info)?, dtype, &info.shape, &Device::Cpu)?,
        };
        Ok(tensor.to_dtype(self.dtype)?.to_device(&self.device)?)
    }

    fn has_shape(&self, expected: &Shape, name: &str) -> Result<()> {
        let full = self.full(name);
        let (file, info) = self.find(&full)?;
        if info.shape == expected.dims() {
            return Ok(());
        }
        Err(Error::WrongShape {
            path: file.path.clone(),
            name: full,
            expected: expected.dims().to_vec(),
            found: info.shape.clone(),
        })
    }

    fn full(&self, name: &str) -> String {
        if self.prefix.is_empty() { name.to_owned() } else { format!("{}.{name}", self.prefix) }
    }

    fn find(&self, full: &str) -> Result<(&File, &TensorInfo)> {
        let missing = || Error::MissingTensor { path: self.path(), name: full.to_owned() };
        let file = &self.store.files[*self.store.index.get(full).ok_or_else(missing)?];
        Ok((file, file.metadata.info(full).ok_or_else(missing)?))
    }
}

impl File {
    /// Reads the header and holds it against the file's size; no tensor is read yet.
    fn open(folder: &Files, name: &str) -> Result<Self> {
        let path = folder.path_of(name);
        if is_pickle(name) && folder.has(name) {
            return Err(Error::Pickle { path });
        }
        let unreadable = |source| Error::Unreadable { path: path.clone(), source };
        let broken = |reason: String| Error::BrokenWeights { path: path.clone(), reason };
        let (data, size) = match folder.bytes(name)? {
            Bytes::Embedded(bytes) => (Data::Embedded(bytes), bytes.len()),
            Bytes::Disk(path) => {
                let file = fs::File::open(&path).map_err(unreadable)?;
                let size = file.metadata().map_err(unreadable)?.len() as usize;
                (Data::Disk(Mutex::new(file)), size)
            }
        };
        if size < 8 {
            return Err(broken("it is shorter than a header".to_owned()));
        }
        let length = data.read(0, 8).map_err(unreadable)?;
        let length = u64::from_le_bytes(length.as_ref().try_into().expect("eight bytes were asked for"));
        if length > LARGEST_HEADER.min(size as u64 - 8) {
            return Err(broken(format!("its header claims {length} bytes, and the file has {size} in all")));
        }
        let header = data.read(8, length as usize).map_err(unreadable)?;
        // Deserialising checks that the tensors lie side by side and that each has the bytes its shape and type ask for.
        let metadata: Metadata =
            serde_json::from_slice(&header).map_err(|error| broken(format!("its header is damaged: {error}")))?;
        let start = 8 + header.len();
        if start.checked_add(metadata.data_len()) != Some(size) {
            let expected = start.saturating_add(metadata.data_len());
            return Err(broken(format!("its header promises {expected} bytes and it has {size}")));
        }
        Ok(Self { path, data, start, metadata })
    }

    fn bytes(&self, info: &TensorInfo) -> Result<Cow<'_, [u8]>> {
        let (begin, end) = info.data_offsets;
        self.data.read(self.start + begin, end - begin).map_err(|source| self.unreadable(source))
    }

    /// The numbers of a tensor of float32, without a copy in between; `None` for other types.
    fn floats(&self, info: &TensorInfo) -> Result<Option<Vec<f32>>> {
        if info.dtype != Dtype::F32 || cfg!(target_endian = "big") {
            return Ok(None);
        }
        let mut numbers = ops::zeros(info.shape.iter().product());
        let read = self.data.read_into(self.start + info.data_offsets.0, bytes_of(&mut numbers));
        read.map_err(|source| self.unreadable(source))?;
        Ok(Some(numbers))
    }

    fn unreadable(&self, source: io::Error) -> Error {
        Error::Unreadable { path: self.path.clone(), source }
    }
}

impl Data {
    fn read(&self, offset: usize, length: usize) -> io::Result<Cow<'_, [u8]>> {
        match self {
            Self::Embedded(bytes) => Ok(Cow::Borrowed(&bytes[offset..offset + length])),
            Self::Disk(_) => {
                let mut bytes = vec![0; length];
                self.read_into(offset, &mut bytes)?;
                Ok(Cow::Owned(bytes))
            }
        }
    }

    fn read_into(&self, offset: usize, target: &mut [u8]) -> io::Result<()> {
        match self {
            Self::Embedded(bytes) => target.copy_from_slice(&bytes[offset..offset + target.len()]),
            Self::Disk(file) => {
                // A panic while the lock was held leaves at worst another position, which the next seek sets anew.
                let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
                file.seek(SeekFrom::Start(offset as u64))?;
                file.read_exact(target)?;
            }
        }
        Ok(())
    }
}

fn bytes_of(numbers: &mut [f32]) -> &mut [u8] {
    // SAFETY: the same memory for as long; every float is four bytes, and any four bytes are a float.
    unsafe { std::slice::from_raw_parts_mut(numbers.as_mut_ptr().cast(), size_of_val(numbers)) }
}

#[derive(Deserialize)]
struct ShardIndex {
    weight_map: HashMap<String, String>,
}

/// Which files hold a component's weights; the full-precision ones are preferred.
pub(super) fn component_files(folder: &Files, stem: &str) -> Result<Vec<String>> {
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

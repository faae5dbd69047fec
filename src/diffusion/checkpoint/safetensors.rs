//! One safetensors file: its header is read and checked at once, its tensors on request.

use std::borrow::Cow;
use std::fs;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use candle_core::{DType, Device, Tensor};
use safetensors::tensor::{Dtype, Metadata, TensorInfo};

use super::files::{Bytes, Files};
use super::float8;
use super::kind::{FileKind, LARGEST_HEADER, START};
use super::values::Values;
use crate::diffusion::{Error, Result, ops};

pub(super) struct SafetensorsFile {
    path: PathBuf,
    data: Data,
    /// Where the tensors' bytes begin.
    start: usize,
    metadata: Metadata,
}

/// Files on disk are read tensor by tensor. With a memory map, the mapped pages would count as memory on top of the
/// tensors made from them.
enum Data {
    Disk(Mutex<fs::File>),
    Embedded(&'static [u8]),
}

impl SafetensorsFile {
    /// Reads the header and checks it against the file's size. Reads no tensor yet.
    pub fn open(folder: &Files, name: &str) -> Result<Self> {
        let path = folder.path_of(name);
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
        let kind = FileKind::of(&data.read(0, size.min(START)).map_err(unreadable)?);
        if kind == Some(FileKind::Pickle) {
            return Err(Error::Pickle { target: path.with_extension("safetensors"), path });
        }
        if let Some(error) = kind.and_then(|kind| kind.refuse_as_weights(&path)) {
            return Err(error);
        }
        if size < 8 {
            return Err(broken(format!("it has {size} bytes, fewer than a header")));
        }
        let length = data.read(0, 8).map_err(unreadable)?;
        let length = u64::from_le_bytes(length.as_ref().try_into().expect("eight bytes were requested"));
        if length > LARGEST_HEADER.min(size as u64 - 8) {
            return Err(broken(format!("its header claims {length} bytes, but the file has only {size}")));
        }
        let header = data.read(8, length as usize).map_err(unreadable)?;
        // Deserialising checks that tensors are contiguous and that their byte counts match their shapes and types.
        let metadata: Metadata =
            serde_json::from_slice(&header).map_err(|error| broken(format!("its header is damaged: {error}")))?;
        let start = 8 + header.len();
        if start.checked_add(metadata.data_len()) != Some(size) {
            let expected = start.saturating_add(metadata.data_len());
            return Err(broken(format!("its header promises {expected} bytes, but the file has {size}")));
        }
        Ok(Self { path, data, start, metadata })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn names(&self) -> impl Iterator<Item = String> {
        self.metadata.offset_keys().into_iter()
    }

    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.metadata.info(name).map(|info| info.shape.as_slice())
    }

    /// Reads a tensor, or only these rows of it (along its first dimension, within its shape).
    pub fn read(&self, name: &str, rows: Option<Range<usize>>) -> Result<Values> {
        let missing = || Error::MissingTensor { path: self.path.clone(), name: name.to_owned() };
        let info = self.metadata.info(name).ok_or_else(missing)?;
        let dtype = match info.dtype {
            Dtype::F32 => DType::F32,
            Dtype::F16 => DType::F16,
            Dtype::BF16 => DType::BF16,
            Dtype::F64 => DType::F64,
            Dtype::F8_E4M3 => return self.read_bytes(info, rows, float8::e4m3),
            Dtype::F8_E5M2 => return self.read_bytes(info, rows, float8::e5m2),
            other => {
                let (path, name) = (self.path.clone(), name.to_owned());
                return Err(Error::WrongType { path, name, found: format!("{other:?}") });
            }
        };
        let (bytes, shape) = extent(info, rows);
        let offset = self.start + bytes.start;
        let unreadable = |source| Error::Unreadable { path: self.path.clone(), source };
        // Float32 goes straight into the buffer that layers keep, without a copy in between.
        if dtype == DType::F32 && cfg!(target_endian = "little") {
            let mut numbers = ops::zeros(shape.iter().product());
            self.data.read_into(offset, bytes_of(&mut numbers)).map_err(unreadable)?;
            return Ok(Values::Numbers { numbers, shape });
        }
        let bytes = self.data.read(offset, bytes.len()).map_err(unreadable)?;
        Ok(Values::Tensor(Tensor::from_raw_buffer(&bytes, dtype, &shape, &Device::Cpu)?))
    }

    /// Reads a tensor of 8-bit numbers as float32.
    fn read_bytes(&self, info: &TensorInfo, rows: Option<Range<usize>>, number: fn(u8) -> f32) -> Result<Values> {
        let (bytes, shape) = extent(info, rows);
        let unreadable = |source| Error::Unreadable { path: self.path.clone(), source };
        let bytes = self.data.read(self.start + bytes.start, bytes.len()).map_err(unreadable)?;
        Ok(Values::Numbers { numbers: bytes.iter().map(|&byte| number(byte)).collect(), shape })
    }
}

/// The bytes of these rows, counted from the first tensor, and the shape they make.
fn extent(info: &TensorInfo, rows: Option<Range<usize>>) -> (Range<usize>, Vec<usize>) {
    let (begin, end) = info.data_offsets;
    let mut shape = info.shape.clone();
    match (rows, shape.first_mut()) {
        (Some(rows), Some(count)) if *count > 0 => {
            let row = (end - begin) / *count;
            *count = rows.len();
            (begin + rows.start * row..begin + rows.end * row, shape)
        }
        _ => (begin..end, shape),
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
                // A panic under the lock leaves at worst another file position, and every read seeks first.
                let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
                file.seek(SeekFrom::Start(offset as u64))?;
                file.read_exact(target)?;
            }
        }
        Ok(())
    }
}

fn bytes_of(numbers: &mut [f32]) -> &mut [u8] {
    // SAFETY: the same memory for the same lifetime; a float is four bytes, and any four bytes are a float.
    unsafe { std::slice::from_raw_parts_mut(numbers.as_mut_ptr().cast(), size_of_val(numbers)) }
}

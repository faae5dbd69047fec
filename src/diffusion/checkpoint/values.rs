//! A tensor's values between the file and the layer.

use candle_core::{DType, Device, Tensor};

use crate::diffusion::Result;

/// A tensor on the CPU.
pub(super) enum Values {
    /// Float32 as plain numbers, row after row: layers that pack their weights take them without a copy.
    Numbers { numbers: Vec<f32>, shape: Vec<usize> },
    /// Any type.
    Tensor(Tensor),
}

impl Values {
    /// In the type that it is stored in.
    pub fn into_tensor(self) -> Result<Tensor> {
        match self {
            Self::Numbers { numbers, shape } => Ok(Tensor::from_vec(numbers, shape, &Device::Cpu)?),
            Self::Tensor(tensor) => Ok(tensor),
        }
    }

    /// In float32, row after row.
    pub fn into_numbers(self) -> Result<Vec<f32>> {
        match self {
            Self::Numbers { numbers, .. } => Ok(numbers),
            Self::Tensor(tensor) => Ok(tensor.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?),
        }
    }

    /// The same values in another shape with as many of them.
    pub fn reshaped(self, shape: Vec<usize>) -> Result<Self> {
        Ok(match self {
            Self::Numbers { numbers, .. } => Self::Numbers { numbers, shape },
            Self::Tensor(tensor) if tensor.dims() == shape => Self::Tensor(tensor),
            Self::Tensor(tensor) => Self::Tensor(tensor.reshape(shape)?),
        })
    }
}

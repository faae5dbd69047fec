//! The device that computes a generation, and the floating-point type.

use std::fmt;
use std::str::FromStr;

use candle_core::{DType, Device};

use super::{Error, Result};

/// The device that the user asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeviceChoice {
    /// The first GPU that this build can use, otherwise the CPU.
    #[default]
    Auto,
    Cpu,
    Cuda(usize),
}

/// The floating-point type that the user asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DtypeChoice {
    /// float32 on the CPU, float16 on a GPU.
    #[default]
    Auto,
    F32,
    F16,
    Bf16,
}

/// An available device, and the type to compute in.
#[derive(Clone, Debug)]
pub struct Compute {
    pub device: Device,
    pub dtype: DType,
    name: String,
}

impl Compute {
    /// float32 on the CPU, which works everywhere.
    pub fn cpu() -> Self {
        Self { device: Device::Cpu, dtype: DType::F32, name: "cpu".to_owned() }
    }

    /// Opens the device; [`Error::Device`] if it or the type is not available.
    pub fn choose(device: DeviceChoice, dtype: DtypeChoice) -> Result<Self> {
        let (device, name) = match device {
            DeviceChoice::Cpu => (Device::Cpu, "cpu".to_owned()),
            DeviceChoice::Cuda(ordinal) => (cuda(ordinal)?, format!("cuda:{ordinal}")),
            DeviceChoice::Auto => match cuda(0) {
                Ok(device) => (device, "cuda:0".to_owned()),
                Err(_) => (Device::Cpu, "cpu".to_owned()),
            },
        };
        let dtype = match (dtype, device.is_cpu()) {
            (DtypeChoice::Auto | DtypeChoice::F32, true) | (DtypeChoice::F32, false) => DType::F32,
            (DtypeChoice::Auto | DtypeChoice::F16, false) => DType::F16,
            (DtypeChoice::Bf16, false) => DType::BF16,
            (DtypeChoice::F16 | DtypeChoice::Bf16, true) => {
                let reason = "it computes in f32 only. Leave --dtype out or use --dtype f32".to_owned();
                return Err(Error::Device { name, reason });
            }
        };
        Ok(Self { device, dtype, name })
    }

    /// The device's name: `cpu`, `cuda:0`, …
    pub fn device_name(&self) -> &str {
        &self.name
    }

    /// The type's name: `f32`, `f16`, `bf16`.
    pub fn dtype_name(&self) -> &'static str {
        self.dtype.as_str()
    }
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(ordinal) => write!(f, "cuda:{ordinal}"),
        }
    }
}

impl FromStr for DeviceChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let unknown = || format!("unknown device {text:?}: use auto, cpu, cuda or cuda:N");
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(0)),
            _ => text.strip_prefix("cuda:").and_then(|n| n.parse().ok()).map(Self::Cuda).ok_or_else(unknown),
        }
    }
}

impl FromStr for DtypeChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "f32" => Ok(Self::F32),
            "f16" => Ok(Self::F16),
            "bf16" => Ok(Self::Bf16),
            _ => Err(format!("unknown type {text:?}: use auto, f32, f16 or bf16")),
        }
    }
}

/// Whether this build supports GPUs.
pub const BUILT_WITH_CUDA: bool = cfg!(feature = "cuda");

fn cuda(ordinal: usize) -> Result<Device> {
    let name = format!("cuda:{ordinal}");
    if !BUILT_WITH_CUDA {
        let reason = "this program was built without GPU support. Build it with --features cuda".to_owned();
        return Err(Error::Device { name, reason });
    }
    Device::new_cuda(ordinal).map_err(|error| {
        let text = error.to_string();
        let cause = text.lines().next().unwrap_or_default();
        let reason = format!("no NVIDIA driver or GPU responds ({cause}). Use --device cpu, or check nvidia-smi");
        Error::Device { name, reason }
    })
}

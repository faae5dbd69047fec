//! Memory and load of the GPU, as NVIDIA's driver reports them.

/// A GPU at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GpuStatus {
    pub name: String,
    /// In bytes.
    pub memory_used: u64,
    /// In bytes.
    pub memory_total: u64,
    /// Load over the last second or less, in percent.
    pub load: u32,
}

/// The connection to the driver, if there is one. A build without CUDA computes on the CPU and asks no driver.
pub struct GpuMonitor {
    #[cfg(feature = "cuda")]
    nvml: Option<nvml_wrapper::Nvml>,
}

#[cfg(feature = "cuda")]
impl GpuMonitor {
    pub fn open() -> Self {
        Self { nvml: nvml_wrapper::Nvml::init().ok() }
    }

    /// The status of the first GPU, if the driver reports one.
    pub fn status(&self) -> Option<GpuStatus> {
        let card = self.nvml.as_ref()?.device_by_index(0).ok()?;
        let memory = card.memory_info().ok()?;
        Some(GpuStatus {
            name: card.name().ok()?,
            memory_used: memory.used,
            memory_total: memory.total,
            load: card.utilization_rates().ok()?.gpu,
        })
    }
}

#[cfg(not(feature = "cuda"))]
impl GpuMonitor {
    pub fn open() -> Self {
        Self {}
    }

    /// No GPU.
    pub fn status(&self) -> Option<GpuStatus> {
        None
    }
}

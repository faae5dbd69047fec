//! Memory and load of the GPU, as its driver reports them.

/// A GPU at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    pub name: String,
    /// Bytes.
    pub memory_used: u64,
    pub memory_total: u64,
    /// Percent of the last second or less.
    pub load: u32,
}

/// The connection to the driver, if there is one. A build without CUDA computes on the CPU and asks no driver.
pub struct Driver {
    #[cfg(feature = "cuda")]
    nvml: Option<nvml_wrapper::Nvml>,
}

#[cfg(feature = "cuda")]
impl Driver {
    pub fn open() -> Self {
        Self { nvml: nvml_wrapper::Nvml::init().ok() }
    }

    /// The first GPU, if the driver reports one.
    pub fn card(&self) -> Option<Device> {
        let card = self.nvml.as_ref()?.device_by_index(0).ok()?;
        let memory = card.memory_info().ok()?;
        Some(Device {
            name: card.name().ok()?,
            memory_used: memory.used,
            memory_total: memory.total,
            load: card.utilization_rates().ok()?.gpu,
        })
    }
}

#[cfg(not(feature = "cuda"))]
impl Driver {
    pub fn open() -> Self {
        Self {}
    }

    /// No GPU.
    pub fn card(&self) -> Option<Device> {
        None
    }
}

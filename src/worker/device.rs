//! The graphics card as its driver tells of it: how full, how busy.

use nvml_wrapper::Nvml;

/// A card at a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    pub name: String,
    /// Bytes.
    pub memory_used: u64,
    pub memory_total: u64,
    /// Percent of the last second or less.
    pub load: u32,
}

/// The way to the driver, where there is one.
pub struct Driver(Option<Nvml>);

impl Driver {
    pub fn open() -> Self {
        Self(Nvml::init().ok())
    }

    /// The first card; None without one, or where the driver does not say.
    pub fn card(&self) -> Option<Device> {
        let card = self.0.as_ref()?.device_by_index(0).ok()?;
        let memory = card.memory_info().ok()?;
        Some(Device {
            name: card.name().ok()?,
            memory_used: memory.used,
            memory_total: memory.total,
            load: card.utilization_rates().ok()?.gpu,
        })
    }
}

//! A checkpoint whose family is known, and where its components are.

use std::path::PathBuf;

use candle_core::{DType, Device};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::component;
use super::config::{UNetConfig, VaeConfig};
use super::family::{Component, Family, Parts};
use super::files::Files;
use super::weights::Weights;
use crate::diffusion::Result;

const MODEL_INDEX: &str = "model_index.json";

/// `model_index.json` names the library and the class of each component.
#[derive(Deserialize)]
struct ModelIndex {
    #[serde(default)]
    scheduler: Option<(Option<String>, Option<String>)>,
}

/// A diffusers folder of a recognised family.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    files: Files,
    family: Family,
}

impl Checkpoint {
    /// Recognises the family of a folder. Reads no weights.
    pub fn open(files: &Files) -> Result<Self> {
        Ok(Self { files: files.clone(), family: Family::recognise(files)? })
    }

    pub fn family(&self) -> Family {
        self.family
    }

    /// What it consists of.
    pub fn parts(&self) -> &'static Parts {
        self.family.parts()
    }

    /// The folder of a component without weights.
    pub fn folder(&self, name: &str) -> Files {
        self.files.folder(name)
    }

    /// Reads a component's config.json.
    pub fn config<T: DeserializeOwned>(&self, component: Component) -> Result<T> {
        self.folder(component.folder).json("config.json")
    }

    /// The file that [`config`](Self::config) reads, for messages.
    pub fn config_path(&self, component: Component) -> PathBuf {
        self.folder(component.folder).path_of("config.json")
    }

    /// The scheduler class that model_index.json names, and that file's path; `None` if it names none.
    pub fn scheduler_class(&self) -> Result<Option<(PathBuf, String)>> {
        if !self.files.has(MODEL_INDEX) {
            return Ok(None);
        }
        let index: ModelIndex = self.files.json(MODEL_INDEX)?;
        let class = index.scheduler.and_then(|(_, class)| class);
        Ok(class.map(|class| (self.files.path_of(MODEL_INDEX), class)))
    }

    /// Says which weights are used where a folder offers several, or only a variant.
    pub fn notes(&self) -> Vec<String> {
        let parts = self.parts();
        let components = parts.text.iter().map(|text| text.encoder).chain([parts.unet, parts.vae]);
        components.filter_map(|component| component::note(&self.folder(component.folder), component.stem)).collect()
    }

    /// Opens a component's weights. Reads no tensor yet.
    pub fn weights(&self, component: Component, dtype: DType, device: &Device) -> Result<Weights> {
        Weights::open(&self.folder(component.folder), component.stem, dtype, device)
    }

    /// Width and height in pixels of the pictures that it was trained on, or the family's default.
    pub fn default_size(&self, unet: &UNetConfig, vae: &VaeConfig) -> usize {
        unet.sample_size.map_or(self.parts().default_size, |side| side.saturating_mul(vae.factor()))
    }
}

//! The committed goldens: tensors by name, and the settings that produced them.

use std::collections::HashMap;
use std::path::PathBuf;

use candle_core::{Device, Tensor};
use pentimento::imaging;
use serde::de::DeserializeOwned;

/// One golden of `data/goldens`, stored as `NAME.safetensors` and `NAME.json`.
pub struct Golden<T> {
    name: String,
    tensors: HashMap<String, Tensor>,
    /// The contents of the JSON file.
    pub facts: T,
}

impl<T: DeserializeOwned> Golden<T> {
    pub fn load(name: &str) -> Self {
        let folder = data().join("goldens");
        let tensors = candle_core::safetensors::load(folder.join(format!("{name}.safetensors")), &Device::Cpu)
            .unwrap_or_else(|error| panic!("cannot read the golden {name}: {error}"));
        let facts = std::fs::read(folder.join(format!("{name}.json"))).unwrap();
        let facts = serde_json::from_slice(&facts).unwrap_or_else(|error| panic!("{name}.json: {error}"));
        Self { name: name.to_owned(), tensors, facts }
    }
}

impl<T> Golden<T> {
    pub fn tensor(&self, name: &str) -> &Tensor {
        self.tensors.get(name).unwrap_or_else(|| panic!("{} has no tensor {name:?}", self.name))
    }
}

pub fn data() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/parity/data")
}

/// One of the pictures in `data/pictures`.
pub fn picture(name: &str) -> image::RgbImage {
    imaging::open_picture(&data().join("pictures").join(format!("{name}.png"))).unwrap().picture
}

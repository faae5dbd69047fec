//! The hashes that tell a model from every other, as records keep them.

use super::Result;
use super::checkpoint::fingerprint;
use super::model::Model;

/// BLAKE3 hashes in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// Over every file of the checkpoint that takes part.
    pub checkpoint: String,
    /// Of the adapter's file.
    pub adapter: Option<String>,
    /// Over the image encoder's files.
    pub image_encoder: Option<String>,
}

impl Model {
    /// Reads every file once; a few seconds for the largest checkpoints.
    pub fn fingerprint(&self) -> Result<Fingerprint> {
        let components = [
            ("scheduler", None),
            ("text_encoder", Some("model")),
            ("tokenizer", None),
            ("unet", Some("diffusion_pytorch_model")),
            ("vae", Some("diffusion_pytorch_model")),
        ];
        let hex = |hash: blake3::Hash| hash.to_hex().to_string();
        let checkpoint = hex(fingerprint::folders(&self.files, &components)?);
        let (adapter, image_encoder) = match &self.adapter {
            None => (None, None),
            Some(own) => (
                Some(hex(fingerprint::file(&own.folder, &own.name)?)),
                Some(hex(fingerprint::folders(&own.encoder, &[("", Some("model"))])?)),
            ),
        };
        Ok(Fingerprint { checkpoint, adapter, image_encoder })
    }
}

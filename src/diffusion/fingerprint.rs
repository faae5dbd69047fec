//! Hashes that identify a model in records.

use super::Result;
use super::checkpoint::fingerprint;
use super::model::Model;

/// BLAKE3 hashes in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// Over every file of the checkpoint that a generation reads.
    pub checkpoint: String,
    /// Of the adapter's file.
    pub adapter: Option<String>,
    /// Over the image encoder's files.
    pub image_encoder: Option<String>,
}

impl Model {
    /// Reads and hashes every file once; takes a few seconds for the largest checkpoints.
    pub fn fingerprint(&self) -> Result<Fingerprint> {
        let parts = self.checkpoint()?.parts();
        let mut components = vec![(parts.scheduler, None)];
        for text in parts.text {
            components.extend([(text.tokenizer, None), (text.encoder.folder, Some(text.encoder.stem))]);
        }
        components.extend([parts.unet, parts.vae].map(|component| (component.folder, Some(component.stem))));
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

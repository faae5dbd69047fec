//! Turns a reference into an image encoder's input: resize, centre crop, rescale, normalise (transformers,
//! `models/clip/image_processing_pil_clip.py`, which uses `image_processing_backends.py` and `image_transforms.py`).

use candle_core::{Device, Tensor};
use image::{Rgb, RgbImage};
use serde::Deserialize;

use super::checkpoint::Files;
use super::resize::{self, Filter, Span};
use super::{Error, Result};

const CONFIG: &str = "preprocessor_config.json";
/// Means and standard deviations of CLIP's training images, per channel, for values in 0..1.
const CLIP_MEAN: [f64; 3] = [0.48145466, 0.4578275, 0.40821073];
const CLIP_STD: [f64; 3] = [0.26862954, 0.26130258, 0.27577711];
/// Encoders read images of a few hundred pixels. A larger side than this is a mistake or an attack.
const MAX_SIDE: usize = 4096;
const CHANNELS: usize = 3;

/// The validated contents of `preprocessor_config.json`.
#[derive(Clone, Debug, PartialEq)]
pub struct Preprocessor {
    resize: Option<(ResizeTo, Filter)>,
    /// Height and width of the centre crop.
    crop: Option<(usize, usize)>,
    /// The factor for 8-bit values.
    rescale: Option<f64>,
    /// Mean and standard deviation per channel.
    normalize: Option<([f32; 3], [f32; 3])>,
}

/// The size of an image before the crop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ResizeTo {
    ShortestEdge(usize),
    Exact { height: usize, width: usize },
}

impl Preprocessor {
    /// Reads `preprocessor_config.json` from an image encoder's folder. Without the file, CLIP's defaults apply at the
    /// encoder's `image_size`, as in diffusers.
    pub fn load(folder: &Files, image_size: usize) -> Result<Self> {
        let config = if folder.has(CONFIG) {
            folder.json(CONFIG)?
        } else {
            Config { size: Some(Size::Side(image_size)), crop_size: Some(Size::Side(image_size)), ..Config::default() }
        };
        config.validate().map_err(|reason| Error::BadConfig { path: folder.path_of(CONFIG), reason })
    }

    /// The encoder's input: float32 [1, 3, height, width]. With the usual settings, height and width are the encoder's
    /// `image_size`. Fails for an empty picture, and if the result would be larger than 4096 pixels on a side.
    pub fn pixel_values(&self, picture: &RgbImage, device: &Device) -> Result<Tensor> {
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        if width == 0 || height == 0 {
            return Err(Error::OutOfRange {
                name: "the reference's size",
                value: format!("{width}×{height} pixels"),
                range: "at least 1×1 pixels",
            });
        }
        let cropped = self.resize_and_crop(picture)?;
        let (width, height) = (cropped.width() as usize, cropped.height() as usize);
        let mut values = Vec::with_capacity(CHANNELS * height * width);
        for channel in 0..CHANNELS {
            values.extend(cropped.pixels().map(|pixel| self.value(pixel[channel], channel)));
        }
        Ok(Tensor::from_vec(values, (1, CHANNELS, height, width), device)?)
    }

    fn resize_and_crop(&self, picture: &RgbImage) -> Result<RgbImage> {
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        let (scaled_width, scaled_height) = match self.resize {
            Some((target, _)) => target.size_for(width, height),
            None => (width, height),
        };
        let (crop_height, crop_width) = self.crop.unwrap_or((scaled_height, scaled_width));
        if crop_width > MAX_SIDE || crop_height > MAX_SIDE {
            return Err(Error::OutOfRange {
                name: "the reference's size for the image encoder",
                value: format!("{crop_width}×{crop_height} pixels"),
                range: "at most 4096 pixels on each side: set do_center_crop in preprocessor_config.json, or use a less \
                        narrow reference",
            });
        }
        let (columns, left) = center_crop(scaled_width, crop_width);
        let (rows, top) = center_crop(scaled_height, crop_height);
        // Compute only the cropped part: a very long image might not fit into memory.
        let part = match self.resize {
            Some((_, filter)) => resize::resize(picture, (scaled_width, scaled_height), (columns, rows), filter),
            None => image::imageops::crop_imm(
                picture,
                columns.start as u32,
                rows.start as u32,
                columns.length as u32,
                rows.length as u32,
            )
            .to_image(),
        };
        if (columns.length, rows.length) == (crop_width, crop_height) {
            return Ok(part);
        }
        let mut padded = RgbImage::from_pixel(crop_width as u32, crop_height as u32, Rgb([0, 0, 0]));
        image::imageops::replace(&mut padded, &part, left as i64, top as i64);
        Ok(padded)
    }

    /// Rescales and normalises one value. Each step rounds to float32, like NumPy's arrays.
    fn value(&self, byte: u8, channel: usize) -> f32 {
        let value = match self.rescale {
            Some(factor) => (f64::from(byte) * factor) as f32,
            None => f32::from(byte),
        };
        match self.normalize {
            Some((mean, std)) => (value - mean[channel]) / std[channel],
            None => value,
        }
    }
}

impl ResizeTo {
    /// The new width and height of an image.
    fn size_for(self, width: usize, height: usize) -> (usize, usize) {
        match self {
            Self::Exact { height, width } => (width, height),
            Self::ShortestEdge(side) => {
                // Python divides in float64, then rounds down.
                let long = |long: usize, short: usize| ((side * long) as f64 / short as f64) as usize;
                if width <= height { (side, long(height, width)) } else { (long(width, height), side) }
            }
        }
    }
}

/// Which of `size` pixels a centre crop of `crop` pixels keeps, and how many black pixels it adds before them if there
/// are too few.
fn center_crop(size: usize, crop: usize) -> (Span, usize) {
    if size >= crop {
        (Span { start: (size - crop) / 2, length: crop }, 0)
    } else {
        (Span { start: 0, length: size }, (crop - size).div_ceil(2))
    }
}

/// The file in any of its forms. Missing or null keys have the defaults of transformers' `CLIPImageProcessor`.
#[derive(Default, Deserialize)]
struct Config {
    do_resize: Option<bool>,
    size: Option<Size>,
    resample: Option<i64>,
    do_center_crop: Option<bool>,
    crop_size: Option<Size>,
    do_rescale: Option<bool>,
    rescale_factor: Option<f64>,
    do_normalize: Option<bool>,
    image_mean: Option<PerChannel>,
    image_std: Option<PerChannel>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(untagged)]
enum Size {
    Side(usize),
    HeightAndWidth([usize; 2]),
    Named {
        #[serde(default)]
        shortest_edge: Option<usize>,
        #[serde(default)]
        longest_edge: Option<usize>,
        #[serde(default)]
        height: Option<usize>,
        #[serde(default)]
        width: Option<usize>,
    },
}

#[derive(Clone, Copy, Deserialize)]
#[serde(untagged)]
enum PerChannel {
    All(f64),
    Each([f64; CHANNELS]),
}

impl Config {
    fn validate(self) -> Result<Preprocessor, String> {
        let resize = if self.do_resize.unwrap_or(true) {
            Some((target(self.size.unwrap_or(Size::Side(224)))?, filter(self.resample.unwrap_or(3))?))
        } else {
            None
        };
        let crop = if self.do_center_crop.unwrap_or(true) {
            Some(crop_size(self.crop_size.unwrap_or(Size::Side(224)))?)
        } else {
            None
        };
        let rescale = self.do_rescale.unwrap_or(true).then(|| self.rescale_factor.unwrap_or(1.0 / 255.0));
        if rescale.is_some_and(|factor| !factor.is_finite()) {
            return Err("rescale_factor must be a finite number".to_owned());
        }
        let normalize = if self.do_normalize.unwrap_or(true) {
            let mean = self.image_mean.unwrap_or(PerChannel::Each(CLIP_MEAN)).values();
            let std = self.image_std.unwrap_or(PerChannel::Each(CLIP_STD)).values();
            if std.iter().chain(&mean).any(|value| !value.is_finite()) || std.contains(&0.0) {
                return Err("image_mean and image_std must be finite numbers, and image_std not 0".to_owned());
            }
            Some((mean, std))
        } else {
            None
        };
        Ok(Preprocessor { resize, crop, rescale, normalize })
    }
}

impl PerChannel {
    fn values(self) -> [f32; CHANNELS] {
        match self {
            Self::All(value) => [value as f32; CHANNELS],
            Self::Each(values) => values.map(|value| value as f32),
        }
    }
}

/// Reads `size`. A single number is the length of the shortest side.
fn target(size: Size) -> Result<ResizeTo, String> {
    match size {
        Size::Side(side) | Size::Named { shortest_edge: Some(side), longest_edge: None, height: None, width: None } => {
            Ok(ResizeTo::ShortestEdge(side_in_range("size", side)?))
        }
        Size::HeightAndWidth([height, width])
        | Size::Named { height: Some(height), width: Some(width), shortest_edge: None, longest_edge: None } => {
            Ok(ResizeTo::Exact { height: side_in_range("size", height)?, width: side_in_range("size", width)? })
        }
        Size::Named { .. } => {
            Err("size must be a number, {\"shortest_edge\": …} or {\"height\": …, \"width\": …}".to_owned())
        }
    }
}

/// Reads `crop_size`. A single number is the length of both sides.
fn crop_size(size: Size) -> Result<(usize, usize), String> {
    match size {
        Size::Side(side) => side_in_range("crop_size", side).map(|side| (side, side)),
        Size::HeightAndWidth([height, width]) | Size::Named { height: Some(height), width: Some(width), .. } => {
            Ok((side_in_range("crop_size", height)?, side_in_range("crop_size", width)?))
        }
        Size::Named { .. } => Err("crop_size must be a number or {\"height\": …, \"width\": …}".to_owned()),
    }
}

fn side_in_range(name: &str, side: usize) -> Result<usize, String> {
    if (1..=MAX_SIDE).contains(&side) {
        Ok(side)
    } else {
        Err(format!("{name} is {side} pixels, but must be between 1 and {MAX_SIDE}"))
    }
}

/// Reads `resample`, a number of `PIL.Image.Resampling`.
fn filter(resample: i64) -> Result<Filter, String> {
    let unsupported = match resample {
        1 => return Ok(Filter::Lanczos),
        2 => return Ok(Filter::Bilinear),
        3 => return Ok(Filter::Bicubic),
        0 => "nearest",
        4 => "box",
        5 => "hamming",
        other => return Err(format!("resample is {other}, but must be a filter of Pillow, such as 3 (bicubic)")),
    };
    Err(format!("resample {resample} ({unsupported}) is not supported: use 3 (bicubic), as CLIP encoders do"))
}

#[cfg(test)]
mod tests;

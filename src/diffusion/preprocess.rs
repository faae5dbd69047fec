//! A reference becomes the pixels that an image encoder reads (transformers, `models/clip/image_processing_pil_clip.py`
//! on `image_processing_backends.py` and `image_transforms.py`): shortest side to a size, middle cut out, values
//! normalised.

use candle_core::{Device, Tensor};
use image::{Rgb, RgbImage};
use serde::Deserialize;

use super::checkpoint::Files;
use super::resize::{self, Filter, Span};
use super::{Error, Result};

const CONFIG: &str = "preprocessor_config.json";
/// Means and deviations of the pictures that CLIP was trained on, per channel, of values in 0..1.
const CLIP_MEAN: [f64; 3] = [0.48145466, 0.4578275, 0.40821073];
const CLIP_STD: [f64; 3] = [0.26862954, 0.26130258, 0.27577711];
/// Encoders read pictures of a few hundred pixels; a side beyond this is an accident or an attack.
const LARGEST_SIDE: usize = 4096;
const CHANNELS: usize = 3;

/// `preprocessor_config.json`, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Preprocessor {
    resize: Option<(Target, Filter)>,
    /// Height and width of the cut.
    crop: Option<(usize, usize)>,
    rescale: Option<f64>,
    /// Mean and deviation per channel.
    normalize: Option<([f32; 3], [f32; 3])>,
}

/// What a picture is scaled to before the cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    ShortestEdge(usize),
    Exact { height: usize, width: usize },
}

impl Preprocessor {
    /// Reads an image encoder folder's `preprocessor_config.json`; where there is none, CLIP's ways hold at the
    /// encoder's `image_size`, as in diffusers.
    pub fn load(folder: &Files, image_size: usize) -> Result<Self> {
        let config = if folder.has(CONFIG) {
            folder.json(CONFIG)?
        } else {
            Config { size: Some(Size::Side(image_size)), crop_size: Some(Size::Side(image_size)), ..Config::default() }
        };
        config.check().map_err(|reason| Error::BadConfig { path: folder.path_of(CONFIG), reason })
    }

    /// [1, 3, height, width] in float32: with the usual settings S×S, the encoder's image size.
    pub fn pixel_values(&self, picture: &RgbImage, device: &Device) -> Result<Tensor> {
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        if width == 0 || height == 0 {
            return Err(Error::OutOfRange {
                name: "the reference's size",
                value: format!("{width}×{height} pixels"),
                range: "at least one pixel each way",
            });
        }
        let cut = self.scaled_and_cut(picture)?;
        let (width, height) = (cut.width() as usize, cut.height() as usize);
        let mut values = Vec::with_capacity(CHANNELS * height * width);
        for channel in 0..CHANNELS {
            values.extend(cut.pixels().map(|pixel| self.value(pixel[channel], channel)));
        }
        Ok(Tensor::from_vec(values, (1, CHANNELS, height, width), device)?)
    }

    fn scaled_and_cut(&self, picture: &RgbImage) -> Result<RgbImage> {
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        let (scaled_width, scaled_height) = match self.resize {
            Some((target, _)) => target.of(width, height),
            None => (width, height),
        };
        let (crop_height, crop_width) = self.crop.unwrap_or((scaled_height, scaled_width));
        if crop_width > LARGEST_SIDE || crop_height > LARGEST_SIDE {
            return Err(Error::OutOfRange {
                name: "the size of the reference for its encoder",
                value: format!("{crop_width}×{crop_height} pixels"),
                range: "at most 4096 pixels each way; give do_center_crop in preprocessor_config.json, or a reference \
                        less narrow",
            });
        }
        let (columns, left) = middle(scaled_width, crop_width);
        let (rows, top) = middle(scaled_height, crop_height);
        // Only what the cut shows is computed: the rest of a very long picture would not fit the memory.
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

    /// Each step rounds to float32, as NumPy's arrays do between them.
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

impl Target {
    /// Width and height that a picture is scaled to.
    fn of(self, width: usize, height: usize) -> (usize, usize) {
        match self {
            Self::Exact { height, width } => (width, height),
            Self::ShortestEdge(side) => {
                // Rounded down, after a division in double precision as in Python.
                let long = |long: usize, short: usize| ((side * long) as f64 / short as f64) as usize;
                if width <= height { (side, long(height, width)) } else { (long(width, height), side) }
            }
        }
    }
}

/// Which of `size` pixels are in a cut of `crop` from the middle, and how many black ones come before them when there
/// are too few.
fn middle(size: usize, crop: usize) -> (Span, usize) {
    if size >= crop {
        (Span { start: (size - crop) / 2, length: crop }, 0)
    } else {
        (Span { start: 0, length: size }, (crop - size).div_ceil(2))
    }
}

/// The file as it is written, in any of its forms; what is absent or null is transformers' `CLIPImageProcessor`'s.
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
    fn check(self) -> Result<Preprocessor, String> {
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
            return Err("rescale_factor is not a number".to_owned());
        }
        let normalize = if self.do_normalize.unwrap_or(true) {
            let mean = self.image_mean.unwrap_or(PerChannel::Each(CLIP_MEAN)).values();
            let std = self.image_std.unwrap_or(PerChannel::Each(CLIP_STD)).values();
            if std.iter().chain(&mean).any(|value| !value.is_finite()) || std.contains(&0.0) {
                return Err("image_mean and image_std must be numbers, and image_std not 0".to_owned());
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

/// `size`: a number is the shortest side's.
fn target(size: Size) -> Result<Target, String> {
    match size {
        Size::Side(side) | Size::Named { shortest_edge: Some(side), longest_edge: None, height: None, width: None } => {
            Ok(Target::ShortestEdge(side_in_range("size", side)?))
        }
        Size::HeightAndWidth([height, width])
        | Size::Named { height: Some(height), width: Some(width), shortest_edge: None, longest_edge: None } => {
            Ok(Target::Exact { height: side_in_range("size", height)?, width: side_in_range("size", width)? })
        }
        Size::Named { .. } => {
            Err("size must be a number, {\"shortest_edge\": …} or {\"height\": …, \"width\": …}".to_owned())
        }
    }
}

/// `crop_size`: a number is both sides'.
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
    if (1..=LARGEST_SIDE).contains(&side) {
        Ok(side)
    } else {
        Err(format!("{name} is {side} pixels, but must be from 1 to {LARGEST_SIDE}"))
    }
}

/// `resample`: a number of `PIL.Image.Resampling`.
fn filter(resample: i64) -> Result<Filter, String> {
    let unsupported = match resample {
        1 => return Ok(Filter::Lanczos),
        2 => return Ok(Filter::Bilinear),
        3 => return Ok(Filter::Bicubic),
        0 => "nearest",
        4 => "box",
        5 => "hamming",
        other => return Err(format!("resample is {other}, which names no filter of Pillow's")),
    };
    Err(format!(
        "resample is {resample} ({unsupported}), which this program does not compute; CLIP encoders use 3 (bicubic)"
    ))
}

#[cfg(test)]
mod tests;

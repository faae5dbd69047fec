//! Small pictures from latents without the decoder. A pixel's colour is nearly a linear function of its latent; the
//! function is fitted to the decoder.

use candle_core::{DType, Device, Tensor};
use image::RgbImage;

use crate::diffusion::Result;
use crate::diffusion::noise::Generator;
use crate::diffusion::vae::VaeDecoder;

/// rgb = latent · matrix + offset for each latent pixel.
pub(super) struct Preview {
    /// [channels + 1][3]; the last row is the offset.
    matrix: Vec<[f64; 3]>,
}

/// The side of the random latents that the matrix is fitted to.
const SIDE: usize = 8;

impl Preview {
    /// Fits the matrix by least squares to the decoded picture of small random latents.
    pub fn fit(vae: &VaeDecoder, channels: usize) -> Result<Self> {
        let count = channels * SIDE * SIDE;
        // Latents of pictures resemble their neighbours, so each random value fills a block of 2×2.
        let coarse = Generator::new(0).randn(count / 4);
        let coarse = Tensor::from_vec(coarse, (1, channels, SIDE / 2, SIDE / 2), &Device::Cpu)?;
        let latents = coarse.upsample_nearest2d(SIDE, SIDE)?; // [1, channels, 8, 8]
        let decoded = vae.decode(&latents.to_device(vae.device())?.to_dtype(vae.dtype())?)?;
        let factor = vae.factor();
        let means = decoded.to_dtype(DType::F32)?.to_device(&Device::Cpu)?.avg_pool2d(factor)?; // [1, 3, 8, 8]
        let inputs = latents.squeeze(0)?.flatten_from(1)?.to_vec2::<f32>()?; // [channels][64]
        let targets = means.squeeze(0)?.flatten_from(1)?.to_vec2::<f32>()?; // [3][64]
        Ok(Self { matrix: least_squares(&inputs, &targets) })
    }

    /// Latents [rows, channels, h, w] → a picture of w × h pixels for each row.
    pub fn pictures(&self, latents: &Tensor) -> Result<Vec<RgbImage>> {
        let (rows, channels, height, width) = latents.dims4()?;
        let values =
            latents.to_dtype(DType::F32)?.to_device(&Device::Cpu)?.reshape((rows, channels, height * width))?;
        let values = values.to_vec3::<f32>()?;
        let picture = |row: &Vec<Vec<f32>>| {
            RgbImage::from_fn(width as u32, height as u32, |x, y| {
                let at = y as usize * width + x as usize;
                let colour = |c: usize| {
                    let offset = self.matrix[channels][c];
                    let sum: f64 = (0..channels).map(|k| f64::from(row[k][at]) * self.matrix[k][c]).sum();
                    ((sum + offset) * 127.5 + 127.5).clamp(0.0, 255.0) as u8
                };
                image::Rgb([colour(0), colour(1), colour(2)])
            })
        };
        Ok(values.iter().map(picture).collect())
    }
}

/// Solves the normal equations of [inputs, 1] · matrix = targets. A slight regularisation makes them solvable in every
/// case.
fn least_squares(inputs: &[Vec<f32>], targets: &[Vec<f32>]) -> Vec<[f64; 3]> {
    let size = inputs.len() + 1;
    let samples = targets[0].len();
    let input = |i: usize, s: usize| inputs.get(i).map_or(1.0, |row| f64::from(row[s]));
    // Each row holds `size` coefficients, then the three right-hand sides.
    let mut rows: Vec<Vec<f64>> = (0..size)
        .map(|i| {
            let left = (0..size).map(|j| (0..samples).map(|s| input(i, s) * input(j, s)).sum::<f64>());
            let mut row: Vec<f64> = left.collect();
            row[i] += 1e-3 * samples as f64;
            row.extend(
                targets.iter().map(|target| (0..samples).map(|s| input(i, s) * f64::from(target[s])).sum::<f64>()),
            );
            row
        })
        .collect();
    // Gauss-Jordan elimination. The regularised matrix is positive definite, so no pivot is zero.
    for pivot in 0..size {
        let divisor = rows[pivot][pivot];
        rows[pivot].iter_mut().for_each(|value| *value /= divisor);
        let reference = rows[pivot].clone();
        for (i, row) in rows.iter_mut().enumerate() {
            if i != pivot {
                let times = row[pivot];
                row.iter_mut().zip(&reference).for_each(|(value, other)| *value -= times * other);
            }
        }
    }
    rows.into_iter().map(|row| [row[size], row[size + 1], row[size + 2]]).collect()
}

//! UniPC, a predictor and a corrector that share one model call: Zhao et al., "UniPC: a unified predictor-corrector
//! framework for fast sampling of diffusion models", 2023, algorithms 5 to 8. diffusers:
//! `schedulers/scheduling_unipc_multistep.py`.

use candle_core::Tensor;
use serde_json::Value;

use super::combine::combine;
use super::log_snr::{NoiseLevel, TrainingSchedule};
use super::sigmas::{karras, with_end};
use super::{Denoised, History, Noise, Prediction, Scheduler, SchedulerConfig};
use crate::diffusion::Result;
use crate::studio::settings::Sampler;

/// Higher orders are unstable with guidance.
const HIGHEST_ORDER: usize = 3;

pub(super) struct UniPc {
    timesteps: Vec<f64>,
    /// One per timestep, and the end.
    levels: Vec<NoiseLevel>,
    prediction: Prediction,
    solver: Solver,
    order: usize,
    lower_order_final: bool,
    /// Indices of the steps that are not corrected.
    uncorrected: Vec<usize>,
    /// Predicted originals (or noises, if the solver integrates those): up to `order`, the newest last.
    outputs: Vec<Tensor>,
    /// The last step: the sample it started from, and its order.
    last: Option<(Tensor, usize)>,
}

/// The paper's function B(h), and what the solver integrates.
#[derive(Clone, Copy)]
struct Solver {
    /// B(h) is h (`bh1`) or eʰ − 1 (`bh2`).
    bh1: bool,
    /// Whether the solver integrates the predicted original or the predicted noise.
    predict_original: bool,
}

impl UniPc {
    pub fn new(config: &SchedulerConfig, steps: usize, use_karras: bool) -> Result<Self> {
        let missing = ["use_exponential_sigmas", "use_beta_sigmas", "use_flow_sigmas", "use_dynamic_shifting"];
        config.refuse_flags(Sampler::UniPc, &missing)?;
        for key in ["solver_p", "shift_terminal"] {
            if config.get(key).is_some() {
                return Err(config.unsupported(Sampler::UniPc, key));
            }
        }
        let predict_original = config.flag("predict_x0", true)?;
        if predict_original {
            config.refuse_flags(Sampler::UniPc, &["thresholding"])?;
        } else if config.ends_at_zero()? {
            return Err(config.invalid(
                "predict_x0 false with final_sigmas_type zero divides by zero: set final_sigmas_type to sigma_min",
            ));
        }
        let bh1 = match config.text("solver_type", "bh2")? {
            "bh1" => true,
            // Apart from bh2, these belong to other schedulers. diffusers replaces them by its default, bh2.
            "bh2" | "midpoint" | "heun" | "logrho" => false,
            _ => return Err(config.unknown_value("solver_type", "bh1 or bh2")),
        };
        let order = match config.integer("solver_order", 2)? {
            order if (1..=HIGHEST_ORDER as i64).contains(&order) => order as usize,
            _ => return Err(config.unsupported(Sampler::UniPc, "solver_order")),
        };
        let (timesteps, sigmas) = schedule(config, steps, use_karras)?;
        Ok(Self {
            timesteps,
            levels: sigmas.into_iter().map(NoiseLevel::of_sigma).collect(),
            prediction: config.prediction_type()?,
            solver: Solver { bh1, predict_original },
            order,
            lower_order_final: config.flag("lower_order_final", true)?,
            uncorrected: uncorrected(config)?,
            outputs: Vec::new(),
            last: None,
        })
    }

    /// The order of the step at `index`: limited by the history at the start, and lowered at the end if configured.
    fn order_at(&self, index: usize) -> usize {
        let highest = if self.lower_order_final { self.timesteps.len() - index } else { self.order };
        self.order.min(highest).min(index + 1)
    }

    /// Computes the sample after step `from` from the `sample` before it and the outputs at `from` and earlier. With
    /// `now`, the output after the step, this is the corrector, and without it the predictor.
    fn update(&self, from: usize, order: usize, sample: &Tensor, now: Option<&Tensor>) -> Result<Tensor> {
        let (start, end) = (self.levels[from], self.levels[from + 1]);
        let newest = self.outputs.len() - 1;
        let h = end.lambda - start.lambda;
        // The earlier points, in units of this step, and the outputs there minus the output at `from`.
        let shares: Vec<f32> = (1..order).map(|back| (self.levels[from - back].lambda - start.lambda) / h).collect();
        let differences = (1..order)
            .map(|back| Ok((&self.outputs[newest - back] - &self.outputs[newest])?))
            .collect::<Result<Vec<Tensor>>>()?;

        let Coefficients { phi, b, weights } = self.solver.coefficients(h, &shares, now.is_some());
        let (sample_factor, output_factor) = if self.solver.predict_original {
            (end.mixture.noise / start.mixture.noise, end.mixture.signal)
        } else {
            (end.mixture.signal / start.mixture.signal, end.mixture.noise)
        };
        let mut result = combine([(sample_factor, sample), (-output_factor * phi, &self.outputs[newest])])?;
        for ((difference, share), weight) in differences.iter().zip(&shares).zip(&weights) {
            result = combine([(1.0, &result), (-output_factor * b * weight / share, difference)])?;
        }
        if let (Some(now), Some(weight)) = (now, weights.get(order - 1)) {
            let difference = (now - &self.outputs[newest])?;
            result = combine([(1.0, &result), (-output_factor * b * weight, &difference)])?;
        }
        Ok(result)
    }
}

impl Scheduler for UniPc {
    fn timesteps(&self) -> &[f64] {
        &self.timesteps
    }

    fn init_noise_sigma(&self) -> f64 {
        1.0
    }

    fn scale_model_input(&self, sample: &Tensor, _: usize) -> Result<Tensor> {
        Ok(sample.clone())
    }

    fn step(&mut self, model_output: &Tensor, index: usize, sample: &Tensor, _: &mut Noise<'_>) -> Result<Denoised> {
        if index == 0 {
            self.outputs.clear();
            self.last = None;
        }
        let mixture = self.levels[index].mixture;
        let original = mixture.predict_original(self.prediction, model_output, sample)?;
        let output = if self.solver.predict_original {
            original.clone()
        } else {
            mixture.predict_noise(self.prediction, model_output, sample)?
        };
        let sample = match self.last.take() {
            Some((before, order)) if !self.uncorrected.contains(&(index - 1)) => {
                self.update(index - 1, order, &before, Some(&output))?
            }
            _ => sample.clone(),
        };
        if self.outputs.len() == self.order {
            self.outputs.remove(0);
        }
        self.outputs.push(output);
        let order = self.order_at(index);
        let next = self.update(index, order, &sample, None)?;
        self.last = Some((sample, order));
        Ok(Denoised { sample: next, predicted_original: original })
    }

    fn history(&self) -> History {
        History { outputs: self.outputs.clone(), sample: self.last.as_ref().map(|(sample, _)| sample.clone()) }
    }

    fn restore(&mut self, history: History, steps_done: usize) -> bool {
        let fits = history.outputs.len() == steps_done.min(self.order) && history.sample.is_some() == (steps_done > 0);
        self.outputs = history.outputs;
        self.last = history.sample.map(|sample| (sample, self.order_at(steps_done.saturating_sub(1))));
        fits
    }
}

/// The factors of the outputs in an update.
struct Coefficients {
    /// eʰ − 1, for the output at the start.
    phi: f32,
    /// B(h), for all differences. With `bh1` it is infinite if the step ends without noise. There are no differences
    /// then, and the result is the original; diffusers would multiply infinity by 0 and return NaN.
    b: f32,
    /// One per earlier point, and for the corrector one more for the point after the step.
    weights: Vec<f32>,
}

impl Solver {
    /// `shares` are the earlier points in units of the step.
    fn coefficients(self, h: f32, shares: &[f32], correct: bool) -> Coefficients {
        let h = if self.predict_original { -h } else { h };
        let phi = h.exp_m1();
        let b = if self.bh1 { h } else { phi };
        let order = shares.len() + 1;
        let weights = match (correct, order) {
            (false, 1) => Vec::new(),
            (false, 2) | (true, 1) => vec![0.5],
            _ => {
                let points: Vec<f32> = shares.iter().copied().chain(correct.then_some(1.0)).collect();
                solve(&points, &right_side(h, phi, b, points.len()))
            }
        };
        Coefficients { phi, b, weights }
    }
}

/// φₖ₊₁(h)·k! / B(h) for k from 1 to `count`, in the paper's notation.
fn right_side(h: f32, phi: f32, b: f32, count: usize) -> Vec<f32> {
    let mut phi_k = phi / h - 1.0;
    let mut factorial = 1.0;
    (1..=count)
        .map(|k| {
            let value = phi_k * factorial / b;
            factorial *= (k + 1) as f32;
            phi_k = phi_k / h - 1.0 / factorial;
            value
        })
        .collect()
}

/// Solves Σⱼ wⱼ·pointsⱼⁱ = sumsᵢ for the weights w, by Gaussian elimination with pivoting in float64. The result is NaN
/// or infinite if two points are equal.
fn solve(points: &[f32], sums: &[f32]) -> Vec<f32> {
    let size = points.len();
    let mut rows: Vec<Vec<f64>> = sums
        .iter()
        .enumerate()
        .map(|(power, &sum)| {
            points.iter().map(|point| f64::from(point.powi(power as i32))).chain([f64::from(sum)]).collect()
        })
        .collect();
    for column in 0..size {
        let pivot = (column..size).max_by(|&a, &b| rows[a][column].abs().total_cmp(&rows[b][column].abs()));
        rows.swap(column, pivot.unwrap_or(column));
        let (above, below) = rows.split_at_mut(column + 1);
        let top = &above[column];
        for row in below {
            let factor = row[column] / top[column];
            row.iter_mut().zip(top).for_each(|(value, top)| *value -= factor * top);
        }
    }
    let mut weights = vec![0.0; size];
    for row in (0..size).rev() {
        let known: f64 = (row + 1..size).map(|column| rows[row][column] * weights[column]).sum();
        weights[row] = (rows[row][size] - known) / rows[row][row];
    }
    weights.into_iter().map(|weight| weight as f32).collect()
}

/// The timesteps of a generation, and their sigmas followed by the end.
fn schedule(config: &SchedulerConfig, steps: usize, use_karras: bool) -> Result<(Vec<f64>, Vec<f32>)> {
    let training = TrainingSchedule::new(config)?;
    let ends_at_zero = config.ends_at_zero()?;
    let (timesteps, sigmas, least) = if use_karras {
        let sigmas = karras(config, training.sigmas.greatest(), training.sigmas.least(), steps)?;
        let timesteps = sigmas.iter().map(|&sigma| training.sigmas.timestep_of(sigma).round_ties_even()).collect();
        let least = sigmas[sigmas.len() - 1];
        (timesteps, sigmas, least)
    } else {
        let (timesteps, sigmas) = training.spaced(config, steps, training.count())?;
        (timesteps, sigmas, training.sigmas.least())
    };
    Ok((timesteps, with_end(&sigmas, if ends_at_zero { 0.0 } else { least })))
}

/// The option `disable_corrector`.
fn uncorrected(config: &SchedulerConfig) -> Result<Vec<usize>> {
    let Some(value) = config.get("disable_corrector") else { return Ok(Vec::new()) };
    let steps: Option<Vec<usize>> = value
        .as_array()
        .and_then(|steps| steps.iter().map(|step| Value::as_u64(step).map(|step| step as usize)).collect());
    steps.ok_or_else(|| config.invalid(format!("disable_corrector is {value}, but must be a list of step indices")))
}

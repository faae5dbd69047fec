//! UniPC, a predictor with a corrector that costs no call of the model: Zhao et al., "UniPC: a unified
//! predictor-corrector framework for fast sampling of diffusion models", 2023, algorithms 5 to 8. diffusers:
//! `schedulers/scheduling_unipc_multistep.py`.

use candle_core::Tensor;
use serde_json::Value;

use super::combine::combine;
use super::log_snr::{Level, Training};
use super::sigmas::{ending_at, karras};
use super::{Denoised, Memory, Noise, Prediction, Scheduler, SchedulerConfig};
use crate::diffusion::Result;
use crate::studio::settings::Sampler;

/// Higher orders are known to be unstable with guidance.
const HIGHEST_ORDER: usize = 3;

pub(super) struct UniPc {
    timesteps: Vec<f64>,
    /// One for each timestep, and the end.
    levels: Vec<Level>,
    prediction: Prediction,
    solver: Solver,
    order: usize,
    lower_order_final: bool,
    /// The steps that are not corrected.
    uncorrected: Vec<usize>,
    /// Pictures, or noises if the solver works on these: up to `order` of them, the newest last.
    outputs: Vec<Tensor>,
    /// The step before: the sample it started from, and its order.
    last: Option<(Tensor, usize)>,
}

/// The function B(h) of the paper, and what is integrated.
#[derive(Clone, Copy)]
struct Solver {
    /// B(h) = h, otherwise eʰ − 1.
    bh1: bool,
    predict_picture: bool,
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
        let predict_picture = config.flag("predict_x0", true)?;
        if predict_picture {
            config.refuse_flags(Sampler::UniPc, &["thresholding"])?;
        } else if config.ends_at_zero()? {
            return Err(config.bad(
                "predict_x0 is false while final_sigmas_type is zero, which divides by zero at the end; make \
                 final_sigmas_type sigma_min",
            ));
        }
        let bh1 = match config.text("solver_type", "bh2")? {
            "bh1" => true,
            // Names of other schedulers' solvers, for which diffusers takes its default.
            "bh2" | "midpoint" | "heun" | "logrho" => false,
            _ => return Err(config.unknown("solver_type", "bh1 and bh2")),
        };
        let order = match config.integer("solver_order", 2)? {
            order if (1..=HIGHEST_ORDER as i64).contains(&order) => order as usize,
            _ => return Err(config.unsupported(Sampler::UniPc, "solver_order")),
        };
        let (timesteps, sigmas) = schedule(config, steps, use_karras)?;
        Ok(Self {
            timesteps,
            levels: sigmas.into_iter().map(Level::of_sigma).collect(),
            prediction: config.prediction_type()?,
            solver: Solver { bh1, predict_picture },
            order,
            lower_order_final: config.flag("lower_order_final", true)?,
            uncorrected: uncorrected(config)?,
            outputs: Vec::new(),
            last: None,
        })
    }

    fn order_at(&self, index: usize) -> usize {
        let highest = if self.lower_order_final { self.timesteps.len() - index } else { self.order };
        self.order.min(highest).min(index + 1)
    }

    /// The sample at `to`, from that at `from`, with the outputs seen at `from` and before. `now`: the output at `to`,
    /// if it is known: then this corrects, otherwise it predicts.
    fn update(&self, from: usize, order: usize, sample: &Tensor, now: Option<&Tensor>) -> Result<Tensor> {
        let (start, end) = (self.levels[from], self.levels[from + 1]);
        let newest = self.outputs.len() - 1;
        let h = end.lambda - start.lambda;
        // Earlier points, as shares of this step, and the differences of the output there to that at `from`.
        let shares: Vec<f32> = (1..order).map(|back| (self.levels[from - back].lambda - start.lambda) / h).collect();
        let differences = (1..order)
            .map(|back| Ok((&self.outputs[newest - back] - &self.outputs[newest])?))
            .collect::<Result<Vec<Tensor>>>()?;

        let Coefficients { phi, b, weights } = self.solver.coefficients(h, &shares, now.is_some());
        let (keep, pull) = if self.solver.predict_picture {
            (end.mixture.noise / start.mixture.noise, end.mixture.signal)
        } else {
            (end.mixture.signal / start.mixture.signal, end.mixture.noise)
        };
        let mut result = combine([(keep, sample), (-pull * phi, &self.outputs[newest])])?;
        for ((difference, share), weight) in differences.iter().zip(&shares).zip(&weights) {
            result = combine([(1.0, &result), (-pull * b * weight / share, difference)])?;
        }
        if let (Some(now), Some(weight)) = (now, weights.get(order - 1)) {
            let difference = (now - &self.outputs[newest])?;
            result = combine([(1.0, &result), (-pull * b * weight, &difference)])?;
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
        let picture = mixture.picture(self.prediction, model_output, sample)?;
        let output = if self.solver.predict_picture {
            picture.clone()
        } else {
            mixture.epsilon(self.prediction, model_output, sample)?
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
        Ok(Denoised { sample: next, predicted_original: picture })
    }

    fn memory(&self) -> Memory {
        Memory { outputs: self.outputs.clone(), sample: self.last.as_ref().map(|(sample, _)| sample.clone()) }
    }

    fn restore(&mut self, memory: Memory, done: usize) -> bool {
        let fits = memory.outputs.len() == done.min(self.order) && memory.sample.is_some() == (done > 0);
        self.outputs = memory.outputs;
        self.last = memory.sample.map(|sample| (sample, self.order_at(done.saturating_sub(1))));
        fits
    }
}

/// What an update multiplies its outputs with.
struct Coefficients {
    /// For the output at the start: e^h − 1.
    phi: f32,
    /// B(h), common to all differences. Infinite for `bh1` where a step ends without noise: there are no differences
    /// then, and the result is the picture, where diffusers multiplies it with 0 and loses everything.
    b: f32,
    /// One for each earlier point; for a correction, one more for the point that is reached.
    weights: Vec<f32>,
}

impl Solver {
    /// `shares`: the earlier points as shares of the step.
    fn coefficients(self, h: f32, shares: &[f32], correct: bool) -> Coefficients {
        let h = if self.predict_picture { -h } else { h };
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

/// φₖ₊₁(h)·k! / B(h) for k from 1 to `count`.
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

/// The weights wⱼ for which Σⱼ wⱼ·pointsⱼⁱ is the i-th of `sums`, by Gaussian elimination with pivots. Not numbers, if
/// two points are the same.
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

/// The times of a run and their sigmas, with the end.
fn schedule(config: &SchedulerConfig, steps: usize, use_karras: bool) -> Result<(Vec<f64>, Vec<f32>)> {
    let training = Training::new(config)?;
    let ends_at_zero = config.ends_at_zero()?;
    let (timesteps, sigmas, least) = if use_karras {
        let sigmas = karras(config, training.sigmas.greatest(), training.sigmas.least(), steps)?;
        let timesteps = sigmas.iter().map(|&sigma| training.sigmas.time_of(sigma).round_ties_even()).collect();
        let least = sigmas[sigmas.len() - 1];
        (timesteps, sigmas, least)
    } else {
        let (timesteps, sigmas) = training.spaced(config, steps, training.count())?;
        (timesteps, sigmas, training.sigmas.least())
    };
    Ok((timesteps, ending_at(&sigmas, if ends_at_zero { 0.0 } else { least })))
}

/// `disable_corrector`.
fn uncorrected(config: &SchedulerConfig) -> Result<Vec<usize>> {
    let Some(value) = config.get("disable_corrector") else { return Ok(Vec::new()) };
    let steps: Option<Vec<usize>> = value
        .as_array()
        .and_then(|steps| steps.iter().map(|step| Value::as_u64(step).map(|step| step as usize)).collect());
    steps.ok_or_else(|| config.bad(format!("disable_corrector is {value}, but must be a list of step numbers")))
}

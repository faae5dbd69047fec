//! DPM-Solver++ as a multistep method of order 1, 2 or 3: Lu et al., "DPM-Solver++: fast solver for guided sampling of
//! diffusion probabilistic models", 2022; order 2 is algorithm 2 (2M). diffusers:
//! `schedulers/scheduling_dpmsolver_multistep.py`.

use candle_core::Tensor;
use serde_json::Value;

use super::betas;
use super::combine::combine;
use super::log_snr::{NoiseLevel, TrainingSchedule};
use super::sigmas::{karras, with_end};
use super::{Denoised, History, Noise, Prediction, Scheduler, SchedulerConfig};
use crate::diffusion::Result;
use crate::studio::settings::Sampler;

const SAMPLER: Sampler = Sampler::DpmSolverPp2M;
/// Below this number of steps, `lower_order_final` lowers the order of the last steps.
const FEW_STEPS: usize = 15;

pub(super) struct DpmSolver {
    timesteps: Vec<f64>,
    /// One per timestep, and the end.
    levels: Vec<NoiseLevel>,
    prediction: Prediction,
    /// 1 to 3.
    order: usize,
    heun: bool,
    lower_order_final: bool,
    first_order_final: bool,
    /// The originals predicted by the last steps: up to `order`, the newest last.
    originals: Vec<Tensor>,
}

impl DpmSolver {
    pub fn new(config: &SchedulerConfig, steps: usize, use_karras: bool) -> Result<Self> {
        let missing =
            ["thresholding", "use_exponential_sigmas", "use_beta_sigmas", "use_lu_lambdas", "use_flow_sigmas"];
        config.refuse_flags(SAMPLER, &missing)?;
        // `deis` and some solver types below belong to other schedulers. diffusers replaces them by its default.
        if !matches!(config.text("algorithm_type", "dpmsolver++")?, "dpmsolver++" | "deis") {
            return Err(config.unsupported(SAMPLER, "algorithm_type"));
        }
        let heun = match config.text("solver_type", "midpoint")? {
            "midpoint" | "logrho" | "bh1" | "bh2" => false,
            "heun" => true,
            _ => return Err(config.unknown_value("solver_type", "midpoint or heun")),
        };
        if config.get("variance_type").is_some_and(|variance| variance == "learned" || variance == "learned_range") {
            return Err(config.unsupported(SAMPLER, "variance_type"));
        }
        let order = match config.integer("solver_order", 2)? {
            order @ 1..=3 => order as usize,
            _ => return Err(config.unsupported(SAMPLER, "solver_order")),
        };

        let training = TrainingSchedule::new(config)?;
        let (timesteps, sigmas) = schedule(config, &training, steps, use_karras)?;
        let ends_at_zero = config.ends_at_zero()?;
        let end = if ends_at_zero { 0.0 } else { training.sigmas.least() };
        let lower_order_final = config.flag("lower_order_final", true)? && timesteps.len() < FEW_STEPS;
        Ok(Self {
            timesteps,
            levels: with_end(&sigmas, end).into_iter().map(NoiseLevel::of_sigma).collect(),
            prediction: config.prediction_type()?,
            order,
            heun,
            lower_order_final,
            first_order_final: lower_order_final || ends_at_zero || config.flag("euler_at_final", false)?,
            originals: Vec::new(),
        })
    }

    /// The order of the step at `index`: limited by the history at the start, and lowered at the end if configured.
    fn order_at(&self, index: usize) -> usize {
        let highest = match self.timesteps.len() - index {
            1 if self.first_order_final => 1,
            2 if self.lower_order_final => 2,
            _ => 3,
        };
        self.order.min(self.originals.len()).min(highest)
    }
}

impl Scheduler for DpmSolver {
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
        let (now, next) = (self.levels[index], self.levels[index + 1]);
        let original = now.mixture.predict_original(self.prediction, model_output, sample)?;
        if index == 0 {
            self.originals.clear();
        }
        if self.originals.len() == self.order {
            self.originals.remove(0);
        }
        self.originals.push(original.clone());

        let h = next.lambda - now.lambda;
        // e⁻ʰ − 1
        let decay = (-h).exp() - 1.0;
        let sample_factor = next.mixture.noise / now.mixture.noise;
        let original_factor = next.mixture.signal * decay;
        let order = self.order_at(index);
        // A first-order step, corrected by d1 and d2, the first and second derivative of the original in λ (D1 and D2
        // in diffusers).
        let mut sample = combine([(sample_factor, sample), (-original_factor, &original)])?;
        if order >= 2 {
            let before = &self.originals[self.originals.len() - 2];
            let h0 = now.lambda - self.levels[index - 1].lambda;
            let r0 = h0 / h;
            let d1 = combine([(1.0 / r0, &(&original - before)?)])?;
            let heun = next.mixture.signal * (decay / h + 1.0);
            sample = if order == 2 {
                combine([(1.0, &sample), (if self.heun { heun } else { -0.5 * original_factor }, &d1)])?
            } else {
                let earlier = &self.originals[self.originals.len() - 3];
                let r1 = (self.levels[index - 1].lambda - self.levels[index - 2].lambda) / h;
                let d1_before = combine([(1.0 / r1, &(before - earlier)?)])?;
                let change = (&d1 - d1_before)?;
                let d1 = combine([(1.0, &d1), (r0 / (r0 + r1), &change)])?;
                let d2 = combine([(1.0 / (r0 + r1), &change)])?;
                let third = next.mixture.signal * ((decay + h) / (h * h) - 0.5);
                combine([(1.0, &sample), (heun, &d1), (-third, &d2)])?
            };
        }
        Ok(Denoised { sample, predicted_original: original })
    }

    fn history(&self) -> History {
        History { outputs: self.originals.clone(), sample: None }
    }

    fn restore(&mut self, history: History, steps_done: usize) -> bool {
        let fits = history.outputs.len() == steps_done.min(self.order) && history.sample.is_none();
        self.originals = history.outputs;
        fits
    }
}

/// The timesteps of a generation and their sigmas, without the end.
fn schedule(
    config: &SchedulerConfig,
    training: &TrainingSchedule,
    steps: usize,
    use_karras: bool,
) -> Result<(Vec<f64>, Vec<f64>)> {
    let count = match config.get("lambda_min_clipped") {
        Some(least) if least != "-Infinity" => match least.as_f64() {
            Some(least) => training.count_above(least as f32),
            None => return Err(config.invalid(format!("lambda_min_clipped is {least}, but must be a number"))),
        },
        _ => training.count(),
    };
    if count == 0 {
        let least = config.get("lambda_min_clipped").unwrap_or(&Value::Null);
        return Err(config.invalid(format!("lambda_min_clipped is {least}, which leaves no timesteps")));
    }
    if !use_karras {
        return training.spaced(config, steps, count);
    }
    let sigmas = karras(config, training.sigmas.greatest(), training.sigmas.least(), steps)?;
    // diffusers rounds these timesteps, except for a cosine schedule, where its cast to integers truncates them.
    let truncates = config.text("beta_schedule", betas::LINEAR.schedule)? == "squaredcos_cap_v2";
    let whole = |timestep: f64| if truncates { timestep.trunc() } else { timestep.round_ties_even() };
    let timesteps = sigmas.iter().map(|&sigma| whole(training.sigmas.timestep_of(sigma))).collect();
    Ok((timesteps, sigmas))
}

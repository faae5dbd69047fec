//! DPM-Solver++ as a multistep method: Lu et al., "DPM-Solver++: fast solver for guided sampling of diffusion
//! probabilistic models", 2022, algorithm 2 (2M) and its neighbours of orders 1 and 3. diffusers:
//! `schedulers/scheduling_dpmsolver_multistep.py`.

use candle_core::Tensor;
use serde_json::Value;

use super::betas;
use super::combine::combine;
use super::log_snr::{Level, Training};
use super::sigmas::{ending_at, karras};
use super::{Denoised, Memory, Noise, Prediction, Scheduler, SchedulerConfig};
use crate::diffusion::Result;
use crate::studio::settings::Sampler;

const SAMPLER: Sampler = Sampler::DpmSolverPp2M;
/// Runs of fewer steps end with lower orders, if `lower_order_final`.
const FEW_STEPS: usize = 15;

pub(super) struct DpmSolver {
    timesteps: Vec<f64>,
    /// One for each timestep, and the end.
    levels: Vec<Level>,
    prediction: Prediction,
    /// From 1 to 3.
    order: usize,
    heun: bool,
    lower_order_final: bool,
    first_order_final: bool,
    /// What the last steps promised, up to `order` of them, the newest last.
    pictures: Vec<Tensor>,
}

impl DpmSolver {
    pub fn new(config: &SchedulerConfig, steps: usize, use_karras: bool) -> Result<Self> {
        let missing =
            ["thresholding", "use_exponential_sigmas", "use_beta_sigmas", "use_lu_lambdas", "use_flow_sigmas"];
        config.refuse_flags(SAMPLER, &missing)?;
        // `deis` and the solver types below name other schedulers' ways; diffusers takes its own default for them.
        if !matches!(config.text("algorithm_type", "dpmsolver++")?, "dpmsolver++" | "deis") {
            return Err(config.unsupported(SAMPLER, "algorithm_type"));
        }
        let heun = match config.text("solver_type", "midpoint")? {
            "midpoint" | "logrho" | "bh1" | "bh2" => false,
            "heun" => true,
            _ => return Err(config.unknown("solver_type", "midpoint and heun")),
        };
        if config.get("variance_type").is_some_and(|variance| variance == "learned" || variance == "learned_range") {
            return Err(config.unsupported(SAMPLER, "variance_type"));
        }
        let order = match config.integer("solver_order", 2)? {
            order @ 1..=3 => order as usize,
            _ => return Err(config.unsupported(SAMPLER, "solver_order")),
        };

        let training = Training::new(config)?;
        let (timesteps, sigmas) = schedule(config, &training, steps, use_karras)?;
        let ends_at_zero = config.ends_at_zero()?;
        let end = if ends_at_zero { 0.0 } else { training.sigmas.least() };
        let lower_order_final = config.flag("lower_order_final", true)? && timesteps.len() < FEW_STEPS;
        Ok(Self {
            timesteps,
            levels: ending_at(&sigmas, end).into_iter().map(Level::of_sigma).collect(),
            prediction: config.prediction_type()?,
            order,
            heun,
            lower_order_final,
            first_order_final: lower_order_final || ends_at_zero || config.flag("euler_at_final", false)?,
            pictures: Vec::new(),
        })
    }

    /// The order of the step at `index`: no more than there are pictures, and less at the end.
    fn order_at(&self, index: usize) -> usize {
        let highest = match self.timesteps.len() - index {
            1 if self.first_order_final => 1,
            2 if self.lower_order_final => 2,
            _ => 3,
        };
        self.order.min(self.pictures.len()).min(highest)
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
        let picture = now.mixture.picture(self.prediction, model_output, sample)?;
        if index == 0 {
            self.pictures.clear();
        }
        if self.pictures.len() == self.order {
            self.pictures.remove(0);
        }
        self.pictures.push(picture.clone());

        let h = next.lambda - now.lambda;
        // e⁻ʰ − 1
        let decay = (-h).exp() - 1.0;
        let keep = next.mixture.noise / now.mixture.noise;
        let pull = next.mixture.signal * decay;
        let order = self.order_at(index);
        // The step of first order, and corrections by the first and second derivative of the picture in λ.
        let mut sample = combine([(keep, sample), (-pull, &picture)])?;
        if order >= 2 {
            let before = &self.pictures[self.pictures.len() - 2];
            let h0 = now.lambda - self.levels[index - 1].lambda;
            let r0 = h0 / h;
            let slope = combine([(1.0 / r0, &(&picture - before)?)])?;
            let heun = next.mixture.signal * (decay / h + 1.0);
            sample = if order == 2 {
                combine([(1.0, &sample), (if self.heun { heun } else { -0.5 * pull }, &slope)])?
            } else {
                let earlier = &self.pictures[self.pictures.len() - 3];
                let r1 = (self.levels[index - 1].lambda - self.levels[index - 2].lambda) / h;
                let slope_before = combine([(1.0 / r1, &(before - earlier)?)])?;
                let bend = (&slope - slope_before)?;
                let slope = combine([(1.0, &slope), (r0 / (r0 + r1), &bend)])?;
                let bend = combine([(1.0 / (r0 + r1), &bend)])?;
                let third = next.mixture.signal * ((decay + h) / (h * h) - 0.5);
                combine([(1.0, &sample), (heun, &slope), (-third, &bend)])?
            };
        }
        Ok(Denoised { sample, predicted_original: picture })
    }

    fn memory(&self) -> Memory {
        Memory { outputs: self.pictures.clone(), sample: None }
    }

    fn restore(&mut self, memory: Memory, done: usize) -> bool {
        let fits = memory.outputs.len() == done.min(self.order) && memory.sample.is_none();
        self.pictures = memory.outputs;
        fits
    }
}

/// The times of a run and their sigmas.
fn schedule(
    config: &SchedulerConfig,
    training: &Training,
    steps: usize,
    use_karras: bool,
) -> Result<(Vec<f64>, Vec<f64>)> {
    let count = match config.get("lambda_min_clipped") {
        Some(least) if least != "-Infinity" => match least.as_f64() {
            Some(least) => training.count_above(least as f32),
            None => return Err(config.bad(format!("lambda_min_clipped is {least}, but must be a number"))),
        },
        _ => training.count(),
    };
    if count == 0 {
        let least = config.get("lambda_min_clipped").unwrap_or(&Value::Null);
        return Err(config.bad(format!("lambda_min_clipped is {least}, which leaves no timesteps")));
    }
    if !use_karras {
        return training.spaced(config, steps, count);
    }
    let sigmas = karras(config, training.sigmas.greatest(), training.sigmas.least(), steps)?;
    // A cosine schedule's times are cut, not rounded: diffusers leaves them fractions and turns them into integers.
    let cut = config.text("beta_schedule", betas::LINEAR.schedule)? == "squaredcos_cap_v2";
    let whole = |time: f64| if cut { time.trunc() } else { time.round_ties_even() };
    let timesteps = sigmas.iter().map(|&sigma| whole(training.sigmas.time_of(sigma))).collect();
    Ok((timesteps, sigmas))
}

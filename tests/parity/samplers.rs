//! Trajectories of all schedulers, with a stand-in for the UNet.

use candle_core::{Device, Tensor};
use pentimento::diffusion::noise::Generator;
use pentimento::diffusion::scheduler::{self, Scheduler, SchedulerConfig};
use pentimento::studio::settings::Sampler;
use serde::Deserialize;

use crate::comparison::{Comparison, values};
use crate::golden::Golden;

#[derive(Deserialize)]
struct Facts {
    configs: Vec<serde_json::Value>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    tensor: String,
    label: String,
    config: usize,
    sampler: String,
    steps: usize,
    karras: Option<bool>,
    prediction_type: String,
    shape: Vec<usize>,
    seed: u64,
    init_noise_sigma: f64,
    timesteps: Vec<f64>,
}

macro_rules! samplers {
    ($($test:ident: $name:literal,)*) => { $(
        #[test]
        fn $test() {
            compare_trajectories($name, stringify!($test));
        }
    )* };
}

samplers! {
    ddim_matches: "ddim",
    euler_matches: "euler",
    euler_ancestral_matches: "euler-a",
    dpmpp_2m_matches: "dpmpp-2m",
    unipc_matches: "unipc",
    lcm_matches: "lcm",
    pndm_matches: "pndm",
}

fn compare_trajectories(name: &str, what: &'static str) {
    let golden = Golden::<Facts>::load("samplers");
    let sampler: Sampler = name.parse().unwrap();
    let mut comparison = Comparison::of(what);
    for case in golden.facts.cases.iter().filter(|case| case.sampler == name) {
        let config = &golden.facts.configs[case.config];
        let label = format!("{} ({}, {} steps, karras {:?})", case.tensor, case.label, case.steps, case.karras);
        let config = match SchedulerConfig::from_json(&config.to_string()) {
            Ok(config) => config,
            Err(error) => {
                comparison.fail(&label, &format!("the configuration was rejected: {error}"));
                continue;
            }
        };
        let mut scheduler = match scheduler::build(sampler, &config, case.steps, case.karras) {
            Ok(scheduler) => scheduler,
            Err(error) => {
                comparison.fail(&label, &format!("the scheduler was rejected: {error}"));
                continue;
            }
        };
        comparison.values(&format!("{label}, timesteps"), scheduler.timesteps(), &case.timesteps);
        comparison.values(&format!("{label}, sigma"), &[scheduler.init_noise_sigma()], &[case.init_noise_sigma]);
        if scheduler.timesteps().len() == case.timesteps.len() {
            compare_trajectory(&label, scheduler.as_mut(), case, golden.tensor(&case.tensor), &mut comparison);
        }
    }
    comparison.finish();
}

fn compare_trajectory(
    label: &str,
    scheduler: &mut dyn Scheduler,
    case: &Case,
    expected: &Tensor,
    comparison: &mut Comparison,
) {
    let mut generator = Generator::new(case.seed);
    let mut noise = || {
        let values = generator.randn(case.shape.iter().product());
        Ok(Tensor::from_vec(values, case.shape.as_slice(), &Device::Cpu)?)
    };
    let mut sample = noise().and_then(|noise| Ok((noise * scheduler.init_noise_sigma())?)).unwrap();
    for index in 0..case.timesteps.len() {
        let input = scheduler.scale_model_input(&sample, index).unwrap();
        let output = stand_in(&input, scheduler.timesteps()[index], &case.prediction_type);
        sample = scheduler.step(&output, index, &sample, &mut noise).unwrap().sample;
        comparison.tensor(&format!("{label}, after step {index}"), &sample, &expected.get(index).unwrap());
    }
}

/// The same function as in `recipe/samplers.py`: a share of the input, plus waves over the flat index.
fn stand_in(input: &Tensor, timestep: f64, prediction: &str) -> Tensor {
    let gain = if prediction == "epsilon" { 0.9 * timestep / 1000.0 } else { 0.1 };
    let output = values(input).into_iter().enumerate().map(|(index, value)| {
        let wave = 0.2 * (timestep / 90.0 + index as f64 / 2.0).cos();
        (gain * value) as f32 + wave as f32
    });
    Tensor::from_vec(output.collect::<Vec<_>>(), input.shape(), &Device::Cpu).unwrap()
}

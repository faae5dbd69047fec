//! Timesteps and rejected configurations. `tests/parity` compares whole trajectories with diffusers.

use candle_core::{Device, Tensor};

use super::*;

/// The `scheduler_config.json` of Stable Diffusion 1.5, followed by the keys in `more`.
fn stable_diffusion(more: &str) -> SchedulerConfig {
    let more = if more.is_empty() { String::new() } else { format!(", {more}") };
    SchedulerConfig::from_json(&format!(
        r#"{{"_class_name": "PNDMScheduler", "_diffusers_version": "0.6.0", "beta_end": 0.012,
             "beta_schedule": "scaled_linear", "beta_start": 0.00085, "num_train_timesteps": 1000,
             "set_alpha_to_one": false, "skip_prk_steps": true, "steps_offset": 1, "trained_betas": null,
             "clip_sample": false{more}}}"#
    ))
    .unwrap()
}

fn build_error(sampler: Sampler, config: &SchedulerConfig, steps: usize) -> String {
    match build(sampler, config, steps, None) {
        Ok(_) => panic!("{sampler} accepts {config:?}"),
        Err(error) => error.to_string(),
    }
}

/// Runs all steps on two values, with the model's input as its output.
fn run(scheduler: &mut dyn Scheduler) -> Result<Vec<f32>> {
    let mut noise = || Ok(Tensor::new(&[[[[0.5f32, -1.0]]]], &Device::Cpu)?);
    let mut sample = (noise()? * scheduler.init_noise_sigma())?;
    for index in 0..scheduler.timesteps().len() {
        let output = scheduler.scale_model_input(&sample, index)?;
        sample = scheduler.step(&output, index, &sample, &mut noise)?.sample;
    }
    Ok(sample.flatten_all()?.to_vec1()?)
}

/// The expected values are from diffusers 0.42.
#[test]
fn timesteps_match_diffusers() {
    let cases: [(Sampler, bool, f64, &[f64]); 10] = [
        (Sampler::Ddim, false, 1.0, &[751.0, 501.0, 251.0, 1.0]),
        (Sampler::Euler, false, 14.614647, &[999.0, 666.0, 333.0, 0.0]),
        (Sampler::Euler, true, 14.614647, &[999.0, 687.15326, 145.93906, 0.0]),
        (Sampler::EulerAncestral, false, 14.614647, &[999.0, 666.0, 333.0, 0.0]),
        (Sampler::DpmSolverPp2M, false, 1.0, &[999.0, 749.0, 500.0, 250.0]),
        (Sampler::DpmSolverPp2M, true, 1.0, &[999.0, 687.0, 146.0, 0.0]),
        (Sampler::UniPc, false, 1.0, &[999.0, 749.0, 500.0, 250.0]),
        (Sampler::UniPc, true, 1.0, &[999.0, 687.0, 146.0, 0.0]),
        (Sampler::Lcm, false, 1.0, &[999.0, 759.0, 499.0, 259.0]),
        (Sampler::Pndm, false, 1.0, &[751.0, 501.0, 501.0, 251.0, 1.0]),
    ];
    for (sampler, karras, sigma, timesteps) in cases {
        let scheduler = build(sampler, &stable_diffusion(""), 4, Some(karras)).unwrap();
        assert!((scheduler.init_noise_sigma() - sigma).abs() < 1e-5, "{sampler}");
        assert_eq!(scheduler.timesteps().len(), timesteps.len(), "{sampler}");
        for (timestep, expected) in scheduler.timesteps().iter().zip(timesteps) {
            assert!((timestep - expected).abs() < 1e-3, "{sampler}, karras {karras}: {timestep} is not {expected}");
        }
    }
}

#[test]
fn index_0_discards_the_history() {
    for sampler in Sampler::ALL {
        let mut scheduler = build(sampler, &stable_diffusion(""), 6, None).unwrap();
        let first = run(scheduler.as_mut()).unwrap();
        assert_eq!(first, run(scheduler.as_mut()).unwrap(), "{sampler}");
        assert!(first.iter().all(|value| value.is_finite()), "{sampler}");
    }
}

#[test]
fn steps_out_of_range_are_rejected() {
    for sampler in Sampler::ALL {
        for steps in [0, 1001, usize::MAX] {
            let error = build(sampler, &stable_diffusion(""), steps, None).err().unwrap();
            assert!(matches!(error, Error::OutOfRange { name: "steps", .. }), "{error}");
        }
    }
    assert!(build_error(Sampler::Lcm, &stable_diffusion(""), 51).contains("original_inference_steps"));
    assert!(build_error(Sampler::Ddim, &stable_diffusion(""), 1000).contains("steps_offset"));
}

#[test]
fn unsupported_options_are_rejected_by_name() {
    use Sampler::*;
    let cases: &[(&[Sampler], &str)] = &[
        (&[Ddim, DpmSolverPp2M, UniPc, Lcm], r#""thresholding": true"#),
        (&[Euler, DpmSolverPp2M, UniPc], r#""use_exponential_sigmas": true"#),
        (&[Euler, DpmSolverPp2M, UniPc], r#""use_beta_sigmas": true"#),
        (&[DpmSolverPp2M, UniPc], r#""use_flow_sigmas": true"#),
        (&[DpmSolverPp2M], r#""use_lu_lambdas": true"#),
        (&[DpmSolverPp2M], r#""algorithm_type": "sde-dpmsolver++""#),
        (&[DpmSolverPp2M], r#""variance_type": "learned_range""#),
        (&[DpmSolverPp2M, UniPc], r#""solver_order": 4"#),
        (&[DpmSolverPp2M, UniPc], r#""solver_type": "rk4""#),
        (&[DpmSolverPp2M, UniPc, Euler], r#""final_sigmas_type": "one""#),
        (&[Euler], r#""interpolation_type": "log_linear""#),
        (&[Euler], r#""timestep_type": "continuous", "prediction_type": "v_prediction""#),
        (&[UniPc], r#""solver_p": {}"#),
        (&[UniPc], r#""predict_x0": false"#),
        (&[Pndm], r#""skip_prk_steps": false"#),
        (&[EulerAncestral, Pndm], r#""prediction_type": "sample""#),
        (&Sampler::ALL, r#""prediction_type": "flow_prediction""#),
        (&Sampler::ALL, r#""beta_schedule": "sigmoid""#),
        (&[Ddim, Euler, EulerAncestral, DpmSolverPp2M, UniPc, Pndm], r#""timestep_spacing": "middle""#),
    ];
    for (samplers, option) in cases {
        let key = option.split('"').nth(1).unwrap();
        for &sampler in *samplers {
            let error = build_error(sampler, &stable_diffusion(option), 4);
            assert!(error.contains(key), "{sampler}: {error}");
            assert!(error.contains("scheduler_config.json"), "{sampler}: {error}");
        }
    }
}

/// Any configuration gives either a result or an error.
#[test]
fn no_configuration_panics() {
    let odd_values = [
        r#""num_train_timesteps": 0"#,
        r#""num_train_timesteps": 1"#,
        r#""num_train_timesteps": 2"#,
        r#""num_train_timesteps": -5"#,
        r#""num_train_timesteps": 1e30"#,
        r#""num_train_timesteps": 1000001"#,
        r#""num_train_timesteps": "1000""#,
        r#""beta_start": NaN"#,
        r#""beta_end": Infinity"#,
        r#""beta_start": -1"#,
        r#""beta_start": 0, "beta_end": 0"#,
        r#""beta_start": 0, "beta_end": 0, "rescale_betas_zero_snr": true"#,
        r#""beta_start": 1, "beta_end": 1"#,
        r#""beta_start": 1, "beta_end": 1, "rescale_betas_zero_snr": true"#,
        r#""trained_betas": [0.1, "x"]"#,
        r#""trained_betas": [0.1, 0.2]"#,
        r#""trained_betas": [1, 1], "num_train_timesteps": 2"#,
        r#""trained_betas": 3"#,
        r#""steps_offset": 999"#,
        r#""steps_offset": -1001"#,
        r#""steps_offset": 9223372036854775807"#,
        r#""sigma_min": 0"#,
        r#""sigma_min": 1e300, "sigma_max": 1e-300"#,
        r#""lambda_min_clipped": 1e300"#,
        r#""lambda_min_clipped": "low""#,
        r#""lambda_min_clipped": -Infinity"#,
        r#""original_inference_steps": 0"#,
        r#""clip_sample": true, "clip_sample_range": -1"#,
        r#""clip_sample": true, "clip_sample_range": 1e300"#,
        r#""timestep_scaling": 1e300"#,
        r#""disable_corrector": [0, 1, 18446744073709551615]"#,
        r#""disable_corrector": [-1]"#,
        r#""solver_order": 3, "lower_order_final": false"#,
        r#""prediction_type": null"#,
        r#""use_karras_sigmas": null"#,
        r#""_use_default_values": 3"#,
        r#""rescale_betas_zero_snr": true"#,
    ];
    for odd_value in odd_values {
        for sampler in Sampler::ALL {
            for spacing in ["leading", "trailing", "linspace"] {
                let config = stable_diffusion(&format!(r#"{odd_value}, "timestep_spacing": "{spacing}""#));
                for (steps, karras) in [(1, false), (2, true), (3, false), (17, true), (50, true), (usize::MAX, false)]
                {
                    if let Ok(mut scheduler) = build(sampler, &config, steps, Some(karras)) {
                        run(scheduler.as_mut()).unwrap();
                    }
                }
            }
        }
    }
}

//! Small facts and refusals; whole runs are compared with diffusers in `tests/parity`.

use candle_core::{Device, Tensor};

use super::*;

/// `scheduler_config.json` of Stable Diffusion 1.5, with more keys or other values.
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

fn refusal(sampler: Sampler, config: &SchedulerConfig, steps: usize) -> String {
    match build(sampler, config, steps, None) {
        Ok(_) => panic!("{sampler} accepts {config:?}"),
        Err(error) => error.to_string(),
    }
}

/// Runs to the end on a small picture, with the input itself as the model's output.
fn run(scheduler: &mut dyn Scheduler) -> Result<Vec<f32>> {
    let mut noise = || Ok(Tensor::new(&[[[[0.5f32, -1.0]]]], &Device::Cpu)?);
    let mut sample = (noise()? * scheduler.init_noise_sigma())?;
    for index in 0..scheduler.timesteps().len() {
        let output = scheduler.scale_model_input(&sample, index)?;
        sample = scheduler.step(&output, index, &sample, &mut noise)?.sample;
    }
    Ok(sample.flatten_all()?.to_vec1()?)
}

/// From diffusers 0.42.
#[test]
fn four_steps_of_stable_diffusion_visit_these_times() {
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
        for (time, expected) in scheduler.timesteps().iter().zip(timesteps) {
            assert!((time - expected).abs() < 1e-3, "{sampler}, karras {karras}: {time} is not {expected}");
        }
    }
}

#[test]
fn a_scheduler_that_begins_anew_forgets() {
    for sampler in Sampler::ALL {
        let mut scheduler = build(sampler, &stable_diffusion(""), 6, None).unwrap();
        let first = run(scheduler.as_mut()).unwrap();
        assert_eq!(first, run(scheduler.as_mut()).unwrap(), "{sampler}");
        assert!(first.iter().all(|value| value.is_finite()), "{sampler}");
    }
}

#[test]
fn steps_have_bounds() {
    for sampler in Sampler::ALL {
        for steps in [0, 1001, usize::MAX] {
            let error = build(sampler, &stable_diffusion(""), steps, None).err().unwrap();
            assert!(matches!(error, Error::OutOfRange { name: "steps", .. }), "{error}");
        }
    }
    assert!(refusal(Sampler::Lcm, &stable_diffusion(""), 51).contains("original_inference_steps"));
    assert!(refusal(Sampler::Ddim, &stable_diffusion(""), 1000).contains("steps_offset"));
}

#[test]
fn options_that_are_missing_here_are_refused_by_name() {
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
            let sentence = refusal(sampler, &stable_diffusion(option), 4);
            assert!(sentence.contains(key), "{sampler}: {sentence}");
            assert!(sentence.starts_with("scheduler_config.json"), "{sampler}: {sentence}");
        }
    }
}

/// Whatever the file says, there are latents or there is a sentence.
#[test]
fn no_configuration_panics() {
    let oddities = [
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
    for oddity in oddities {
        for sampler in Sampler::ALL {
            for spacing in ["leading", "trailing", "linspace"] {
                let config = stable_diffusion(&format!(r#"{oddity}, "timestep_spacing": "{spacing}""#));
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

//! A probe that records the norms of both branches while the embedded model generates.

use std::sync::Mutex;

use candle_core::Tensor;
use image::RgbImage;

use super::*;
use crate::diffusion::compute::Compute;
use crate::diffusion::model::Model;
use crate::diffusion::observer::Unobserved;
use crate::diffusion::ops;
use crate::diffusion::pipeline::{Pipeline, Request};
use crate::studio::settings::{AdapterScale, Settings};

/// The norms of one cross-attention at one step.
#[derive(Debug)]
struct Norms {
    site: String,
    step: usize,
    text: f64,
    /// The scale and the norm of the unscaled image branch.
    image: Option<(f64, f64)>,
    /// The norm of sum − (text + scale · image), relative to the sum's.
    error_of_sum: f64,
    /// The norm of output − attention(queries, keys, values) of both branches, relative to the sum's.
    error_of_branches: f64,
}

/// Traces some steps.
struct Recorder {
    steps: Vec<usize>,
    norms: Mutex<Vec<Norms>>,
}

impl Recorder {
    fn of(steps: &[usize]) -> Self {
        Self { steps: steps.to_vec(), norms: Mutex::default() }
    }

    fn norms(self) -> Vec<Norms> {
        self.norms.into_inner().unwrap()
    }
}

impl Probe for Recorder {
    fn wants(&self, step: usize, _: usize) -> bool {
        self.steps.contains(&step)
    }

    fn cross_attention(&self, branches: &Branches<'_>) -> Result<()> {
        let Branches { site, step, heads, queries, text, image, sum } = branches;
        let attend = |branch: &Branch<'_>| ops::attention(queries, branch.keys, branch.values, *heads, false);
        let mut expected = text.output.clone();
        let mut error = norm(&(text.output - attend(text)?)?)?;
        if let Some(ImageBranch { branch, scale }) = image {
            expected = (expected + (branch.output * *scale)?)?;
            error += norm(&(branch.output - attend(branch)?)?)?;
        }
        let size = norm(sum)?;
        self.norms.lock().unwrap().push(Norms {
            site: (*site).to_owned(),
            step: *step,
            text: norm(text.output)?,
            image: image
                .map(|image| Ok::<_, crate::diffusion::Error>((image.scale, norm(image.branch.output)?)))
                .transpose()?,
            error_of_sum: norm(&(*sum - expected)?)? / size,
            error_of_branches: error / size,
        });
        Ok(())
    }
}

fn norm(x: &Tensor) -> Result<f64> {
    Ok(f64::from(x.sqr()?.sum_all()?.to_scalar::<f32>()?).sqrt())
}

fn request(adapter_scale: AdapterScale, reference: bool) -> Request {
    let picture = RgbImage::from_fn(48, 48, |x, y| image::Rgb([(5 * x) as u8, (5 * y) as u8, 90]));
    Request {
        prompt: "a portrait of a woman, soft light".to_owned(),
        negative: String::new(),
        reference: reference.then_some(picture),
        seeds: vec![7],
        batch: 1,
        settings: Settings { steps: 3, adapter_scale, width: Some(64), height: Some(64), ..Settings::default() },
    }
}

#[test]
fn a_probe_sees_both_branches_and_changes_nothing() {
    let pipeline = Pipeline::load(&Model::mini(), &Compute::cpu(), &mut Unobserved).unwrap();
    let sites: Vec<String> = pipeline.unet().sites().iter().map(|site| site.name.clone()).collect();
    let traced = |request: &Request| {
        let recorder = Recorder::of(&[1, 3]);
        let traced = pipeline.trace(request, &recorder, &mut Unobserved).unwrap();
        let plain = pipeline.generate(request, &mut Unobserved).unwrap();
        assert_eq!(traced.outputs[0].picture, plain.outputs[0].picture);
        let norms = recorder.norms();
        for step in [1, 3] {
            let mut seen: Vec<&str> = norms.iter().filter(|at| at.step == step).map(|at| at.site.as_str()).collect();
            assert_eq!(seen.len(), sites.len());
            seen.sort_by_key(|name| sites.iter().position(|site| site == name));
            assert_eq!(seen, sites);
        }
        assert_eq!(norms.len(), 2 * sites.len());
        norms
    };

    for at in traced(&request(AdapterScale::Uniform(0.6), true)) {
        let (scale, image) = at.image.unwrap_or_else(|| panic!("{at:?}"));
        assert!(scale == 0.6 && image > 0.0 && at.text > 0.0, "{at:?}");
        assert!(at.error_of_sum < 1e-6 && at.error_of_branches == 0.0, "{at:?}");
    }
    let without_image = [request(AdapterScale::Uniform(0.0), true), request(AdapterScale::Uniform(0.6), false)];
    for at in without_image.iter().flat_map(traced) {
        assert!(at.image.is_none() && at.text > 0.0 && at.error_of_sum == 0.0, "{at:?}");
    }
    let down = AdapterScale::PerBlock([("down_blocks".to_owned(), 0.5)].into());
    for at in traced(&request(down, true)) {
        assert_eq!(at.image.map(|(scale, _)| scale), at.site.starts_with("down_blocks.").then_some(0.5), "{at:?}");
    }
}

/// An error in a probe ends the generation.
#[test]
fn an_error_in_a_probe_is_returned() {
    struct Failing;
    impl Probe for Failing {
        fn wants(&self, _: usize, _: usize) -> bool {
            true
        }
        fn cross_attention(&self, _: &Branches<'_>) -> Result<()> {
            Err(crate::diffusion::Error::Cancelled)
        }
    }
    let pipeline = Pipeline::load(&Model::mini().without_adapter(), &Compute::cpu(), &mut Unobserved).unwrap();
    let failed = pipeline.trace(&request(AdapterScale::Uniform(0.0), false), &Failing, &mut Unobserved);
    assert!(matches!(failed, Err(crate::diffusion::Error::Cancelled)));
}

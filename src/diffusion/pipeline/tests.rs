//! Resuming and caching, with the tiny checkpoints of the parity tests.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::*;
use crate::diffusion::model::Model;
use crate::diffusion::observer::Unobserved;
use crate::studio::settings::Sampler;

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parity/data").join(name)
}

/// `sd1` predicts noise, `vpred` velocities.
fn pipeline(name: &str) -> Pipeline {
    let adapters = data(&format!("{name}-adapters"));
    let file = adapters.join("ip-adapter_linear.safetensors");
    let model = Model::folder(data(name)).with_adapter(&file, Some(&adapters.join("image_encoder"))).unwrap();
    Pipeline::load(&model, &Compute::cpu(), &mut Unobserved).unwrap()
}

fn request(sampler: Sampler, steps: usize, karras: Option<bool>) -> Request {
    Request {
        prompt: "a portrait".to_owned(),
        negative: "blurry".to_owned(),
        reference: Some(RgbImage::from_fn(40, 30, |x, y| image::Rgb([(6 * x) as u8, (8 * y) as u8, 90]))),
        seeds: vec![7, 8],
        batch: 2,
        settings: Settings {
            steps,
            sampler: Some(sampler),
            karras_sigmas: karras,
            adapter_end: 0.6,
            ..Settings::default()
        },
    }
}

fn owner() -> blake3::Hash {
    blake3::hash(b"owner")
}

/// The pictures of an uninterrupted run, and its snapshot after each step, as bytes.
fn watched(pipeline: &Pipeline, request: &Request) -> (Vec<RgbImage>, Vec<Vec<u8>>) {
    let mut snapshots = Vec::new();
    let made = pipeline.generate(request, &mut |event: Event<'_>| {
        if let Event::Step(step) = event {
            snapshots.push((step.snapshot)().unwrap().to_bytes(&owner()).unwrap());
        }
        ControlFlow::Continue(())
    });
    (pictures(made.unwrap()), snapshots)
}

fn pictures(made: Generated) -> Vec<RgbImage> {
    made.outputs.into_iter().map(|output| output.picture).collect()
}

/// As after a crash: resumes another pipeline from the bytes alone.
fn resumed(pipeline: &Pipeline, request: &Request, bytes: &[u8]) -> Result<Vec<RgbImage>> {
    Ok(pictures(pipeline.resume(request, Snapshot::from_bytes(bytes, &owner())?, &mut Unobserved)?))
}

#[test]
fn a_resumed_picture_equals_the_uninterrupted_one() {
    for name in ["sd1", "vpred"] {
        let (first, second) = (pipeline(name), pipeline(name));
        // The scheduler config of `vpred` asks PNDM for steps that this program does not implement.
        for sampler in Sampler::ALL.into_iter().filter(|&sampler| name == "sd1" || sampler != Sampler::Pndm) {
            // In 6 steps every multistep sampler reaches its highest order and falls back from it.
            for (steps, karras) in [(6, None), (1, None), (5, Some(true))] {
                let request = request(sampler, steps, karras);
                let (whole, snapshots) = watched(&first, &request);
                assert!(snapshots.len() >= steps);
                for (step, bytes) in snapshots.iter().enumerate() {
                    let again = resumed(&second, &request, bytes).unwrap();
                    assert!(
                        again == whole,
                        "{name}, {sampler}, {steps} steps, karras {karras:?}: after step {}",
                        step + 1
                    );
                }
            }
        }
    }
}

#[test]
fn resuming_runs_only_the_remaining_steps() {
    let pipeline = pipeline("sd1");
    let request = request(Sampler::Ddim, 4, None);
    let (_, snapshots) = watched(&pipeline, &request);
    let mut steps = Vec::new();
    let from = Snapshot::from_bytes(&snapshots[2], &owner()).unwrap();
    assert_eq!(from.done(), 3);
    let watch = &mut |event: Event<'_>| {
        if let Event::Step(step) = event {
            steps.push((step.index, step.of));
        }
        ControlFlow::Continue(())
    };
    pipeline.resume(&request, from, watch).unwrap();
    assert_eq!(steps, [(4, 4)]);
}

#[test]
fn a_damaged_or_foreign_snapshot_is_refused() {
    let pipeline = pipeline("sd1");
    let request = request(Sampler::UniPc, 4, None);
    let (_, snapshots) = watched(&pipeline, &request);
    let bytes = &snapshots[1];
    let refused = |bytes: &[u8]| match Snapshot::from_bytes(bytes, &owner()) {
        Err(Error::BadSnapshot { .. }) => {}
        other => panic!("{other:?}"),
    };
    // Truncated anywhere, or with one bit flipped anywhere, in the header or in the numbers.
    for length in (0..bytes.len()).step_by(61) {
        refused(&bytes[..length]);
    }
    for at in (0..bytes.len()).step_by(37) {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        refused(&changed);
    }
    let other = Snapshot::from_bytes(bytes, &blake3::hash(b"another picture")).unwrap_err();
    assert!(other.to_string().contains("another picture"), "{other}");

    // Whole, but of another request.
    let foreign = |change: fn(&mut Request)| {
        let mut request = request.clone();
        change(&mut request);
        match resumed(&pipeline, &request, bytes) {
            Err(Error::BadSnapshot { reason }) => reason,
            other => panic!("{other:?}"),
        }
    };
    assert!(foreign(|request| request.settings.sampler = Some(Sampler::Ddim)).contains("unipc"));
    assert!(foreign(|request| request.settings.steps = 5).contains("5 steps"));
    assert!(foreign(|request| request.seeds = vec![7, 9]).contains("[7, 8]"));
    assert!(foreign(|request| request.batch = 1).contains("[7, 8]"));
    assert!(foreign(|request| request.settings.width = Some(128)).contains("shape"));
    // A snapshot without the sampler's history.
    let mut without_history = Snapshot::from_bytes(bytes, &owner()).unwrap();
    without_history.history.outputs.clear();
    let error = pipeline.resume(&request, without_history, &mut Unobserved).unwrap_err();
    assert!(error.to_string().contains("history"), "{error}");
}

#[test]
fn cached_prompts_and_references_give_the_same_pictures() {
    let pipeline = pipeline("sd1");
    let mut request = request(Sampler::Ddim, 2, None);
    request.prompt = "many words ".repeat(60);
    let mut notes = 0;
    let mut made = |request: &Request| {
        let watch = &mut |event: Event<'_>| {
            notes += usize::from(matches!(event, Event::PromptTruncated { .. }));
            ControlFlow::Continue(())
        };
        pictures(pipeline.generate(request, watch).unwrap())
    };
    let first = made(&request);
    assert!(made(&request) == first);
    // Another prompt or reference makes other pictures, and the first ones can still be made.
    let other = made(&Request { prompt: "a landscape".to_owned(), ..request.clone() });
    assert!(other != first);
    let other = made(&Request { reference: Some(RgbImage::new(40, 30)), ..request.clone() });
    assert!(other != first);
    let unguided = Settings { guidance_scale: 1.0, ..request.settings.clone() };
    assert!(made(&Request { settings: unguided, ..request.clone() }) != first);
    pipeline.forget();
    assert!(made(&request) == first);
    assert_eq!(notes, 5, "truncation is reported each time");
}

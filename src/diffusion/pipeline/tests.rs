//! Going on where a generation was left, on the tiny checkpoints of the parity tests.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::super::model::Model;
use super::super::observer::Unobserved;
use super::*;

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
    blake3::hash(b"what the picture is made from")
}

/// The whole run's pictures, and the bytes of its snapshots after each step.
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

/// As after a crash: another pipeline, and nothing but the bytes.
fn resumed(pipeline: &Pipeline, request: &Request, bytes: &[u8]) -> Result<Vec<RgbImage>> {
    Ok(pictures(pipeline.resume(request, Snapshot::from_bytes(bytes, &owner())?, &mut Unobserved)?))
}

#[test]
fn a_resumed_picture_is_the_uninterrupted_one() {
    for name in ["sd1", "vpred"] {
        let (first, second) = (pipeline(name), pipeline(name));
        // The scheduler config of `vpred` asks pndm for steps that this program does not have.
        for sampler in Sampler::ALL.into_iter().filter(|&sampler| name == "sd1" || sampler != Sampler::Pndm) {
            // 6 steps let every multistep sampler reach its highest order and fall back from it.
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
fn only_the_steps_that_are_left_are_made() {
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
    // Cut short anywhere; one bit turned anywhere, in the header or in the numbers.
    for length in (0..bytes.len()).step_by(61) {
        refused(&bytes[..length]);
    }
    for at in (0..bytes.len()).step_by(37) {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        refused(&changed);
    }
    let other = Snapshot::from_bytes(bytes, &blake3::hash(b"another picture")).unwrap_err();
    assert!(other.to_string().contains("of another picture"), "{other}");

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
    // One that has forgotten what the sampler remembered.
    let mut forgetful = Snapshot::from_bytes(bytes, &owner()).unwrap();
    forgetful.memory.outputs.clear();
    let error = pipeline.resume(&request, forgetful, &mut Unobserved).unwrap_err();
    assert!(error.to_string().contains("remembers"), "{error}");
}

#[test]
fn what_was_read_once_is_not_read_again() {
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
    // Another prompt and another reference make other pictures, and the old ones come back.
    let other = made(&Request { prompt: "a landscape".to_owned(), ..request.clone() });
    assert!(other != first);
    let other = made(&Request { reference: Some(RgbImage::new(40, 30)), ..request.clone() });
    assert!(other != first);
    let unguided = Settings { guidance_scale: 1.0, ..request.settings.clone() };
    assert!(made(&Request { settings: unguided, ..request.clone() }) != first);
    pipeline.forget();
    assert!(made(&request) == first);
    assert_eq!(notes, 5, "what falls off is said each time");
}

use std::collections::HashMap;

use tempfile::TempDir;

use super::*;

/// A matrix [4, 3] of 0, 1, 2, … as float32 and as float16, and a vector [4].
fn source() -> Source {
    let folder = TempDir::new().unwrap();
    let matrix = Tensor::arange(0f32, 12.0, &Device::Cpu).unwrap().reshape((4, 3)).unwrap();
    let tensors = HashMap::from([
        ("block.matrix".to_owned(), matrix.clone()),
        ("block.half".to_owned(), matrix.to_dtype(DType::F16).unwrap()),
        ("block.vector".to_owned(), Tensor::ones(4, DType::F32, &Device::Cpu).unwrap()),
    ]);
    candle_core::safetensors::save(&tensors, folder.path().join("model.safetensors")).unwrap();
    Source::component(&Files::on_disk(folder.path()), "model").unwrap()
}

fn weights() -> Weights {
    Weights::new(source(), DType::F32, &Device::Cpu)
}

/// The tensor as a layer gets it on any device, after a check that layers on the CPU get the same numbers.
fn read(weights: &Weights, name: &str) -> Vec<Vec<f32>> {
    let shape = weights.shape(name).unwrap();
    let tensor = weights.get(shape.clone(), name).unwrap();
    let numbers = weights.numbers(shape, name).unwrap().unwrap();
    assert_eq!(tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap(), numbers);
    tensor.to_vec2().unwrap()
}

#[test]
fn a_view_renames_slices_transposes_and_reshapes() {
    let views = [
        ("renamed", View::of("matrix")),
        ("rows", View::of("matrix").rows(1..3)),
        ("transposed", View::of("matrix").transposed()),
        ("reshaped", View::of("matrix").reshaped([2, 6])),
        ("rows_of_transposed", View::of("matrix").transposed().rows(2..3)),
        ("transposed_rows", View::of("matrix").rows(0..2).transposed().reshaped([2, 3])),
    ];
    let halves = [("half_rows", View::of("half").rows(1..3)), ("half_reshaped", View::of("half").reshaped([6, 2]))];
    let weights = weights().pp("block").with_views(views).unwrap().with_views(halves).unwrap();
    let expected: [(&str, &[&[f32]]); 8] = [
        ("renamed", &[&[0.0, 1.0, 2.0], &[3.0, 4.0, 5.0], &[6.0, 7.0, 8.0], &[9.0, 10.0, 11.0]]),
        ("rows", &[&[3.0, 4.0, 5.0], &[6.0, 7.0, 8.0]]),
        ("transposed", &[&[0.0, 3.0, 6.0, 9.0], &[1.0, 4.0, 7.0, 10.0], &[2.0, 5.0, 8.0, 11.0]]),
        ("reshaped", &[&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0], &[6.0, 7.0, 8.0, 9.0, 10.0, 11.0]]),
        ("rows_of_transposed", &[&[2.0, 5.0, 8.0, 11.0]]),
        ("transposed_rows", &[&[0.0, 3.0, 1.0], &[4.0, 2.0, 5.0]]),
        ("half_rows", &[&[3.0, 4.0, 5.0], &[6.0, 7.0, 8.0]]),
        ("half_reshaped", &[&[0.0, 1.0], &[2.0, 3.0], &[4.0, 5.0], &[6.0, 7.0], &[8.0, 9.0], &[10.0, 11.0]]),
    ];
    for (name, values) in expected {
        assert_eq!(read(&weights, name), values, "{name}");
    }
}

#[test]
fn a_view_of_a_view_takes_the_steps_of_both() {
    let weights = weights().with_views([("middle", View::of("block.matrix").rows(1..3))]).unwrap();
    let weights = weights.with_views([("last", View::of("middle").rows(1..2)), ("again", View::of("middle"))]).unwrap();
    assert_eq!(read(&weights, "last"), [[6.0, 7.0, 8.0]]);
    assert_eq!(read(&weights, "again"), [[3.0, 4.0, 5.0], [6.0, 7.0, 8.0]]);
}

#[test]
fn a_component_of_a_shared_source_has_only_its_own_tensors() {
    let source = Arc::new(source());
    let views = [("to_k.weight".to_owned(), View::of("block.matrix").rows(2..4))];
    let weights = Weights::viewed(source, views, DType::F32, &Device::Cpu);
    assert_eq!((weights.names(), weights.loaded_bytes()), (vec!["to_k.weight".to_owned()], 24));
    assert_eq!(read(&weights.pp("to_k"), "weight"), [[6.0, 7.0, 8.0], [9.0, 10.0, 11.0]]);
    assert!(!weights.contains("block.matrix"));
}

#[test]
fn a_view_that_does_not_fit_is_refused_with_the_reason() {
    let refused = |view: View| {
        let weights = weights().with_views([("new", view)])?;
        weights.shape("new")
    };
    let cases = [
        (
            View::of("block.matrix").rows(3..5),
            "tensor block.matrix cannot be used: its shape is [4, 3], and rows 3 to 5",
        ),
        (View::of("block.vector").transposed(), "its shape is [4], and a matrix is needed"),
        (View::of("block.matrix").reshaped([5, 2]), "its shape is [4, 3], and as many values as in [5, 2] are needed"),
        (View::of("block.nothing"), "has no tensor block.nothing"),
    ];
    for (view, words) in cases {
        let message = refused(view).unwrap_err().to_string();
        assert!(message.contains("model.safetensors") && message.contains(words), "{words}: {message}");
    }
}

/// scale · up · down, as a LoRA adds it to a linear layer's weight.
struct LowRank {
    name: &'static str,
    up: Vec<f32>,
    down: Vec<f32>,
    scale: f32,
}

impl Delta for LowRank {
    fn changes(&self, name: &str) -> bool {
        name == self.name
    }

    fn add_to(&self, _: &str, shape: &[usize], numbers: &mut [f32]) -> Result<()> {
        assert_eq!(shape, [self.up.len(), self.down.len()]);
        for (row, up) in numbers.chunks_exact_mut(self.down.len()).zip(&self.up) {
            row.iter_mut().zip(&self.down).for_each(|(number, down)| *number += self.scale * up * down);
        }
        Ok(())
    }
}

#[test]
fn deltas_are_added_after_views_on_every_path() {
    let delta = |name, scale| {
        Arc::new(LowRank { name, up: vec![1.0, 2.0], down: vec![1.0, 0.0, -1.0], scale }) as Arc<dyn Delta>
    };
    let views =
        [("block.rows", View::of("block.matrix").rows(0..2)), ("block.half_rows", View::of("block.half").rows(0..2))];
    let plain = weights().with_views(views).unwrap();
    let changed = plain
        .with_delta(delta("block.rows", 10.0))
        .with_delta(delta("block.rows", 100.0))
        .with_delta(delta("block.half_rows", 10.0));
    assert_eq!(read(&changed, "block.rows"), [[110.0, 1.0, -108.0], [223.0, 4.0, -215.0]]);
    assert_eq!(read(&changed.pp("block"), "half_rows"), [[10.0, 1.0, -8.0], [23.0, 4.0, -15.0]]);
    // Other tensors and the weights without the delta stay as they were.
    assert_eq!(read(&changed, "block.matrix"), read(&plain, "block.matrix"));
    assert_eq!(read(&plain, "block.rows"), [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]);
}

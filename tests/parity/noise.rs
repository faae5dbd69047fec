//! Noise from seeds, compared with `torch.randn` and `torch.Generator("cpu")`.

use pentimento::diffusion::noise::Generator;
use serde::Deserialize;

use crate::comparison::{Comparison, values};
use crate::golden::Golden;

#[derive(Deserialize)]
struct Facts {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    tensor: String,
    seed: String,
    counts: Vec<usize>,
    /// Whether each count has a new generator, or all share one.
    fresh: bool,
}

#[test]
fn noise_matches_torch() {
    let golden = Golden::<Facts>::load("noise");
    let mut comparison = Comparison::of("noise");
    for case in &golden.facts.cases {
        let seed: u64 = case.seed.parse().unwrap();
        let expected = values(golden.tensor(&case.tensor));
        let mut generator = Generator::new(seed);
        let mut begin = 0;
        for &count in &case.counts {
            if case.fresh {
                generator = Generator::new(seed);
            }
            let drawn: Vec<f64> = generator.randn(count).into_iter().map(f64::from).collect();
            let label = format!("{}, {count} values at {begin}", case.tensor);
            comparison.values(&label, &drawn, &expected[begin..begin + count]);
            begin += count;
        }
        assert_eq!(begin, expected.len());
    }
    comparison.finish();
}

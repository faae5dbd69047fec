//! Seeds: the same numbers as `torch.randn` from `torch.Generator("cpu")`.

use pentimento::diffusion::noise::Generator;
use serde::Deserialize;

use crate::golden::Golden;
use crate::verdict::{Verdict, values};

#[derive(Deserialize)]
struct Facts {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    tensor: String,
    seed: String,
    counts: Vec<usize>,
    /// A new generator for each count, or one for all.
    fresh: bool,
}

#[test]
fn noise_of_a_seed_is_that_of_torch() {
    let golden = Golden::<Facts>::load("noise");
    let mut verdict = Verdict::on("noise");
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
            verdict.values(&label, &drawn, &expected[begin..begin + count]);
            begin += count;
        }
        assert_eq!(begin, expected.len());
    }
    verdict.finish();
}

//! Compares each operation with candle's in float64, on shapes that do not divide evenly into tiles.

use candle_core::{D, DType, Device, Module, Tensor};

use super::*;
use crate::diffusion::Result;

/// Pseudo-random values in -1..1 from a seed.
fn random(shape: &[usize], seed: u64) -> Tensor {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    let data: Vec<f32> = (0..shape.iter().product()).map(|_| next()).collect();
    Tensor::from_vec(data, shape, &Device::Cpu).unwrap()
}

/// The largest difference, relative to the largest expected value.
fn difference(found: &Tensor, expected: &Tensor) -> f64 {
    assert_eq!(found.dims(), expected.dims());
    let found = found.to_dtype(DType::F64).unwrap();
    let expected = expected.to_dtype(DType::F64).unwrap();
    let largest = |x: &Tensor| x.abs().unwrap().flatten_all().unwrap().max(0).unwrap().to_scalar::<f64>().unwrap();
    let difference = largest(&(found - &expected).unwrap()) / largest(&expected).max(1e-30);
    // candle's `max` may overlook NaN.
    let sum = expected.sum_all().unwrap().to_scalar::<f64>().unwrap();
    assert!(sum.is_finite() && difference.is_finite(), "{difference}");
    difference
}

fn double(x: &Tensor) -> Tensor {
    x.to_dtype(DType::F64).unwrap()
}

#[test]
fn convolutions_match_candle() {
    let shapes = [
        // batch, in, out, height, width, kernel, stride, padding
        (1, 1, 1, 1, 1, 1, 1, 0),
        (2, 4, 320, 9, 7, 3, 1, 1),
        (1, 17, 16, 1, 1, 3, 1, 1),
        (2, 16, 16, 3, 5, 3, 1, 1),
        (2, 64, 64, 12, 12, 3, 1, 1),
        (3, 33, 21, 7, 100, 3, 1, 1),
        (2, 150, 130, 24, 25, 3, 1, 1),
        (1, 290, 71, 49, 3, 3, 1, 1),
        (1, 20, 24, 130, 33, 3, 1, 1),
        (2, 64, 64, 6, 6, 3, 2, 1),
        (1, 7, 13, 11, 50, 3, 2, 1),
        (2, 5, 6, 8, 9, 3, 2, 0),
        (1, 128, 3, 40, 40, 3, 1, 1),
        (2, 40, 24, 13, 5, 1, 1, 0),
        (2, 40, 24, 13, 5, 1, 2, 0),
        (1, 1200, 9, 6, 5, 1, 1, 0),
        (1, 3, 48, 28, 28, 14, 14, 0),
        (1, 3, 5, 9, 30, 5, 1, 2),
        (1, 3, 5, 12, 31, 4, 3, 3),
    ];
    for shape @ (batch, inputs, outputs, height, width, kernel, stride, padding) in shapes {
        let x = random(&[batch, inputs, height, width], 1);
        let weight = random(&[outputs, inputs, kernel, kernel], 2);
        let bias = random(&[outputs], 3);
        let expected = double(&x).conv2d(&double(&weight), padding, stride, 1, 1).unwrap();
        let found = Conv2d::new(weight.clone(), None, stride, padding).unwrap().forward(&x).unwrap();
        let error = difference(&found, &expected);
        assert!(error < 2e-6, "{shape:?} without bias: {error}");
        let column = |x: &Tensor| double(x).reshape((1, outputs, 1, 1)).unwrap();
        let expected = expected.broadcast_add(&column(&bias)).unwrap();
        let conv = Conv2d::new(weight, Some(bias), stride, padding).unwrap();
        let error = difference(&conv.forward(&x).unwrap(), &expected);
        assert!(error < 2e-6, "{shape:?}: {error}");
        let onto = random(expected.dims(), 4);
        let error = difference(&conv.forward_onto(&x, &onto).unwrap(), &(&expected + double(&onto)).unwrap());
        assert!(error < 2e-6, "{shape:?} onto: {error}");
        let shift = random(&[1, outputs], 5);
        let expected = expected.broadcast_add(&column(&shift)).unwrap();
        let error = difference(&conv.forward_shifted(&x, &shift).unwrap(), &expected);
        assert!(error < 2e-6, "{shape:?} shifted: {error}");
    }
}

/// With this many channels, a 3×3 convolution does not use Winograd kernels.
#[test]
fn deep_convolutions_match_candle() {
    let x = random(&[2, 1300, 5, 4], 1);
    let weight = random(&[1290, 1300, 3, 3], 2);
    let expected = double(&x).conv2d(&double(&weight), 1, 1, 1, 1).unwrap();
    let found = Conv2d::new(weight, None, 1, 1).unwrap().forward(&x).unwrap();
    let error = difference(&found, &expected);
    assert!(error < 5e-6, "{error}");
}

#[test]
fn views_give_the_same_result_as_copies() {
    let x = random(&[2, 18, 20, 40], 1).narrow(3, 3, 30).unwrap().transpose(2, 3).unwrap();
    let conv = Conv2d::new(random(&[16, 18, 3, 3], 2), None, 1, 1).unwrap();
    assert_eq!(difference(&conv.forward(&x).unwrap(), &conv.forward(&x.contiguous().unwrap()).unwrap()), 0.0);
    let x = random(&[2, 30, 3 * 24], 3);
    let [q, k, v] = [0, 1, 2].map(|part| x.narrow(2, part * 24, 24).unwrap());
    let [a, b, c] = [&q, &k, &v].map(|x| x.contiguous().unwrap());
    let (found, expected) = (attention(&q, &k, &v, 3, false).unwrap(), attention(&a, &b, &c, 3, false).unwrap());
    assert_eq!(difference(&found, &expected), 0.0);
    let linear = Linear::new(random(&[9, 24], 4), None).unwrap();
    assert_eq!(difference(&linear.forward(&q).unwrap(), &linear.forward(&a).unwrap()), 0.0);
    let norm = LayerNorm::new(random(&[24], 5), random(&[24], 6), 1e-5).unwrap();
    assert_eq!(difference(&norm.forward(&k).unwrap(), &norm.forward(&b).unwrap()), 0.0);
}

#[test]
fn wrong_shapes_are_refused() {
    let conv = Conv2d::new(random(&[16, 18, 3, 3], 2), None, 1, 1).unwrap();
    assert!(conv.forward(&random(&[1, 17, 8, 8], 1)).is_err());
    let conv = Conv2d::new(random(&[16, 18, 3, 3], 2), None, 2, 0).unwrap();
    assert!(conv.forward(&random(&[1, 18, 2, 8], 1)).is_err());
    let x = random(&[1, 4, 10], 1);
    let linear = Linear::new(random(&[9, 24], 4), None).unwrap();
    assert!(linear.forward(&random(&[3, 23], 1)).is_err());
    assert!(linear.forward_onto(&random(&[3, 24], 1), &random(&[3, 8], 1)).is_err());
    assert!(conv.forward_onto(&random(&[1, 18, 9, 9], 1), &random(&[1, 16, 9, 9], 1)).is_err());
    assert!(conv.forward_shifted(&random(&[1, 18, 9, 9], 1), &random(&[1, 15], 1)).is_err());
    assert!(add_scaled(&x, &x.t().unwrap(), 1.0).is_err());
    assert!(attention(&x, &x, &x, 3, false).is_err());
    assert!(attention(&x, &x, &random(&[1, 5, 10], 1), 2, false).is_err());
    assert!(geglu(&random(&[2, 5], 1)).is_err());
}

#[test]
fn linear_layers_match_candle() {
    for (shape, outputs) in [
        (vec![1, 1], 1),
        (vec![3, 7], 5),
        (vec![2, 77, 768], 320),
        (vec![2, 9, 1601], 50),
        (vec![300, 40], 97),
        (vec![1, 5, 3, 64], 256),
        (vec![529, 3200], 16),
    ] {
        let size = *shape.last().unwrap();
        let (x, weight, bias) = (random(&shape, 1), random(&[outputs, size], 2), random(&[outputs], 3));
        let plain = candle_nn::Linear::new(double(&weight), Some(double(&bias)));
        let expected = plain.forward(&double(&x)).unwrap();
        let linear = Linear::new(weight.clone(), Some(bias.clone())).unwrap();
        let error = difference(&linear.forward(&x).unwrap(), &expected);
        assert!(error < 5e-6, "{shape:?}: {error}");
        if outputs.is_multiple_of(2) {
            let gated = GatedLinear::new(weight, bias).unwrap();
            let error = difference(&gated.forward(&x).unwrap(), &geglu(&expected).unwrap());
            assert!(error < 5e-6, "{shape:?} gated: {error}");
        }
        let onto = random(expected.dims(), 4);
        let error = difference(&linear.forward_onto(&x, &onto).unwrap(), &(expected + double(&onto)).unwrap());
        assert!(error < 5e-6, "{shape:?} onto: {error}");
    }
}

#[test]
fn attention_matches_candle() -> Result<()> {
    for (batch, queries, keys, heads, size, causal) in [
        (1, 1, 1, 1, 1, false),
        (2, 100, 77, 8, 40, false),
        (2, 77, 77, 2, 64, true),
        (1, 300, 300, 3, 40, true),
        (1, 64, 257, 2, 80, false),
        (2, 36, 4, 4, 32, false),
        (1, 50, 140, 1, 160, false),
        (1, 49, 300, 1, 512, false),
        (1, 5, 9, 3, 7, false),
    ] {
        // Queries large enough that the softmax is far from uniform.
        let q = (random(&[batch, queries, heads * size], 1) * 4.0)?;
        let k = random(&[batch, keys, heads * size], 2);
        let v = random(&[batch, keys, heads * size], 3);
        let error = difference(
            &attention(&q, &k, &v, heads, causal)?,
            &attention(&double(&q), &double(&k), &double(&v), heads, causal)?,
        );
        assert!(error < 5e-6, "{batch} {queries} {keys} {heads} {size} {causal}: {error}");
    }
    Ok(())
}

#[test]
fn attention_survives_huge_scores() -> Result<()> {
    for scale in [1e3, -1e3, 1e8] {
        let q = (random(&[1, 50, 16], 1) * scale)?;
        let (k, v) = (random(&[1, 300, 16], 2), random(&[1, 300, 16], 3));
        let expected = attention(&double(&q), &double(&k), &double(&v), 2, false)?;
        let error = difference(&attention(&q, &k, &v, 2, false)?, &expected);
        assert!(error < scale.abs() * 1e-6, "{scale}: {error}");
    }
    Ok(())
}

#[test]
fn norms_match_candle() -> Result<()> {
    for (batch, channels, height, width, groups) in
        [(2, 32, 5, 7, 32), (1, 64, 24, 24, 16), (2, 6, 1, 1, 2), (1, 320, 33, 20, 32)]
    {
        // Far from zero, where a variance computed as E[x²] − E[x]² would lose all digits.
        let x = (random(&[batch, channels, height, width], 1) + 30.0)?;
        let (weight, bias) = (random(&[channels], 2), random(&[channels], 3));
        let plain = candle_nn::GroupNorm::new(double(&weight), double(&bias), channels, groups, 1e-5)?;
        let expected = plain.forward(&double(&x))?;
        let norm = GroupNorm::new(weight, bias, groups, 1e-5)?;
        let error = difference(&norm.forward(&x)?, &expected);
        assert!(error < 2e-5, "{channels}: {error}");
        let error = difference(&norm.forward_silu(&x)?, &expected.silu()?);
        assert!(error < 2e-5, "{channels} with SiLU: {error}");
    }
    for shape in [vec![2, 3, 40], vec![77, 768], vec![5, 1]] {
        let size = *shape.last().unwrap();
        let x = (random(&shape, 1) + 3.0)?;
        let (weight, bias) = (random(&[size], 2), random(&[size], 3));
        let centered = double(&x).broadcast_sub(&double(&x).mean_keepdim(D::Minus1)?)?;
        let deviation = (centered.sqr()?.mean_keepdim(D::Minus1)? + 1e-5)?.sqrt()?;
        let expected = centered.broadcast_div(&deviation)?.broadcast_mul(&double(&weight))?;
        let expected = expected.broadcast_add(&double(&bias))?;
        let error = difference(&LayerNorm::new(weight, bias, 1e-5)?.forward(&x)?, &expected);
        assert!(error < 1e-5, "{shape:?}: {error}");
    }
    Ok(())
}

#[test]
fn activations_match_candle_everywhere() -> Result<()> {
    let line: Vec<f32> = (-40_001..=40_001).map(|i| i as f32 * 5e-4).chain([-1e3, -90.0, 90.0, 1e4]).collect();
    let x = Tensor::new(line.as_slice(), &Device::Cpu)?;
    for activation in [Activation::Gelu, Activation::QuickGelu, Activation::Silu] {
        let found = double(&activation.forward(&x)?);
        let expected = activation.forward(&double(&x))?;
        let errors = (found - &expected)?.abs()?.to_vec1::<f64>()?;
        for ((error, expected), x) in errors.iter().zip(expected.to_vec1::<f64>()?).zip(&line) {
            assert!(*error <= 2e-7 + 3e-7 * expected.abs(), "{activation:?} of {x}: {error}");
        }
    }
    let x = (random(&[3, 5, 2 * 37], 1) * 5.0)?;
    let expected = geglu(&double(&x))?;
    assert_eq!(expected.dim(D::Minus1)?, 37);
    assert!(difference(&geglu(&x)?, &expected) < 1e-6);
    Ok(())
}

#[test]
fn scaled_sums_match_candle() -> Result<()> {
    let (x, y) = (random(&[3, 70, 333], 1), random(&[3, 333, 70], 2).transpose(1, 2)?);
    assert!(difference(&add_scaled(&x, &y, -0.3)?, &(double(&x) - (double(&y) * 0.3)?)?) < 1e-6);
    Ok(())
}

/// Runs the tests above again in processes with fewer instructions. The choice holds for a whole process, and other
/// tests in this one compare results byte for byte.
#[test]
fn older_instruction_sets_match_candle() {
    if std::env::var_os(cpu::FORCE_INSTRUCTIONS).is_some() {
        return;
    }
    for instructions in ["avx2", "none"] {
        let mut command = std::process::Command::new(std::env::current_exe().unwrap());
        let command = command.arg("diffusion::ops::tests::").env(cpu::FORCE_INSTRUCTIONS, instructions);
        let output = command.output().unwrap();
        let stdout = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && !stdout.contains(" 0 passed"), "{instructions}: {stdout}");
    }
}

//! Each operation against candle's own, on shapes that do not divide evenly.

use candle_core::{D, DType, Device, Module, Tensor};

use super::*;
use crate::diffusion::Result;

/// Numbers that look random and are the same every time.
fn numbers(shape: &[usize], seed: u64) -> Tensor {
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

/// The largest difference, against the largest number expected.
fn difference(found: &Tensor, expected: &Tensor) -> f64 {
    assert_eq!(found.dims(), expected.dims());
    let found = found.to_dtype(DType::F64).unwrap();
    let expected = expected.to_dtype(DType::F64).unwrap();
    let largest = |x: &Tensor| x.abs().unwrap().flatten_all().unwrap().max(0).unwrap().to_scalar::<f64>().unwrap();
    let difference = largest(&(found - &expected).unwrap()) / largest(&expected).max(1e-30);
    // `max` of candle may overlook what is no number.
    let sum = expected.sum_all().unwrap().to_scalar::<f64>().unwrap();
    assert!(sum.is_finite() && difference.is_finite(), "{difference}");
    difference
}

fn double(x: &Tensor) -> Tensor {
    x.to_dtype(DType::F64).unwrap()
}

#[test]
fn convolutions_agree() {
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
        let x = numbers(&[batch, inputs, height, width], 1);
        let weight = numbers(&[outputs, inputs, kernel, kernel], 2);
        let bias = numbers(&[outputs], 3);
        let expected = double(&x).conv2d(&double(&weight), padding, stride, 1, 1).unwrap();
        let found = Conv2d::new(weight.clone(), None, stride, padding).unwrap().forward(&x).unwrap();
        let away = difference(&found, &expected);
        assert!(away < 2e-6, "{shape:?} without bias: {away}");
        let column = |x: &Tensor| double(x).reshape((1, outputs, 1, 1)).unwrap();
        let expected = expected.broadcast_add(&column(&bias)).unwrap();
        let conv = Conv2d::new(weight, Some(bias), stride, padding).unwrap();
        let away = difference(&conv.forward(&x).unwrap(), &expected);
        assert!(away < 2e-6, "{shape:?}: {away}");
        let onto = numbers(expected.dims(), 4);
        let away = difference(&conv.forward_onto(&x, &onto).unwrap(), &(&expected + double(&onto)).unwrap());
        assert!(away < 2e-6, "{shape:?} onto: {away}");
        let shift = numbers(&[1, outputs], 5);
        let expected = expected.broadcast_add(&column(&shift)).unwrap();
        let away = difference(&conv.forward_shifted(&x, &shift).unwrap(), &expected);
        assert!(away < 2e-6, "{shape:?} shifted: {away}");
    }
}

/// Kernels too large to be kept transformed take the other way.
#[test]
fn deep_convolutions_agree() {
    let x = numbers(&[2, 1300, 5, 4], 1);
    let weight = numbers(&[1290, 1300, 3, 3], 2);
    let expected = double(&x).conv2d(&double(&weight), 1, 1, 1, 1).unwrap();
    let found = Conv2d::new(weight, None, 1, 1).unwrap().forward(&x).unwrap();
    let away = difference(&found, &expected);
    assert!(away < 5e-6, "{away}");
}

#[test]
fn a_view_is_as_good_as_a_copy() {
    let x = numbers(&[2, 18, 20, 40], 1).narrow(3, 3, 30).unwrap().transpose(2, 3).unwrap();
    let conv = Conv2d::new(numbers(&[16, 18, 3, 3], 2), None, 1, 1).unwrap();
    assert_eq!(difference(&conv.forward(&x).unwrap(), &conv.forward(&x.contiguous().unwrap()).unwrap()), 0.0);
    let x = numbers(&[2, 30, 3 * 24], 3);
    let [q, k, v] = [0, 1, 2].map(|part| x.narrow(2, part * 24, 24).unwrap());
    let [a, b, c] = [&q, &k, &v].map(|x| x.contiguous().unwrap());
    let (found, expected) = (attention(&q, &k, &v, 3, false).unwrap(), attention(&a, &b, &c, 3, false).unwrap());
    assert_eq!(difference(&found, &expected), 0.0);
    let linear = Linear::new(numbers(&[9, 24], 4), None).unwrap();
    assert_eq!(difference(&linear.forward(&q).unwrap(), &linear.forward(&a).unwrap()), 0.0);
    let norm = LayerNorm::new(numbers(&[24], 5), numbers(&[24], 6), 1e-5).unwrap();
    assert_eq!(difference(&norm.forward(&k).unwrap(), &norm.forward(&b).unwrap()), 0.0);
}

#[test]
fn wrong_shapes_are_refused() {
    let conv = Conv2d::new(numbers(&[16, 18, 3, 3], 2), None, 1, 1).unwrap();
    assert!(conv.forward(&numbers(&[1, 17, 8, 8], 1)).is_err());
    let conv = Conv2d::new(numbers(&[16, 18, 3, 3], 2), None, 2, 0).unwrap();
    assert!(conv.forward(&numbers(&[1, 18, 2, 8], 1)).is_err());
    let x = numbers(&[1, 4, 10], 1);
    let linear = Linear::new(numbers(&[9, 24], 4), None).unwrap();
    assert!(linear.forward(&numbers(&[3, 23], 1)).is_err());
    assert!(linear.forward_onto(&numbers(&[3, 24], 1), &numbers(&[3, 8], 1)).is_err());
    assert!(conv.forward_onto(&numbers(&[1, 18, 9, 9], 1), &numbers(&[1, 16, 9, 9], 1)).is_err());
    assert!(conv.forward_shifted(&numbers(&[1, 18, 9, 9], 1), &numbers(&[1, 15], 1)).is_err());
    assert!(add_scaled(&x, &x.t().unwrap(), 1.0).is_err());
    assert!(attention(&x, &x, &x, 3, false).is_err());
    assert!(attention(&x, &x, &numbers(&[1, 5, 10], 1), 2, false).is_err());
    assert!(geglu(&numbers(&[2, 5], 1)).is_err());
}

#[test]
fn linear_layers_agree() {
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
        let (x, weight, bias) = (numbers(&shape, 1), numbers(&[outputs, size], 2), numbers(&[outputs], 3));
        let plain = candle_nn::Linear::new(double(&weight), Some(double(&bias)));
        let expected = plain.forward(&double(&x)).unwrap();
        let linear = Linear::new(weight.clone(), Some(bias.clone())).unwrap();
        let away = difference(&linear.forward(&x).unwrap(), &expected);
        assert!(away < 5e-6, "{shape:?}: {away}");
        if outputs.is_multiple_of(2) {
            let gated = GatedLinear::new(weight, bias).unwrap();
            let away = difference(&gated.forward(&x).unwrap(), &geglu(&expected).unwrap());
            assert!(away < 5e-6, "{shape:?} gated: {away}");
        }
        let onto = numbers(expected.dims(), 4);
        let away = difference(&linear.forward_onto(&x, &onto).unwrap(), &(expected + double(&onto)).unwrap());
        assert!(away < 5e-6, "{shape:?} onto: {away}");
    }
}

#[test]
fn attentions_agree() -> Result<()> {
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
        // Large enough for the softmax to be far from even.
        let q = (numbers(&[batch, queries, heads * size], 1) * 4.0)?;
        let k = numbers(&[batch, keys, heads * size], 2);
        let v = numbers(&[batch, keys, heads * size], 3);
        let away = difference(
            &attention(&q, &k, &v, heads, causal)?,
            &attention(&double(&q), &double(&k), &double(&v), heads, causal)?,
        );
        assert!(away < 5e-6, "{batch} {queries} {keys} {heads} {size} {causal}: {away}");
    }
    Ok(())
}

#[test]
fn scores_beyond_any_exponential_do_no_harm() -> Result<()> {
    for scale in [1e3, -1e3, 1e8] {
        let q = (numbers(&[1, 50, 16], 1) * scale)?;
        let (k, v) = (numbers(&[1, 300, 16], 2), numbers(&[1, 300, 16], 3));
        let expected = attention(&double(&q), &double(&k), &double(&v), 2, false)?;
        let away = difference(&attention(&q, &k, &v, 2, false)?, &expected);
        assert!(away < scale.abs() * 1e-6, "{scale}: {away}");
    }
    Ok(())
}

#[test]
fn norms_agree() -> Result<()> {
    for (batch, channels, height, width, groups) in
        [(2, 32, 5, 7, 32), (1, 64, 24, 24, 16), (2, 6, 1, 1, 2), (1, 320, 33, 20, 32)]
    {
        // Far from zero, where squares of the numbers themselves would lose the variance.
        let x = (numbers(&[batch, channels, height, width], 1) + 30.0)?;
        let (weight, bias) = (numbers(&[channels], 2), numbers(&[channels], 3));
        let plain = candle_nn::GroupNorm::new(double(&weight), double(&bias), channels, groups, 1e-5)?;
        let expected = plain.forward(&double(&x))?;
        let norm = GroupNorm::new(weight, bias, groups, 1e-5)?;
        let away = difference(&norm.forward(&x)?, &expected);
        assert!(away < 2e-5, "{channels}: {away}");
        let away = difference(&norm.forward_silu(&x)?, &expected.silu()?);
        assert!(away < 2e-5, "{channels} with SiLU: {away}");
    }
    for shape in [vec![2, 3, 40], vec![77, 768], vec![5, 1]] {
        let size = *shape.last().unwrap();
        let x = (numbers(&shape, 1) + 3.0)?;
        let (weight, bias) = (numbers(&[size], 2), numbers(&[size], 3));
        let away = double(&x).broadcast_sub(&double(&x).mean_keepdim(D::Minus1)?)?;
        let deviation = (away.sqr()?.mean_keepdim(D::Minus1)? + 1e-5)?.sqrt()?;
        let expected = away.broadcast_div(&deviation)?.broadcast_mul(&double(&weight))?;
        let expected = expected.broadcast_add(&double(&bias))?;
        let away = difference(&LayerNorm::new(weight, bias, 1e-5)?.forward(&x)?, &expected);
        assert!(away < 1e-5, "{shape:?}: {away}");
    }
    Ok(())
}

#[test]
fn activations_agree_everywhere() -> Result<()> {
    let line: Vec<f32> = (-40_001..=40_001).map(|i| i as f32 * 5e-4).chain([-1e3, -90.0, 90.0, 1e4]).collect();
    let x = Tensor::new(line.as_slice(), &Device::Cpu)?;
    for activation in [Activation::Gelu, Activation::QuickGelu, Activation::Silu] {
        let found = double(&activation.forward(&x)?);
        let expected = activation.forward(&double(&x))?;
        let away = (found - &expected)?.abs()?.to_vec1::<f64>()?;
        for ((away, expected), x) in away.iter().zip(expected.to_vec1::<f64>()?).zip(&line) {
            assert!(*away <= 2e-7 + 3e-7 * expected.abs(), "{activation:?} of {x}: {away}");
        }
    }
    let x = (numbers(&[3, 5, 2 * 37], 1) * 5.0)?;
    let expected = geglu(&double(&x))?;
    assert_eq!(expected.dim(D::Minus1)?, 37);
    assert!(difference(&geglu(&x)?, &expected) < 1e-6);
    Ok(())
}

#[test]
fn sums_agree() -> Result<()> {
    let (x, y) = (numbers(&[3, 70, 333], 1), numbers(&[3, 333, 70], 2).transpose(1, 2)?);
    assert!(difference(&add_scaled(&x, &y, -0.3)?, &(double(&x) - (double(&y) * 0.3)?)?) < 1e-6);
    Ok(())
}

/// The tests above once more, in processes of their own: instructions are chosen for a whole process, and tests beside
/// these compare to the byte.
#[test]
fn lesser_processors_agree() {
    if std::env::var_os(cpu::TESTED).is_some() {
        return;
    }
    for lesser in ["avx2", "none"] {
        let mut again = std::process::Command::new(std::env::current_exe().unwrap());
        let output = again.arg("diffusion::ops::tests::").env(cpu::TESTED, lesser).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && !said.contains(" 0 passed"), "{lesser}: {said}");
    }
}

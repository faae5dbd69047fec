//! Exponential, logistic and error function on vectors, accurate to a few units in the last place.

use pulp::Simd;

// No closures in this file: unless the compiler inlines a closure, it compiles it without the processor's features.

/// 2^x, with x clamped to -126..=127.
#[inline(always)]
pub fn exp2<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let x = simd.min_f32s(simd.max_f32s(x, simd.splat_f32s(-126.0)), simd.splat_f32s(127.0));
    // Adding 1.5·2²³ rounds x to a whole number, which then occupies the lowest bits.
    let shifted = simd.add_f32s(x, simd.splat_f32s(12_582_912.0));
    let whole = simd.sub_f32s(shifted, simd.splat_f32s(12_582_912.0));
    let part = simd.sub_f32s(x, whole);
    // The Taylor series of 2^part = e^(part · ln 2), |part| ≤ ½. The first omitted term is below 6e-9.
    let mut sum = simd.splat_f32s(1.525_273_4e-5);
    for term in [1.540_353e-4, 1.333_355_8e-3, 9.618_129e-3, 5.550_411e-2, 2.402_265e-1, 6.931_472e-1, 1.0] {
        sum = simd.mul_add_e_f32s(sum, part, simd.splat_f32s(term));
    }
    let exponent = simd.add_u32s(simd.transmute_u32s_f32s(shifted), simd.splat_u32s(127));
    let power = simd.wrapping_dyn_shl_u32s(exponent, simd.splat_u32s(23));
    simd.mul_f32s(sum, simd.transmute_f32s_u32s(power))
}

/// e^x.
#[inline(always)]
pub fn exp<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    exp2(simd, simd.mul_f32s(x, simd.splat_f32s(std::f32::consts::LOG2_E)))
}

/// x / (1 + e^(-slope·x)): SiLU with slope 1, quick GELU with slope 1.702.
#[inline(always)]
pub fn swish<S: Simd>(simd: S, x: S::f32s, slope: f32) -> S::f32s {
    let power = exp2(simd, simd.mul_f32s(x, simd.splat_f32s(-slope * std::f32::consts::LOG2_E)));
    simd.div_f32s(x, simd.add_f32s(power, simd.splat_f32s(1.0)))
}

/// GELU, x·Φ(x), with erfc from Press et al., *Numerical Recipes*, 2nd edition, §6.2 (`erfcc`), whose relative error
/// is below 1.2e-7.
#[inline(always)]
pub fn gelu<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let z = simd.mul_f32s(simd.abs_f32s(x), simd.splat_f32s(std::f32::consts::FRAC_1_SQRT_2));
    let t = simd.div_f32s(simd.splat_f32s(1.0), simd.mul_add_e_f32s(z, simd.splat_f32s(0.5), simd.splat_f32s(1.0)));
    let mut sum = simd.splat_f32s(0.170_872_77);
    for term in [
        -0.822_152_23,
        1.488_515_9,
        -1.135_204,
        0.278_868_07,
        -0.186_288_06,
        0.096_784_18,
        0.374_091_96,
        1.000_023_7,
        -1.265_512_2,
    ] {
        sum = simd.mul_add_e_f32s(sum, t, simd.splat_f32s(term));
    }
    let exponent = simd.sub_f32s(sum, simd.mul_f32s(z, z));
    // ½ erfc(|x|/√2), the smaller tail of the normal distribution.
    let tail = simd.mul_f32s(simd.mul_f32s(t, simd.splat_f32s(0.5)), exp(simd, exponent));
    let above = simd.less_than_f32s(simd.splat_f32s(0.0), x);
    simd.mul_f32s(x, simd.select_f32s(above, simd.sub_f32s(simd.splat_f32s(1.0), tail), tail))
}

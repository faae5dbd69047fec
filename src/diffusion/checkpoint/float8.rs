//! The 8-bit floating-point types of safetensors (Micikevicius et al. 2022, "FP8 Formats for Deep Learning").

/// `F8_E4M3`: no infinity; NaN is the largest pattern (`torch.float8_e4m3fn`).
pub(super) fn e4m3(byte: u8) -> f32 {
    if byte & 0x7f == 0x7f {
        return f32::NAN;
    }
    number(byte, 3, 7)
}

/// `F8_E5M2`: infinity and NaN as in IEEE 754 (`torch.float8_e5m2`).
pub(super) fn e5m2(byte: u8) -> f32 {
    let sign = if byte & 0x80 == 0 { 1.0 } else { -1.0 };
    match byte & 0x7f {
        0x7c => sign * f32::INFINITY,
        0x7d..=0x7f => f32::NAN,
        _ => number(byte, 2, 15),
    }
}

/// A sign, an exponent and `bits` of a mantissa.
fn number(byte: u8, bits: u32, bias: i32) -> f32 {
    let sign = if byte & 0x80 == 0 { 1.0 } else { -1.0 };
    let exponent = i32::from((byte & 0x7f) >> bits);
    let fraction = f32::from(byte & ((1 << bits) - 1)) / (1u32 << bits) as f32;
    // Subnormal numbers have no leading one.
    let (lead, exponent) = if exponent == 0 { (0.0, 1) } else { (1.0, exponent) };
    sign * (lead + fraction) * 2f32.powi(exponent - bias)
}

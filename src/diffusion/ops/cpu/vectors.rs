//! Functions of whole vectors, and the loop that applies one to slices.

use pulp::Simd;

use super::math;
use super::tile::{load, store};

/// A function of N vectors. It is a trait and not a closure because closures cannot be forced inline, and outside the
/// code that is compiled for the processor each SIMD operation would be a call.
pub trait VectorFn<S: Simd, const N: usize> {
    fn apply(&self, simd: S, x: [S::f32s; N]) -> S::f32s;
}

/// (x − center) · scale + shift.
pub struct Affine<V> {
    pub center: V,
    pub scale: V,
    pub shift: V,
}

/// gelu(affine(x)).
pub struct AffineGelu<V>(pub Affine<V>);
/// swish(affine(x)), with the slope of [`math::swish`].
pub struct AffineSwish<V>(pub Affine<V>, pub f32);
/// affine(x) · weight + bias, for [x, weight, bias].
pub struct WeightedAffine<V>(pub Affine<V>);
/// x · gelu(gate), for [x, gate].
pub struct GeluGate;
/// x + scale · y, for [x, y].
pub struct AddScaled<V>(pub V);

/// out[i] = f(inputs[..][i]). The last vector is padded with zeros.
#[inline(always)]
pub fn apply<S: Simd, const N: usize>(simd: S, inputs: [&[f32]; N], out: &mut [f32], f: impl VectorFn<S, N>) {
    assert!(inputs.iter().all(|input| input.len() == out.len()));
    let lanes = S::F32_LANES;
    let whole = out.len() / lanes * lanes;
    let mut x = [simd.splat_f32s(0.0); N];
    for at in (0..whole).step_by(lanes) {
        // SAFETY: all inputs are as long as the output, which has a whole vector left.
        unsafe {
            for (x, input) in x.iter_mut().zip(inputs) {
                *x = load::<S>(input.as_ptr().add(at));
            }
            store::<S>(out.as_mut_ptr().add(at), f.apply(simd, x));
        }
    }
    if whole < out.len() {
        for (x, input) in x.iter_mut().zip(inputs) {
            *x = simd.partial_load_f32s(&input[whole..]);
        }
        simd.partial_store_f32s(&mut out[whole..], f.apply(simd, x));
    }
}

impl<S: Simd> VectorFn<S, 1> for Affine<S::f32s> {
    #[inline(always)]
    fn apply(&self, simd: S, [x]: [S::f32s; 1]) -> S::f32s {
        simd.mul_add_e_f32s(simd.sub_f32s(x, self.center), self.scale, self.shift)
    }
}

impl<S: Simd> VectorFn<S, 1> for AffineGelu<S::f32s> {
    #[inline(always)]
    fn apply(&self, simd: S, x: [S::f32s; 1]) -> S::f32s {
        math::gelu(simd, self.0.apply(simd, x))
    }
}

impl<S: Simd> VectorFn<S, 1> for AffineSwish<S::f32s> {
    #[inline(always)]
    fn apply(&self, simd: S, x: [S::f32s; 1]) -> S::f32s {
        math::swish(simd, self.0.apply(simd, x), self.1)
    }
}

impl<S: Simd> VectorFn<S, 3> for WeightedAffine<S::f32s> {
    #[inline(always)]
    fn apply(&self, simd: S, [x, weight, bias]: [S::f32s; 3]) -> S::f32s {
        simd.mul_add_e_f32s(self.0.apply(simd, [x]), weight, bias)
    }
}

impl<S: Simd> VectorFn<S, 2> for GeluGate {
    #[inline(always)]
    fn apply(&self, simd: S, [x, gate]: [S::f32s; 2]) -> S::f32s {
        simd.mul_f32s(x, math::gelu(simd, gate))
    }
}

impl<S: Simd> VectorFn<S, 2> for AddScaled<S::f32s> {
    #[inline(always)]
    fn apply(&self, simd: S, [x, y]: [S::f32s; 2]) -> S::f32s {
        simd.mul_add_e_f32s(y, self.0, x)
    }
}

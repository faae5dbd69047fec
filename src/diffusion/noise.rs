//! Standard normal noise, the same numbers as `torch.randn` on the CPU makes from the same seed.
//!
//! The pictures of a seed depend on every one of these numbers, so this follows torch to the last rounding it can:
//! `aten/src/ATen/core/MT19937RNGEngine.h` for the bits, `aten/src/ATen/native/cpu/DistributionTemplates.h` and
//! `aten/src/ATen/core/DistributionsHelper.h` for what becomes of them.

use std::f64::consts::TAU;

/// torch transforms uniforms to normals in blocks of this size, and otherwise one by one.
const BLOCK: usize = 16;

/// `torch.Generator("cpu").manual_seed(seed)`, for float32.
#[derive(Clone)]
pub struct Generator {
    bits: MersenneTwister,
    /// The second value of a pair that an earlier call made and did not need.
    spare: Option<f64>,
}

impl Generator {
    /// As in torch, only the lower 32 bits of `seed` count.
    pub fn new(seed: u64) -> Self {
        Self { bits: MersenneTwister::new(seed as u32), spare: None }
    }

    /// `torch.randn(count, generator=self)`: the next `count` values.
    pub fn randn(&mut self, count: usize) -> Vec<f32> {
        if count < BLOCK {
            return (0..count).map(|_| self.single() as f32).collect();
        }
        let mut values: Vec<f32> = (0..count).map(|_| self.uniform()).collect();
        for block in values.chunks_exact_mut(BLOCK) {
            box_muller(block);
        }
        if !count.is_multiple_of(BLOCK) {
            // The last 16 values are drawn anew, over the end of the block before.
            let tail = &mut values[count - BLOCK..];
            tail.fill_with(|| self.uniform());
            box_muller(tail);
        }
        values
    }

    /// From 0 to below 1, in steps of 2⁻²⁴: what float32 can hold.
    fn uniform(&mut self) -> f32 {
        (self.bits.next() & 0x00FF_FFFF) as f32 / (1 << 24) as f32
    }

    /// From 0 to below 1, in steps of 2⁻⁵³, from two draws.
    fn uniform_double(&mut self) -> f64 {
        let high = u64::from(self.bits.next());
        let low = u64::from(self.bits.next());
        ((high << 32 | low) & ((1 << 53) - 1)) as f64 / (1u64 << 53) as f64
    }

    /// One value in double precision; every other one comes from the pair before.
    fn single(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        let angle = TAU * self.uniform_double();
        let radius = (-2.0 * (-self.uniform_double()).ln_1p()).sqrt();
        self.spare = Some(radius * angle.sin());
        radius * angle.cos()
    }
}

/// Makes 16 uniforms normal, in place: the first half gives radii, the second half angles. In float32, as torch.
fn box_muller(block: &mut [f32]) {
    let (radii, angles) = block.split_at_mut(BLOCK / 2);
    for (first, second) in radii.iter_mut().zip(angles) {
        let radius = (-2.0 * (1.0 - *first).ln()).sqrt();
        let angle = (TAU * f64::from(*second)) as f32;
        *first = radius * angle.cos();
        *second = radius * angle.sin();
    }
}

/// MT19937: Matsumoto and Nishimura, "Mersenne Twister", 1998, with the initialisation of 2002.
#[derive(Clone)]
struct MersenneTwister {
    state: Box<[u32; Self::SIZE]>,
    /// How many words of `state` have been given out since it was last twisted.
    used: usize,
}

impl MersenneTwister {
    const SIZE: usize = 624;
    const SHIFT: usize = 397;

    fn new(seed: u32) -> Self {
        let mut state = Box::new([0; Self::SIZE]);
        state[0] = seed;
        for index in 1..Self::SIZE {
            let before = state[index - 1];
            state[index] = 1_812_433_253u32.wrapping_mul(before ^ before >> 30).wrapping_add(index as u32);
        }
        Self { state, used: Self::SIZE }
    }

    fn next(&mut self) -> u32 {
        if self.used == Self::SIZE {
            self.twist();
        }
        let mut word = self.state[self.used];
        self.used += 1;
        word ^= word >> 11;
        word ^= word << 7 & 0x9D2C_5680;
        word ^= word << 15 & 0xEFC6_0000;
        word ^ word >> 18
    }

    fn twist(&mut self) {
        for index in 0..Self::SIZE {
            let next = self.state[(index + 1) % Self::SIZE];
            let joined = self.state[index] & 0x8000_0000 | next & 0x7FFF_FFFF;
            let odd = if next & 1 == 1 { 0x9908_B0DF } else { 0 };
            self.state[index] = self.state[(index + Self::SHIFT) % Self::SIZE] ^ joined >> 1 ^ odd;
        }
        self.used = 0;
    }
}

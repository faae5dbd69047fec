//! Standard normal noise with the same values as `torch.randn` on the CPU for the same seed.
//!
//! A seed's output depends on all of these values, so this code follows torch down to the rounding:
//! `aten/src/ATen/core/MT19937RNGEngine.h` for the random bits, `aten/src/ATen/native/cpu/DistributionTemplates.h` and
//! `aten/src/ATen/core/DistributionsHelper.h` for the distributions.

use std::f64::consts::TAU;

/// torch draws normal values in blocks of this size. It draws fewer values one by one.
const BLOCK: usize = 16;

/// `torch.Generator("cpu").manual_seed(seed)` for float32.
#[derive(Clone)]
pub struct Generator {
    bits: MersenneTwister,
    /// The unused second value of a pair that an earlier call drew.
    spare: Option<f64>,
}

impl Generator {
    /// As in torch, only the lower 32 bits of `seed` have an effect.
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
            // The last 16 values are drawn again, overwriting part of the previous block.
            let tail = &mut values[count - BLOCK..];
            tail.fill_with(|| self.uniform());
            box_muller(tail);
        }
        values
    }

    /// A value in 0..1, in steps of 2⁻²⁴.
    fn uniform(&mut self) -> f32 {
        (self.bits.next() & 0x00FF_FFFF) as f32 / (1 << 24) as f32
    }

    /// A value in 0..1, in steps of 2⁻⁵³, from two random words.
    fn uniform_double(&mut self) -> f64 {
        let high = u64::from(self.bits.next());
        let low = u64::from(self.bits.next());
        ((high << 32 | low) & ((1 << 53) - 1)) as f64 / (1u64 << 53) as f64
    }

    /// One normal value in float64. Values come in pairs, so every second call uses the spare one.
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

/// Turns 16 uniform values into normal ones, in place: the first half gives radii, the second half angles. Like torch's
/// vectorised code it computes in float32; a float64 angle would change results by up to 2·10⁻⁶.
fn box_muller(block: &mut [f32]) {
    let (radii, angles) = block.split_at_mut(BLOCK / 2);
    for (first, second) in radii.iter_mut().zip(angles) {
        let radius = (-2.0 * (1.0 - *first).ln()).sqrt();
        let angle = TAU as f32 * *second;
        *first = radius * angle.cos();
        *second = radius * angle.sin();
    }
}

/// MT19937: Matsumoto and Nishimura, "Mersenne Twister", 1998, with the initialisation of 2002.
#[derive(Clone)]
struct MersenneTwister {
    state: Box<[u32; Self::SIZE]>,
    /// How many words of `state` were used since the last twist.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn close(values: &[f32], expected: &[f32]) {
        assert_eq!(values.len(), expected.len());
        for (value, expected) in values.iter().zip(expected) {
            assert!((value - expected).abs() < 1e-6, "{value} is not {expected}");
        }
    }

    /// The first and last values of `torch.randn(count, generator=torch.Generator("cpu").manual_seed(seed))`, torch 2.15.
    #[test]
    fn values_match_torch() {
        #[rustfmt::skip]
        let cases: Vec<(u64, usize, Vec<f32>, Vec<f32>)> = vec![
            (0, 1, vec![1.540_996_1], vec![1.540_996_1]),
            (0, 5, vec![1.540_996_1, -0.293_428_9, -2.178_789_4, 0.568_431_26], vec![0.568_431_26, -1.084_522_4]),
            (0, 15, vec![1.540_996_1, -0.293_428_9, -2.178_789_4, 0.568_431_26], vec![1.100_604_2, -1.071_187_4]),
            (0, 16, vec![-1.125_839_8, -1.152_360_2, -0.250_578_58, -0.433_878_8], vec![1.116_777_2, -0.247_278_15]),
            (0, 17, vec![-1.125_839_8, -1.695_931_2, 0.566_650_6, 0.793_508_35], vec![-0.843_676_75, 0.931_826_6]),
            (0, 40, vec![-1.125_839_8, -1.152_360_2, -0.250_578_58, -0.433_878_8], vec![0.938_260_73, 0.488_869_82, 1.203_223_7, 0.084_534_7, -1.200_139_4, -0.004_785_738, -0.518_074_8, -0.306_704_2, -1.580_993_9, 1.706_643_3]),
            (42, 1, vec![0.336_690_37], vec![0.336_690_37]),
            (42, 5, vec![0.336_690_37, 0.128_809_4, 0.234_462_37, 0.230_333_03], vec![0.230_333_03, -1.122_856_4]),
            (42, 15, vec![0.336_690_37, 0.128_809_4, 0.234_462_37, 0.230_333_03], vec![-1.689_799, -0.988_959_9]),
            (42, 16, vec![1.926_915_3, 1.487_284_1, 0.900_717_2, -2.105_521], vec![-0.768_838_9, 0.762_445_4]),
            (42, 17, vec![1.926_915_3, -0.159_597_47, -0.497_397_54, 0.439_589_26], vec![0.859_858_5, -0.309_726_77]),
            (42, 40, vec![1.926_915_3, 1.487_284_1, 0.900_717_2, -2.105_521], vec![-1.089_175_3, -0.355_286_63, -1.418_06, 0.896_268_3, 0.049_905_386, 2.266_718, 1.178_950_9, -0.434_454_4, -1.386_365_5, -1.286_215_5]),
        ];
        for (seed, count, first, last) in cases {
            let values = Generator::new(seed).randn(count);
            assert_eq!(values.len(), count);
            let shown = first.len().min(count);
            close(&values[..shown], &first[..shown]);
            close(&values[count - last.len()..], &last);
        }
    }

    /// The third call begins with the spare value of the first call.
    #[test]
    fn a_spare_value_is_kept_for_a_later_call() {
        let mut generator = Generator::new(3);
        close(&generator.randn(3), &[0.803_276_06, 0.174_833_39, 0.088_978_1]);
        close(&generator.randn(16)[..3], &[0.605_360_8, 1.986_149_1, 0.628_715_16]);
        close(&generator.randn(2), &[-0.613_718_03, -0.864_635_6]);
        assert!(generator.randn(0).is_empty());
    }

    #[test]
    fn only_the_lower_half_of_a_seed_matters() {
        assert_eq!(Generator::new(7).randn(20), Generator::new(7 | 1 << 40).randn(20));
    }
}

//! Which training timesteps a generation visits. The rounding decides, so the arithmetic is numpy's.
//!
//! The three spacings are those of table 2 in Lin et al., "Common diffusion noise schedules and sample steps are
//! flawed", 2023, computed like `set_timesteps` in diffusers' schedulers.

/// The option `timestep_spacing`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spacing {
    Leading,
    Trailing,
    Linspace,
}

/// How to choose `steps` of `train` timesteps.
#[derive(Clone, Copy)]
pub(super) struct Timesteps {
    pub spacing: Spacing,
    /// The number of training timesteps.
    pub train: usize,
    pub steps: usize,
    /// The option `steps_offset`.
    pub offset: i64,
}

impl Timesteps {
    /// Whole timesteps from high to low, for DDIM and PNDM.
    pub fn rounded(self) -> Vec<f64> {
        let mut timesteps = self.fractional();
        if self.spacing == Spacing::Linspace {
            timesteps.iter_mut().for_each(|timestep| *timestep = timestep.round_ties_even());
        }
        timesteps
    }

    /// Timesteps from high to low, for Euler. With [`Spacing::Linspace`] they are not rounded.
    pub fn fractional(self) -> Vec<f64> {
        let Self { spacing, train, steps, offset } = self;
        match spacing {
            Spacing::Linspace => linspace((train - 1) as f64, steps).rev().collect(),
            Spacing::Leading => leading(train / steps, steps, offset).collect(),
            Spacing::Trailing => trailing(train as f64, train as f64 / steps as f64),
        }
    }

    /// Whole timesteps for DPM-Solver++ and UniPC, which space `steps + 1` points and leave out the last, timestep 0.
    /// `last` is the number of training timesteps that `lambda_min_clipped` leaves.
    pub fn multistep(self, last: usize) -> Vec<f64> {
        let Self { spacing, train, steps, offset } = self;
        match spacing {
            Spacing::Linspace => {
                linspace(last as f64 - 1.0, steps + 1).rev().take(steps).map(f64::round_ties_even).collect()
            }
            Spacing::Leading => leading(last / (steps + 1), steps + 1, offset).take(steps).collect(),
            Spacing::Trailing => trailing(last as f64, train as f64 / steps as f64),
        }
    }
}

/// `numpy.linspace(0, stop, count)`. A single value is 0.
pub(super) fn linspace(stop: f64, count: usize) -> impl DoubleEndedIterator<Item = f64> {
    let step = stop / count.saturating_sub(1) as f64;
    (0..count).map(move |index| match index {
        0 => 0.0,
        _ if index == count - 1 => stop,
        _ => index as f64 * step,
    })
}

fn leading(ratio: usize, count: usize, offset: i64) -> impl Iterator<Item = f64> {
    (0..count).rev().map(move |index| ((index * ratio) as i64 + offset) as f64)
}

/// `numpy.arange(start, 0, -step).round() - 1`. Rounding can add one value; the last timestep is then −1, as in
/// diffusers.
fn trailing(start: f64, step: f64) -> Vec<f64> {
    let count = (start / step).ceil() as usize;
    let difference = (start - step) - start;
    (0..count).map(|index| (start + index as f64 * difference).round_ties_even() - 1.0).collect()
}

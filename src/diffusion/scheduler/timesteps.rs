//! Which of the training's times a run of few steps visits, with numpy's arithmetic, whose rounding decides.
//!
//! The three spacings are those of table 2 in Lin et al., "Common diffusion noise schedules and sample steps are
//! flawed", 2023, as the `set_timesteps` of diffusers' schedulers compute them.

/// `timestep_spacing`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spacing {
    Leading,
    Trailing,
    Linspace,
}

/// A sampler's request for `steps` of `train` times.
#[derive(Clone, Copy)]
pub(super) struct Timesteps {
    pub spacing: Spacing,
    pub train: usize,
    pub steps: usize,
    pub offset: i64,
}

impl Timesteps {
    /// Whole times from high to low: DDIM, PNDM.
    pub fn whole(self) -> Vec<f64> {
        let mut times = self.fractional();
        if self.spacing == Spacing::Linspace {
            times.iter_mut().for_each(|time| *time = time.round_ties_even());
        }
        times
    }

    /// The same, but times that are spaced evenly from end to end are not rounded: Euler.
    pub fn fractional(self) -> Vec<f64> {
        let Self { spacing, train, steps, offset } = self;
        match spacing {
            Spacing::Linspace => linspace((train - 1) as f64, steps).rev().collect(),
            Spacing::Leading => leading(train / steps, steps, offset).collect(),
            Spacing::Trailing => trailing(train as f64, train as f64 / steps as f64),
        }
    }

    /// Whole times for the solvers of higher order, which count the end, time 0, as one more point and leave it out.
    /// `last`: the number of times, less those that `lambda_min_clipped` cuts off.
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

/// `numpy.linspace(0, stop, count)`; a single value is 0.
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

/// `numpy.arange(start, 0, -step).round() - 1`. Rounding can make it one longer than `start / step`; the last time is
/// then −1, as in diffusers.
fn trailing(start: f64, step: f64) -> Vec<f64> {
    let count = (start / step).ceil() as usize;
    let difference = (start - step) - start;
    (0..count).map(|index| (start + index as f64 * difference).round_ties_even() - 1.0).collect()
}

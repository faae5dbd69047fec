//! Comparisons with goldens, and a report of how much and where results differ.

use candle_core::{DType, Tensor};

/// The largest relative error allowed for a float32 tensor.
const TENSOR_TOLERANCE: f64 = 1e-4;
/// The smallest PSNR allowed for a picture, in dB.
const PICTURE_TOLERANCE: f64 = 50.0;
/// The report lists at most this many failures.
const LISTED: usize = 12;

/// Collects the comparisons of one test, so that one failure does not hide the others.
pub struct Comparison {
    what: &'static str,
    compared: usize,
    failures: Vec<String>,
    /// The largest relative error, and its case.
    worst_error: (f64, String),
    /// The smallest PSNR, and its case.
    worst_psnr: (f64, String),
}

impl Comparison {
    /// An empty collection. `what` names it in the report.
    pub fn of(what: &'static str) -> Self {
        let (worst_error, worst_psnr) = ((0.0, String::new()), (f64::INFINITY, String::new()));
        Self { what, compared: 0, failures: vec![], worst_error, worst_psnr }
    }

    /// Compares tensors: ‖a−b‖/‖b‖ and max|a−b|/max|b| must both be within the tolerance.
    pub fn tensor(&mut self, case: &str, found: &Tensor, expected: &Tensor) {
        if found.dims() != expected.dims() {
            let reason = format!("shape {:?}, expected {:?}", found.dims(), expected.dims());
            return self.fail(case, &reason);
        }
        self.values(case, &values(found), &values(expected));
    }

    /// Like [`Self::tensor`], for plain values.
    pub fn values(&mut self, case: &str, found: &[f64], expected: &[f64]) {
        self.compared += 1;
        if found.len() != expected.len() {
            let reason = format!("{} values, expected {}", found.len(), expected.len());
            return self.fail(case, &reason);
        }
        let differences: Vec<f64> = found.iter().zip(expected).map(|(a, b)| a - b).collect();
        let error = ratio(norm(&differences), norm(expected)).max(ratio(largest(&differences), largest(expected)));
        if error > self.worst_error.0 || error.is_nan() {
            self.worst_error = (error, case.to_owned());
        }
        if error > TENSOR_TOLERANCE || error.is_nan() {
            let place = differences.iter().map(|x| x.abs()).enumerate().max_by(|a, b| a.1.total_cmp(&b.1));
            let place = place.map_or(0, |(place, _)| place);
            let reason = format!(
                "relative error {error:.2e}; largest difference at {place} of {}: {}, expected {}",
                found.len(),
                found[place],
                expected[place]
            );
            self.fail(case, &reason);
        }
    }

    /// Compares pictures, given as rows of 8-bit values.
    pub fn picture(&mut self, case: &str, found: &[u8], expected: &[u8]) {
        self.compared += 1;
        if found.len() != expected.len() {
            let reason = format!("the picture has {} values, expected {}", found.len(), expected.len());
            return self.fail(case, &reason);
        }
        let squares: f64 = found.iter().zip(expected).map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2)).sum();
        let psnr = 10.0 * (255.0f64.powi(2) * found.len() as f64 / squares).log10();
        if psnr < self.worst_psnr.0 {
            self.worst_psnr = (psnr, case.to_owned());
        }
        if psnr < PICTURE_TOLERANCE {
            let apart = found.iter().zip(expected).map(|(a, b)| a.abs_diff(*b)).max().unwrap_or(0);
            self.fail(case, &format!("{psnr:.1} dB, values differ by up to {apart}"));
        }
    }

    /// Compares values that must be equal.
    pub fn equal<T: PartialEq + std::fmt::Debug>(&mut self, case: &str, found: &T, expected: &T) {
        self.compared += 1;
        if found != expected {
            self.fail(case, &format!("\n      {found:?}, expected\n      {expected:?}"));
        }
    }

    /// Records a failure.
    pub fn fail(&mut self, case: &str, reason: &str) {
        self.failures.push(format!("  {case}: {reason}"));
    }

    /// Prints the worst case. Panics with a list of the failures if there were any.
    pub fn finish(self) {
        let Self { what, compared, failures, worst_error, worst_psnr } = self;
        println!("{what}: {compared} comparisons");
        if worst_error.0 != 0.0 {
            println!("  largest relative error {:.1e} ({})", worst_error.0, worst_error.1);
        }
        if worst_psnr.0.is_finite() {
            println!("  smallest PSNR {:.1} dB ({})", worst_psnr.0, worst_psnr.1);
        }
        assert!(compared > 0, "{what}: nothing was compared");
        if !failures.is_empty() {
            let rest = failures.len().saturating_sub(LISTED);
            let rest = if rest > 0 { format!("\n  … and {rest} more") } else { String::new() };
            let listed = failures[..failures.len().min(LISTED)].join("\n");
            panic!("{what}: {} of {compared} comparisons failed\n{listed}{rest}", failures.len());
        }
    }
}

pub fn values(tensor: &Tensor) -> Vec<f64> {
    tensor.flatten_all().and_then(|flat| flat.to_dtype(DType::F64)?.to_vec1()).unwrap()
}

fn norm(values: &[f64]) -> f64 {
    values.iter().map(|x| x * x).sum::<f64>().sqrt()
}

fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |most, x| if x.is_nan() { f64::NAN } else { x.abs().max(most) })
}

/// The relative error; 0/0 counts as 0.
fn ratio(difference: f64, size: f64) -> f64 {
    if difference == 0.0 { 0.0 } else { difference / size }
}

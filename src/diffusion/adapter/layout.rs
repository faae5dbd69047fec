//! Reads the sizes of an adapter's tensors without trusting them.

use crate::diffusion::checkpoint::Weights;
use crate::diffusion::{Error, Result};

/// Torch's default epsilon, which every layer norm of an adapter has; the files do not store it.
pub(super) const EPS: f64 = 1e-5;

/// The size of a vector, at least 1.
pub(super) fn shape1(weights: &Weights, name: &str) -> Result<usize> {
    shape::<1>(weights, name).map(|[size]| size)
}

/// The rows and columns of a matrix, at least 1 each.
pub(super) fn shape2(weights: &Weights, name: &str) -> Result<(usize, usize)> {
    shape::<2>(weights, name).map(|[rows, columns]| (rows, columns))
}

/// The three sizes of a tensor, at least 1 each.
pub(super) fn shape3(weights: &Weights, name: &str) -> Result<(usize, usize, usize)> {
    shape::<3>(weights, name).map(|[a, b, c]| (a, b, c))
}

/// The number of `name`.0, `name`.1, and so on. Refuses gaps.
pub(super) fn numbered(weights: &Weights, name: &str) -> Result<usize> {
    let mut numbers: Vec<usize> = weights
        .pp(name)
        .names()
        .iter()
        .filter_map(|below| number(below.split('.').next().unwrap_or_default()))
        .collect();
    numbers.sort_unstable();
    numbers.dedup();
    match numbers.iter().enumerate().find(|(index, number)| index != *number) {
        Some((gap, _)) => {
            let last = numbers.len() - 1;
            Err(not_an_adapter(weights, format!("it has {name}.{}, but no {name}.{gap}", numbers[last])))
        }
        None => Ok(numbers.len()),
    }
}

/// Parses a layer's number: up to six digits without a leading zero.
pub(super) fn number(text: &str) -> Option<usize> {
    let plain = text.len() <= 6 && text.bytes().all(|byte| byte.is_ascii_digit());
    let plain = plain && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| plain)
}

/// Refuses tensors that would not be read, because the picture would lack their effect.
pub(super) fn refuse_unknown(weights: &Weights, known: impl Fn(&str) -> bool) -> Result<()> {
    match weights.names().into_iter().find(|name| !known(name)) {
        Some(name) => Err(not_an_adapter(weights, format!("this kind of adapter has no tensor image_proj.{name}"))),
        None => Ok(()),
    }
}

pub(super) fn not_an_adapter(weights: &Weights, reason: String) -> Error {
    Error::NotAnAdapter { path: weights.path(), reason }
}

/// Rewords errors that name a config.json, because an adapter has none: its tensors must fit each other.
pub(super) fn as_adapter_error(error: Error) -> Error {
    match error {
        Error::MissingTensor { path, name } => Error::NotAnAdapter { path, reason: format!("it has no tensor {name}") },
        Error::WrongShape { path, name, expected, found } => Error::NotAnAdapter {
            path,
            reason: format!("its tensor {name} has the shape {found:?}, but its other tensors ask for {expected:?}"),
        },
        other => other,
    }
}

fn shape<const N: usize>(weights: &Weights, name: &str) -> Result<[usize; N]> {
    let found = weights.shape(name)?;
    <[usize; N]>::try_from(found.as_slice()).ok().filter(|shape| !shape.contains(&0)).ok_or_else(|| {
        not_an_adapter(
            weights,
            format!("its tensor {name} has the shape {found:?}, but {N} sizes are needed, none of them 0"),
        )
    })
}

//! Reading sizes from an adapter's tensors without trusting them.

use crate::diffusion::checkpoint::Weights;
use crate::diffusion::{Error, Result};

/// The size of a vector, at least 1.
pub(super) fn shape1(weights: &Weights, name: &str) -> Result<usize> {
    shape::<1>(weights, name).map(|[size]| size)
}

/// Rows and columns of a matrix, at least 1 each.
pub(super) fn shape2(weights: &Weights, name: &str) -> Result<(usize, usize)> {
    shape::<2>(weights, name).map(|[rows, columns]| (rows, columns))
}

/// Three sizes, at least 1 each.
pub(super) fn shape3(weights: &Weights, name: &str) -> Result<(usize, usize, usize)> {
    shape::<3>(weights, name).map(|[a, b, c]| (a, b, c))
}

/// How many of `name`.0, `name`.1, … there are; a gap is refused.
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
            Err(not_an_adapter(weights, format!("its {name} go to {}, but there is no {gap}", numbers[last])))
        }
        None => Ok(numbers.len()),
    }
}

/// A layer's number as files write it: digits alone, and no more than a UNet could have.
pub(super) fn number(text: &str) -> Option<usize> {
    let plain = text.len() <= 6 && text.bytes().all(|byte| byte.is_ascii_digit());
    let plain = plain && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| plain)
}

/// Refuses tensors that nobody would read: what they change would be missing from the picture.
pub(super) fn only(weights: &Weights, known: impl Fn(&str) -> bool) -> Result<()> {
    match weights.names().into_iter().find(|name| !known(name)) {
        Some(name) => {
            Err(not_an_adapter(weights, format!("it has a tensor image_proj.{name}, which this kind of adapter lacks")))
        }
        None => Ok(()),
    }
}

pub(super) fn not_an_adapter(weights: &Weights, reason: String) -> Error {
    Error::NotAnAdapter { path: weights.path(), reason }
}

/// An adapter has no config.json: what does not fit there does not fit the file's other tensors.
pub(super) fn in_an_adapter(error: Error) -> Error {
    match error {
        Error::MissingTensor { path, name } => {
            Error::NotAnAdapter { path, reason: format!("it has no tensor {name}, which its kind needs") }
        }
        Error::WrongShape { path, name, expected, found } => Error::NotAnAdapter {
            path,
            reason: format!("its tensor {name} has the shape {found:?}, where its other tensors ask for {expected:?}"),
        },
        other => other,
    }
}

fn shape<const N: usize>(weights: &Weights, name: &str) -> Result<[usize; N]> {
    let found = weights.shape(name)?;
    <[usize; N]>::try_from(found.as_slice()).ok().filter(|shape| !shape.contains(&0)).ok_or_else(|| {
        not_an_adapter(
            weights,
            format!("its tensor {name} has the shape {found:?}, where {N} sizes are needed, none of them 0"),
        )
    })
}

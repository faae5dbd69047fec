//! A tensor as a layer asks for it, made from a stored one: renamed, sliced, transposed or reshaped.

use std::ops::Range;

use candle_core::Tensor;

use super::source::Source;
use super::values::Values;
use crate::diffusion::{Error, Result};

/// A stored tensor and the steps that turn it into the one a layer asks for. Without steps it is a rename.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    stored: String,
    steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Rows(Range<usize>),
    Transpose,
    Reshape(Vec<usize>),
}

impl View {
    /// The stored tensor as it is.
    pub fn of(stored: impl Into<String>) -> Self {
        Self { stored: stored.into(), steps: Vec::new() }
    }

    /// These rows along the first dimension. As the first step, only their bytes are read.
    pub fn rows(self, rows: Range<usize>) -> Self {
        self.then(Step::Rows(rows))
    }

    /// The transpose of a matrix.
    pub fn transposed(self) -> Self {
        self.then(Step::Transpose)
    }

    /// The same values in another shape.
    pub fn reshaped(self, shape: impl Into<Vec<usize>>) -> Self {
        self.then(Step::Reshape(shape.into()))
    }

    /// The name of the stored tensor.
    pub fn stored(&self) -> &str {
        &self.stored
    }

    /// This view, followed by the steps of `next`, which is a view of what this one makes.
    pub(super) fn followed_by(&self, next: View) -> Self {
        Self { stored: self.stored.clone(), steps: [self.steps.clone(), next.steps].concat() }
    }

    /// The shape it makes; [`Error::BadTensor`] if a step does not fit the stored tensor.
    pub(super) fn shape(&self, source: &Source) -> Result<Vec<usize>> {
        let stored = source.shape(&self.stored)?;
        let mut shape = stored.to_vec();
        for step in &self.steps {
            shape = step.shape(shape).map_err(|reason| Error::BadTensor {
                path: source.path_of(&self.stored),
                name: self.stored.clone(),
                reason: format!("its shape is {stored:?}, and {reason}"),
            })?;
        }
        Ok(shape)
    }

    /// Reads the stored tensor and takes the steps.
    pub(super) fn read(&self, source: &Source) -> Result<Values> {
        let shape = self.shape(source)?;
        let (rows, steps) = match self.steps.split_first() {
            Some((Step::Rows(rows), rest)) => (Some(rows.clone()), rest),
            _ => (None, &self.steps[..]),
        };
        let values = source.read(&self.stored, rows)?;
        if steps.iter().all(|step| matches!(step, Step::Reshape(_))) {
            return values.reshaped(shape);
        }
        let tensor = steps.iter().try_fold(values.into_tensor()?, |tensor, step| step.apply(&tensor))?;
        Ok(Values::Tensor(tensor.contiguous()?))
    }

    fn then(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }
}

impl Step {
    fn shape(&self, shape: Vec<usize>) -> Result<Vec<usize>, String> {
        match self {
            Self::Rows(rows) => match shape.split_first() {
                Some((count, rest)) if rows.start <= rows.end && rows.end <= *count => {
                    Ok([&[rows.len()], rest].concat())
                }
                _ => Err(format!("rows {} to {} are needed", rows.start, rows.end)),
            },
            Self::Transpose => match shape[..] {
                [rows, columns] => Ok(vec![columns, rows]),
                _ => Err("a matrix is needed".to_owned()),
            },
            Self::Reshape(new) if new.iter().product::<usize>() == shape.iter().product::<usize>() => Ok(new.clone()),
            Self::Reshape(new) => Err(format!("as many values as in {new:?} are needed")),
        }
    }

    fn apply(&self, tensor: &Tensor) -> Result<Tensor> {
        Ok(match self {
            Self::Rows(rows) => tensor.narrow(0, rows.start, rows.len())?,
            Self::Transpose => tensor.t()?,
            Self::Reshape(shape) => tensor.reshape(shape.as_slice())?,
        })
    }
}

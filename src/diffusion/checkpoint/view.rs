//! A tensor as a layer asks for it, made from a stored one: renamed, sliced, transposed or reshaped.

use std::ops::Range;

use candle_core::{DType, Device, Tensor};

use super::source::Source;
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

/// A tensor on the CPU.
pub(super) enum Values {
    /// Float32 as plain numbers, row after row: layers that pack their weights take them without a copy.
    Numbers { numbers: Vec<f32>, shape: Vec<usize> },
    /// Any type.
    Tensor(Tensor),
}

impl Values {
    /// In the type that it is stored in.
    pub fn into_tensor(self) -> Result<Tensor> {
        match self {
            Self::Numbers { numbers, shape } => Ok(Tensor::from_vec(numbers, shape, &Device::Cpu)?),
            Self::Tensor(tensor) => Ok(tensor),
        }
    }

    /// In float32, row after row.
    pub fn into_numbers(self) -> Result<Vec<f32>> {
        match self {
            Self::Numbers { numbers, .. } => Ok(numbers),
            Self::Tensor(tensor) => Ok(tensor.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?),
        }
    }

    fn reshaped(self, shape: Vec<usize>) -> Result<Self> {
        Ok(match self {
            Self::Numbers { numbers, .. } => Self::Numbers { numbers, shape },
            Self::Tensor(tensor) if tensor.dims() == shape => Self::Tensor(tensor),
            Self::Tensor(tensor) => Self::Tensor(tensor.reshape(shape)?),
        })
    }
}

//! Tensors of a layer that training changes, or that stay frozen.

use std::ops::Range;

use crate::backend::Backend;
use crate::{NnError, Scalar};

/// A tensor of a layer with its gradient. The rows `trainable` of its leading dimension are trained; the others are
/// frozen, all of them where that range is empty.
#[derive(Clone, Debug)]
pub struct Parameter<T: Scalar, B: Backend> {
    /// The values.
    pub value: B::Tensor<T>,
    /// Rows of the leading dimension that are trained.
    pub trainable: Range<usize>,
    /// The sum of the gradients since it was last cleared, in the shape of the trainable rows.
    pub gradient: Option<B::Tensor<T>>,
}

impl<T: Scalar, B: Backend> Parameter<T, B> {
    /// All of `value` is trained.
    pub fn trainable(value: B::Tensor<T>) -> Self {
        let rows = B::shape(&value).first().copied().unwrap_or(1);
        Self { value, trainable: 0..rows, gradient: None }
    }

    /// Nothing of `value` is trained.
    pub fn frozen(value: B::Tensor<T>) -> Self {
        Self { value, trainable: 0..0, gradient: None }
    }

    /// The rows `trainable` of `value` are trained.
    pub fn partly_trainable(value: B::Tensor<T>, trainable: Range<usize>) -> Self {
        Self { value, trainable, gradient: None }
    }

    /// The gradient to add to, zero if there was none.
    pub fn gradient_mut(&mut self, backend: &B) -> Result<&mut B::Tensor<T>, NnError> {
        if self.gradient.is_none() {
            let mut shape = B::shape(&self.value).to_vec();
            if let Some(rows) = shape.first_mut() {
                *rows = self.trainable.len();
            }
            self.gradient = Some(backend.zeros(&shape)?);
        }
        // Just filled.
        self.gradient.as_mut().ok_or(NnError::BackwardWithoutForward { layer: "parameter" })
    }

    /// Count of values in the trainable rows.
    pub fn trainable_len(&self) -> usize {
        let shape = B::shape(&self.value);
        self.trainable.len() * shape.iter().skip(1).product::<usize>()
    }

    /// Where the trainable values start in `value`.
    pub fn trainable_offset(&self) -> usize {
        self.trainable.start * B::shape(&self.value).iter().skip(1).product::<usize>()
    }
}

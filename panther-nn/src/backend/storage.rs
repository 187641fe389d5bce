//! Tensors of a device, and copies to and from the host.

use std::fmt::Debug;

use crate::{NnError, Scalar};

/// Makes tensors and reads them. Backends are handles: cheap to clone.
pub trait Storage: Clone + Debug + Send + Sync + 'static {
    /// A dense row-major tensor of any number of dimensions. Cloning shares the values until one of the two is written.
    type Tensor<T: Scalar>: Clone + Debug + Send + Sync;

    /// The extents of a tensor.
    fn shape<T: Scalar>(x: &Self::Tensor<T>) -> &[usize];

    /// A tensor of zeros.
    ///
    /// # Errors
    /// Where the device has not the memory.
    fn zeros<T: Scalar>(&self, shape: &[usize]) -> Result<Self::Tensor<T>, NnError>;

    /// A tensor with the given values in row-major order.
    ///
    /// # Errors
    /// [`NnError::Shape`] where their count is not that of the shape.
    fn upload<T: Scalar>(&self, shape: &[usize], values: Vec<T>) -> Result<Self::Tensor<T>, NnError>;

    /// The values in row-major order.
    ///
    /// # Errors
    /// Where the copy from the device fails.
    fn download<T: Scalar>(&self, x: &Self::Tensor<T>) -> Result<Vec<T>, NnError>;

    /// The same values in another shape, without a copy.
    ///
    /// # Errors
    /// [`NnError::Shape`] where the counts differ.
    fn reshape<T: Scalar>(&self, x: &Self::Tensor<T>, shape: &[usize]) -> Result<Self::Tensor<T>, NnError>;
}

/// How many values a shape holds.
pub(crate) fn count(shape: &[usize]) -> usize {
    shape.iter().product()
}

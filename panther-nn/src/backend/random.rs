//! Random tensors. The draws are those of panther-sketch's streams, so that every device draws the same.

use crate::backend::Storage;
use crate::{NnError, Scalar};

/// Random fill, a function of the seed and of the place in the tensor alone.
pub trait Random: Storage {
    /// Independent values uniform on (−`limit`, `limit`).
    ///
    /// # Errors
    /// Where the device has not the memory.
    fn uniform<T: Scalar>(&self, shape: &[usize], limit: f64, seed: u64) -> Result<Self::Tensor<T>, NnError>;

    /// Independent normal values with mean 0 and the given standard deviation.
    ///
    /// # Errors
    /// Where the device has not the memory.
    fn normal<T: Scalar>(&self, shape: &[usize], deviation: f64, seed: u64) -> Result<Self::Tensor<T>, NnError>;

    /// Each number becomes zero with probability `rate`, and 1/(1 − `rate`) times itself otherwise. The same seed drops
    /// the same places: the gradient of a dropout is the dropout of the gradient.
    ///
    /// # Errors
    /// Where the device refuses.
    fn dropout<T: Scalar>(&self, rate: f64, seed: u64, x: &mut Self::Tensor<T>) -> Result<(), NnError>;
}

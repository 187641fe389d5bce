//! Maxima and means over windows of images.

use crate::backend::{Geometry, Storage};
use crate::{NnError, Scalar};

/// Pooling of x, batch×C×rows×columns, to batch×C×positions.
///
/// # Errors
/// All: [`NnError::Shape`] where the tensors do not fit, and those of [`Geometry::positions`].
pub trait Pooling: Storage {
    /// The largest number in each window; padding is never it.
    fn max_pool<T: Scalar>(&self, x: &Self::Tensor<T>, geometry: Geometry) -> Result<Self::Tensor<T>, NnError>;

    /// The gradient by x: dy goes to the first largest number of its window.
    fn max_pool_backward<T: Scalar>(
        &self,
        x: &Self::Tensor<T>,
        dy: &Self::Tensor<T>,
        geometry: Geometry,
    ) -> Result<Self::Tensor<T>, NnError>;

    /// The mean of each window, padding counted as zeros.
    fn average_pool<T: Scalar>(&self, x: &Self::Tensor<T>, geometry: Geometry) -> Result<Self::Tensor<T>, NnError>;

    /// The gradient by x, whose images have the extents `image`.
    fn average_pool_backward<T: Scalar>(
        &self,
        dy: &Self::Tensor<T>,
        image: [usize; 2],
        geometry: Geometry,
    ) -> Result<Self::Tensor<T>, NnError>;
}

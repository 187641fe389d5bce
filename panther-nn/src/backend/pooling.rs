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

/// The pixels under the taps of a window at one position along an axis of `pixels`.
pub(crate) fn pixels_along(
    geometry: Geometry,
    axis: usize,
    position: usize,
    pixels: usize,
) -> impl Iterator<Item = usize> + Clone {
    let (stride, dilation) = (geometry.stride[axis], geometry.dilation[axis]);
    let before = geometry.padding[axis][0];
    let under = (0..geometry.kernel[axis]).map(move |tap| (position * stride + tap * dilation).checked_sub(before));
    under.flatten().take_while(move |&pixel| pixel < pixels)
}

/// The positions of windows, none of which covers nothing but padding.
pub(crate) fn pooled_positions(
    operation: &'static str,
    extents: [usize; 2],
    geometry: Geometry,
) -> Result<[usize; 2], NnError> {
    let positions = geometry.positions(operation, extents)?;
    let is_empty =
        |axis: usize| !(0..positions[axis]).all(|at| pixels_along(geometry, axis, at, extents[axis]).next().is_some());
    if is_empty(0) || is_empty(1) {
        let expected = format!("an image with a pixel under every window of {geometry:?}");
        return Err(NnError::shape(operation, "x", expected, &extents));
    }
    Ok(positions)
}

/// An error where a gradient is not that of `positions` on each plane of images of this shape.
pub(crate) fn check_pooled(
    operation: &'static str,
    images: [usize; 4],
    positions: [usize; 2],
    dy: &[usize],
) -> Result<(), NnError> {
    let expected = [images[0], images[1], positions[0], positions[1]];
    if dy == expected { Ok(()) } else { Err(NnError::shape(operation, "dy", format!("{expected:?}"), dy)) }
}

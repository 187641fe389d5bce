//! The window of convolutions and pooling, and batches of images.

use crate::backend::{Backend, Geometry};
use crate::layers::in_range;
use crate::{NnError, Scalar};

/// Zeros around an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Padding {
    /// None.
    #[default]
    Valid,
    /// As many as keep the extents at stride 1; an odd one is put behind, as PyTorch does.
    Same,
    /// The same number on all four sides.
    All(usize),
    /// Above and below, left and right.
    Pair(usize, usize),
}

/// The window of taps of a convolution or pooling. Pairs are rows and columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Taps.
    pub kernel: [usize; 2],
    /// Pixels from one position to the next.
    pub stride: [usize; 2],
    /// Zeros around the image.
    pub padding: Padding,
    /// Pixels from one tap to the next.
    pub dilation: [usize; 2],
}

impl Window {
    /// A window of so many taps that moves by one pixel, without padding or dilation.
    #[must_use]
    pub const fn new(kernel: [usize; 2]) -> Self {
        Self { kernel, stride: [1, 1], padding: Padding::Valid, dilation: [1, 1] }
    }

    /// The padding in values.
    ///
    /// # Errors
    /// [`NnError::OutOfRange`] where kernel, stride or dilation is 0, or where the stride is not 1 with [`Padding::Same`].
    pub fn geometry(&self) -> Result<Geometry, NnError> {
        let Self { kernel, stride, padding, dilation } = *self;
        for (argument, sizes) in [("kernel", kernel), ("stride", stride), ("dilation", dilation)] {
            for size in sizes {
                in_range(argument, size, 1, usize::MAX)?;
            }
        }
        let mut geometry = Geometry { kernel, stride, padding: [[0; 2]; 2], dilation };
        match padding {
            Padding::Valid => {}
            Padding::All(n) => geometry.padding = [[n; 2]; 2],
            Padding::Pair(rows, columns) => geometry.padding = [[rows; 2], [columns; 2]],
            Padding::Same => {
                for axis in 0..2 {
                    in_range("stride with same padding", stride[axis], 1, 1)?;
                    let (low, high, got) = (1, usize::MAX, kernel[axis]);
                    let span = geometry.span(axis).ok_or(NnError::OutOfRange { argument: "kernel", low, high, got })?;
                    geometry.padding[axis] = [(span - 1) / 2, span / 2];
                }
            }
        }
        Ok(geometry)
    }
}

/// x as a batch of images of so many channels: one image, channels×rows×columns, is a batch of one. Shares x's values.
pub(super) fn as_batch<T: Scalar, B: Backend>(
    backend: &B,
    operation: &'static str,
    argument: &'static str,
    x: &B::Tensor<T>,
    channels: Option<usize>,
) -> Result<B::Tensor<T>, NnError> {
    let fits = |got: usize| channels.is_none_or(|channels| channels == got);
    match *B::shape(x) {
        [_, got, _, _] if fits(got) => Ok(x.clone()),
        [got, rows, columns] if fits(got) => backend.reshape(x, &[1, got, rows, columns]),
        _ => {
            let channels = channels.map_or_else(|| "channels".to_owned(), |channels| channels.to_string());
            let expected = format!("batch×{channels}×rows×columns or {channels}×rows×columns");
            Err(NnError::shape(operation, argument, expected, B::shape(x)))
        }
    }
}

/// A batch of images in as many dimensions as `x` has: a batch of one loses its leading extent where x has none.
pub(super) fn as_given<T: Scalar, B: Backend>(
    backend: &B,
    batch: B::Tensor<T>,
    x: &B::Tensor<T>,
) -> Result<B::Tensor<T>, NnError> {
    match *B::shape(&batch) {
        [1, channels, rows, columns] if B::shape(x).len() == 3 => backend.reshape(&batch, &[channels, rows, columns]),
        _ => Ok(batch),
    }
}

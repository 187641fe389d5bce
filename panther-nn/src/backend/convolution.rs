//! Convolutions of batches of images.

use crate::backend::{Storage, count};
use crate::{NnError, Scalar};

/// Where a window of taps stands on an image: rows first, columns second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// Taps.
    pub kernel: [usize; 2],
    /// Pixels from one position of the window to the next.
    pub stride: [usize; 2],
    /// Zeros before the first pixel and after the last, for rows and for columns.
    pub padding: [[usize; 2]; 2],
    /// Pixels from one tap to the next.
    pub dilation: [usize; 2],
}

impl Geometry {
    /// Pixels that the window reaches over along an axis.
    #[must_use]
    pub const fn span(&self, axis: usize) -> Option<usize> {
        let Some(gaps) = self.kernel[axis].checked_sub(1) else { return None };
        match gaps.checked_mul(self.dilation[axis]) {
            Some(reach) => reach.checked_add(1),
            None => None,
        }
    }

    /// Positions of the window on an image, rows and columns: ⌊(n + padding − span)/stride⌋ + 1.
    ///
    /// # Errors
    /// [`NnError::OutOfRange`] where kernel, stride or dilation is 0, [`NnError::Shape`] where the window does not fit into
    /// the padded image.
    pub fn positions(&self, operation: &'static str, image: [usize; 2]) -> Result<[usize; 2], NnError> {
        for (argument, sizes) in [("kernel", self.kernel), ("stride", self.stride), ("dilation", self.dilation)] {
            if sizes.contains(&0) {
                return Err(NnError::OutOfRange { argument, low: 1, high: usize::MAX, got: 0 });
            }
        }
        let along = |axis: usize| {
            let [before, after] = self.padding[axis];
            // Offsets of taps are signed.
            let padded = image[axis].checked_add(before)?.checked_add(after).filter(|&n| n <= isize::MAX as usize)?;
            Some(padded.checked_sub(self.span(axis)?)? / self.stride[axis] + 1)
        };
        match (along(0), along(1)) {
            (Some(rows), Some(columns)) => Ok([rows, columns]),
            _ => Err(NnError::shape(operation, "x", format!("an image that fits {self:?}"), &image)),
        }
    }
}

/// The extents of a batch of images, batch×channels×rows×columns.
///
/// # Errors
/// [`NnError::Shape`] where the tensor has not four dimensions.
pub(crate) fn images(
    operation: &'static str,
    argument: &'static str,
    shape: &[usize],
) -> Result<(usize, usize, [usize; 2]), NnError> {
    match *shape {
        [batch, channels, rows, columns] => Ok((batch, channels, [rows, columns])),
        _ => Err(NnError::shape(operation, argument, "batch×channels×rows×columns", shape)),
    }
}

/// The shape of a batch of images, where its count of values is one.
pub(crate) fn batch_shape(
    operation: &'static str,
    batch: usize,
    channels: usize,
    [rows, columns]: [usize; 2],
) -> Result<[usize; 4], NnError> {
    let shape = [batch, channels, rows, columns];
    let values = shape.iter().filter(|&&n| n > 0).try_fold(1, |all: usize, &n| all.checked_mul(n));
    match values {
        Some(_) if count(&shape) <= isize::MAX as usize / 8 => Ok(shape),
        _ => Err(NnError::shape(operation, "y", "a tensor that memory can hold", &shape)),
    }
}

/// Convolutions (cross-correlations, as networks call them) of x, batch×C_in×rows×columns, with a weight C_out×C_in×kh×kw:
/// y\[o, p\] = Σ over channels c and taps t of weight\[o, c, t\]·x\[c, stride·p + dilation·t − padding\]. 2·batch·positions·C_out·C_in·kh·kw
/// operations each, and no memory for unfolded images.
///
/// # Errors
/// All: [`NnError::Shape`] where the tensors do not fit, and those of [`Geometry::positions`].
pub trait Convolution: Storage {
    /// y, batch×C_out×positions. With a `mix` (α, U), U hidden×C_out, the weight has hidden channels instead and y is α·Uᵀ
    /// times what it gives, pixel by pixel: a 1×1 convolution without the tensor between. Then the bias of each channel is added.
    fn convolve<T: Scalar>(
        &self,
        x: &Self::Tensor<T>,
        weight: &Self::Tensor<T>,
        mix: Option<(T, &Self::Tensor<T>)>,
        bias: Option<&Self::Tensor<T>>,
        geometry: Geometry,
    ) -> Result<Self::Tensor<T>, NnError>;

    /// The gradient by x, whose images have the extents `image`, from that by y (without mix).
    fn convolve_backward_input<T: Scalar>(
        &self,
        dy: &Self::Tensor<T>,
        weight: &Self::Tensor<T>,
        image: [usize; 2],
        geometry: Geometry,
    ) -> Result<Self::Tensor<T>, NnError>;

    /// `gradient` += the gradient by the weight from that by y (without mix).
    fn convolve_backward_weight<T: Scalar>(
        &self,
        x: &Self::Tensor<T>,
        dy: &Self::Tensor<T>,
        geometry: Geometry,
        gradient: &mut Self::Tensor<T>,
    ) -> Result<(), NnError>;

    /// `sum` += the sum of each channel over batch, rows and columns: the gradient of a bias.
    fn sum_channels<T: Scalar>(&self, x: &Self::Tensor<T>, sum: &mut Self::Tensor<T>) -> Result<(), NnError>;
}

/// The extents of a convolution.
#[derive(Clone, Copy)]
pub(crate) struct ConvolutionSizes {
    pub geometry: Geometry,
    pub batch: usize,
    pub c_in: usize,
    pub c_out: usize,
    /// Of the images of x.
    pub extents: [usize; 2],
    /// Of those of y.
    pub positions: [usize; 2],
}

impl ConvolutionSizes {
    pub fn new(operation: &'static str, x: &[usize], weight: &[usize], geometry: Geometry) -> Result<Self, NnError> {
        let (batch, c_in, extents) = images(operation, "x", x)?;
        let [kernel_rows, kernel_columns] = geometry.kernel;
        let &[c_out, _, _, _] = weight else {
            return Err(NnError::shape(operation, "weight", "C_out×C_in×kh×kw", weight));
        };
        if weight != [c_out, c_in, kernel_rows, kernel_columns] || c_in == 0 || c_out == 0 {
            let expected = format!("[{c_out}, {c_in}, {kernel_rows}, {kernel_columns}]");
            return Err(NnError::shape(operation, "weight", expected, weight));
        }
        let positions = geometry.positions(operation, extents)?;
        Ok(Self { geometry, batch, c_in, c_out, extents, positions })
    }

    pub fn check_gradient(&self, operation: &'static str, dy: &[usize]) -> Result<(), NnError> {
        let expected = [self.batch, self.c_out, self.positions[0], self.positions[1]];
        if dy == expected { Ok(()) } else { Err(NnError::shape(operation, "dy", format!("{expected:?}"), dy)) }
    }

    /// Those of the backward pass to images of the extents `image`.
    pub fn of_gradient(
        operation: &'static str,
        dy: &[usize],
        weight: &[usize],
        image: [usize; 2],
        geometry: Geometry,
    ) -> Result<Self, NnError> {
        let batch = dy.first().copied().unwrap_or(0);
        let c_in = weight.get(1).copied().unwrap_or(0);
        let shape = batch_shape(operation, batch, c_in, image)?;
        let sizes = Self::new(operation, &shape, weight, geometry)?;
        sizes.check_gradient(operation, dy)?;
        Ok(sizes)
    }

    /// The shape of x.
    pub const fn images(&self) -> [usize; 4] {
        [self.batch, self.c_in, self.extents[0], self.extents[1]]
    }

    /// The channels of y, where the mix and the bias fit.
    pub fn mixed(&self, mix: Option<&[usize]>, bias: Option<&[usize]>) -> Result<usize, NnError> {
        let channels = match mix {
            None => self.c_out,
            Some(&[hidden, channels]) if hidden == self.c_out => channels,
            Some(mix) => return Err(NnError::shape("convolve", "mix", format!("{}×C_out", self.c_out), mix)),
        };
        match bias.filter(|bias| **bias != [channels]) {
            Some(bias) => Err(NnError::shape("convolve", "bias", format!("[{channels}]"), bias)),
            None => Ok(channels),
        }
    }
}

/// The extents of images whose channels are summed.
pub(crate) fn channel_sums(x: &[usize], sum: &[usize]) -> Result<(usize, usize, [usize; 2]), NnError> {
    let (batch, channels, extents) = images("sum_channels", "x", x)?;
    if sum != [channels] {
        return Err(NnError::shape("sum_channels", "sum", format!("[{channels}]"), sum));
    }
    Ok((batch, channels, extents))
}

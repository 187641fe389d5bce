//! Dense weights, however their tensors lie.

use faer::{Mat, MatRef};
use panther_linalg::LinalgError;

use crate::backend::count;
use crate::{NnError, Scalar};

/// How a dense weight lies in its tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WeightLayout {
    /// A linear layer's, out×in.
    OutIn,
    /// A linear layer's, in×out.
    InOut,
    /// A convolution's, C_out×C_in×kh×kw.
    Conv2d,
}

impl WeightLayout {
    /// (d_in, d_out) of a tensor of this shape: a convolution's d_in is C_in·kh·kw.
    pub(super) fn dimensions(self, shape: &[usize]) -> Option<(usize, usize)> {
        match (self, shape) {
            (Self::OutIn, &[d_out, d_in]) | (Self::InOut, &[d_in, d_out]) => Some((d_in, d_out)),
            (Self::Conv2d, &[d_out, c_in, height, width]) => Some((c_in * height * width, d_out)),
            _ => None,
        }
    }
}

/// A weight as the matrix M, d_in×d_out, that rows of inputs are multiplied by; a convolution's is unfolded to
/// (C_in·kh·kw)×C_out.
#[derive(Clone, Debug)]
pub struct DenseWeight<T> {
    layout: WeightLayout,
    shape: Vec<usize>,
    matrix: Mat<T>,
}

impl<T: Scalar> DenseWeight<T> {
    /// From a row-major tensor.
    ///
    /// # Errors
    /// [`NnError::Shape`] where the shape is not of the layout's kind, has an extent of 0, or does not hold as many values;
    /// [`NnError::Linalg`] where a number is not finite.
    pub fn new(layout: WeightLayout, shape: &[usize], values: &[T]) -> Result<Self, NnError> {
        let expected = match layout {
            WeightLayout::OutIn => "out×in, neither of them 0",
            WeightLayout::InOut => "in×out, neither of them 0",
            WeightLayout::Conv2d => "C_out×C_in×kh×kw, none of them 0",
        };
        let wrong = || NnError::shape("convert", "weight", expected, shape);
        let (d_in, d_out) = layout.dimensions(shape).filter(|&(i, o)| i > 0 && o > 0).ok_or_else(wrong)?;
        if values.len() != count(shape) {
            return Err(NnError::shape("convert", "values", format!("{} of them", count(shape)), &[values.len()]));
        }
        let matrix = match layout {
            WeightLayout::OutIn | WeightLayout::Conv2d => {
                MatRef::from_column_major_slice(values, d_in, d_out).to_owned()
            }
            WeightLayout::InOut => MatRef::from_row_major_slice(values, d_in, d_out).to_owned(),
        };
        check_finite("weight", matrix.as_ref())?;
        Ok(Self { layout, shape: shape.to_vec(), matrix })
    }

    /// M.
    #[must_use]
    pub fn matrix(&self) -> MatRef<'_, T> {
        self.matrix.as_ref()
    }

    /// How the tensor lay.
    #[must_use]
    pub const fn layout(&self) -> WeightLayout {
        self.layout
    }

    /// The shape of the tensor.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// (d_in, d_out) of M.
    #[must_use]
    pub fn dimensions(&self) -> (usize, usize) {
        self.matrix.shape()
    }

    pub(super) fn is_convolution(&self) -> bool {
        self.layout == WeightLayout::Conv2d
    }
}

/// An error that names the first number that is not finite.
pub(super) fn check_finite<T: Scalar>(argument: &'static str, a: MatRef<'_, T>) -> Result<(), NnError> {
    for (row, column) in (0..a.ncols()).flat_map(|j| (0..a.nrows()).map(move |i| (i, j))) {
        if !a[(row, column)].is_finite() {
            let value = a[(row, column)].to_f64();
            return Err(LinalgError::NonFinite { argument, row, column, value }.into());
        }
    }
    Ok(())
}

/// Values that a sketched layer of T = 1 and k = 1 stores, fixed factors counted: 2·(d_in + d_out). T·k times that for others.
pub(super) const fn stored_per_term((d_in, d_out): (usize, usize)) -> usize {
    2 * (d_in + d_out)
}

/// The largest k at T = 1 that stores fewer values than the dense weight and is of use; 0 where none does.
pub(super) fn most_useful((d_in, d_out): (usize, usize)) -> usize {
    let saving = (d_in * d_out).saturating_sub(1) / stored_per_term((d_in, d_out)).max(1);
    saving.min(d_in.min(d_out).div_ceil(2))
}

/// An error where the inputs do not fit the weight or are not finite.
pub(super) fn check_inputs<T: Scalar>(weight: &DenseWeight<T>, inputs: Option<MatRef<'_, T>>) -> Result<(), NnError> {
    match inputs {
        Some(x) if x.ncols() != weight.dimensions().0 || x.nrows() == 0 => {
            let expected = format!("n×{} with n at least 1", weight.dimensions().0);
            Err(NnError::shape("convert", "inputs", expected, &[x.nrows(), x.ncols()]))
        }
        Some(x) => check_finite("inputs", x),
        None => Ok(()),
    }
}

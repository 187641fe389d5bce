//! Columns times sinusoids of the position, the expensive part of a sinusoidal encoding.

use std::ops::Range;

use crate::backend::Storage;
use crate::{NnError, Scalar};

/// K sinusoids for each of E columns: λ·cos(2πf·m + θ) and λ·sin(2πf·m + θ) at position m. All tensors are E×K. Also their gradients.
#[derive(Debug)]
pub struct Waves<X> {
    /// f, periods a position.
    pub frequencies: X,
    /// θ, in radians; 0 where there is none.
    pub phases: Option<X>,
    /// λ.
    pub gains: X,
}

/// Some rows of a tensor of sequences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SequenceRows {
    /// Which rows.
    pub rows: Range<usize>,
    /// Rows of a sequence: row i stands at position i mod length.
    pub length: usize,
}

/// Products with sinusoids.
///
/// # Errors
/// All: [`NnError::Shape`] where the tensors do not fit.
pub trait Sinusoids: Storage {
    /// x·λ·cos and x·λ·sin of each column and sinusoid, rows×(E·K·2), for some rows of x, …×E.
    fn modulate<T: Scalar>(
        &self,
        x: &Self::Tensor<T>,
        at: &SequenceRows,
        waves: &Waves<&Self::Tensor<T>>,
    ) -> Result<Self::Tensor<T>, NnError>;

    /// Writes the rows of dx, from the gradient by what [`modulate`](Self::modulate) gave for them; the gradients by the sinusoids are
    /// added to theirs.
    fn modulate_backward<T: Scalar>(
        &self,
        x: &Self::Tensor<T>,
        at: &SequenceRows,
        waves: &Waves<&Self::Tensor<T>>,
        dy: &Self::Tensor<T>,
        dx: &mut Self::Tensor<T>,
        gradients: &mut Waves<Self::Tensor<T>>,
    ) -> Result<(), NnError>;
}

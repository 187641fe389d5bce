//! Columns times sinusoids of the position, the expensive part of a sinusoidal encoding.

use std::ops::Range;

use crate::backend::{Storage, count, same_count};
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

/// Columns of x, and sinusoids of each.
pub(crate) struct WaveSizes {
    pub columns: usize,
    pub waves: usize,
}

/// The sizes, where x and the sinusoids, given by their shapes, fit together.
pub(crate) fn wave_sizes(
    operation: &'static str,
    x: &[usize],
    at: &SequenceRows,
    waves: &Waves<&[usize]>,
) -> Result<WaveSizes, NnError> {
    let &[columns, per_column] = waves.gains else {
        return Err(NnError::shape(operation, "gains", "columns×sinusoids", waves.gains));
    };
    same_count(operation, "frequencies", waves.gains, waves.frequencies)?;
    if let Some(phases) = waves.phases {
        same_count(operation, "phases", waves.gains, phases)?;
    }
    let holds = at.rows.start <= at.rows.end && at.rows.end.saturating_mul(columns) <= count(x);
    if columns == 0 || per_column == 0 || at.length == 0 || x.last() != Some(&columns) || !holds {
        return Err(NnError::shape(operation, "x", format!("rows {:?} of {columns}", at.rows), x));
    }
    Ok(WaveSizes { columns, waves: per_column })
}

/// As [`wave_sizes`], of the backward pass.
pub(crate) fn wave_gradient_sizes(
    operation: &'static str,
    x: &[usize],
    at: &SequenceRows,
    waves: &Waves<&[usize]>,
    [dy, dx]: [&[usize]; 2],
    gradients: &Waves<&[usize]>,
) -> Result<WaveSizes, NnError> {
    let sizes = wave_sizes(operation, x, at, waves)?;
    let width = 2 * sizes.columns * sizes.waves;
    same_count(operation, "dx", x, dx)?;
    same_count(operation, "gradients", waves.gains, gradients.frequencies)?;
    same_count(operation, "gradients", waves.gains, gradients.gains)?;
    if let Some(phases) = gradients.phases {
        same_count(operation, "gradients", waves.gains, phases)?;
    }
    if count(dy) != at.rows.len() * width {
        return Err(NnError::shape(operation, "dy", format!("{}×{width}", at.rows.len()), dy));
    }
    Ok(sizes)
}

impl<X> Waves<X> {
    /// Something of each tensor.
    pub(crate) fn map<'a, Y>(&'a self, f: impl Fn(&'a X) -> Y) -> Waves<Y> {
        Waves { frequencies: f(&self.frequencies), phases: self.phases.as_ref().map(&f), gains: f(&self.gains) }
    }
}

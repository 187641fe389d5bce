//! The softmax of attention scores.

use crate::backend::Storage;
use crate::{NnError, Scalar};

/// Which keys a block of query rows attends to.
#[derive(Debug)]
pub struct KeysSeen<'a, X> {
    /// The last key that the first row sees; each further row sees one more. All see all where there is none.
    pub first_sees: Option<usize>,
    /// batch×keys, 0 for a key that may be attended to and −∞ for one that may not. It may have more keys than the scores have columns:
    /// the first ones are meant.
    pub penalty: Option<&'a X>,
}

/// Softmax over the keys.
///
/// # Errors
/// All: [`NnError::Shape`] where the tensors do not fit.
pub trait Softmax: Storage {
    /// Scores that attention holds at a time: few enough for caches, or enough to occupy a device.
    const SCORES_AT_A_TIME: usize;

    /// Turns scores, batch×heads×rows×keys, into probabilities: e^s over the sum of those of the keys that the row sees, and 0 for the
    /// others. A row that sees no key gets zeros. Scores that overflowed count as the largest finite number.
    fn softmax<T: Scalar>(
        &self,
        scores: &mut Self::Tensor<T>,
        seen: KeysSeen<'_, Self::Tensor<T>>,
    ) -> Result<(), NnError>;

    /// Turns the gradient by the probabilities p into that by the scores: p·(g − Σ p·g), row by row.
    fn softmax_backward<T: Scalar>(
        &self,
        probabilities: &Self::Tensor<T>,
        gradient: &mut Self::Tensor<T>,
    ) -> Result<(), NnError>;
}

/// The extents of scores, batch×heads×rows×keys, and the columns of the penalty, where it fits.
pub(crate) fn score_sizes(scores: &[usize], penalty: Option<&[usize]>) -> Result<([usize; 4], usize), NnError> {
    let &[batch, heads, rows, keys] = scores else {
        return Err(NnError::shape("softmax", "scores", "batch×heads×rows×keys", scores));
    };
    let width = penalty.map_or(0, |penalty| penalty.last().copied().unwrap_or(0));
    if let Some(penalty) = penalty.filter(|penalty| **penalty != [batch, width] || width < keys) {
        return Err(NnError::shape("softmax", "penalty", format!("{batch}×(at least {keys})"), penalty));
    }
    Ok(([batch, heads, rows, keys], width))
}

//! Losses with their gradients.

use crate::backend::{Storage, count};
use crate::{NnError, Scalar};

/// A loss and its gradient by the predictions, in their shape.
#[derive(Clone, Debug, PartialEq)]
pub struct Loss<X> {
    /// The loss.
    pub value: f64,
    /// Its gradient.
    pub gradient: X,
}

/// What cross-entropy compares to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CrossEntropy {
    /// ε in \[0, 1\]: the target is taken for the distribution that gives it 1 − ε and every class ε/classes more (Szegedy
    /// et al. 2016).
    pub label_smoothing: f64,
    /// Rows with this target do not count.
    pub ignored: Option<usize>,
}

/// Losses, summed in a fixed order in double precision.
pub trait Losses: Storage {
    /// The mean over the rows that count of −Σᵢ qᵢ·ln softmax(x)ᵢ, q the smoothed target; 0 where no row counts. Rows of
    /// `logits` are as long as there are classes; `targets`, one a row, are below that or ignored.
    ///
    /// # Errors
    /// Where the device refuses.
    fn cross_entropy<T: Scalar>(
        &self,
        options: CrossEntropy,
        logits: &Self::Tensor<T>,
        targets: &[usize],
    ) -> Result<Loss<Self::Tensor<T>>, NnError>;

    /// The mean of (y − t)² over all values; 0 where there are none.
    ///
    /// # Errors
    /// [`NnError::Shape`] where the counts of values differ.
    fn mean_squared_error<T: Scalar>(
        &self,
        predictions: &Self::Tensor<T>,
        targets: &Self::Tensor<T>,
    ) -> Result<Loss<Self::Tensor<T>>, NnError>;
}

impl CrossEntropy {
    /// Whether rows with this target count.
    pub(crate) fn counts(&self, target: usize) -> bool {
        self.ignored != Some(target)
    }

    /// The count of classes, where there is a row of logits, and a class, for each target that counts.
    pub(crate) fn classes(&self, logits: &[usize], targets: &[usize]) -> Result<usize, NnError> {
        let classes = count(logits) / targets.len().max(1);
        if count(logits) != classes * targets.len() || targets.iter().any(|&t| self.counts(t) && t >= classes) {
            let expected = format!("{} rows with a class for each target", targets.len());
            return Err(NnError::shape("cross_entropy", "logits", expected, logits));
        }
        Ok(classes)
    }
}

//! Which rows attention must not read, and which rows of its results depend on one that is not finite.

use crate::backend::{Dependence, Marked, RowMarks};
use crate::{NnError, Scalar};

/// How the positions of an attention depend on each other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Positions {
    pub batch: usize,
    pub queries: usize,
    pub keys: usize,
    /// Whether query i sees the keys 0..=i only.
    pub causal: bool,
}

/// Marks of the rows of an attention's inputs and output.
#[derive(Debug)]
pub(crate) struct AttentionMarks<T: Scalar, B: RowMarks> {
    pub query: B::Tensor<T>,
    pub key: B::Tensor<T>,
    pub value: B::Tensor<T>,
    /// Tainted where the query is, or a key or value that it sees.
    pub output: B::Tensor<T>,
}

/// Marks of the rows of an attention's gradients.
#[derive(Debug)]
pub(crate) struct GradientMarks<T: Scalar, B: RowMarks> {
    /// Of the gradient by the output and of that by the queries.
    pub query: B::Tensor<T>,
    /// Of the gradients by keys and values.
    pub key: B::Tensor<T>,
}

impl<T: Scalar, B: RowMarks> AttentionMarks<T, B> {
    /// Of query, key and value, …×length×columns. Hidden keys and values taint nothing.
    pub fn new(
        backend: &B,
        at: Positions,
        [query, key, value]: [&B::Tensor<T>; 3],
        mask: Option<&[bool]>,
        only_non_finite: bool,
    ) -> Result<Self, NnError> {
        let query = backend.mark_rows::<T>(query, None, false)?;
        let key = backend.mark_rows::<T>(key, mask, only_non_finite)?;
        let value = backend.mark_rows::<T>(value, mask, only_non_finite)?;
        let mut keys: B::Tensor<T> = key.clone();
        backend.join_marks::<T>(&value, &mut keys)?;
        let seen = if at.causal { Dependence::Past } else { Dependence::All };
        let mut output = backend.marks_of_dependents::<T>(&keys, at.batch, at.queries, seen)?;
        backend.join_marks::<T>(&query, &mut output)?;
        Ok(Self { query, key, value, output })
    }

    /// Zeroes the marked rows of query, key and value.
    pub fn clear(&self, backend: &B, [query, key, value]: [&mut B::Tensor<T>; 3]) -> Result<(), NnError> {
        for (marks, x) in [(&self.query, query), (&self.key, key), (&self.value, value)] {
            backend.fill_marked::<T>(marks, Marked::Any, T::ZERO, x)?;
        }
        Ok(())
    }

    /// Of the gradients, from that by the output.
    pub fn of_gradients(&self, backend: &B, at: Positions, dy: &B::Tensor<T>) -> Result<GradientMarks<T, B>, NnError> {
        let query = backend.marks_of_gradient::<T>(&self.output, dy)?;
        let seen_by = if at.causal { Dependence::Future } else { Dependence::All };
        let key = backend.marks_of_dependents::<T>(&query, at.batch, at.keys, seen_by)?;
        Ok(GradientMarks { query, key })
    }

    /// Writes NaN into the rows of the gradients by query, key and value that depend on what is not finite, and zeros for hidden keys.
    pub fn spoil_gradients(
        &self,
        backend: &B,
        marks: &GradientMarks<T, B>,
        [dq, dk, dv]: [&mut B::Tensor<T>; 3],
    ) -> Result<(), NnError> {
        let nan = T::from_f64(f64::NAN);
        backend.fill_marked::<T>(&marks.query, Marked::Tainted, nan, dq)?;
        for (own, gradient) in [(&self.key, dk), (&self.value, dv)] {
            backend.fill_marked::<T>(&marks.key, Marked::Tainted, nan, gradient)?;
            backend.fill_marked::<T>(own, Marked::Hidden, T::ZERO, gradient)?;
        }
        Ok(())
    }
}

//! Marks of rows that are not to be read: those that a mask hides, and those that hold a NaN or an infinity.
//!
//! Products of matrices read every entry, and 0·NaN is NaN. So attention clears marked rows, computes with what is left, and writes
//! NaN into the rows of its results that depend on a row that was not finite. Rows that do not depend on it keep their bytes.

use crate::backend::{Storage, count};
use crate::{NnError, Scalar};

/// The mark of a row that a mask hides. Rows without a mark have 0.
pub(crate) const HIDDEN: f64 = 1.0;

/// The mark of a row that holds a NaN or an infinity and is not hidden.
pub(crate) const TAINTED: f64 = 2.0;

/// Which rows of a sequence depend on which of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dependence {
    /// Each on all.
    All,
    /// Position i on the positions up to i.
    Past,
    /// Position i on the positions from i.
    Future,
}

/// Which marked rows an operation changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marked {
    /// Those with any mark.
    Any,
    /// Hidden ones.
    Hidden,
    /// Tainted ones.
    Tainted,
}

/// Marks of the rows of tensors …×width, one value per row: 0 for a row to be read, 1 for one that a mask hides (hidden), 2 for one that
/// holds a NaN or an infinity and is not hidden (tainted). One pass over the rows each.
///
/// # Errors
/// All: [`NnError::Shape`] where the tensors do not fit, and where the device's memory does not suffice.
pub trait RowMarks: Storage {
    /// Marks of the rows of x. `mask` says which rows are not hidden. With `only_non_finite` a hidden row whose values are finite gets no
    /// mark.
    fn mark_rows<T: Scalar>(
        &self,
        x: &Self::Tensor<T>,
        mask: Option<&[bool]>,
        only_non_finite: bool,
    ) -> Result<Self::Tensor<T>, NnError>;

    /// Marks of the rows that depend on rows with the marks `from`: tainted where any of those is. `from` is batch×(rows of a sequence),
    /// the result batch×`rows`; with [`Dependence::Past`] and [`Dependence::Future`] the sequences are as long.
    fn marks_of_dependents<T: Scalar>(
        &self,
        from: &Self::Tensor<T>,
        batch: usize,
        rows: usize,
        dependence: Dependence,
    ) -> Result<Self::Tensor<T>, NnError>;

    /// `marks` become the larger of these and `others`, row by row.
    fn join_marks<T: Scalar>(&self, others: &Self::Tensor<T>, marks: &mut Self::Tensor<T>) -> Result<(), NnError>;

    /// Marks of the rows of a gradient dy by outputs with the marks `outputs`: tainted where the row is not finite, or where the output
    /// is tainted and the row is not zero. A zero row passes nothing to what lies before it, whatever that is.
    fn marks_of_gradient<T: Scalar>(
        &self,
        outputs: &Self::Tensor<T>,
        dy: &Self::Tensor<T>,
    ) -> Result<Self::Tensor<T>, NnError>;

    /// Writes `value` into the rows of x that have such a mark.
    fn fill_marked<T: Scalar>(
        &self,
        marks: &Self::Tensor<T>,
        which: Marked,
        value: T,
        x: &mut Self::Tensor<T>,
    ) -> Result<(), NnError>;
}

impl Marked {
    /// The marks that are meant, from the least to the greatest.
    pub(crate) const fn range(self) -> [f64; 2] {
        match self {
            Self::Any => [HIDDEN, TAINTED],
            Self::Hidden => [HIDDEN, HIDDEN],
            Self::Tainted => [TAINTED, TAINTED],
        }
    }
}

/// The count of rows of a tensor …×width, and the width.
pub(crate) fn marked_rows(operation: &'static str, x: &[usize]) -> Result<[usize; 2], NnError> {
    let Some((&width, leading)) = x.split_last() else {
        return Err(NnError::shape(operation, "x", "…×width", x));
    };
    Ok([leading.iter().product(), width])
}

/// As [`marked_rows`], where there is a mark for each.
pub(crate) fn rows_of_marks(operation: &'static str, marks: &[usize], x: &[usize]) -> Result<[usize; 2], NnError> {
    let sizes = marked_rows(operation, x)?;
    if count(marks) != sizes[0] {
        return Err(NnError::shape(operation, "marks", format!("[{}]", sizes[0]), marks));
    }
    Ok(sizes)
}

/// Rows of each sequence of marks, where its dependents are `rows`.
pub(crate) fn dependent_rows(
    marks: &[usize],
    batch: usize,
    rows: usize,
    dependence: Dependence,
) -> Result<usize, NnError> {
    // Without sequences they have any length.
    let length = count(marks).checked_div(batch).unwrap_or(rows);
    if count(marks) != batch * length || (dependence != Dependence::All && length != rows) {
        return Err(NnError::shape("marks_of_dependents", "from", format!("{batch}×{rows}"), marks));
    }
    Ok(length)
}

/// An error where a mask has not a value for each row.
pub(crate) fn check_mask(operation: &'static str, mask: Option<&[bool]>, rows: usize) -> Result<(), NnError> {
    match mask.filter(|mask| mask.len() != rows) {
        Some(mask) => Err(NnError::shape(operation, "mask", format!("[{rows}]"), &[mask.len()])),
        None => Ok(()),
    }
}

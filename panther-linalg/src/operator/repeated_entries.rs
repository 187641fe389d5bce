//! Sparse matrices that store an entry in several parts, which products add.

use faer::sparse::SparseColMatRef;
use panther_sketch::{Input, Real};

use crate::LinalgError;

/// The entries of a sparse matrix with their parts summed in double precision, if any entry is stored in parts.
///
/// # Errors
/// [`LinalgError::Overflow`] if a sum leaves the range of a double.
pub(crate) fn repeated_entries<T: Real>(
    argument: &'static str,
    a: Input<'_, T>,
) -> Result<Option<Vec<f64>>, LinalgError> {
    let a = match a {
        Input::Dense(_) => return Ok(None),
        Input::Csc(a) => a,
        Input::Csr(a) => a.transpose(),
    };
    if (0..a.ncols()).all(|j| is_strictly_ascending(a, j)) {
        return Ok(None);
    }
    let mut sums = Vec::with_capacity(a.compute_nnz());
    for j in 0..a.ncols() {
        sum_column(a, j, &mut sums);
    }
    if let Some(sum) = sums.iter().find(|sum| !sum.is_finite()) {
        let exponent = if sum.is_nan() { 0 } else { f64::MAX_EXP };
        return Err(LinalgError::Overflow { quantity: argument, exponent, scalar: "f64" });
    }
    Ok(Some(sums))
}

fn is_strictly_ascending<T>(a: SparseColMatRef<'_, usize, T>, j: usize) -> bool {
    a.row_idx_of_col_raw(j).is_sorted_by(|first, second| first < second)
}

/// Appends the entries of column j, those of equal row added in the order of storage.
fn sum_column<T: Real>(a: SparseColMatRef<'_, usize, T>, j: usize, sums: &mut Vec<f64>) {
    let mut entries: Vec<(usize, T)> = a.row_idx_of_col(j).zip(a.val_of_col(j).iter().copied()).collect();
    entries.sort_by_key(|(row, _)| *row);
    for same_row in entries.chunk_by(|first, second| first.0 == second.0) {
        sums.push(same_row.iter().map(|(_, value)| value.to_f64()).sum());
    }
}

//! One matrix in every form that the library takes.

use faer::linalg::matmul::matmul;
use faer::sparse::{SparseColMat, SparseRowMat, Triplet};
use faer::{Accum, Mat, MatMut, MatRef, Par};
use panther_linalg::{FnOperator, Input, LinearOperator, Real};

/// How an operand of `rsvd` is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Column-major and contiguous up to padding.
    Columns,
    /// Row-major.
    Rows,
    /// A window with negative strides in a larger matrix that is NaN elsewhere.
    Window,
    /// Compressed sparse columns.
    SparseColumns,
    /// Compressed sparse rows.
    SparseRows,
    /// Two closures and no norm.
    Closures,
}

/// All of them.
pub const LAYOUTS: &[Layout] =
    &[Layout::Columns, Layout::Rows, Layout::Window, Layout::SparseColumns, Layout::SparseRows, Layout::Closures];

/// Calls `f` with `a` as an operator in the given layout.
pub fn with_operator<T: Real, R>(a: &Mat<T>, layout: Layout, f: impl FnOnce(&dyn LinearOperator<T>) -> R) -> R {
    match layout {
        Layout::Columns => f(a),
        Layout::Rows => f(&a.transpose().to_owned().transpose()),
        Layout::Window => f(&window(&framed(a))),
        Layout::SparseColumns => f(&sparse_columns(a).as_ref()),
        Layout::SparseRows => f(&sparse_rows(a).as_ref()),
        Layout::Closures => f(&closures(a)),
    }
}

/// Calls `f` with `a` as an input of `cqrrpt`; closures are not one, and become column-major.
pub fn with_input<T: Real, R>(a: &Mat<T>, layout: Layout, f: impl FnOnce(Input<'_, T>) -> R) -> R {
    match layout {
        Layout::Columns | Layout::Closures => f(a.as_ref().into()),
        Layout::Rows => f(a.transpose().to_owned().transpose().into()),
        Layout::Window => f(window(&framed(a)).into()),
        Layout::SparseColumns => f(sparse_columns(a).as_ref().into()),
        Layout::SparseRows => f(sparse_rows(a).as_ref().into()),
    }
}

/// `a` as closures; nothing but products can be had of it.
pub fn closures<T: Real>(a: &Mat<T>) -> impl LinearOperator<T> + '_ {
    FnOperator::new(
        a.nrows(),
        a.ncols(),
        move |out: MatMut<'_, T>, x: MatRef<'_, T>, par: Par| matmul(out, Accum::Replace, a, x, T::ONE, par),
        move |out: MatMut<'_, T>, x: MatRef<'_, T>, par: Par| {
            matmul(out, Accum::Replace, a.transpose(), x, T::ONE, par)
        },
    )
}

/// The nonzeros of `a` by columns.
///
/// # Panics
/// Never: the indices fit.
#[must_use]
pub fn sparse_columns<T: Real>(a: &Mat<T>) -> SparseColMat<usize, T> {
    SparseColMat::try_new_from_triplets(a.nrows(), a.ncols(), &triplets(a)).expect("indices in range")
}

/// The nonzeros of `a` by rows.
///
/// # Panics
/// Never: the indices fit.
#[must_use]
pub fn sparse_rows<T: Real>(a: &Mat<T>) -> SparseRowMat<usize, T> {
    SparseRowMat::try_new_from_triplets(a.nrows(), a.ncols(), &triplets(a)).expect("indices in range")
}

fn triplets<T: Real>(a: &Mat<T>) -> Vec<Triplet<usize, usize, T>> {
    let entries = (0..a.ncols()).flat_map(|j| (0..a.nrows()).map(move |i| Triplet::new(i, j, a[(i, j)])));
    entries.filter(|t| t.val != T::ZERO).collect()
}

/// A frame of NaN around `a` upside down and back to front: `window` turns it round again by negative strides.
fn framed<T: Real>(a: &Mat<T>) -> Mat<T> {
    let (m, n) = a.shape();
    let inside = |i: usize, size: usize| (1..=size).contains(&i).then(|| size - i);
    Mat::from_fn(m + 2, n + 2, |i, j| match (inside(i, m), inside(j, n)) {
        (Some(i), Some(j)) => a[(i, j)],
        _ => T::from_f64(f64::NAN),
    })
}

fn window<T: Real>(framed: &Mat<T>) -> MatRef<'_, T> {
    let (m, n) = (framed.nrows() - 2, framed.ncols() - 2);
    framed.submatrix(1, 1, m, n).reverse_rows_and_cols()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_shows_the_matrix() {
        let a = Mat::from_fn(3, 2, |i, j| (10 * i + j) as f64);
        assert_eq!(window(&framed(&a)).to_owned(), a);
    }
}

//! Reading a matrix in the order in which it is stored.

use faer::{MatMut, MatRef};

/// A column of a column-major matrix as a slice.
///
/// Only matrices that this crate allocates come here, and faer stores those by columns.
#[inline(always)]
pub(crate) fn column<'a, T>(a: MatRef<'a, T>, j: usize) -> &'a [T] {
    a.col(j).try_as_col_major().expect("a matrix of ours is column-major").as_slice()
}

/// A column of a column-major matrix as a mutable slice.
#[inline(always)]
pub(crate) fn column_mut<'a, T>(a: MatMut<'a, T>, j: usize) -> &'a mut [T] {
    a.col_mut(j).try_as_col_major_mut().expect("a matrix of ours is column-major").as_slice_mut()
}

//! What a sketch can be applied to.

mod blocks;
mod lines;

pub(crate) use blocks::RowBlocks;
pub(crate) use lines::Sparse;

use faer::MatRef;
use faer::sparse::{SparseColMatRef, SparseRowMatRef};

/// A view of the matrix that is sketched, in whatever layout it is stored; it is read in place,
/// never copied to change its layout.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a, T> {
    /// Dense with any strides: column-major, row-major or a slice of either.
    Dense(MatRef<'a, T>),
    /// Compressed sparse columns (CSC).
    Csc(SparseColMatRef<'a, usize, T>),
    /// Compressed sparse rows (CSR).
    Csr(SparseRowMatRef<'a, usize, T>),
}

impl<'a, T> Input<'a, T> {
    /// Number of rows.
    pub fn nrows(&self) -> usize {
        match self {
            Self::Dense(a) => a.nrows(),
            Self::Csc(a) => a.nrows(),
            Self::Csr(a) => a.nrows(),
        }
    }

    /// Number of columns.
    pub fn ncols(&self) -> usize {
        match self {
            Self::Dense(a) => a.ncols(),
            Self::Csc(a) => a.ncols(),
            Self::Csr(a) => a.ncols(),
        }
    }

    /// The transposed view.
    #[must_use]
    pub fn transpose(self) -> Self {
        match self {
            Self::Dense(a) => Self::Dense(a.transpose()),
            Self::Csc(a) => Self::Csr(a.transpose()),
            Self::Csr(a) => Self::Csc(a.transpose()),
        }
    }
}

impl<'a, T> From<MatRef<'a, T>> for Input<'a, T> {
    fn from(a: MatRef<'a, T>) -> Self {
        Self::Dense(a)
    }
}

impl<'a, T> From<SparseColMatRef<'a, usize, T>> for Input<'a, T> {
    fn from(a: SparseColMatRef<'a, usize, T>) -> Self {
        Self::Csc(a)
    }
}

impl<'a, T> From<SparseRowMatRef<'a, usize, T>> for Input<'a, T> {
    fn from(a: SparseRowMatRef<'a, usize, T>) -> Self {
        Self::Csr(a)
    }
}

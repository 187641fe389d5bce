//! faer's sparse matrices as lines: columns of a CSC matrix, rows of a CSR one.

use std::ops::Range;

use faer::sparse::{SparseColMatRef, SparseRowMatRef};

use crate::Real;

/// A sparse matrix of either orientation; unsorted lines and repeated entries are fine.
#[derive(Clone, Copy)]
pub(crate) struct Sparse<'a, T> {
    nrows: usize,
    ncols: usize,
    by_rows: bool,
    starts: &'a [usize],
    lengths: Option<&'a [usize]>,
    indices: &'a [usize],
    values: &'a [T],
}

impl<'a, T: Real> Sparse<'a, T> {
    pub(crate) fn csc(a: SparseColMatRef<'a, usize, T>) -> Self {
        let (nrows, ncols, starts, lengths, indices) = a.symbolic().parts();
        Self { nrows, ncols, by_rows: false, starts, lengths, indices, values: a.val() }
    }

    pub(crate) fn csr(a: SparseRowMatRef<'a, usize, T>) -> Self {
        Self::csc(a.transpose()).transpose()
    }

    pub(crate) fn transpose(self) -> Self {
        Self { nrows: self.ncols, ncols: self.nrows, by_rows: !self.by_rows, ..self }
    }

    pub(crate) fn nrows(&self) -> usize {
        self.nrows
    }

    pub(crate) fn ncols(&self) -> usize {
        self.ncols
    }

    /// Whether the lines are rows.
    pub(crate) fn is_by_rows(&self) -> bool {
        self.by_rows
    }

    /// Number of lines.
    pub(crate) fn lines(&self) -> usize {
        if self.by_rows { self.nrows } else { self.ncols }
    }

    /// Indices and values of a line, in stored order.
    #[inline(always)]
    pub(crate) fn line(&self, line: usize) -> (&'a [usize], &'a [T]) {
        let range = self.range(line);
        (&self.indices[range.clone()], &self.values[range])
    }

    #[inline(always)]
    fn range(&self, line: usize) -> Range<usize> {
        let start = self.starts[line];
        start..self.lengths.map_or_else(|| self.starts[line + 1], |lengths| start + lengths[line])
    }

    /// Number of entries of some lines.
    pub(crate) fn entries(&self, lines: Range<usize>) -> usize {
        lines.map(|line| self.range(line).len()).sum()
    }
}

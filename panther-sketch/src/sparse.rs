//! Walking through faer's sparse matrices a block at a time.

use std::ops::Range;

use faer::sparse::{SparseColMatRef, SparseRowMatRef};

use crate::Real;

/// A sparse matrix as lines: columns of a CSC matrix, rows of a CSR one.
#[derive(Clone, Copy)]
struct Lines<'a, T> {
    starts: &'a [usize],
    lengths: Option<&'a [usize]>,
    indices: &'a [usize],
    values: &'a [T],
    /// faer permits unsorted lines; sorted ones allow a binary search.
    sorted: bool,
}

impl<'a, T: Real> Lines<'a, T> {
    fn new(starts: &'a [usize], lengths: Option<&'a [usize]>, indices: &'a [usize], values: &'a [T]) -> Self {
        let mut lines = Self { starts, lengths, indices, values, sorted: true };
        lines.sorted = (0..starts.len().saturating_sub(1)).all(|line| lines.get(line).0.is_sorted());
        lines
    }

    fn get(&self, line: usize) -> (&'a [usize], &'a [T]) {
        let start = self.starts[line];
        let end = self.lengths.map_or_else(|| self.starts[line + 1], |lengths| start + lengths[line]);
        (&self.indices[start..end], &self.values[start..end])
    }

    /// The entries of a line whose index lies in a range, in stored order.
    fn within(&self, line: usize, range: &Range<usize>) -> impl Iterator<Item = (usize, T)> {
        let (mut indices, mut values) = self.get(line);
        if self.sorted {
            let low = indices.partition_point(|&i| i < range.start);
            let high = low + indices[low..].partition_point(|&i| i < range.end);
            (indices, values) = (&indices[low..high], &values[low..high]);
        }
        indices.iter().copied().zip(values.iter().copied()).filter(|(i, _)| range.contains(i))
    }
}

/// A sparse matrix in either orientation; unsorted and repeated entries are fine.
#[derive(Clone, Copy)]
pub(crate) struct Sparse<'a, T> {
    lines: Lines<'a, T>,
    by_columns: bool,
}

impl<'a, T: Real> Sparse<'a, T> {
    pub(crate) fn columns(a: SparseColMatRef<'a, usize, T>) -> Self {
        let (_, _, starts, lengths, indices) = a.symbolic().parts();
        Self { lines: Lines::new(starts, lengths, indices, a.val()), by_columns: true }
    }

    pub(crate) fn rows(a: SparseRowMatRef<'a, usize, T>) -> Self {
        Self { by_columns: false, ..Self::columns(a.transpose()) }
    }

    /// Calls `entry(i, j, value)` for the nonzeros of a block. Those of one column come in the same order however the
    /// columns are cut, so that sums over them do not depend on it.
    #[inline(always)]
    pub(crate) fn visit(&self, rows: &Range<usize>, columns: &Range<usize>, mut entry: impl FnMut(usize, usize, T)) {
        if self.by_columns {
            for j in columns.clone() {
                self.lines.within(j, rows).for_each(|(i, value)| entry(i, j, value));
            }
        } else {
            for i in rows.clone() {
                self.lines.within(i, columns).for_each(|(j, value)| entry(i, j, value));
            }
        }
    }
}

//! The entries of a sparse matrix in blocks of neighboring rows, whatever its orientation.

use std::ops::Range;

use super::lines::Sparse;
use crate::memory::try_vec;
use crate::parallel;
use crate::{Real, SketchError};

const OPERATION: &str = "sorting of sparse entries into blocks of rows";

/// The entries of a sparse matrix in blocks of 2^`levels` neighboring rows, the last of which may be
/// lower.
///
/// Blocks of a CSR matrix are read in place. The entries of a CSC matrix are sorted once, by
/// counting: a walk through its lines for each block would touch every line, of which there may be
/// as many as entries, in every block. The copy takes 12 bytes and a value per entry.
///
/// The entries of one column come in the same order for any number of threads, so that sums over
/// them are the same: by ascending blocks, then by ascending rows (CSR) or as stored (CSC).
pub(crate) struct RowBlocks<'a, T> {
    levels: u32,
    a: Sparse<'a, T>,
    stored: Stored<T>,
}

enum Stored<T> {
    /// The lines are rows; `sorted` if all are known to have ascending indices.
    Lines { sorted: bool },
    /// The lines are columns: neighboring columns to each part.
    Parts(Vec<Part<T>>),
}

/// The entries of some neighboring columns, by blocks and within a block by columns.
struct Part<T> {
    /// `starts[k]..starts[k+1]` are the entries of block k.
    starts: Vec<usize>,
    /// Counted from the first row of the block.
    rows: Vec<u32>,
    columns: Vec<usize>,
    values: Vec<T>,
}

impl<'a, T: Real> RowBlocks<'a, T> {
    /// `height` is a power of two, at most 2³²: a division per entry would take longer than the rest.
    pub(crate) fn new(a: Sparse<'a, T>, height: usize, par: faer::Par) -> Result<Self, SketchError> {
        debug_assert!(height.is_power_of_two());
        let levels = height.trailing_zeros();
        let stored = if a.is_by_rows() {
            Stored::Lines { sorted: false }
        } else {
            let sort = |columns| Part::new(a, columns, levels);
            Stored::Parts(parallel::map(par, shares(a.lines(), par), sort).into_iter().collect::<Result<_, _>>()?)
        };
        Ok(Self { levels, a, stored })
    }

    /// Prepares for reading blocks a few columns at a time.
    pub(crate) fn prepared_for_cuts(mut self, par: faer::Par) -> Self {
        if let Stored::Lines { sorted } = &mut self.stored
            && parallel::threads(par) > 1
        {
            let a = self.a;
            let are_sorted = |mut lines: Range<usize>| lines.all(|line| a.line(line).0.is_sorted());
            *sorted = parallel::map(par, shares(a.lines(), par), are_sorted).into_iter().all(|sorted| sorted);
        }
        self
    }

    /// Number of entries of a block.
    pub(crate) fn entries(&self, block: usize) -> usize {
        match &self.stored {
            Stored::Lines { .. } => self.a.entries(self.rows(block)),
            Stored::Parts(parts) => parts.iter().map(|part| part.starts[block + 1] - part.starts[block]).sum(),
        }
    }

    fn rows(&self, block: usize) -> Range<usize> {
        block << self.levels..self.a.nrows().min((block + 1) << self.levels)
    }

    /// Calls `entry(row of the block, column, value)` for the entries of a block in some columns.
    #[inline(always)]
    pub(crate) fn visit(&self, block: usize, columns: &Range<usize>, mut entry: impl FnMut(usize, usize, T)) {
        match &self.stored {
            Stored::Lines { sorted } => {
                let is_cut = *sorted && columns.len() < self.a.ncols();
                for (row, line) in self.rows(block).enumerate() {
                    let (mut indices, mut values) = self.a.line(line);
                    if is_cut {
                        let range = within(indices, columns);
                        (indices, values) = (&indices[range.clone()], &values[range]);
                    }
                    for (&column, &value) in indices.iter().zip(values) {
                        if columns.contains(&column) {
                            entry(row, column, value);
                        }
                    }
                }
            }
            Stored::Parts(parts) => {
                for part in parts {
                    let all = part.starts[block]..part.starts[block + 1];
                    let cut = within(&part.columns[all.clone()], columns);
                    let range = all.start + cut.start..all.start + cut.end;
                    let places = part.rows[range.clone()].iter().zip(&part.columns[range.clone()]);
                    for ((&row, &column), &value) in places.zip(&part.values[range]) {
                        entry(row as usize, column, value);
                    }
                }
            }
        }
    }
}

/// Where ascending indices lie in a range.
#[inline(always)]
fn within(indices: &[usize], range: &Range<usize>) -> Range<usize> {
    let start = indices.partition_point(|&i| i < range.start);
    start..start + indices[start..].partition_point(|&i| i < range.end)
}

/// Neighboring lines for each thread.
fn shares(lines: usize, par: faer::Par) -> impl Iterator<Item = Range<usize>> {
    let share = lines.div_ceil(parallel::threads(par)).max(1);
    (0..lines).step_by(share).map(move |start| start..lines.min(start + share))
}

impl<T: Real> Part<T> {
    /// Sorts the entries of some columns by counting.
    fn new(a: Sparse<'_, T>, columns: Range<usize>, levels: u32) -> Result<Self, SketchError> {
        let blocks = a.nrows().div_ceil(1 << levels);
        let mut starts = try_vec(OPERATION, blocks.saturating_add(1), 1, 0)?;
        for column in columns.clone() {
            a.line(column).0.iter().for_each(|row| starts[row >> levels] += 1);
        }
        // From counts to ends; the walk below moves each end down to its start.
        let mut end = 0;
        for start in &mut starts {
            end += *start;
            *start = end;
        }
        let mut part = Self {
            starts,
            rows: try_vec(OPERATION, end, 1, 0)?,
            columns: try_vec(OPERATION, end, 1, 0)?,
            values: try_vec(OPERATION, end, 1, T::ZERO)?,
        };
        let mask = (1 << levels) - 1;
        for column in columns.rev() {
            let (rows, values) = a.line(column);
            for (row, &value) in rows.iter().zip(values).rev() {
                let at = &mut part.starts[row >> levels];
                *at -= 1;
                part.rows[*at] = (row & mask) as u32;
                part.columns[*at] = column;
                part.values[*at] = value;
            }
        }
        Ok(part)
    }
}

//! Tiles: a few columns of a matrix side by side, so that one operation on a row of a tile is one
//! on a vector of lanes.

use std::ops::Range;

use faer::prelude::ReborrowMut;
use faer::{MatMut, MatRef};

use crate::Real;

/// Columns of the widest tile. A tile of narrower matrices is narrower, so that little work is
/// wasted.
pub(crate) const WIDEST: usize = 16;

/// Calls `$run::<T, L>($arguments)` with the tile width L that suits `$columns` columns. Columns
/// never mix, so the results do not depend on the choice.
macro_rules! with_width {
    ($columns:expr, $($run:ident).+ :: <$t:ty> ($($argument:expr),* $(,)?)) => {
        match $columns {
            0 | 1 => $($run).+::<$t, 1>($($argument),*),
            2..=4 => $($run).+::<$t, 4>($($argument),*),
            5..=8 => $($run).+::<$t, 8>($($argument),*),
            _ => $($run).+::<$t, { $crate::tile::WIDEST }>($($argument),*),
        }
    };
}
pub(crate) use with_width;

/// Rows of a tile that are transposed at a time from columns.
const STEP: usize = 8;

/// At most L columns of a matrix, from which tiles are read.
pub(crate) struct Reader<'a, T, const L: usize> {
    a: MatRef<'a, T>,
    /// The columns, if each lies in one piece; those beyond the matrix's are its last.
    columns: Option<[&'a [T]; L]>,
}

impl<'a, T: Real, const L: usize> Reader<'a, T, L> {
    /// Reads the columns `columns` of `a`, at least one.
    pub(crate) fn new(a: MatRef<'a, T>, columns: Range<usize>) -> Self {
        let a = a.subcols(columns.start, columns.len());
        let mut slices = [&[][..]; L];
        let mut contiguous = a.row_stride() == 1;
        for (l, slice) in slices.iter_mut().enumerate() {
            match a.col(l.min(a.ncols() - 1)).try_as_col_major() {
                Some(column) => *slice = column.as_slice(),
                None => contiguous = false,
            }
        }
        Self { a, columns: contiguous.then_some(slices) }
    }

    /// Reads some rows into a tile of as many; lanes beyond the columns hold anything finite that
    /// the matrix holds.
    #[inline(always)]
    pub(crate) fn load(&self, tile: &mut [[T; L]], rows: Range<usize>) {
        if let Some(columns) = &self.columns {
            load_columns(tile, columns, rows.start);
        } else if self.a.col_stride() == 1 {
            self.load_rows(tile, rows);
        } else {
            for (i, lanes) in rows.zip(tile) {
                for (l, lane) in lanes.iter_mut().enumerate() {
                    *lane = self.a[(i, l.min(self.a.ncols() - 1))];
                }
            }
        }
    }

    #[inline(always)]
    fn load_rows(&self, tile: &mut [[T; L]], rows: Range<usize>) {
        for (i, lanes) in rows.zip(tile) {
            let row = self.a.transpose().col(i).try_as_col_major().map_or(&[][..], |row| row.as_slice());
            // A full row is one vector or two; a part of one is a call of memcpy.
            if let Some(full) = row.first_chunk() {
                *lanes = *full;
            } else {
                lanes[..row.len()].copy_from_slice(row);
            }
        }
    }
}

/// Rows `top`… of L contiguous columns: blocks of 8 rows are transposed in registers.
#[inline(always)]
fn load_columns<T: Real, const L: usize>(tile: &mut [[T; L]], columns: &[&[T]; L], top: usize) {
    let height = tile.len();
    let mut parts = [&[][..]; L];
    for l in 0..L {
        parts[l] = &columns[l][top..top + height];
    }
    let (blocks, tail) = tile.as_chunks_mut::<STEP>();
    let done = height - tail.len();
    for (b, block) in blocks.iter_mut().enumerate() {
        let mut values = [[T::ZERO; STEP]; L];
        for l in 0..L {
            values[l].copy_from_slice(&parts[l][b * STEP..][..STEP]);
        }
        for r in 0..STEP {
            for l in 0..L {
                block[r][l] = values[l][r];
            }
        }
    }
    for (i, lanes) in tail.iter_mut().enumerate() {
        for l in 0..L {
            lanes[l] = parts[l][done + i];
        }
    }
}

/// Writes a tile's first `out.ncols()` lanes to `out`, which has as many rows.
#[inline(always)]
pub(crate) fn store<T: Real, const L: usize>(out: MatMut<'_, T>, tile: &[[T; L]]) {
    write(out, tile, |slot, value| *slot = value);
}

/// out += scale·tile, as [`store`].
#[inline(always)]
pub(crate) fn add<T: Real, const L: usize>(out: MatMut<'_, T>, tile: &[[T; L]], scale: T) {
    write(out, tile, |slot, value| *slot += scale * value);
}

#[inline(always)]
fn write<T: Real, const L: usize>(mut out: MatMut<'_, T>, tile: &[[T; L]], put: impl Fn(&mut T, T)) {
    let width = out.ncols();
    if out.col_stride() == 1 {
        for (i, lanes) in tile.iter().enumerate() {
            if let Some(row) = out.rb_mut().transpose_mut().col_mut(i).try_as_col_major_mut() {
                row.as_slice_mut().iter_mut().zip(lanes).for_each(|(slot, &value)| put(slot, value));
            }
        }
        return;
    }
    for l in 0..width {
        let mut column = out.rb_mut().col_mut(l);
        if let Some(column) = column.rb_mut().try_as_col_major_mut() {
            column.as_slice_mut().iter_mut().zip(tile).for_each(|(slot, lanes)| put(slot, lanes[l]));
        } else {
            column.iter_mut().zip(tile).for_each(|(slot, lanes)| put(slot, lanes[l]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use faer::Mat;

    fn check<const L: usize>(rows: usize, columns: usize) {
        let a = Mat::<f64>::from_fn(rows + 3, columns + 2, |i, j| (i * 1000 + j) as f64);
        let by_rows = a.transpose().to_owned();
        for view in [a.as_ref(), by_rows.transpose(), a.as_ref().reverse_rows_and_cols()] {
            let mut tile = vec![[-1.0; L]; rows];
            Reader::new(view, 1..columns + 1).load(&mut tile, 2..rows + 2);
            for (i, lanes) in tile.iter().enumerate() {
                for l in 0..columns {
                    assert_eq!(lanes[l], view[(i + 2, l + 1)]);
                }
            }
            let mut out = Mat::<f64>::zeros(rows, columns);
            store(out.as_mut(), &tile);
            add(out.as_mut().reverse_rows_mut(), &tile, 2.0);
            let mut by_rows = Mat::<f64>::zeros(columns, rows);
            store(by_rows.as_mut().transpose_mut(), &tile);
            for i in 0..rows {
                for j in 0..columns {
                    assert_eq!(out[(i, j)], tile[i][j] + 2.0 * tile[rows - 1 - i][j]);
                    assert_eq!(by_rows[(j, i)], tile[i][j]);
                }
            }
        }
    }

    #[test]
    fn loads_and_stores_every_layout() {
        for rows in [1, 7, 8, 9, 65] {
            check::<1>(rows, 1);
            check::<4>(rows, 3);
            check::<8>(rows, 8);
            check::<16>(rows, 16);
            check::<16>(rows, 9);
        }
    }
}

//! Tiles: a few columns of a matrix side by side, so that one operation on a row of a tile is one on a vector of lanes.

use std::ops::Range;

use faer::prelude::ReborrowMut;
use faer::{MatMut, MatRef};

use crate::Real;

/// Columns of the widest tile. A tile of narrower matrices is narrower, so that little work is wasted.
pub(crate) const WIDEST: usize = 16;

/// Calls `$run::<T, L>($arguments)` with the tile width L that suits `$columns` columns. Columns never mix, so the results do
/// not depend on the choice.
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

/// Reads rows × columns of `a`, at most L columns, into a tile of as many rows; lanes left over become 0.
#[inline(always)]
pub(crate) fn load<T: Real, const L: usize>(
    tile: &mut [[T; L]],
    a: MatRef<'_, T>,
    rows: Range<usize>,
    columns: Range<usize>,
) {
    let a = a.submatrix(rows.start, columns.start, rows.len(), columns.len());
    if a.row_stride() == 1 {
        load_columns(tile, a);
    } else if a.col_stride() == 1 {
        for (i, lanes) in tile.iter_mut().enumerate() {
            if let Some(row) = a.transpose().col(i).try_as_col_major() {
                lanes[..a.ncols()].copy_from_slice(row.as_slice());
                lanes[a.ncols()..].fill(T::ZERO);
            }
        }
    } else {
        for (i, lanes) in tile.iter_mut().enumerate() {
            for (l, lane) in lanes.iter_mut().enumerate() {
                *lane = if l < a.ncols() { a[(i, l)] } else { T::ZERO };
            }
        }
    }
}

#[inline(always)]
fn load_columns<T: Real, const L: usize>(tile: &mut [[T; L]], a: MatRef<'_, T>) {
    let columns: [&[T]; L] = std::array::from_fn(|l| {
        let column = (l < a.ncols()).then(|| a.col(l).try_as_col_major()).flatten();
        column.map_or(&[][..], |column| column.as_slice())
    });
    let height = tile.len();
    let nothing = [T::ZERO; STEP];
    if columns.iter().all(|column| column.len() == height) {
        let (blocks, tail) = tile.as_chunks_mut::<STEP>();
        for (b, block) in blocks.iter_mut().enumerate() {
            let sources: [&[T; STEP]; L] = columns.map(|column| {
                // A full block lies inside of every column: the other arm is never taken.
                column[b * STEP..].first_chunk().unwrap_or(&nothing)
            });
            for (r, lanes) in block.iter_mut().enumerate() {
                for l in 0..L {
                    lanes[l] = sources[l][r];
                }
            }
        }
        let done = height - tail.len();
        for (i, lanes) in tail.iter_mut().enumerate() {
            for l in 0..L {
                lanes[l] = columns[l][done + i];
            }
        }
    } else {
        for (i, lanes) in tile.iter_mut().enumerate() {
            for l in 0..L {
                lanes[l] = columns[l].get(i).copied().unwrap_or(T::ZERO);
            }
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
            load(&mut tile, view, 2..rows + 2, 1..columns + 1);
            for (i, lanes) in tile.iter().enumerate() {
                for (l, &lane) in lanes.iter().enumerate() {
                    let expected = if l < columns { view[(i + 2, l + 1)] } else { 0.0 };
                    assert_eq!(lane, expected);
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

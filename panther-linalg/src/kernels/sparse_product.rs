//! Sparse·dense products in parallel: faer's run on one thread.
//!
//! A tile of a few columns of X is laid out row by row, so that each nonzero meets contiguous numbers; tiles go to
//! threads. Every sum is taken in the order of the storage, whatever the number of threads.

use faer::prelude::*;
use faer::sparse::SparseColMatRef;
use panther_sketch::Real;
use panther_sketch::parallel::{self, split_columns};

use crate::kernels::vectorized;

/// Columns of X in a tile.
const LANES: usize = 16;

/// out = A·X for A stored by columns: column j of A is added up with row j of X.
pub(crate) fn scatter_product<T: Real>(
    out: MatMut<'_, T>,
    a: SparseColMatRef<'_, usize, T>,
    x: MatRef<'_, T>,
    par: Par,
) {
    tiles(out, x, par, |out, x| scatter(out, a, x));
}

/// out = Aᵀ·X for A stored by columns: entry j of the result is column j of A against X.
pub(crate) fn gather_product<T: Real>(
    out: MatMut<'_, T>,
    a: SparseColMatRef<'_, usize, T>,
    x: MatRef<'_, T>,
    par: Par,
) {
    tiles(out, x, par, |out, x| gather(out, a, x));
}

fn scatter<T: Real>(out: &mut [[T; LANES]], a: SparseColMatRef<'_, usize, T>, x: &[[T; LANES]]) {
    vectorized(
        #[inline(always)]
        || {
            for (j, x) in x.iter().enumerate() {
                for (i, a) in a.row_idx_of_col(j).zip(a.val_of_col(j)) {
                    add_multiple(&mut out[i], *a, x);
                }
            }
        },
    );
}

fn gather<T: Real>(out: &mut [[T; LANES]], a: SparseColMatRef<'_, usize, T>, x: &[[T; LANES]]) {
    vectorized(
        #[inline(always)]
        || {
            for (j, out) in out.iter_mut().enumerate() {
                for (i, a) in a.row_idx_of_col(j).zip(a.val_of_col(j)) {
                    add_multiple(out, *a, &x[i]);
                }
            }
        },
    );
}

#[inline(always)]
fn add_multiple<T: Real>(out: &mut [T; LANES], a: T, x: &[T; LANES]) {
    for lane in 0..LANES {
        out[lane] = a.mul_add(x[lane], out[lane]);
    }
}

/// Runs `product` on tiles of columns.
fn tiles<T: Real>(
    out: MatMut<'_, T>,
    x: MatRef<'_, T>,
    par: Par,
    product: impl Fn(&mut [[T; LANES]], &[[T; LANES]]) + Send + Sync,
) {
    parallel::for_each(par, split_columns(out, LANES), |(columns, mut out)| {
        let x = x.subcols(columns.start, columns.len());
        let mut x_tile = vec![[T::ZERO; LANES]; x.nrows()];
        for lane in 0..x.ncols() {
            for (row, x) in x_tile.iter_mut().zip(x.col(lane).iter()) {
                row[lane] = *x;
            }
        }
        let mut out_tile = vec![[T::ZERO; LANES]; out.nrows()];
        product(&mut out_tile, &x_tile);
        for lane in 0..out.ncols() {
            for (out, row) in out.rb_mut().col_mut(lane).iter_mut().zip(&out_tile) {
                *out = row[lane];
            }
        }
    });
}

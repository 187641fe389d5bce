//! Sparse·dense products in parallel: faer's run on one thread.
//!
//! A tile of a few columns of X is laid out row by row, so that each nonzero meets contiguous numbers; tiles go to
//! threads. Every sum is taken in the order of the storage, whatever the number of threads.

use faer::prelude::*;
use faer::sparse::SparseColMatRef;
use panther_sketch::Real;
use rayon::prelude::*;

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

vectorized! {
    fn scatter<'a, T: Real>(out: &'a mut [[T; LANES]], a: SparseColMatRef<'a, usize, T>, x: &'a [[T; LANES]]) -> () {
        for (j, x) in x.iter().enumerate() {
            for (i, a) in a.row_idx_of_col(j).zip(a.val_of_col(j)) {
                add_multiple(&mut out[i], *a, x);
            }
        }
    }
}

vectorized! {
    fn gather<'a, T: Real>(out: &'a mut [[T; LANES]], a: SparseColMatRef<'a, usize, T>, x: &'a [[T; LANES]]) -> () {
        for (j, out) in out.iter_mut().enumerate() {
            for (i, a) in a.row_idx_of_col(j).zip(a.val_of_col(j)) {
                add_multiple(out, *a, &x[i]);
            }
        }
    }
}

#[inline(always)]
fn add_multiple<T: Real>(out: &mut [T; LANES], a: T, x: &[T; LANES]) {
    for lane in 0..LANES {
        out[lane] = a.mul_add(x[lane], out[lane]);
    }
}

/// Runs `product` on tiles of columns.
fn tiles<T: Real>(
    mut out: MatMut<'_, T>,
    x: MatRef<'_, T>,
    par: Par,
    product: impl Fn(&mut [[T; LANES]], &[[T; LANES]]) + Sync,
) {
    let tile = |(mut out, x): (MatMut<'_, T>, MatRef<'_, T>)| {
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
    };
    let tiles = x.ncols().div_ceil(LANES);
    match par {
        Par::Seq => {
            for start in (0..x.ncols()).step_by(LANES) {
                let width = LANES.min(x.ncols() - start);
                tile((out.rb_mut().subcols_mut(start, width), x.subcols(start, width)));
            }
        }
        Par::Rayon(_) if tiles > 0 => {
            out.par_col_chunks_mut(LANES).zip(x.par_col_chunks(LANES)).for_each(tile);
        }
        Par::Rayon(_) => {}
    }
}

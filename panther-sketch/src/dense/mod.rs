//! The families with independent entries: S is drawn panel by panel and multiplied by faer.

mod gaussian;
mod panel;
mod rademacher;
mod uniform;

pub use gaussian::Gaussian;
pub use rademacher::Rademacher;
pub use uniform::Uniform;

use std::ops::Range;

use faer::prelude::ReborrowMut;
use faer::{Accum, Mat, MatMut, MatRef, Par};
use rand_xoshiro::rand_core::Rng;

use crate::input::{RowBlocks, Sparse};
use crate::parallel::{self, for_each};
use crate::product::product;
use crate::simd::vectorized;
use crate::stream::{self, LANES, LaneStreams};
use crate::{Input, Real, SketchError, SketchOperator, check, try_vec, try_zeros};
use panel::{CHUNK_ROWS, PANEL_COLUMNS, PANEL_ROWS, for_each_panel};

/// Size and key of a dense operator.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    pub(crate) d: usize,
    n: usize,
    key: u64,
}

impl Shape {
    pub(crate) fn new(d: usize, n: usize, seed: u64, tag: u64) -> Result<Self, SketchError> {
        check::dimension("d", d)?;
        check::dimension("n", n)?;
        Ok(Self { d, n, key: stream::family_key(seed, tag) })
    }
}

/// How a family turns words into entries.
pub(crate) trait DenseFamily: Send + Sync {
    fn shape(&self) -> &Shape;

    /// The factor that makes E\[SᵀS\] = I.
    fn scale(&self) -> f64;

    /// The next rows, a multiple of [`CHUNK_ROWS`], of neighboring columns. Inlined into vector
    /// code.
    fn rows<T: Real>(streams: &mut LaneStreams, scale: T, out: &mut [[T; LANES]]);

    /// A whole column from its words in order. Inlined into vector code.
    fn scalar<T: Real>(words: &mut impl FnMut() -> u64, scale: T, out: &mut [T]);
}

/// out += S\[:, columns\]·A, A dense.
fn accumulate_dense<F: DenseFamily, T: Real>(
    family: &F,
    mut out: MatMut<'_, T>,
    columns: Range<usize>,
    a: MatRef<'_, T>,
    par: Par,
) -> Result<(), SketchError> {
    let first = columns.start;
    for_each_panel(family, columns, par, |panel: MatRef<'_, T>, rows, columns| {
        product(
            out.rb_mut().subrows_mut(rows.start, rows.len()),
            Accum::Add,
            panel,
            a.subrows(columns.start - first, columns.len()),
            T::ONE,
            par,
        );
    })
}

/// out += S\[:, columns\]·A, A sparse: each nonzero adds a multiple of a column of S to a column of
/// the output. Threads share the rows of the output, so each entry is summed in the order of the
/// nonzeros.
fn accumulate_sparse<F: DenseFamily, T: Real>(
    family: &F,
    mut out: MatMut<'_, T>,
    columns: Range<usize>,
    a: Sparse<'_, T>,
    par: Par,
) -> Result<(), SketchError> {
    let first = columns.start;
    let p = out.ncols();
    let blocks = RowBlocks::new(a, PANEL_COLUMNS, par)?;
    let mut by_columns = try_vec("S·A", family.shape().d.min(PANEL_ROWS), PANEL_COLUMNS, T::ZERO)?;
    for_each_panel(family, columns, par, |panel: MatRef<'_, T>, rows, columns| {
        let block = (columns.start - first) / PANEL_COLUMNS;
        // A nonzero needs a column of S in one piece.
        let height = rows.len();
        let by_columns = &mut by_columns[..height * columns.len()];
        MatMut::from_column_major_slice_mut(by_columns, height, columns.len()).copy_from(panel);
        let columns_of_s = &*by_columns;
        let out = out.rb_mut().subrows_mut(rows.start, height);
        let pieces = parallel::split_rows(out, height.div_ceil(parallel::threads(par)));
        for_each(par, pieces, |(rows, mut out)| {
            vectorized(
                #[inline(always)]
                || {
                    blocks.visit(
                        block,
                        &(0..p),
                        #[inline(always)]
                        |j, c, value| {
                            let column = &columns_of_s[j * height..][rows.clone()];
                            add_multiple(out.rb_mut().col_mut(c), value, column);
                        },
                    );
                },
            );
        });
    })
}

/// out += value·column.
#[inline(always)]
fn add_multiple<T: Real>(out: faer::ColMut<'_, T>, value: T, column: &[T]) {
    let mut out = out;
    if let Some(contiguous) = out.rb_mut().try_as_col_major_mut() {
        for (o, &s) in contiguous.as_slice_mut().iter_mut().zip(column) {
            *o += value * s;
        }
    } else {
        for (o, &s) in out.iter_mut().zip(column) {
            *o += value * s;
        }
    }
}

impl<T: Real, F: DenseFamily> SketchOperator<T> for F {
    fn nrows(&self) -> usize {
        self.shape().d
    }

    fn ncols(&self) -> usize {
        self.shape().n
    }

    fn accumulate(
        &self,
        out: MatMut<'_, T>,
        columns: Range<usize>,
        a: Input<'_, T>,
        par: Par,
    ) -> Result<(), SketchError> {
        let &Shape { d, n, .. } = self.shape();
        check::accumulate((d, n), &columns, (out.nrows(), out.ncols()), (a.nrows(), a.ncols()))?;
        if a.ncols() == 0 {
            return Ok(());
        }
        match a {
            Input::Dense(a) => accumulate_dense(self, out, columns, a, par),
            Input::Csc(a) => accumulate_sparse(self, out, columns, Sparse::csc(a), par),
            Input::Csr(a) => accumulate_sparse(self, out, columns, Sparse::csr(a), par),
        }
    }

    fn adjoint_into(
        &self,
        mut out: MatMut<'_, T>,
        columns: Range<usize>,
        x: MatRef<'_, T>,
        par: Par,
    ) -> Result<(), SketchError> {
        let &Shape { d, n, .. } = self.shape();
        check::adjoint((d, n), &columns, (out.nrows(), out.ncols()), (x.nrows(), x.ncols()))?;
        if x.ncols() == 0 {
            return Ok(());
        }
        let first = columns.start;
        for_each_panel(self, columns, par, |panel: MatRef<'_, T>, rows, columns| {
            product(
                out.rb_mut().subrows_mut(columns.start - first, columns.len()),
                if rows.start == 0 { Accum::Replace } else { Accum::Add },
                panel.transpose(),
                x.subrows(rows.start, rows.len()),
                T::ONE,
                par,
            );
        })
    }

    fn to_dense(&self) -> Result<Mat<T>, SketchError> {
        let &Shape { d, n, key } = self.shape();
        let scale = T::from_f64(self.scale());
        let mut s = try_zeros("S", d, n)?;
        let mut column = try_vec("S", d, 1, T::ZERO)?;
        for j in 0..n {
            let mut stream = stream::coordinate(key, j);
            // For the machine's own fused multiply–add, which is slow in software.
            vectorized(
                #[inline(always)]
                || F::scalar(&mut || stream.next_u64(), scale, &mut column),
            );
            for (i, &entry) in column.iter().enumerate() {
                s[(i, j)] = entry;
            }
        }
        Ok(s)
    }
}

//! What the three families with independent entries share: S is drawn a panel at a time and multiplied by faer.

use std::ops::Range;

use faer::prelude::ReborrowMut;
use faer::{Accum, Mat, MatMut, MatRef, Par};
use rand_xoshiro::rand_core::Rng;

use crate::parallel::{self, for_each};
use crate::product::product;
use crate::simd::vectorized;
use crate::sparse::Sparse;
use crate::stream::{self, LANES, LaneStreams};
use crate::{Input, Real, SketchError, SketchOperator, check};

/// Rows that one word of signs is enough for; rows are drawn in multiples of it.
pub(crate) const CHUNK_ROWS: usize = 64;
/// Columns of a panel. It is the depth of one matrix product, so it is fixed: the order of summation must not depend
/// on the number of threads.
const PANEL_COLUMNS: usize = LANES;
/// Rows of a panel: a multiple of [`CHUNK_ROWS`]. Larger d is taken in several goes, which continue the streams.
const PANEL_ROWS: usize = 2048;

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

    /// The next rows, a multiple of [`CHUNK_ROWS`], of neighbouring columns. Inlined into vector code.
    fn rows<T: Real>(streams: &mut LaneStreams, scale: T, out: &mut [[T; LANES]]);

    /// A whole column from its words in order. Inlined into vector code.
    fn scalar<T: Real>(words: &mut impl FnMut() -> u64, scale: T, out: &mut [T]);
}

/// Some columns of S, as many rows of them as are wanted next.
struct Panel<T> {
    columns: Range<usize>,
    streams: LaneStreams,
    entries: Vec<[T; PANEL_COLUMNS]>,
}

impl<T: Real> Panel<T> {
    fn new(rows: usize) -> Self {
        let rows = rows.min(PANEL_ROWS).next_multiple_of(CHUNK_ROWS);
        Self { columns: 0..0, streams: LaneStreams::new(0, 0), entries: vec![[T::ZERO; PANEL_COLUMNS]; rows] }
    }

    /// Goes to the top of other columns.
    fn start(&mut self, key: u64, columns: Range<usize>) {
        self.streams = LaneStreams::new(key, columns.start);
        self.columns = columns;
    }

    /// Draws the next `rows` rows.
    fn draw<F: DenseFamily>(&mut self, rows: usize, scale: T) {
        let Self { streams, entries, .. } = self;
        let entries = &mut entries[..rows.next_multiple_of(CHUNK_ROWS)];
        vectorized(
            #[inline(always)]
            || F::rows(streams, scale, entries),
        );
    }

    /// The last `rows` rows drawn, rows × columns.
    fn view(&self, rows: usize) -> MatRef<'_, T> {
        MatRef::from_column_major_slice_with_stride(
            self.entries[..rows].as_flattened(),
            self.columns.len(),
            rows,
            PANEL_COLUMNS,
        )
        .transpose()
    }
}

/// Draws S\[:, columns\] and hands it out as (panel, its rows, its columns) in a fixed order, whatever `par` is: with more
/// threads more panels are drawn ahead, each by one of them.
fn for_each_panel<F: DenseFamily, T: Real>(
    family: &F,
    columns: Range<usize>,
    par: Par,
    mut work: impl FnMut(MatRef<'_, T>, Range<usize>, Range<usize>),
) {
    let &Shape { d, key, .. } = family.shape();
    let scale = T::from_f64(family.scale());
    let mut starts = columns.clone().step_by(PANEL_COLUMNS);
    let ahead = parallel::threads(par).min(starts.len());
    let mut panels: Vec<_> = (0..ahead).map(|_| Panel::<T>::new(d)).collect();
    loop {
        let mut used = 0;
        for (panel, start) in panels.iter_mut().zip(starts.by_ref().take(ahead)) {
            panel.start(key, start..columns.end.min(start + PANEL_COLUMNS));
            used += 1;
        }
        if used == 0 {
            return;
        }
        let panels = &mut panels[..used];
        for top in (0..d).step_by(PANEL_ROWS) {
            let rows = PANEL_ROWS.min(d - top);
            for_each(par, panels.iter_mut().collect(), |panel| panel.draw::<F>(rows, scale));
            for panel in &*panels {
                work(panel.view(rows), top..top + rows, panel.columns.clone());
            }
        }
    }
}

/// out += S\[:, columns\]·A, A dense.
fn accumulate_dense<F: DenseFamily, T: Real>(
    family: &F,
    mut out: MatMut<'_, T>,
    columns: Range<usize>,
    a: MatRef<'_, T>,
    par: Par,
) {
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
    });
}

/// out += S\[:, columns\]·A, A sparse: each nonzero adds a multiple of a column of S to a column of the output. Threads
/// share the rows of the output, so each entry is summed in the order of the nonzeros.
fn accumulate_sparse<F: DenseFamily, T: Real>(
    family: &F,
    mut out: MatMut<'_, T>,
    columns: Range<usize>,
    a: Sparse<'_, T>,
    par: Par,
) {
    let first = columns.start;
    let p = out.ncols();
    let mut by_columns = vec![T::ZERO; family.shape().d.min(PANEL_ROWS) * PANEL_COLUMNS];
    for_each_panel(family, columns, par, |panel: MatRef<'_, T>, rows, columns| {
        // A nonzero needs a column of S in one piece.
        let height = rows.len();
        let by_columns = &mut by_columns[..height * columns.len()];
        faer::MatMut::from_column_major_slice_mut(by_columns, height, columns.len()).copy_from(panel);
        let block = columns.start - first..columns.end - first;
        let pieces =
            parallel::split_rows(out.rb_mut().subrows_mut(rows.start, height), height.div_ceil(parallel::threads(par)));
        for_each(par, pieces, |(rows, mut out)| {
            let columns_of_s = &*by_columns;
            vectorized(
                #[inline(always)]
                || {
                    a.visit(&block, &(0..p), |j, c, value| {
                        let column = &columns_of_s[(j - block.start) * height..][rows.clone()];
                        add_multiple(out.rb_mut().col_mut(c), value, column);
                    });
                },
            );
        });
    });
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
            Input::Csc(a) => accumulate_sparse(self, out, columns, Sparse::columns(a), par),
            Input::Csr(a) => accumulate_sparse(self, out, columns, Sparse::rows(a), par),
        }
        Ok(())
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
        });
        Ok(())
    }

    fn to_dense(&self) -> Mat<T> {
        let &Shape { d, n, key } = self.shape();
        let scale = T::from_f64(self.scale());
        let mut s = Mat::zeros(d, n);
        let mut column = vec![T::ZERO; d];
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
        s
    }
}

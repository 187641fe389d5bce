//! The sparse sign sketch; CountSketch is its thinnest member.

use std::ops::Range;

use faer::prelude::ReborrowMut;
use faer::{Mat, MatMut, MatRef, Par};

use crate::input::{RowBlocks, Sparse};
use crate::memory::out_of_memory;
use crate::parallel::{self, for_each, for_each_with, split_columns};
use crate::simd::vectorized;
use crate::tile::{self, Reader, with_width};
use crate::{Input, Real, SketchError, SketchOperator, check, stream, try_resize, try_vec, try_zeros};

/// Nonzeros of S that are drawn at once: the table of a block stays in the second-level cache.
const BLOCK_NONZEROS: usize = 8192;
/// Rows of A that are laid out as a tile at a time.
const TILE_ROWS: usize = 64;

/// ζ = `vec_nnz` distinct rows of each column hold ±1/√ζ. Known as SJLT, OSNAP and "SASO"; ζ = 1 is
/// CountSketch.
///
/// Clarkson and Woodruff (2013); Nelson and Nguyễn, *OSNAP* (2013); Kane and Nelson (2014). S·A
/// costs ζ·nnz(A) additions and reads A once: for dense A it is bound by memory bandwidth when ζ is
/// small. Beside the result it keeps one copy of the output and the positions of a few thousand
/// nonzeros of S.
///
/// ζ = 8 embeds subspaces about as well as a dense sketch; CountSketch needs d in proportion to the
/// square of the subspace's dimension.
///
/// **Draws.** From the stream of coordinate j ([`stream::SPARSE_SIGN`]), Floyd's algorithm (Bentley
/// and Floyd 1987): for t = d−ζ, …, d−1 a signed index r in 0..t+1 is drawn
/// ([`stream::signed_index`]); the row is r if column j does not hold it yet, otherwise t. The sign
/// is that of the draw.
///
/// ```
/// use faer::{Mat, Par};
/// use panther_sketch::{SketchOperator, SparseSign};
///
/// let a = Mat::<f64>::from_fn(1000, 3, |i, j| (i + j) as f64);
/// let s = SparseSign::new(50, 1000, 8, 7)?;
/// let sketch = s.left(a.as_ref().into(), Par::Seq)?;
/// assert_eq!((sketch.nrows(), sketch.ncols()), (50, 3));
/// # Ok::<(), panther_sketch::SketchError>(())
/// ```
#[derive(Clone, Debug)]
pub struct SparseSign {
    d: usize,
    n: usize,
    vec_nnz: usize,
    key: u64,
}

/// The nonzeros of neighboring columns of S, ζ per column, values ±1.
struct Nonzeros<T> {
    rows: Vec<usize>,
    signs: Vec<T>,
}

/// Columns of A and what has been summed for them.
struct Sums<T, const L: usize> {
    columns: Range<usize>,
    /// d rows.
    sums: Vec<[T; L]>,
}

impl SparseSign {
    /// The d×n operator with `vec_nnz` nonzeros per column that belongs to `seed`.
    ///
    /// # Errors
    /// [`SketchError::Empty`] if d or n is 0, [`SketchError::OutOfRange`] if `vec_nnz` is not in
    /// 1..=d or a dimension exceeds `isize::MAX`.
    pub fn new(d: usize, n: usize, vec_nnz: usize, seed: u64) -> Result<Self, SketchError> {
        check::dimension("d", d)?;
        check::dimension("n", n)?;
        check::within("vec_nnz", vec_nnz, 1, d)?;
        Ok(Self { d, n, vec_nnz, key: stream::family_key(seed, stream::SPARSE_SIGN) })
    }

    /// 1/√ζ.
    fn scale<T: Real>(&self) -> T {
        T::from_f64(1.0 / (self.vec_nnz as f64).sqrt())
    }

    /// Columns whose nonzeros are drawn at once, a power of two.
    fn block(&self) -> usize {
        1 << (BLOCK_NONZEROS / self.vec_nnz).max(TILE_ROWS).ilog2()
    }

    /// The nonzeros of column j, by Floyd's algorithm. `seen[r]` is j+1 if row r is taken; it
    /// serves many columns without being cleared.
    #[inline(always)]
    fn draw_column<T: Real>(&self, j: usize, seen: &mut [usize], rows: &mut [usize], signs: &mut [T]) {
        let mut words = stream::coordinate(self.key, j);
        let slots = rows.iter_mut().zip(signs);
        for (t, (row, value)) in (self.d - self.vec_nnz..self.d).zip(slots) {
            let (r, sign) = stream::signed_index(&mut words, t as u64 + 1);
            let r = if seen[r] == j + 1 { t } else { r };
            seen[r] = j + 1;
            *row = r;
            *value = T::ONE.with_sign(sign);
        }
    }

    /// Draws the nonzeros of some columns, on one thread per element of `seen`.
    fn draw<T: Real>(
        &self,
        nonzeros: &mut Nonzeros<T>,
        columns: Range<usize>,
        seen: &mut [Vec<usize>],
    ) -> Result<(), SketchError> {
        let Nonzeros { rows, signs } = nonzeros;
        try_resize("nonzeros of S", rows, columns.len(), self.vec_nnz, 0)?;
        try_resize("nonzeros of S", signs, columns.len(), self.vec_nnz, T::ONE)?;
        let piece = columns.len().div_ceil(seen.len()).max(TILE_ROWS);
        let width = piece * self.vec_nnz;
        let pieces = columns.step_by(piece).zip(rows.chunks_mut(width).zip(signs.chunks_mut(width)));
        for_each_with(seen, pieces, |seen, (first, (rows, signs))| {
            let columns = rows.chunks_exact_mut(self.vec_nnz).zip(signs.chunks_exact_mut(self.vec_nnz));
            for (j, (rows, signs)) in columns.enumerate() {
                self.draw_column(first + j, seen, rows, signs);
            }
        });
        Ok(())
    }

    /// Draws S\[:, columns\] block by block and calls `work` with each and its columns.
    fn for_each_block<T: Real>(
        &self,
        columns: Range<usize>,
        par: Par,
        mut work: impl FnMut(&Nonzeros<T>, Range<usize>),
    ) -> Result<(), SketchError> {
        let mut nonzeros = Nonzeros { rows: Vec::new(), signs: Vec::new() };
        let threads = parallel::threads(par).min(self.block().div_ceil(TILE_ROWS));
        let mut seen = (0..threads).map(|_| try_vec("rows taken", self.d, 1, 0)).collect::<Result<Vec<_>, _>>()?;
        for start in columns.clone().step_by(self.block()) {
            let block = start..columns.end.min(start.saturating_add(self.block()));
            self.draw(&mut nonzeros, block.clone(), &mut seen)?;
            work(&nonzeros, block);
        }
        Ok(())
    }

    fn accumulate_dense<T: Real, const L: usize>(
        &self,
        out: MatMut<'_, T>,
        columns: Range<usize>,
        a: MatRef<'_, T>,
        par: Par,
    ) -> Result<(), SketchError> {
        let first = columns.start;
        let scale = self.scale();
        let mut tiles = self.tiles::<T, L>(a.ncols())?;
        self.for_each_block(columns, par, |nonzeros, block| {
            for_each(par, &mut tiles, |tile| {
                vectorized(
                    #[inline(always)]
                    || scatter(tile, nonzeros, self.vec_nnz, a.subrows(block.start - first, block.len())),
                );
            });
        })?;
        for (tile, (_, out)) in tiles.iter().zip(split_columns(out, L)) {
            tile::add(out, &tile.sums, scale);
        }
        Ok(())
    }

    /// Sums of zero for p columns.
    fn tiles<T: Real, const L: usize>(&self, p: usize) -> Result<Vec<Sums<T, L>>, SketchError> {
        (0..p)
            .step_by(L)
            .map(|c| Ok(Sums { columns: c..p.min(c + L), sums: try_vec("sums of S·A", self.d, 1, [T::ZERO; L])? }))
            .collect()
    }

    fn accumulate_sparse<T: Real>(
        &self,
        mut out: MatMut<'_, T>,
        columns: Range<usize>,
        a: Sparse<'_, T>,
        par: Par,
    ) -> Result<(), SketchError> {
        let first = columns.start;
        let scale: T = self.scale();
        let zeta = self.vec_nnz;
        let width = out.ncols().div_ceil(parallel::threads(par));
        let blocks = RowBlocks::new(a, self.block(), par)?.prepared_for_cuts(par);
        self.for_each_block::<T>(columns, par, |nonzeros, block| {
            let block = (block.start - first) / self.block();
            for_each(par, split_columns(out.rb_mut(), width), |(part, mut out)| {
                blocks.visit(block, &part, |j, c, value| {
                    let at = j * zeta..(j + 1) * zeta;
                    for (&r, &sign) in nonzeros.rows[at.clone()].iter().zip(&nonzeros.signs[at]) {
                        out[(r, c - part.start)] += sign * (scale * value);
                    }
                });
            });
        })
    }

    fn adjoint_dense<T: Real, const L: usize>(
        &self,
        mut out: MatMut<'_, T>,
        columns: Range<usize>,
        x: MatRef<'_, T>,
        par: Par,
    ) -> Result<(), SketchError> {
        let first = columns.start;
        let scale = self.scale();
        let mut tiles = self.tiles::<T, L>(x.ncols())?;
        for_each(par, &mut tiles, |tile| {
            Reader::new(x, tile.columns.clone()).load(&mut tile.sums, 0..self.d);
        });
        self.for_each_block(columns, par, |nonzeros, block| {
            let out = out.rb_mut().subrows_mut(block.start - first, block.len());
            let pieces = tiles.iter().zip(split_columns(out, L));
            for_each(par, pieces, |(tile, (_, mut out))| {
                vectorized(
                    #[inline(always)]
                    || gather(out.rb_mut(), nonzeros, self.vec_nnz, scale, &tile.sums),
                );
            });
        })
    }
}

/// Adds the rows of A to the sums that their columns of S name.
#[inline(always)]
fn scatter<T: Real, const L: usize>(tile: &mut Sums<T, L>, nonzeros: &Nonzeros<T>, zeta: usize, a: MatRef<'_, T>) {
    let reader = Reader::new(a, tile.columns.clone());
    let mut rows_of_a = [[T::ZERO; L]; TILE_ROWS];
    let table = nonzeros.rows.chunks(TILE_ROWS * zeta).zip(nonzeros.signs.chunks(TILE_ROWS * zeta));
    for (top, (rows, signs)) in (0..a.nrows()).step_by(TILE_ROWS).zip(table) {
        let height = TILE_ROWS.min(a.nrows() - top);
        reader.load(&mut rows_of_a[..height], top..top + height);
        let columns_of_s = rows.chunks_exact(zeta).zip(signs.chunks_exact(zeta));
        for (values, (rows, signs)) in rows_of_a.iter().zip(columns_of_s) {
            // A copy, so that it is seen to stay in registers while the sums are written.
            let values = *values;
            for (&r, &sign) in rows.iter().zip(signs) {
                let sums = &mut tile.sums[r];
                for l in 0..L {
                    sums[l] += sign * values[l];
                }
            }
        }
    }
}

/// Each row of the output is the sum of ζ rows of the tile of X.
#[inline(always)]
fn gather<T: Real, const L: usize>(
    mut out: MatMut<'_, T>,
    nonzeros: &Nonzeros<T>,
    zeta: usize,
    scale: T,
    x: &[[T; L]],
) {
    let mut result = [[T::ZERO; L]; TILE_ROWS];
    let height = out.nrows();
    let table = nonzeros.rows.chunks(TILE_ROWS * zeta).zip(nonzeros.signs.chunks(TILE_ROWS * zeta));
    for (top, (rows, signs)) in (0..height).step_by(TILE_ROWS).zip(table) {
        let columns_of_s = rows.chunks_exact(zeta).zip(signs.chunks_exact(zeta));
        for (result, (rows, signs)) in result.iter_mut().zip(columns_of_s) {
            let mut sum = [T::ZERO; L];
            for (&r, &sign) in rows.iter().zip(signs) {
                let x = &x[r];
                for l in 0..L {
                    sum[l] += sign * x[l];
                }
            }
            *result = sum.map(|s| scale * s);
        }
        let height = TILE_ROWS.min(height - top);
        tile::store(out.rb_mut().subrows_mut(top, height), &result[..height]);
    }
}

impl<T: Real> SketchOperator<T> for SparseSign {
    fn nrows(&self) -> usize {
        self.d
    }

    fn ncols(&self) -> usize {
        self.n
    }

    fn accumulate(
        &self,
        out: MatMut<'_, T>,
        columns: Range<usize>,
        a: Input<'_, T>,
        par: Par,
    ) -> Result<(), SketchError> {
        check::accumulate((self.d, self.n), &columns, (out.nrows(), out.ncols()), (a.nrows(), a.ncols()))?;
        if a.ncols() == 0 {
            return Ok(());
        }
        match a {
            Input::Dense(a) => {
                with_width!(a.ncols(), self.accumulate_dense::<T>(out, columns, a, par))
            }
            Input::Csc(a) => self.accumulate_sparse(out, columns, Sparse::csc(a), par),
            Input::Csr(a) => self.accumulate_sparse(out, columns, Sparse::csr(a), par),
        }
    }

    fn adjoint_into(
        &self,
        out: MatMut<'_, T>,
        columns: Range<usize>,
        x: MatRef<'_, T>,
        par: Par,
    ) -> Result<(), SketchError> {
        check::adjoint((self.d, self.n), &columns, (out.nrows(), out.ncols()), (x.nrows(), x.ncols()))?;
        if x.ncols() == 0 {
            return Ok(());
        }
        with_width!(x.ncols(), self.adjoint_dense::<T>(out, columns, x, par))
    }

    fn to_dense(&self) -> Result<Mat<T>, SketchError> {
        let mut s = try_zeros("S", self.d, self.n)?;
        let scale: T = self.scale();
        let mut taken = Vec::new();
        taken.try_reserve_exact(self.vec_nnz).map_err(|_| out_of_memory::<usize>("S", self.vec_nnz, 1))?;
        for j in 0..self.n {
            taken.clear();
            let mut words = stream::coordinate(self.key, j);
            for t in self.d - self.vec_nnz..self.d {
                let (r, sign) = stream::signed_index(&mut words, t as u64 + 1);
                let row = if taken.contains(&r) { t } else { r };
                taken.push(row);
                s[(row, j)] = scale.with_sign(sign);
            }
        }
        Ok(s)
    }
}

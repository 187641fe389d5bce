//! The sketch whose rows are sparse.

use std::ops::Range;

use faer::prelude::ReborrowMut;
use faer::{Mat, MatMut, MatRef, Par};

use crate::input::Sparse;
use crate::memory::try_push;
use crate::parallel::{self, for_each, for_each_with, split_columns, split_rows};
use crate::simd::vectorized;
use crate::{Input, Real, SketchError, SketchOperator, check, stream, try_vec, try_zeros};

/// Draws that are kept at once, unless one row has more.
const BLOCK_DRAWS: usize = 1 << 15;

/// Each row is the signed sum of ζ = `vec_nnz` coordinates sampled uniformly with replacement,
/// times √(n/(dζ)).
///
/// Derezinski et al., *Newton-LESS* (2021), LESS-uniform; RandBLAS calls the shape "LASO". S·A
/// costs d·ζ·p additions for A of p columns and reads only the d·ζ sampled rows of it, which makes
/// it the cheapest family; it is accurate when the rows of A matter about equally (low coherence),
/// and it can miss single rows altogether. ζ of the order of p is usual. For a column range all d·ζ
/// draws are made, and those inside it kept: few large ranges are cheaper than many small ones.
///
/// **Draws.** From the stream of row i ([`stream::LESS_UNIFORM`]): ζ signed indices in 0..n
/// ([`stream::signed_index`]), one after another. Repeated indices add up.
///
/// ```
/// use faer::{Mat, Par};
/// use panther_sketch::{SketchOperator, LessUniform};
///
/// let a = Mat::<f64>::from_fn(1000, 3, |i, j| (i + j) as f64);
/// let s = LessUniform::new(50, 1000, 16, 7)?;
/// let sketch = s.left(a.as_ref().into(), Par::Seq)?;
/// assert_eq!((sketch.nrows(), sketch.ncols()), (50, 3));
/// # Ok::<(), panther_sketch::SketchError>(())
/// ```
#[derive(Clone, Debug)]
pub struct LessUniform {
    d: usize,
    n: usize,
    vec_nnz: usize,
    key: u64,
}

/// The draws of some rows of S that fall into a column range.
struct Draws<T> {
    rows: Range<usize>,
    /// `starts[k]..starts[k+1]` are the draws of the k-th row.
    starts: Vec<usize>,
    /// Counted from the start of the column range.
    indices: Vec<usize>,
    signs: Vec<T>,
}

impl<T: Real> Draws<T> {
    /// The draws of the k-th row.
    #[inline(always)]
    fn row(&self, k: usize) -> impl Iterator<Item = (usize, T)> {
        let range = self.starts[k]..self.starts[k + 1];
        self.indices[range.clone()].iter().copied().zip(self.signs[range].iter().copied())
    }
}

impl LessUniform {
    /// The d×n operator with `vec_nnz` samples per row that belongs to `seed`.
    ///
    /// # Errors
    /// [`SketchError::Empty`] if d or n is 0, [`SketchError::OutOfRange`] if `vec_nnz` is not in
    /// 1..=n or a dimension exceeds `isize::MAX`.
    pub fn new(d: usize, n: usize, vec_nnz: usize, seed: u64) -> Result<Self, SketchError> {
        check::dimension("d", d)?;
        check::dimension("n", n)?;
        check::within("vec_nnz", vec_nnz, 1, n)?;
        Ok(Self { d, n, vec_nnz, key: stream::family_key(seed, stream::LESS_UNIFORM) })
    }

    /// √(n/(dζ)).
    fn scale<T: Real>(&self) -> T {
        T::from_f64((self.n as f64 / self.d as f64 / self.vec_nnz as f64).sqrt())
    }

    /// Rows of S that are drawn at once.
    fn height(&self) -> usize {
        (BLOCK_DRAWS / self.vec_nnz).max(1).min(self.d)
    }

    /// Draws the rows of S\[:, columns\] a block at a time.
    fn for_each_block<T: Real>(
        &self,
        columns: &Range<usize>,
        mut work: impl FnMut(&Draws<T>) -> Result<(), SketchError>,
    ) -> Result<(), SketchError> {
        let height = self.height();
        let mut draws = Draws { rows: 0..0, starts: Vec::new(), indices: Vec::new(), signs: Vec::new() };
        for top in (0..self.d).step_by(height) {
            draws.rows = top..self.d.min(top + height);
            draws.starts.clear();
            draws.indices.clear();
            draws.signs.clear();
            for i in draws.rows.clone() {
                draws.starts.push(draws.indices.len());
                let mut words = stream::coordinate(self.key, i);
                for _ in 0..self.vec_nnz {
                    let (index, sign) = stream::signed_index(&mut words, self.n as u64);
                    if columns.contains(&index) {
                        try_push("draws of S", &mut draws.indices, index - columns.start)?;
                        try_push("draws of S", &mut draws.signs, T::ONE.with_sign(sign))?;
                    }
                }
            }
            draws.starts.push(draws.indices.len());
            work(&draws)?;
        }
        Ok(())
    }

    fn accumulate_dense<T: Real>(
        &self,
        mut out: MatMut<'_, T>,
        columns: &Range<usize>,
        a: MatRef<'_, T>,
        par: Par,
    ) -> Result<(), SketchError> {
        let scale: T = self.scale();
        let by_rows = a.col_stride() == 1 && a.row_stride() != 1;
        let threads = parallel::threads(par);
        let room = if by_rows { a.ncols() } else { 0 };
        let mut memory =
            (0..threads).map(|_| try_vec("row of S·A", room, 1, T::ZERO)).collect::<Result<Vec<_>, _>>()?;
        self.for_each_block(columns, |draws: &Draws<T>| {
            let mut out = out.rb_mut().subrows_mut(draws.rows.start, draws.rows.len());
            // Threads share the rows if A is read by rows, its columns otherwise.
            if by_rows {
                let height = out.nrows().div_ceil(threads);
                for_each_with(&mut memory, split_rows(out.rb_mut(), height), |sums, (part, mut out)| {
                    vectorized(
                        #[inline(always)]
                        || sum_rows(out.rb_mut(), part.start, draws, a, scale, sums),
                    );
                });
            } else {
                let width = out.ncols().div_ceil(threads);
                for_each(par, split_columns(out.rb_mut(), width), |(part, mut out)| {
                    vectorized(
                        #[inline(always)]
                        || sum_entries(out.rb_mut(), draws, a.subcols(part.start, part.len()), scale),
                    );
                });
            }
            Ok(())
        })
    }

    /// A by rows: each draw adds a sparse row.
    fn accumulate_csr<T: Real>(
        &self,
        mut out: MatMut<'_, T>,
        columns: &Range<usize>,
        a: Sparse<'_, T>,
        par: Par,
    ) -> Result<(), SketchError> {
        let scale: T = self.scale();
        self.for_each_block(columns, |draws: &Draws<T>| {
            let out = out.rb_mut().subrows_mut(draws.rows.start, draws.rows.len());
            let height = out.nrows().div_ceil(parallel::threads(par));
            for_each(par, split_rows(out, height), |(part, mut out)| {
                for k in part.clone() {
                    for (index, sign) in draws.row(k) {
                        let (columns, values) = a.line(index);
                        for (&c, &value) in columns.iter().zip(values) {
                            out[(k - part.start, c)] += sign * (scale * value);
                        }
                    }
                }
            });
            Ok(())
        })
    }

    /// A by columns: the entries that some draw reads are laid out in full, which makes reading at
    /// random cheap, and the rows of S with such a draw are summed.
    fn accumulate_csc<T: Real>(
        &self,
        mut out: MatMut<'_, T>,
        columns: &Range<usize>,
        a: Sparse<'_, T>,
        par: Par,
    ) -> Result<(), SketchError> {
        let scale: T = self.scale();
        let threads = parallel::threads(par);
        let mut memory = (0..threads)
            .map(|_| Ok((try_vec("column of A", columns.len(), 1, T::ZERO)?, Marks::new(self.height())?)))
            .collect::<Result<Vec<_>, SketchError>>()?;
        self.for_each_block(columns, |draws: &Draws<T>| {
            let readers = Readers::new(draws, columns.len())?;
            let out = out.rb_mut().subrows_mut(draws.rows.start, draws.rows.len());
            let width = out.ncols().div_ceil(threads);
            for_each_with(&mut memory, split_columns(out, width), |(full, marks), (part, mut out)| {
                for c in part.clone() {
                    let (indices, values) = a.line(c);
                    for (&j, &value) in indices.iter().zip(values).filter(|(j, _)| readers.any(**j)) {
                        full[j] += value;
                        readers.of(j).iter().for_each(|&(_, k)| marks.set(k));
                    }
                    for &k in &marks.list {
                        let sum = signed_sum(draws.row(k), |j| full[j]);
                        out[(k, c - part.start)] += scale * sum;
                    }
                    marks.clear();
                    indices.iter().filter(|j| readers.any(**j)).for_each(|&j| full[j] = T::ZERO);
                }
            });
            Ok(())
        })
    }
}

/// Which rows of a block of draws read a coordinate.
struct Readers {
    /// A bit per coordinate that is read at all.
    bits: Vec<u64>,
    /// (coordinate, row), ascending.
    pairs: Vec<(usize, usize)>,
}

impl Readers {
    fn new<T: Real>(draws: &Draws<T>, coordinates: usize) -> Result<Self, SketchError> {
        let mut bits = try_vec("coordinates drawn", coordinates.div_ceil(64), 1, 0_u64)?;
        let mut pairs = try_vec("draws of S", draws.indices.len(), 1, (0, 0))?;
        for k in 0..draws.rows.len() {
            let range = draws.starts[k]..draws.starts[k + 1];
            for (pair, &j) in pairs[range.clone()].iter_mut().zip(&draws.indices[range]) {
                *pair = (j, k);
                bits[j / 64] |= 1 << (j % 64);
            }
        }
        pairs.sort_unstable();
        Ok(Self { bits, pairs })
    }

    #[inline(always)]
    fn any(&self, j: usize) -> bool {
        self.bits[j / 64] >> (j % 64) & 1 == 1
    }

    fn of(&self, j: usize) -> &[(usize, usize)] {
        let from = &self.pairs[self.pairs.partition_point(|pair| pair.0 < j)..];
        &from[..from.partition_point(|pair| pair.0 == j)]
    }
}

/// A set of rows of a block.
struct Marks {
    is_set: Vec<bool>,
    list: Vec<usize>,
}

impl Marks {
    fn new(rows: usize) -> Result<Self, SketchError> {
        let mut list = try_vec("rows of S", rows, 1, 0)?;
        list.clear();
        Ok(Self { is_set: try_vec("rows of S", rows, 1, false)?, list })
    }

    #[inline(always)]
    fn set(&mut self, k: usize) {
        if !self.is_set[k] {
            self.is_set[k] = true;
            self.list.push(k);
        }
    }

    fn clear(&mut self) {
        self.list.drain(..).for_each(|k| self.is_set[k] = false);
    }
}

/// Σ ±value(index), in the order of the draws.
#[inline(always)]
fn signed_sum<T: Real>(draws: impl Iterator<Item = (usize, T)>, value: impl Fn(usize) -> T) -> T {
    draws.fold(T::ZERO, |sum, (index, sign)| sum + sign * value(index))
}

/// out += scale·S·A by rows of A, summed in `sums`. `first` is the row of the block that row 0 of
/// `out` is.
#[inline(always)]
fn sum_rows<T: Real>(
    mut out: MatMut<'_, T>,
    first: usize,
    draws: &Draws<T>,
    a: MatRef<'_, T>,
    scale: T,
    sums: &mut [T],
) {
    for i in 0..out.nrows() {
        sums.fill(T::ZERO);
        for (index, sign) in draws.row(first + i) {
            if let Some(row) = a.transpose().col(index).try_as_col_major() {
                for (sum, &value) in sums.iter_mut().zip(row.as_slice()) {
                    *sum += sign * value;
                }
            }
        }
        for (c, &sum) in sums.iter().enumerate() {
            out[(i, c)] += scale * sum;
        }
    }
}

/// out += scale·S·A by entries of A, a column after another.
#[inline(always)]
fn sum_entries<T: Real>(mut out: MatMut<'_, T>, draws: &Draws<T>, a: MatRef<'_, T>, scale: T) {
    for c in 0..a.ncols() {
        let column = a.col(c);
        let contiguous = column.try_as_col_major().map(|column| column.as_slice());
        for k in 0..draws.rows.len() {
            let sum = match contiguous {
                Some(column) => signed_sum(draws.row(k), |j| column[j]),
                None => signed_sum(draws.row(k), |j| column[j]),
            };
            out[(k, c)] += scale * sum;
        }
    }
}

impl<T: Real> SketchOperator<T> for LessUniform {
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
            Input::Dense(a) => self.accumulate_dense(out, &columns, a, par),
            Input::Csc(a) => self.accumulate_csc(out, &columns, Sparse::csc(a), par),
            Input::Csr(a) => self.accumulate_csr(out, &columns, Sparse::csr(a), par),
        }
    }

    fn adjoint_into(
        &self,
        mut out: MatMut<'_, T>,
        columns: Range<usize>,
        x: MatRef<'_, T>,
        par: Par,
    ) -> Result<(), SketchError> {
        check::adjoint((self.d, self.n), &columns, (out.nrows(), out.ncols()), (x.nrows(), x.ncols()))?;
        if x.ncols() == 0 {
            return Ok(());
        }
        out.fill(T::ZERO);
        let scale: T = self.scale();
        let width = x.ncols().div_ceil(parallel::threads(par));
        self.for_each_block(&columns, |draws: &Draws<T>| {
            for_each(par, split_columns(out.rb_mut(), width), |(part, mut out)| {
                let by_rows = out.col_stride() == 1;
                let mut put = |k: usize, c: usize| {
                    let value = scale * x[(draws.rows.start + k, part.start + c)];
                    for (index, sign) in draws.row(k) {
                        out[(index, c)] += sign * value;
                    }
                };
                // The order of the loops is that of the output; each entry is summed by ascending k
                // in both.
                if by_rows {
                    (0..draws.rows.len()).for_each(|k| (0..part.len()).for_each(|c| put(k, c)));
                } else {
                    (0..part.len()).for_each(|c| (0..draws.rows.len()).for_each(|k| put(k, c)));
                }
            });
            Ok(())
        })
    }

    fn to_dense(&self) -> Result<Mat<T>, SketchError> {
        let mut s = try_zeros("S", self.d, self.n)?;
        for i in 0..self.d {
            let mut words = stream::coordinate(self.key, i);
            for _ in 0..self.vec_nnz {
                let (index, sign) = stream::signed_index(&mut words, self.n as u64);
                s[(i, index)] += self.scale::<T>().with_sign(sign);
            }
        }
        Ok(s)
    }
}

//! The subsampled randomized Hadamard transform.

mod hadamard;
mod pieces;
mod rows;

use std::ops::Range;

use faer::prelude::ReborrowMut;
use faer::{Mat, MatMut, MatRef, Par};

use crate::input::{RowBlocks, Sparse};
use crate::parallel::{self, for_each_with, split_columns};
use crate::simd::vectorized;
use crate::tile::{self, Reader, with_width};
use crate::{Input, Real, SketchError, SketchOperator, check, stream, try_vec, try_zeros};
use pieces::{Piece, pieces};

/// Bytes that a tile may take: it is passed over three times and so belongs into the fast caches.
const TILE_BYTES: usize = 1 << 17;

/// S = √(n₂/d)·R·H·D: D random signs, H the orthonormal Hadamard matrix of the next power of two n₂
/// ≥ n, R a choice of d distinct rows. All entries are ±1/√d.
///
/// Ailon and Chazelle (2009); Tropp, *Improved analysis of the subsampled randomized Hadamard
/// transform* (2011). S·A costs O(n log d) additions per column of A and reads A once; H is never
/// formed: aligned blocks of about d coordinates are transformed in cache, and of each block the d
/// wanted rows of the whole transform take one entry. Beside the result it keeps n signs and a tile
/// per thread. The operator holds the d kept rows; drawing them takes at most 64·d bytes more.
///
/// Sparse A costs O(d log d) additions per aligned block of coordinates with an entry in a tile of
/// 16 columns.
///
/// It embeds every k-dimensional subspace with d a little above k log k, and generic ones with d a
/// little above k, as Gaussian sketches do. The logarithm is needed: on the span of the coordinates
/// of an aligned block, 0..2^s say, the rows of S repeat where the kept rows agree modulo 2^s. Each
/// class of rows that is missed is a direction that S does not see, so d near 2^s misses some
/// (coupon collector). Matrices close to diagonal with sorted entries are such; Gaussian and
/// SparseSign serve them better.
///
/// **Draws.** D_j is bit 0 of the first word of the stream of coordinate j
/// ([`stream::SRHT_SIGNS`]), set for −. R is Floyd's algorithm on the stream of coordinate 0
/// ([`stream::SRHT_ROWS`]): for t = n₂−d, …, n₂−1 an index r in 0..t+1 is drawn
/// ([`stream::signed_index`], its sign unused) and kept if it is new, otherwise t is; then the d
/// rows are sorted ascending. H is in natural order: entry (i, j) is (−1)^popcount(i & j)/√n₂.
///
/// ```
/// use faer::{Mat, Par};
/// use panther_sketch::{SketchOperator, Srht};
///
/// let a = Mat::<f64>::from_fn(1000, 3, |i, j| (i + j) as f64);
/// let s = Srht::new(50, 1000, 7)?;
/// let sketch = s.left(a.as_ref().into(), Par::Seq)?;
/// assert_eq!((sketch.nrows(), sketch.ncols()), (50, 3));
/// # Ok::<(), panther_sketch::SketchError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Srht {
    n: usize,
    key: u64,
    /// The d rows of H that are kept, ascending.
    rows: Vec<usize>,
}

/// Memory of a thread.
struct Scratch<T, const L: usize> {
    /// A block of coordinates.
    tile: Vec<[T; L]>,
    /// As many rows as S has.
    rows: Vec<[T; L]>,
    entries: Vec<Entry<T>>,
}

/// A nonzero of D·A in the columns of a tile.
#[derive(Clone, Copy)]
struct Entry<T> {
    coordinate: usize,
    /// Position among the entries as they are stored.
    stored: usize,
    lane: usize,
    value: T,
}

impl Srht {
    /// The d×n operator that belongs to `seed`.
    ///
    /// # Errors
    /// [`SketchError::Empty`] if d or n is 0, [`SketchError::OutOfRange`] if d exceeds the next
    /// power of two of n or n exceeds `isize::MAX`, [`SketchError::OutOfMemory`] if the kept rows
    /// cannot be held.
    pub fn new(d: usize, n: usize, seed: u64) -> Result<Self, SketchError> {
        check::dimension("d", d)?;
        check::dimension("n", n)?;
        // n is at most 2⁶³−1, so this is at most 2⁶³.
        let padded = n.next_power_of_two();
        check::within("d", d, 1, padded)?;
        Ok(Self { n, key: stream::family_key(seed, stream::SRHT_SIGNS), rows: rows::choose_rows(d, padded, seed)? })
    }

    /// The d rows of H that are kept, ascending.
    #[must_use]
    pub fn rows(&self) -> &[usize] {
        &self.rows
    }

    /// log₂ of the block size: about d, so that transforming and choosing cost alike, as far as a
    /// tile stays in cache.
    fn levels<T, const L: usize>(&self) -> u32 {
        let cap = (TILE_BYTES / size_of::<[T; L]>()).ilog2();
        self.rows.len().ilog2().min(cap)
    }

    fn scale<T: Real>(&self) -> T {
        T::from_f64(1.0 / (self.rows.len() as f64).sqrt())
    }

    /// The diagonal of D over a column range.
    fn signs<T: Real>(&self, columns: Range<usize>) -> Result<Vec<T>, SketchError> {
        let mut signs = try_vec("signs of an SRHT", columns.len(), 1, T::ONE)?;
        vectorized(
            #[inline(always)]
            || {
                for (sign, j) in signs.iter_mut().zip(columns.clone()) {
                    *sign = T::ONE.with_sign(stream::first_bit(self.key, j));
                }
            },
        );
        Ok(signs)
    }

    /// Memory for each thread that works on p columns.
    fn scratch<T: Real, const L: usize>(&self, p: usize, par: Par) -> Result<Vec<Scratch<T, L>>, SketchError> {
        let threads = parallel::threads(par).min(p.div_ceil(L)).max(1);
        let operation = "tiles of an SRHT";
        (0..threads)
            .map(|_| {
                Ok(Scratch {
                    tile: try_vec(operation, 1 << self.levels::<T, L>(), 1, [T::ZERO; L])?,
                    rows: try_vec(operation, self.rows.len(), 1, [T::ZERO; L])?,
                    entries: Vec::new(),
                })
            })
            .collect()
    }

    fn accumulate_dense<T: Real, const L: usize>(
        &self,
        out: MatMut<'_, T>,
        columns: Range<usize>,
        a: MatRef<'_, T>,
        par: Par,
    ) -> Result<(), SketchError> {
        let first = columns.start;
        let levels = self.levels::<T, L>();
        let signs = self.signs::<T>(columns.clone())?;
        let mut scratch = self.scratch::<T, L>(a.ncols(), par)?;
        for_each_with(&mut scratch, split_columns(out, L), |Scratch { tile, rows: sums, .. }, (part, mut out)| {
            vectorized(
                #[inline(always)]
                || {
                    sums.fill([T::ZERO; L]);
                    for piece in pieces(columns.clone(), levels) {
                        let tile = &mut tile[..1 << piece.levels];
                        let (start, end) = (piece.offset(), piece.offset() + piece.len);
                        tile[..start].fill([T::ZERO; L]);
                        tile[end..].fill([T::ZERO; L]);
                        let top = piece.first - first;
                        Reader::new(a, part.clone()).load(&mut tile[start..end], top..top + piece.len);
                        for (lanes, &sign) in tile[start..end].iter_mut().zip(&signs[top..]) {
                            for lane in lanes {
                                *lane *= sign;
                            }
                        }
                        hadamard::transform(tile);
                        self.choose(sums, tile, piece);
                    }
                    tile::add(out.rb_mut(), sums, self.scale());
                },
            );
        });
        Ok(())
    }

    /// As [`accumulate_dense`](Self::accumulate_dense), with the blocks without entries left out.
    fn accumulate_sparse<T: Real, const L: usize>(
        &self,
        out: MatMut<'_, T>,
        columns: Range<usize>,
        a: Sparse<'_, T>,
        par: Par,
    ) -> Result<(), SketchError> {
        let levels = self.levels::<T, L>();
        let signs = self.signs::<T>(columns.clone())?;
        let mut scratch = self.scratch::<T, L>(a.ncols(), par)?;
        let parts = RowBlocks::new(a.transpose(), L, par)?;
        let most = (0..a.ncols().div_ceil(L)).map(|part| parts.entries(part)).max().unwrap_or(0);
        for scratch in &mut scratch {
            scratch.entries = try_vec(
                "entries of a part of A",
                most,
                1,
                Entry { coordinate: 0, stored: 0, lane: 0, value: T::ZERO },
            )?;
        }
        let all = 0..a.nrows();
        for_each_with(&mut scratch, split_columns(out, L), |scratch, (part, mut out)| {
            let Scratch { tile, rows: sums, entries } = scratch;
            entries.clear();
            parts.visit(part.start / L, &all, |lane, j, value| {
                let stored = entries.len();
                entries.push(Entry { coordinate: columns.start + j, stored, lane, value: signs[j] * value });
            });
            // Repeated entries stay in stored order.
            entries.sort_unstable_by_key(|entry| (entry.coordinate, entry.stored));
            vectorized(
                #[inline(always)]
                || {
                    sums.fill([T::ZERO; L]);
                    let mut rest = &entries[..];
                    while let Some(entry) = rest.first() {
                        let piece = Piece::holding(entry.coordinate, &columns, levels);
                        let (inside, later) = rest.split_at(rest.partition_point(|e| e.coordinate < piece.end()));
                        let tile = &mut tile[..1 << piece.levels];
                        tile.fill([T::ZERO; L]);
                        for entry in inside {
                            tile[entry.coordinate - piece.block_start()][entry.lane] += entry.value;
                        }
                        hadamard::transform(tile);
                        self.choose(sums, tile, piece);
                        rest = later;
                    }
                    tile::add(out.rb_mut(), sums, self.scale());
                },
            );
        });
        Ok(())
    }

    /// Adds to each kept row what a transformed block has for it: entry (i, j) of H is that of the
    /// low bits of i and j times that of their high bits.
    #[inline(always)]
    fn choose<T: Real, const L: usize>(&self, sums: &mut [[T; L]], tile: &[[T; L]], piece: Piece) {
        let mask = tile.len() - 1;
        for (sums, &i) in sums.iter_mut().zip(&self.rows) {
            let sign = T::ONE.with_sign(hadamard::sign(high(i, piece.levels), piece.index));
            let values = &tile[i & mask];
            for l in 0..L {
                sums[l] += sign * values[l];
            }
        }
    }

    /// The transpose of [`choose`](Self::choose).
    #[inline(always)]
    fn spread<T: Real, const L: usize>(&self, tile: &mut [[T; L]], x: &[[T; L]], piece: Piece) {
        let mask = tile.len() - 1;
        tile.fill([T::ZERO; L]);
        for (values, &i) in x.iter().zip(&self.rows) {
            let sign = T::ONE.with_sign(hadamard::sign(high(i, piece.levels), piece.index));
            let slot = &mut tile[i & mask];
            for l in 0..L {
                slot[l] += sign * values[l];
            }
        }
    }

    fn adjoint_dense<T: Real, const L: usize>(
        &self,
        out: MatMut<'_, T>,
        columns: Range<usize>,
        x: MatRef<'_, T>,
        par: Par,
    ) -> Result<(), SketchError> {
        let levels = self.levels::<T, L>();
        let signs = self.signs::<T>(columns.clone())?;
        let scale = self.scale::<T>();
        let mut scratch = self.scratch::<T, L>(x.ncols(), par)?;
        for_each_with(&mut scratch, split_columns(out, L), |Scratch { tile, rows: rows_of_x, .. }, (part, mut out)| {
            vectorized(
                #[inline(always)]
                || {
                    Reader::new(x, part.clone()).load(rows_of_x, 0..x.nrows());
                    for piece in pieces(columns.clone(), levels) {
                        let tile = &mut tile[..1 << piece.levels];
                        self.spread(tile, rows_of_x, piece);
                        hadamard::transform(tile);
                        let top = piece.first - columns.start;
                        let result = &mut tile[piece.offset()..][..piece.len];
                        for (lanes, &sign) in result.iter_mut().zip(&signs[top..]) {
                            for lane in lanes {
                                *lane *= sign * scale;
                            }
                        }
                        tile::store(out.rb_mut().subrows_mut(top, piece.len), result);
                    }
                },
            );
        });
        Ok(())
    }
}

/// i without its low bits.
#[inline(always)]
fn high(i: usize, levels: u32) -> usize {
    i.checked_shr(levels).unwrap_or(0)
}

impl<T: Real> SketchOperator<T> for Srht {
    fn nrows(&self) -> usize {
        self.rows.len()
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
        let shape = (self.rows.len(), self.n);
        check::accumulate(shape, &columns, (out.nrows(), out.ncols()), (a.nrows(), a.ncols()))?;
        let p = a.ncols();
        if p == 0 {
            return Ok(());
        }
        match a {
            Input::Dense(a) => with_width!(p, self.accumulate_dense::<T>(out, columns, a, par)),
            Input::Csc(a) => with_width!(p, self.accumulate_sparse::<T>(out, columns, Sparse::csc(a), par)),
            Input::Csr(a) => with_width!(p, self.accumulate_sparse::<T>(out, columns, Sparse::csr(a), par)),
        }
    }

    fn adjoint_into(
        &self,
        out: MatMut<'_, T>,
        columns: Range<usize>,
        x: MatRef<'_, T>,
        par: Par,
    ) -> Result<(), SketchError> {
        check::adjoint((self.rows.len(), self.n), &columns, (out.nrows(), out.ncols()), (x.nrows(), x.ncols()))?;
        if x.ncols() == 0 {
            return Ok(());
        }
        with_width!(x.ncols(), self.adjoint_dense::<T>(out, columns, x, par))
    }

    fn to_dense(&self) -> Result<Mat<T>, SketchError> {
        let mut s = try_zeros("S", self.rows.len(), self.n)?;
        let scale = self.scale::<T>();
        for j in 0..self.n {
            for (i, &row) in self.rows.iter().enumerate() {
                s[(i, j)] = scale.with_sign(hadamard::sign(row, j) ^ stream::first_bit(self.key, j));
            }
        }
        Ok(s)
    }
}

//! The subsampled randomized Hadamard transform.

use std::collections::HashSet;
use std::ops::Range;

use faer::prelude::ReborrowMut;
use faer::{Mat, MatMut, MatRef, Par};

use crate::parallel::{for_each, split_columns};
use crate::simd::vectorized;
use crate::sparse::Sparse;
use crate::tile::{self, Reader, with_width};
use crate::{Input, Real, SketchError, SketchOperator, check, hadamard, stream};

/// Bytes that a tile may take: it is passed over three times and so belongs into the fast caches.
const TILE_BYTES: usize = 1 << 17;

/// S = √(n₂/d)·R·H·D: D random signs, H the orthonormal Hadamard matrix of the next power of two n₂ ≥ n, R a choice of d distinct rows.
/// All entries are ±1/√d.
///
/// Ailon and Chazelle (2009); Tropp, *Improved analysis of the subsampled randomized Hadamard transform* (2011). S·A costs
/// O(n log d) additions a column of A and reads A once; H is never formed: aligned blocks of about d coordinates are
/// transformed in cache, and of each block the d wanted rows of the whole transform take one entry. Beside the result it keeps
/// n signs and a tile a thread. The kept rows are held by the operator, d numbers; drawing them takes
/// 64·d bytes more at most.
///
/// It embeds every subspace with d a little above its dimension times a logarithm; correlated columns of S make it no worse than
/// Gaussian in practice.
///
/// **Draws.** D_j is bit 0 of the first word of the stream of coordinate j ([`stream::SRHT_SIGNS`]), set for −. R is Floyd's
/// algorithm on the stream of coordinate 0 ([`stream::SRHT_ROWS`]): for t = n₂−d, …, n₂−1 an index r in 0..t+1 is
/// drawn ([`stream::signed_index`], its sign unused) and kept if it is new, otherwise t is; then the d rows are sorted ascending.
/// H is in natural order: entry (i, j) is (−1)^popcount(i & j)/√n₂.
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

/// Coordinates that are transformed together: part of an aligned block of 2^levels.
#[derive(Clone, Copy, Debug)]
struct Piece {
    levels: u32,
    /// The block is `index`·2^levels … of the coordinates.
    index: usize,
    /// Coordinates in the piece; the others of the block count as zero.
    first: usize,
    len: usize,
}

impl Piece {
    /// Where the piece starts in its block.
    fn offset(&self) -> usize {
        self.first - (self.index << self.levels)
    }
}

/// Cuts coordinates at the multiples of 2^levels; each piece is put into the smallest aligned block that holds it.
fn pieces(columns: Range<usize>, levels: u32) -> impl Iterator<Item = Piece> {
    let mut first = columns.start;
    std::iter::from_fn(move || {
        if first >= columns.end {
            return None;
        }
        // The last coordinate of the aligned block, which cannot overflow.
        let last = (first | ((1 << levels) - 1)).min(columns.end - 1);
        let levels = usize::BITS - (first ^ last).leading_zeros();
        let piece = Piece { levels, index: first >> levels, first, len: last + 1 - first };
        first = last + 1;
        Some(piece)
    })
}

impl Srht {
    /// The d×n operator that belongs to `seed`.
    ///
    /// # Errors
    /// [`SketchError::Empty`] if d or n is 0, [`SketchError::OutOfRange`] if d exceeds the next power of two of n or n exceeds
    /// `isize::MAX`.
    pub fn new(d: usize, n: usize, seed: u64) -> Result<Self, SketchError> {
        check::dimension("d", d)?;
        check::dimension("n", n)?;
        // n is at most 2⁶³−1, so this is at most 2⁶³.
        let padded = n.next_power_of_two();
        check::within("d", d, 1, padded)?;
        Ok(Self { n, key: stream::family_key(seed, stream::SRHT_SIGNS), rows: choose_rows(d, padded, seed) })
    }

    /// The d rows of H that are kept, ascending.
    #[must_use]
    pub fn rows(&self) -> &[usize] {
        &self.rows
    }

    /// log₂ of the block size: about d, so that transforming and choosing cost alike, as far as a tile stays in cache.
    fn levels<T, const L: usize>(&self) -> u32 {
        let cap = (TILE_BYTES / size_of::<[T; L]>()).ilog2();
        self.rows.len().ilog2().min(cap)
    }

    fn scale<T: Real>(&self) -> T {
        T::from_f64(1.0 / (self.rows.len() as f64).sqrt())
    }

    /// The diagonal of D over a column range.
    fn signs<T: Real>(&self, columns: Range<usize>) -> Vec<T> {
        vectorized(
            #[inline(always)]
            || columns.clone().map(|j| T::ONE.with_sign(stream::first_bit(self.key, j))).collect(),
        )
    }

    fn accumulate_dense<T: Real, const L: usize>(
        &self,
        out: MatMut<'_, T>,
        columns: Range<usize>,
        a: MatRef<'_, T>,
        par: Par,
    ) {
        let first = columns.start;
        self.accumulate_tiles::<T, L>(out, columns, par, |tile, signs, piece, part| {
            let top = piece.first - first;
            Reader::new(a, part.clone()).load(tile, top..top + piece.len);
            for (lanes, &sign) in tile.iter_mut().zip(&signs[top..]) {
                for lane in lanes {
                    *lane *= sign;
                }
            }
            true
        });
    }

    fn accumulate_sparse<T: Real, const L: usize>(
        &self,
        out: MatMut<'_, T>,
        columns: Range<usize>,
        a: Sparse<'_, T>,
        par: Par,
    ) {
        let first = columns.start;
        self.accumulate_tiles::<T, L>(out, columns, par, |tile, signs, piece, part| {
            let top = piece.first - first;
            let mut any = false;
            tile.fill([T::ZERO; L]);
            a.visit(&(top..top + piece.len), part, |j, c, value| {
                tile[j - top][c - part.start] += signs[j] * value;
                any = true;
            });
            any
        });
    }

    /// out += S\[:, columns\]·A where `load(tile, signs, piece, part)` puts a piece of D·A into the tile and says
    /// whether there is anything in it.
    fn accumulate_tiles<T: Real, const L: usize>(
        &self,
        out: MatMut<'_, T>,
        columns: Range<usize>,
        par: Par,
        load: impl Fn(&mut [[T; L]], &[T], Piece, &Range<usize>) -> bool + Send + Sync,
    ) {
        let levels = self.levels::<T, L>();
        let signs = self.signs::<T>(columns.clone());
        for_each(par, split_columns(out, L), |(part, mut out)| {
            vectorized(
                #[inline(always)]
                || {
                    let mut tile = vec![[T::ZERO; L]; 1 << levels];
                    let mut sums = vec![[T::ZERO; L]; self.rows.len()];
                    for piece in pieces(columns.clone(), levels) {
                        let tile = &mut tile[..1 << piece.levels];
                        let (start, end) = (piece.offset(), piece.offset() + piece.len);
                        tile[..start].fill([T::ZERO; L]);
                        tile[end..].fill([T::ZERO; L]);
                        if load(&mut tile[start..end], &signs, piece, &part) {
                            hadamard::transform(tile);
                            self.choose(&mut sums, tile, piece);
                        }
                    }
                    tile::add(out.rb_mut(), &sums, self.scale());
                },
            );
        });
    }

    /// Adds to each kept row what a transformed block has for it: entry (i, j) of H is that of the low bits of i and j
    /// times that of their high bits.
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
    ) {
        let levels = self.levels::<T, L>();
        let signs = self.signs::<T>(columns.clone());
        let scale = self.scale::<T>();
        for_each(par, split_columns(out, L), |(part, mut out)| {
            vectorized(
                #[inline(always)]
                || {
                    let mut tile = vec![[T::ZERO; L]; 1 << levels];
                    let mut rows_of_x = vec![[T::ZERO; L]; self.rows.len()];
                    Reader::new(x, part.clone()).load(&mut rows_of_x, 0..x.nrows());
                    for piece in pieces(columns.clone(), levels) {
                        let tile = &mut tile[..1 << piece.levels];
                        self.spread(tile, &rows_of_x, piece);
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
    }
}

/// i without its low bits.
#[inline(always)]
fn high(i: usize, levels: u32) -> usize {
    i.checked_shr(levels).unwrap_or(0)
}

/// Up to so many padded coordinates for each chosen row a set of bits, then of 64 bytes a row at most, is faster than a hash table.
const COORDINATES_A_ROW: usize = 512;

/// d distinct rows of 0..padded, ascending.
fn choose_rows(d: usize, padded: usize, seed: u64) -> Vec<usize> {
    if padded / COORDINATES_A_ROW <= d { rows_in_bits(d, padded, seed) } else { rows_in_table(d, padded, seed) }
}

fn rows_in_bits(d: usize, padded: usize, seed: u64) -> Vec<usize> {
    let mut chosen = vec![0_u64; padded.div_ceil(64)];
    floyd(d, padded, seed, |row| {
        let (word, bit) = (&mut chosen[row / 64], 1 << (row % 64));
        let is_new = *word & bit == 0;
        *word |= bit;
        is_new
    });
    let mut rows = Vec::with_capacity(d);
    for (at, mut word) in chosen.into_iter().enumerate() {
        while word != 0 {
            rows.push(64 * at + word.trailing_zeros() as usize);
            word &= word - 1;
        }
    }
    rows
}

fn rows_in_table(d: usize, padded: usize, seed: u64) -> Vec<usize> {
    let mut chosen = HashSet::with_capacity(d);
    floyd(d, padded, seed, |row| chosen.insert(row));
    let mut rows: Vec<_> = chosen.into_iter().collect();
    rows.sort_unstable();
    rows
}

/// Floyd's algorithm for d of `padded` rows; `insert` says whether a row is new.
fn floyd(d: usize, padded: usize, seed: u64, mut insert: impl FnMut(usize) -> bool) {
    let mut words = stream::coordinate(stream::family_key(seed, stream::SRHT_ROWS), 0);
    for t in padded - d..padded {
        let (row, _) = stream::signed_index(&mut words, t as u64 + 1);
        if !insert(row) {
            insert(t);
        }
    }
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
            Input::Csc(a) => {
                with_width!(p, self.accumulate_sparse::<T>(out, columns, Sparse::columns(a), par));
            }
            Input::Csr(a) => {
                with_width!(p, self.accumulate_sparse::<T>(out, columns, Sparse::rows(a), par));
            }
        }
        Ok(())
    }

    fn adjoint_into(
        &self,
        out: MatMut<'_, T>,
        columns: Range<usize>,
        x: MatRef<'_, T>,
        par: Par,
    ) -> Result<(), SketchError> {
        check::adjoint((self.rows.len(), self.n), &columns, (out.nrows(), out.ncols()), (x.nrows(), x.ncols()))?;
        if x.ncols() > 0 {
            with_width!(x.ncols(), self.adjoint_dense::<T>(out, columns, x, par));
        }
        Ok(())
    }

    fn to_dense(&self) -> Mat<T> {
        let scale = self.scale::<T>();
        Mat::from_fn(self.rows.len(), self.n, |i, j| {
            scale.with_sign(hadamard::sign(self.rows[i], j) ^ stream::first_bit(self.key, j))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_of_bits_chooses_what_a_table_does() {
        for (d, padded) in [(1, 1), (1, 2), (2, 2), (5, 32), (33, 64), (64, 64), (700, 1024), (1, 8192), (50, 1 << 17)]
        {
            let rows = rows_in_table(d, padded, 3);
            assert_eq!(rows_in_bits(d, padded, 3), rows, "{d} of {padded}");
            assert!(rows.len() == d && rows.windows(2).all(|pair| pair[0] < pair[1]) && rows[d - 1] < padded);
        }
    }
}

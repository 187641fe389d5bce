//! The choice of the rows of H that an SRHT keeps.

use std::collections::HashSet;

use crate::memory::out_of_memory;
use crate::{SketchError, stream, try_vec};

/// Up to this many padded coordinates per chosen row a set of bits, then of at most 64 bytes per
/// row, is faster than a hash table.
const COORDINATES_PER_ROW: usize = 512;

/// d distinct rows of 0..padded, ascending.
pub(super) fn choose_rows(d: usize, padded: usize, seed: u64) -> Result<Vec<usize>, SketchError> {
    if padded / COORDINATES_PER_ROW <= d { rows_in_bits(d, padded, seed) } else { rows_in_table(d, padded, seed) }
}

const OPERATION: &str = "rows of an SRHT";

fn rows_in_bits(d: usize, padded: usize, seed: u64) -> Result<Vec<usize>, SketchError> {
    let mut chosen = try_vec(OPERATION, padded.div_ceil(64), 1, 0_u64)?;
    let mut rows = empty(d)?;
    floyd(d, padded, seed, |row| {
        let (word, bit) = (&mut chosen[row / 64], 1 << (row % 64));
        let is_new = *word & bit == 0;
        *word |= bit;
        is_new
    });
    for (at, mut word) in chosen.into_iter().enumerate() {
        while word != 0 {
            rows.push(64 * at + word.trailing_zeros() as usize);
            word &= word - 1;
        }
    }
    Ok(rows)
}

fn rows_in_table(d: usize, padded: usize, seed: u64) -> Result<Vec<usize>, SketchError> {
    let mut chosen = HashSet::new();
    chosen.try_reserve(d).map_err(|_| out_of_memory::<usize>(OPERATION, d, 1))?;
    let mut rows = empty(d)?;
    floyd(d, padded, seed, |row| chosen.insert(row));
    rows.extend(chosen);
    rows.sort_unstable();
    Ok(rows)
}

/// A vector with room for d rows.
fn empty(d: usize) -> Result<Vec<usize>, SketchError> {
    let mut rows = Vec::new();
    rows.try_reserve_exact(d).map_err(|_| out_of_memory::<usize>(OPERATION, d, 1))?;
    Ok(rows)
}

/// Floyd's algorithm for d of `padded` rows; `insert` returns whether a row is new.
fn floyd(d: usize, padded: usize, seed: u64, mut insert: impl FnMut(usize) -> bool) {
    let mut words = stream::coordinate(stream::family_key(seed, stream::SRHT_ROWS), 0);
    for t in padded - d..padded {
        let (row, _) = stream::signed_index(&mut words, t as u64 + 1);
        if !insert(row) {
            insert(t);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_of_bits_chooses_what_a_table_does() {
        for (d, padded) in [(1, 1), (1, 2), (2, 2), (5, 32), (33, 64), (64, 64), (700, 1024), (1, 8192), (50, 1 << 17)]
        {
            let rows = rows_in_table(d, padded, 3).unwrap();
            assert_eq!(rows_in_bits(d, padded, 3).unwrap(), rows, "{d} of {padded}");
            assert!(rows.len() == d && rows.windows(2).all(|pair| pair[0] < pair[1]) && rows[d - 1] < padded);
        }
    }
}

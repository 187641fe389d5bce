//! The fast Walsh–Hadamard transform of a tile.

use crate::Real;

/// Replaces the columns of a tile of 2^s rows by their unnormalized Walsh–Hadamard transforms, in
/// natural (Sylvester) order: entry (i, j) of the matrix is (−1)^popcount(i & j). s·2^s additions per
/// lane.
///
/// Three levels are taken at a time, so that each pass over the tile does 24 additions for 8 loads
/// and 8 stores.
#[inline(always)]
pub(crate) fn transform<T: Real, const L: usize>(tile: &mut [[T; L]]) {
    let size = tile.len();
    debug_assert!(size.is_power_of_two());
    let mut half = 1;
    // The levels that do not make up a triple come first.
    for _ in 0..size.trailing_zeros() % 3 {
        for pair in tile.chunks_exact_mut(2 * half) {
            let (low, high) = pair.split_at_mut(half);
            for (x, y) in low.iter_mut().zip(high) {
                butterfly(x, y);
            }
        }
        half *= 2;
    }
    while half < size {
        for block in tile.chunks_exact_mut(8 * half) {
            eight_rows(block, half);
        }
        half *= 8;
    }
}

/// Three levels on rows that lie `half` apart.
#[inline(always)]
fn eight_rows<T: Real, const L: usize>(block: &mut [[T; L]], half: usize) {
    let (low, high) = block.split_at_mut(4 * half);
    let (a, b) = low.split_at_mut(2 * half);
    let (c, d) = high.split_at_mut(2 * half);
    let ((r0, r1), (r2, r3)) = (a.split_at_mut(half), b.split_at_mut(half));
    let ((r4, r5), (r6, r7)) = (c.split_at_mut(half), d.split_at_mut(half));
    let rows = r0.iter_mut().zip(r1).zip(r2.iter_mut().zip(r3));
    let more = r4.iter_mut().zip(r5).zip(r6.iter_mut().zip(r7));
    for (((x0, x1), (x2, x3)), ((x4, x5), (x6, x7))) in rows.zip(more) {
        for l in 0..L {
            let (a0, a1) = (x0[l] + x1[l], x0[l] - x1[l]);
            let (a2, a3) = (x2[l] + x3[l], x2[l] - x3[l]);
            let (a4, a5) = (x4[l] + x5[l], x4[l] - x5[l]);
            let (a6, a7) = (x6[l] + x7[l], x6[l] - x7[l]);
            let (b0, b2) = (a0 + a2, a0 - a2);
            let (b1, b3) = (a1 + a3, a1 - a3);
            let (b4, b6) = (a4 + a6, a4 - a6);
            let (b5, b7) = (a5 + a7, a5 - a7);
            (x0[l], x4[l]) = (b0 + b4, b0 - b4);
            (x1[l], x5[l]) = (b1 + b5, b1 - b5);
            (x2[l], x6[l]) = (b2 + b6, b2 - b6);
            (x3[l], x7[l]) = (b3 + b7, b3 - b7);
        }
    }
}

#[inline(always)]
fn butterfly<T: Real, const L: usize>(x: &mut [T; L], y: &mut [T; L]) {
    for l in 0..L {
        (x[l], y[l]) = (x[l] + y[l], x[l] - y[l]);
    }
}

/// Entry (i, j) of the Hadamard matrix: its sign bit.
#[inline(always)]
pub(crate) fn sign(i: usize, j: usize) -> u32 {
    (i & j).count_ones() & 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_the_matrix_of_popcounts() {
        for s in 0..=8 {
            let size = 1_usize << s;
            let input: Vec<[f64; 4]> = (0..size).map(|i| [0, 1, 2, 3].map(|l| ((i * 7 + l) % 13) as f64)).collect();
            let mut tile = input.clone();
            transform(&mut tile);
            for (i, lanes) in tile.iter().enumerate() {
                for (l, &lane) in lanes.iter().enumerate() {
                    let expected: f64 = (0..size).map(|j| input[j][l].with_sign_of(i, j)).sum();
                    assert_eq!(lane, expected);
                }
            }
        }
    }

    trait WithSignOf {
        fn with_sign_of(self, i: usize, j: usize) -> Self;
    }

    impl WithSignOf for f64 {
        fn with_sign_of(self, i: usize, j: usize) -> Self {
            if sign(i, j) == 1 { -self } else { self }
        }
    }
}

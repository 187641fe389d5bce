//! The random words behind every entry: a contract that another implementation, on another device,
//! can follow to draw the same operators.
//!
//! **Key.** A family has a fixed tag (the constants here). With SplitMix64 as Steele, Lea and Flood
//! (2014) and Vigna define it, φ = `0x9e3779b97f4a7c15`, mix its output function:
//!
//! ```text
//! mix(z):  z = (z ^ (z >> 30))·0xbf58476d1ce4e5b9;  z = (z ^ (z >> 27))·0x94d049bb133111eb;  z ^ (z >> 31)
//! key    = mix(seed + φ) ^ tag                                (all arithmetic modulo 2⁶⁴)
//! word k of the key = mix(key + (k+1)·φ)
//! ```
//!
//! **Coordinate streams.** The stream of coordinate j is Xoshiro256++ (Blackman and Vigna 2021)
//! whose four state words s₀…s₃ are words 4j, 4j+1, 4j+2, 4j+3 of the key: no two streams share
//! one. (Were all four zero, which one stream in 2²⁵⁶ is, the state would be that of
//! `rand_xoshiro`'s fallback; nothing else depends on it.) One step gives the word rotl(s₀+s₃,
//! 23)+s₀ and then updates the state.
//!
//! **Signed index below a bound.** From one word: sign = bit 0 (1 means −), x = word >> 1, of 63
//! bits; with the 126-bit product m = x·bound, index = m >> 63 and l = m mod 2⁶³. If l < 2⁶³ mod
//! bound the word is rejected, its sign with it, and the stream's next word is tried: that makes the
//! index exactly uniform (Lemire 2019). 1 ≤ bound ≤ 2⁶³.
//!
//! The documentation of each family states what it does with its words.
//!
//! ```
//! use panther_sketch::stream::{self, GAUSSIAN};
//! use rand_xoshiro::rand_core::Rng;
//!
//! let key = stream::family_key(7, GAUSSIAN);
//! let first = stream::coordinate(key, 42).next_u64();
//! assert_eq!(first, stream::coordinate(key, 42).next_u64());
//! ```

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

use crate::seed::{PHI, mix};

/// Tag of [`Gaussian`](crate::Gaussian).
pub const GAUSSIAN: u64 = 0x6a09_e667_f3bc_c909;
/// Tag of [`Rademacher`](crate::Rademacher).
pub const RADEMACHER: u64 = 0xbb67_ae85_84ca_a73b;
/// Tag of [`Uniform`](crate::Uniform).
pub const UNIFORM: u64 = 0x3c6e_f372_fe94_f82b;
/// Tag of [`SparseSign`](crate::SparseSign).
pub const SPARSE_SIGN: u64 = 0xa54f_f53a_5f1d_36f1;
/// Tag of [`LessUniform`](crate::LessUniform).
pub const LESS_UNIFORM: u64 = 0x510e_527f_ade6_82d1;
/// Tag of the signs of [`Srht`](crate::Srht).
pub const SRHT_SIGNS: u64 = 0x9b05_688c_2b3e_6c1f;
/// Tag of the rows that [`Srht`](crate::Srht) keeps.
pub const SRHT_ROWS: u64 = 0x1f83_d9ab_fb41_bd6b;

/// Coordinates whose streams advance together in vector code. Many more than a vector has lanes: a
/// long loop over arrays is vectorized for any width, a short one is unrolled into scalars.
pub(crate) const LANES: usize = 256;

/// The key of a family's streams for one seed.
#[must_use]
pub fn family_key(seed: u64, tag: u64) -> u64 {
    splitmix_word(seed, 0) ^ tag
}

/// Word k of a key's SplitMix64 sequence, without walking there.
#[inline(always)]
pub(crate) fn splitmix_word(key: u64, k: u64) -> u64 {
    mix(key.wrapping_add(k.wrapping_add(1).wrapping_mul(PHI)))
}

/// The four state words of coordinate j.
#[inline(always)]
fn state(key: u64, j: usize) -> [u64; 4] {
    let first = (j as u64).wrapping_mul(4);
    [0, 1, 2, 3].map(|k| splitmix_word(key, first.wrapping_add(k)))
}

/// The stream of coordinate j.
#[must_use]
pub fn coordinate(key: u64, j: usize) -> Xoshiro256PlusPlus {
    let mut bytes = [0; 32];
    for (chunk, word) in bytes.chunks_exact_mut(8).zip(state(key, j)) {
        chunk.copy_from_slice(&word.to_le_bytes());
    }
    Xoshiro256PlusPlus::from_seed(bytes)
}

/// Bit 0 of the first word of coordinate j: the two state words that it depends on are all that is
/// computed.
#[inline(always)]
pub(crate) fn first_bit(key: u64, j: usize) -> u32 {
    let first = (j as u64).wrapping_mul(4);
    let s0 = splitmix_word(key, first);
    let s3 = splitmix_word(key, first.wrapping_add(3));
    let word = s0.wrapping_add(s3).rotate_left(23).wrapping_add(s0);
    (word & 1) as u32
}

/// An index below `bound` and a sign bit (1 means −) from the next words of a stream. `bound` is
/// in 1..=2⁶³.
#[inline(always)]
pub fn signed_index(words: &mut impl Rng, bound: u64) -> (usize, u32) {
    const HALF: u64 = 1 << 63;
    loop {
        let word = words.next_u64();
        let product = u128::from(word >> 1) * u128::from(bound);
        let low = (product as u64) & (HALF - 1);
        // 2⁶³ mod bound is below bound: the division is needed once in 2⁶³/bound draws.
        if low < bound && low < HALF % bound {
            continue;
        }
        return ((product >> 63) as usize, (word & 1) as u32);
    }
}

/// The streams of neighboring coordinates, advanced together.
#[derive(Clone, Debug)]
pub(crate) struct LaneStreams {
    s: Box<[[u64; LANES]; 4]>,
}

impl LaneStreams {
    /// Streams of coordinates j..j+LANES.
    pub(crate) fn new(key: u64, j: usize) -> Self {
        let mut s = Box::new([[0; LANES]; 4]);
        for lane in 0..LANES {
            let state = state(key, j.wrapping_add(lane));
            for (words, word) in s.iter_mut().zip(state) {
                words[lane] = word;
            }
        }
        Self { s }
    }

    /// The next word of each stream. Inlined into vector code.
    #[inline(always)]
    pub(crate) fn next(&mut self) -> [u64; LANES] {
        let s = &mut *self.s;
        let mut out = [0; LANES];
        for l in 0..LANES {
            let [mut s0, mut s1, mut s2, mut s3] = [s[0][l], s[1][l], s[2][l], s[3][l]];
            out[l] = s0.wrapping_add(s3).rotate_left(23).wrapping_add(s0);
            let shifted = s1 << 17;
            s2 ^= s0;
            s3 ^= s1;
            s1 ^= s2;
            s0 ^= s3;
            s2 ^= shifted;
            s3 = s3.rotate_left(45);
            (s[0][l], s[1][l], s[2][l], s[3][l]) = (s0, s1, s2, s3);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use rand_xoshiro::SplitMix64;

    use super::*;

    #[test]
    fn words_are_those_of_splitmix() {
        let mut walk = SplitMix64::seed_from_u64(99);
        for k in 0..20 {
            assert_eq!(walk.next_u64(), splitmix_word(99, k));
        }
    }

    #[test]
    fn lanes_are_the_scalar_streams() {
        let key = family_key(3, GAUSSIAN);
        for j in [0, 5, 1 << 40] {
            let mut lanes = LaneStreams::new(key, j);
            let mut scalar: Vec<_> = (0..LANES).map(|l| coordinate(key, j + l)).collect();
            for l in 0..LANES {
                assert_eq!(first_bit(key, j + l), (coordinate(key, j + l).next_u64() & 1) as u32);
            }
            for _ in 0..100 {
                let words = lanes.next();
                for (word, stream) in words.into_iter().zip(&mut scalar) {
                    assert_eq!(word, stream.next_u64());
                }
            }
        }
    }

    #[test]
    fn indices_follow_the_rule() {
        let key = family_key(3, LESS_UNIFORM);
        // A bound just above 2⁶² rejects nearly half of all words.
        for bound in [1, 2, 3, 1000, (1 << 62) + 1, 1 << 63] {
            let mut words = coordinate(key, 1);
            let mut again = coordinate(key, 1);
            for _ in 0..200 {
                let (index, sign) = signed_index(&mut words, bound);
                let expected = loop {
                    let word = again.next_u64();
                    let product = u128::from(word >> 1) * u128::from(bound);
                    if (product % (1 << 63)) as u64 >= (1_u64 << 63) % bound {
                        break ((product >> 63) as usize, (word & 1) as u32);
                    }
                };
                assert_eq!((index, sign), expected);
                assert!((index as u64) < bound);
            }
        }
    }
}

//! Strategies for proptest: shapes, families, and the fixed seed that makes every run the same.

use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{RngAlgorithm, RngSeed};

use crate::matrices::{FAMILIES, Family};

/// Sizes at and around the blocks of the library (64 and 128) and its vectors.
const EDGES: &[usize] = &[1, 2, 3, 8, 63, 64, 65, 127, 128, 129];

/// `cases` cases, the same in every run.
#[must_use]
pub fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: None,
        max_shrink_iters: 100,
        rng_algorithm: RngAlgorithm::ChaCha,
        rng_seed: RngSeed::Fixed(0x9a17_4e55),
        ..ProptestConfig::default()
    }
}

/// m and n: single rows and columns, block-edge sizes, tall, wide, and anything up to 140.
pub fn shapes() -> impl Strategy<Value = (usize, usize)> {
    prop_oneof![
        1 => (Just(1), 1..=140usize),
        1 => (1..=140usize, Just(1)),
        4 => (select(EDGES), select(EDGES)),
        3 => (1..=140usize, 1..=140usize),
        2 => (150..=400usize, 1..=70usize),
        1 => (1..=70usize, 150..=400usize),
    ]
}

/// m, n and a rank so far below them that a randomized decomposition does not become the exact one.
pub fn large_shapes_and_ranks() -> impl Strategy<Value = ((usize, usize), usize)> {
    (180..=420usize, 180..=420usize).prop_flat_map(|(m, n)| (Just((m, n)), 1..=m.min(n) / 6))
}

/// Shapes with m > n, for the routines that want tall matrices.
pub fn tall_shapes() -> impl Strategy<Value = (usize, usize)> {
    prop_oneof![
        1 => (2..=400usize, Just(1)),
        3 => (select(&[129, 200, 257, 400][..]), select(EDGES)).prop_filter("tall", |(m, n)| m > n),
        3 => (100..=400usize, 1..=99usize),
        1 => (1..=80usize).prop_map(|n| (n + 1, n)),
    ]
}

/// Any family of test matrices.
pub fn families() -> impl Strategy<Value = Family> {
    select(FAMILIES)
}

/// A whole number in 1..=largest, with the ends drawn often.
pub fn up_to(largest: usize) -> impl Strategy<Value = usize> {
    prop_oneof![1 => Just(1), 1 => Just(largest), 6 => 1..=largest]
}

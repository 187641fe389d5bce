//! Derived seeds differ from their seed and from each other.

use std::collections::HashSet;

use panther_sketch::seed::{Purpose, derive, mix};

const PURPOSES: [Purpose; 7] = [
    Purpose::Sample,
    Purpose::Verification,
    Purpose::ErrorEstimate,
    Purpose::Norm,
    Purpose::Completion,
    Purpose::Pivots,
    Purpose::Orthogonality,
];

/// Edges, small seeds, words without structure, and the seeds for which the multiplier of `derive`
/// has few bits.
fn seeds() -> impl Iterator<Item = u64> {
    let edges = (0..64).flat_map(|k| [1 << k, !(1 << k), (1 << k) - 1]);
    let phi = 0x9e37_79b9_7f4a_7c15_u64;
    edges.chain([0, u64::MAX, phi, phi.wrapping_neg()]).chain(0..1000).chain((0..1000).map(mix))
}

#[test]
fn derived_seeds_differ_from_the_seed_and_from_each_other() {
    for seed in seeds() {
        let mut seen = HashSet::from([seed]);
        for purpose in PURPOSES {
            for index in (0..20).chain([1 << 30, (1 << 56) - 2, (1 << 56) - 1]) {
                assert!(seen.insert(derive(seed, purpose, index)), "{seed}, {purpose:?}, {index}");
            }
        }
    }
}

#[test]
fn the_largest_index_is_no_fixed_point() {
    for seed in seeds() {
        for purpose in PURPOSES {
            assert_ne!(derive(seed, purpose, u64::MAX), seed);
        }
    }
}

/// All derived seeds of many seeds are distinct: 2.8·10⁵ words collide by chance with probability
/// 2·10⁻⁹.
#[test]
fn derived_seeds_of_neighboring_seeds_differ() {
    let mut seen = HashSet::new();
    for seed in 0..4000 {
        for purpose in PURPOSES {
            for index in 0..10 {
                assert!(seen.insert(derive(seed, purpose, index)), "{seed}, {purpose:?}, {index}");
            }
        }
    }
}

/// A derived seed can be derived from, and the order of the purposes matters.
#[test]
fn derivations_do_not_commute() {
    for seed in seeds() {
        let both = |first, second| derive(derive(seed, first, 0), second, 0);
        assert_ne!(both(Purpose::Sample, Purpose::Norm), both(Purpose::Norm, Purpose::Sample), "{seed}");
    }
}

/// Each bit of a derived seed flips with probability ½ when a bit of the seed does: over 64·64
/// pairs of bits of 1000 seeds no frequency leaves ½ ± 0.1 but with probability
/// 4096·2·exp(−2·1000·0.01) = 2·10⁻⁵.
#[test]
fn every_bit_of_the_seed_reaches_every_bit() {
    for bit in 0..64 {
        let mut flips = [0_u32; 64];
        for seed in (0..1000).map(mix) {
            let change = derive(seed, Purpose::Sample, 0) ^ derive(seed ^ (1 << bit), Purpose::Sample, 0);
            for (k, flips) in flips.iter_mut().enumerate() {
                *flips += (change >> k & 1) as u32;
            }
        }
        assert!(flips.iter().all(|flips| (400..=600).contains(flips)), "bit {bit}: {flips:?}");
    }
}

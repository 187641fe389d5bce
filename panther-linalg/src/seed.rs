//! Seeds for the second and later draws of one computation.

/// The seed of draw number `index` of `seed`: the finalizer of SplitMix64 (Steele, Lea and Flood 2014), so that
/// neighbouring numbers give unrelated seeds.
pub fn derive_seed(seed: u64, index: u64) -> u64 {
    let mut z = seed.wrapping_add(index.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

//! Seeds for the second and later draws of one computation, and the mixing function behind every
//! seed.

/// φ, the increment of SplitMix64: the odd integer nearest to 2⁶⁴ divided by the golden ratio.
pub const PHI: u64 = 0x9e37_79b9_7f4a_7c15;

/// The output function of SplitMix64 (Steele, Lea and Flood 2014, with the constants of Vigna): a
/// bijection of 64-bit words that maps 0, and only 0, to 0.
#[inline(always)]
#[must_use]
pub const fn mix(z: u64) -> u64 {
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// What a derived seed is for: draws for different purposes are independent of each other and of
/// the draws of the seed itself.
///
/// The discriminants are part of the results' bytes: a new purpose takes a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum Purpose {
    /// Random samples of the range of a matrix.
    Sample = 1,
    /// Fresh samples by which a finished basis is verified.
    Verification = 2,
    /// Vectors by which an error is estimated.
    ErrorEstimate = 3,
    /// Vectors by which a norm is estimated.
    Norm = 4,
    /// Columns that complete an orthonormal basis.
    Completion = 5,
    /// Sketches from which pivots are chosen.
    Pivots = 6,
    /// Vectors by which ‖QᵀQ − I‖ is estimated.
    Orthogonality = 7,
}

/// The seed of draw `index` for a purpose.
///
/// It is seed ⊕ mix(w·g) with w = 256·index + purpose and g = mix(seed + φ) | 1, modulo 2⁶⁴. It
/// therefore
/// - never equals `seed`: w ≠ 0 since no purpose is a multiple of 256, w·g ≠ 0 since g is odd, and
///   [`mix`] maps only 0 to 0;
/// - differs between all purposes and all indices below 2⁵⁶ of one seed: w differs, and
///   multiplication by an odd number, `mix` and ⊕ are bijections. Larger indices are taken modulo
///   2⁵⁶.
///
/// ```
/// use panther_sketch::seed::{Purpose, derive};
///
/// assert_ne!(derive(0, Purpose::Sample, 0), 0);
/// assert_ne!(derive(7, Purpose::Sample, 0), derive(7, Purpose::Norm, 0));
/// ```
#[must_use]
pub const fn derive(seed: u64, purpose: Purpose, index: u64) -> u64 {
    let word = (index << 8) | purpose as u64;
    let odd = mix(seed.wrapping_add(PHI)) | 1;
    seed ^ mix(word.wrapping_mul(odd))
}

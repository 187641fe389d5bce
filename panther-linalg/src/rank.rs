//! The rule for the numerical rank.

use panther_sketch::Real;

/// τ: a singular value counts for the rank of an m×n matrix if it exceeds τ·σ₁.
///
/// τ = ε·max(√l, 4√s) with l = max(m, n) and s = min(m, n). Rounding errors of sums of l terms grow as √l, and the errors of up
/// to s basis vectors, each of some ε, add up as √s.
#[must_use]
pub fn singular_value_tolerance<T: Real>(m: usize, n: usize) -> f64 {
    let (longer, shorter) = (m.max(n) as f64, m.min(n) as f64);
    longer.sqrt().max(4.0 * shorter.sqrt()) * T::EPSILON.to_f64()
}

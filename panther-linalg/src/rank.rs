//! The rule for the numerical rank.

use panther_sketch::Real;

/// τ: a singular value counts for the rank of an m×n matrix if it exceeds τ·σ₁.
///
/// τ = √l·ε with l = max(m, n): rounding errors of sums of l terms grow as √l.
#[must_use]
pub fn singular_value_tolerance<T: Real>(m: usize, n: usize) -> f64 {
    (m.max(n) as f64).sqrt() * T::EPSILON.to_f64()
}

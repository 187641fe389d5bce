//! The rule for the numerical rank, and the level of rounding below which QR drops columns.

use panther_sketch::Real;

use crate::LinalgError;

/// τ of the numerical rank of an m×n matrix: σᵢ counts if σᵢ > τ·σ₁, and a pivot if its residual is above τ·‖A‖_F.
///
/// τ = √l·ε with l = max(m, n), at most ½: rounding errors of sums of l terms grow as √l where they are independent. A
/// factor of l would leave f32 without a rank at l = 10⁷.
pub fn rank_tolerance<T: Real>(m: usize, n: usize) -> f64 {
    ((m.max(n) as f64).sqrt() * T::EPSILON.to_f64()).min(0.5)
}

/// τ of the singular values of a low-rank approximation: ε·max(√l, 4√s) with s = min(m, n), since the errors of up to s
/// basis vectors, each of some ε, add up as √s.
#[must_use]
pub fn singular_value_tolerance<T: Real>(m: usize, n: usize) -> f64 {
    rank_tolerance::<T>(m, n).max(4.0 * (m.min(n) as f64).sqrt() * T::EPSILON.to_f64())
}

/// The level of rounding in the residual of a QR of an m×n matrix, relative to ‖A‖_F: (2 + √min(m, n))·ε.
///
/// An entry of QR is a sum of up to min(m, n) terms, which rounds by about 0.2·√min(m, n)·ε of the entry, and the
/// entries of A have been rounded themselves; inner products of columns lose nothing that grows with m. Products of
/// random factors, rounded, leave at most 3.7·ε up to 150 columns.
pub(crate) fn residual_rounding<T: Real>(m: usize, n: usize) -> f64 {
    ((2.0 + (m.min(n) as f64).sqrt()) * T::EPSILON.to_f64()).min(0.5)
}

/// The tolerance that the caller chose, if it is one.
pub(crate) fn checked_tolerance(chosen: Option<f64>) -> Result<Option<f64>, LinalgError> {
    match chosen {
        Some(got) if !(0.0..1.0).contains(&got) => {
            Err(LinalgError::InvalidNumber { argument: "rank_tolerance", requirement: "at least 0 and below 1", got })
        }
        _ => Ok(chosen),
    }
}

/// The caller's tolerance, or that of the numerical rank.
pub fn sketch_tolerance<T: Real>(chosen: Option<f64>, m: usize, n: usize) -> Result<f64, LinalgError> {
    Ok(checked_tolerance(chosen)?.unwrap_or_else(|| rank_tolerance::<T>(m, n)))
}

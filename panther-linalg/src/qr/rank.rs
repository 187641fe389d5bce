//! The rule for the numerical rank.

use panther_sketch::Real;

use crate::LinalgError;

/// The relative tolerance to use: the caller's, if it is one, or the default.
///
/// With l = max(m, n) that is min(l, 16√l)·ε: rounding errors of sums of l numbers grow as √l, and l·ε would drop columns of
/// well-conditioned matrices (of 131072×1024 normal numbers in f32, the last).
pub fn rank_tolerance<T: Real>(chosen: Option<f64>, m: usize, n: usize) -> Result<f64, LinalgError> {
    match chosen {
        None => {
            let longer = m.max(n) as f64;
            Ok(longer.min(16.0 * longer.sqrt()) * T::EPSILON.to_f64())
        }
        Some(tolerance) if (0.0..1.0).contains(&tolerance) => Ok(tolerance),
        Some(got) => {
            Err(LinalgError::InvalidNumber { argument: "rank_tolerance", requirement: "at least 0 and below 1", got })
        }
    }
}

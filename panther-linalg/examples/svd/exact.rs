//! What the randomized SVD is measured against: faer's exact one.

use std::time::Duration;

use faer::{Mat, MatRef, Par};
use panther_linalg::{Real, Rsvd};

use crate::common::compare::{relative_error, to_double};
use crate::common::progress::timed;

/// The best that any decomposition of this rank can do, and how long the exact one took.
pub struct Exact {
    pub relative_error: f64,
    pub elapsed: Duration,
}

/// faer's SVD, cut to `rank`; `None` where it fails.
pub fn exact<T: Real>(a: MatRef<'_, T>, rank: usize, norm: f64) -> Option<Exact> {
    let (svd, elapsed) = timed("exact SVD for comparison", || a.thin_svd());
    let svd = svd.ok()?;
    let dropped = svd.S().column_vector().iter().skip(rank).map(|s| (s.to_f64() / norm).powi(2));
    let relative_error = dropped.sum::<f64>().sqrt();
    relative_error.is_finite().then_some(Exact { relative_error, elapsed })
}

/// ‖A − UΣVᵀ‖_F / ‖A‖_F.
pub fn true_error<T: Real>(a: MatRef<'_, T>, result: &Rsvd<T>, par: Par) -> f64 {
    let Rsvd { u, s, v, norm, .. } = result;
    let scaled = Mat::from_fn(s.len(), v.nrows(), |i, j| s[i].to_f64() / norm * v[(j, i)].to_f64());
    relative_error(|i, j| a[(i, j)].to_f64(), *norm, &to_double(u.as_ref()), &scaled, par)
}

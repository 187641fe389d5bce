//! What a person reads about a pivoted QR.

use std::time::Duration;

use faer::{Mat, MatRef, Par};
use panther_linalg::{Input, PivotedQr, Real};

use crate::common::compare::{comparable, relative_error, to_double};
use crate::common::format::{Report, leading, small};
use crate::common::read::Source;
use crate::common::summary::Summary;

pub fn report<T: Real>(a: Input<'_, T>, result: &PivotedQr<T>, summary: &Summary, source: &Source, par: Par) -> Report {
    let (m, n) = summary.shape;
    let mut report = Report::default();
    report.line("matrix", &source.name);
    report.line("size", format!("{m} × {n}, {}", summary.dtype));
    report.line("rank", result.rank);
    report.line("diagonal of R", leading((0..result.rank).map(|i| result.r[(i, i)].to_f64().abs())));
    let elapsed = Duration::from_secs_f64(summary.seconds);
    let detail = format!("{}, passes over A: {}", summary.machine, summary.passes);
    report.line("time", format!("{elapsed:.1?} ({detail})"));
    report.line("relative error", "‖A[:, P] − QR‖_F / ‖A‖_F");
    let probability = small(summary.failure_probability);
    let estimate = small(summary.relative(summary.error_estimate));
    report.line("  estimate", format!("{estimate} (exceeded with probability {probability})"));
    match comparable(a, result.norm) {
        Some(a) => report.line("  true", small(true_error(a, result, par))),
        None => report.line("  true", "left out: it is for small dense matrices that are not zero"),
    }
    report.line("orthogonality", format!("{} (‖QᵀQ − I‖_F)", small(result.orthogonality)));
    report.line("sketches", result.sketches);
    report.line("fallback", &summary.fallback);
    report
}

/// ‖A[:, P] − QR‖_F / ‖A‖_F.
fn true_error<T: Real>(a: MatRef<'_, T>, result: &PivotedQr<T>, par: Par) -> f64 {
    let PivotedQr { q, r, permutation, norm, .. } = result;
    let scaled = Mat::from_fn(r.nrows(), r.ncols(), |i, j| r[(i, j)].to_f64() / norm);
    relative_error(|i, j| a[(i, permutation[j])].to_f64(), *norm, &to_double(q.as_ref()), &scaled, par)
}

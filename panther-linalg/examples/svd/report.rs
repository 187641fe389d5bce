//! What a person reads about an SVD.

use std::time::Duration;

use faer::{MatRef, Par};
use panther_linalg::{Input, Real, Rsvd};

use super::exact::{exact, true_error};
use super::kept;
use crate::common::compare::comparable;
use crate::common::format::{Report, leading, small};
use crate::common::read::Source;
use crate::common::summary::Summary;

pub fn report<T: Real>(a: Input<'_, T>, result: &Rsvd<T>, summary: &Summary, source: &Source, par: Par) -> Report {
    let (m, n) = summary.shape;
    let k = kept(result);
    let mut report = Report::default();
    report.line("matrix", &source.name);
    report.line("size", format!("{m} × {n}, {}", summary.dtype));
    report.line("rank", result.rank);
    let share = k as f64 * (m as f64 + n as f64 + 1.0) / (m as f64 * n as f64);
    report.line("factors", format!("{:.2} % of the numbers of A", 100.0 * share));
    report.line("singular values", leading(result.s[..k].iter().map(|s| s.to_f64())));
    let elapsed = Duration::from_secs_f64(summary.seconds);
    let detail = format!("{}, passes over A: {}", summary.machine, summary.passes);
    report.line("time", format!("{elapsed:.1?} ({detail})"));
    report.line("relative error", "‖A − UΣVᵀ‖_F / ‖A‖_F");
    let probability = small(summary.failure_probability);
    let estimate = small(summary.relative(summary.error_estimate));
    report.line("  estimate", format!("{estimate} (exceeded with probability {probability})"));
    match comparable(a, result.norm) {
        Some(a) => compare(&mut report, a, result, summary, par),
        None => report.line("  true", "left out: the comparison is for small dense matrices that are not zero"),
    }
    report.line("orthogonality", small(result.orthogonality));
    report.line("fallback", &summary.fallback);
    report
}

/// The true error beside the best possible one, and the time that took.
fn compare<T: Real>(report: &mut Report, a: MatRef<'_, T>, result: &Rsvd<T>, summary: &Summary, par: Par) {
    report.line("  true", small(true_error(a, result, par)));
    let Some(exact) = exact(a, result.s.len(), result.norm) else {
        return report.line("  best possible", "unknown: faer's exact SVD failed");
    };
    report.line("  best possible", small(exact.relative_error));
    let ratio = exact.elapsed.as_secs_f64() / summary.seconds;
    report.line("exact SVD", format!("{:.1?} with faer: {ratio:.1} × as long", exact.elapsed));
}

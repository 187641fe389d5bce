//! Stored results, their figures and page, and helpers of the benches in `benches/`. Each bench prints its accuracy
//! once and times its dense baselines in the same run, on one thread and on all.
//!
//! `cargo bench -p panther-bench` runs them all; `cargo bench -p panther-bench --bench rsvd -- 2048` some.

pub mod compare;
pub mod figures;
pub mod record;
pub mod report;

use std::time::Duration;

use criterion::{BenchmarkGroup, Criterion, SamplingMode, measurement::WallTime};
use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatRef, Par};
use panther_linalg::Real;

/// One thread, and all threads if there are more.
#[must_use]
pub fn parallelisms() -> Vec<(&'static str, Par)> {
    let all = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut chosen = vec![("one thread", Par::Seq)];
    if all > 1 {
        chosen.push(("all threads", Par::rayon(all)));
    }
    chosen
}

/// A group whose benchmarks take from milliseconds to seconds: ten samples of as few runs as fit into half a second.
pub fn group<'a>(criterion: &'a mut Criterion, name: &str) -> BenchmarkGroup<'a, WallTime> {
    let mut group = criterion.benchmark_group(name);
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    group.warm_up_time(Duration::from_millis(100)).measurement_time(Duration::from_millis(500));
    group
}

/// left·right into a new matrix.
#[must_use]
pub fn product<T: Real>(left: MatRef<'_, T>, right: MatRef<'_, T>, par: Par) -> Mat<T> {
    let mut out = Mat::zeros(left.nrows(), right.ncols());
    matmul(&mut out, Accum::Replace, left, right, T::ONE, par);
    out
}

/// ‖A − left·right‖_F, summed in double precision.
#[must_use]
pub fn distance<T: Real>(a: MatRef<'_, T>, left: MatRef<'_, T>, right: MatRef<'_, T>, par: Par) -> f64 {
    let mut difference = a.to_owned();
    matmul(&mut difference, Accum::Add, left, right, -T::ONE, par);
    frobenius(difference.as_ref())
}

/// ‖A‖_F, summed in double precision.
#[must_use]
pub fn frobenius<T: Real>(a: MatRef<'_, T>) -> f64 {
    let square = |x: T| x.to_f64() * x.to_f64();
    (0..a.ncols()).map(|j| (0..a.nrows()).map(|i| square(a[(i, j)])).sum::<f64>()).sum::<f64>().sqrt()
}

/// ‖QᵀQ − I‖_F.
#[must_use]
pub fn orthogonality<T: Real>(q: MatRef<'_, T>, par: Par) -> f64 {
    let identity = Mat::<T>::identity(q.ncols(), q.ncols());
    distance(identity.as_ref(), q.transpose(), q, par)
}

//! The a-posteriori error estimates: never below the true error, and not far above it.

use faer::{Mat, MatMut, MatRef, Par};
use panther_linalg::{
    CqrrptOptions, FnOperator, LinearOperator, NormSource, PivotedQrOptions, RangeFinder, Real, Rsvd, RsvdOptions,
    Target, cqrrpt, pivoted_qr, qb, rsvd,
};
use panther_tests::layouts::closures;
use panther_tests::matrices::{Family, Spectrum};
use panther_tests::measure::Reference;

/// Error and estimate of one result, both over ‖A‖_F.
struct Pair {
    error: f64,
    estimate: f64,
}

impl Pair {
    fn of<T: Real>(reference: &Reference, found: &Rsvd<T>) -> Self {
        let error = reference.svd_error(found.u.as_ref(), &found.s, found.v.as_ref());
        Self { error: error / reference.norm(), estimate: reference.scale(found.error_estimate) / reference.norm() }
    }
}

/// Asserts estimate ∈ [error, 3·error], but for rounding below and √ε above.
fn assert_honest(what: &str, pair: &Pair, reference: &Reference) {
    let rounding = reference.rounding() / reference.norm();
    let low = pair.error * (1.0 - 1e-3) - rounding;
    let high = 3.0 * pair.error + 2.0 * reference.epsilon().sqrt();
    let fits = (low..=high).contains(&pair.estimate);
    assert!(fits, "{what}: estimate {:e}, error {:e}, allowed {low:e}..={high:e}", pair.estimate, pair.error);
}

fn over_all_magnitudes<T: Real>() {
    // Errors from a half down to rounding, past √ε on the way.
    let a = Family::Spectrum(Spectrum::Exponential(0.7)).matrix::<T>(160, 130, 7);
    let reference = Reference::new(a.as_ref());
    for k in 1..=120 {
        for finder in [RangeFinder::BlockKrylov, RangeFinder::SubspaceIteration] {
            let options = RsvdOptions { range_finder: finder, seed: k as u64, ..RsvdOptions::default() };
            let found = rsvd(&a, Target::Rank(k), &options, Par::Seq).unwrap();
            assert_honest(&format!("{} k {k} {finder:?}", T::NAME), &Pair::of(&reference, &found), &reference);
        }
    }
}

#[test]
fn estimates_are_honest_over_all_magnitudes() {
    over_all_magnitudes::<f32>();
    over_all_magnitudes::<f64>();
}

#[test]
fn estimates_of_coarse_approximations_are_honest() {
    // Without power iterations and oversampling the error is far from the best, and the estimate has to follow it.
    for seed in 0..30 {
        let a = Family::Spectrum(Spectrum::Polynomial(0.5)).matrix::<f64>(200, 150, seed);
        let reference = Reference::new(a.as_ref());
        for finder in [RangeFinder::BlockKrylov, RangeFinder::SubspaceIteration] {
            let options = RsvdOptions {
                oversampling: Some(0),
                power_iterations: Some(0),
                range_finder: finder,
                seed,
                ..RsvdOptions::default()
            };
            let found = rsvd(&a, Target::Rank(15), &options, Par::Seq).unwrap();
            assert_honest(&format!("seed {seed} {finder:?}"), &Pair::of(&reference, &found), &reference);
        }
    }
}

#[test]
fn a_tolerance_below_the_square_root_of_epsilon_has_a_tight_estimate() {
    // There the residual is measured, so that the estimate has to follow it down to rounding.
    let a = Family::Spectrum(Spectrum::Exponential(0.8)).matrix::<f64>(200, 150, 7);
    let reference = Reference::new(a.as_ref());
    for relative in [1e-6, 1e-9, 1e-10, 1e-11, 1e-12] {
        for seed in 0..10 {
            let options = RsvdOptions { seed, ..RsvdOptions::default() };
            let target = Target::Tolerance { relative, max_rank: None };
            let pair = Pair::of(&reference, &rsvd(&a, target, &options, Par::Seq).unwrap());
            assert!(pair.estimate <= relative, "tolerance {relative:e}: estimate {:e}", pair.estimate);
            assert!(pair.error <= pair.estimate * (1.0 + 1e-3), "{:e} of {:e}", pair.estimate, pair.error);
        }
    }
}

/// A as closures that know their norm.
fn with_norm(a: &Mat<f64>, norm: f64) -> impl LinearOperator<f64> + '_ {
    use faer::{Accum, linalg::matmul::matmul};
    FnOperator::new(
        a.nrows(),
        a.ncols(),
        move |out: MatMut<'_, f64>, x: MatRef<'_, f64>, par: Par| matmul(out, Accum::Replace, a, x, 1.0, par),
        move |out: MatMut<'_, f64>, x: MatRef<'_, f64>, par: Par| {
            matmul(out, Accum::Replace, a.transpose(), x, 1.0, par);
        },
    )
    .with_frobenius_norm(norm)
}

#[test]
fn the_source_of_the_norm_is_told() {
    let a = Family::Spectrum(Spectrum::Polynomial(1.0)).matrix::<f64>(90, 70, 2);
    let norm = Reference::new(a.as_ref()).norm() * f64::powi(2.0, exponent(&a));
    let options = RsvdOptions::default();
    let found = rsvd(&a, Target::Rank(5), &options, Par::Seq).unwrap();
    assert_eq!(found.norm_source, NormSource::Exact);
    assert!((found.norm / norm - 1.0).abs() < 1e-13);
    let given = rsvd(&with_norm(&a, norm), Target::Rank(5), &options, Par::Seq).unwrap();
    assert_eq!((given.norm_source, given.norm), (NormSource::Exact, norm));
    let estimated = rsvd(&closures(&a), Target::Rank(5), &options, Par::Seq).unwrap();
    assert_eq!(estimated.norm_source, NormSource::Estimated);
    assert!(estimated.failure_probability > 0.0, "an estimate from random vectors can fail");
    // Products with the norm given are the same products as with the matrix.
    assert!((given.error_estimate / found.error_estimate - 1.0).abs() < 1e-6);
}

/// The exponent that `Reference` scales by.
fn exponent(a: &Mat<f64>) -> i32 {
    let largest = (0..a.ncols()).flat_map(|j| a.col_as_slice(j).to_vec()).fold(0.0f64, |x, y| x.max(y.abs()));
    largest.log2().floor() as i32
}

#[test]
fn estimates_of_closures_fail_no_more_often_than_they_say() {
    let mut trials = 0;
    let (mut failures, mut expected): (u32, f64) = (0, 0.0);
    for seed in 0..200 {
        let family =
            [Family::Gaussian, Family::Spectrum(Spectrum::Polynomial(1.0)), Family::LowRank(9)][seed as usize % 3];
        let a = family.matrix::<f64>(100, 80, seed);
        let reference = Reference::new(a.as_ref());
        let options = RsvdOptions { seed, ..RsvdOptions::default() };
        let found = rsvd(&closures(&a), Target::Rank(6), &options, Par::Seq).unwrap();
        let pair = Pair::of(&reference, &found);
        trials += 1;
        expected += found.failure_probability;
        failures += u32::from(pair.estimate < pair.error * (1.0 - 1e-6));
        assert!(pair.estimate <= 10.0 * pair.error, "seed {seed}: {:e} of {:e}", pair.estimate, pair.error);
    }
    // Poisson: more than expected + 6√expected + 6 has a probability below 10⁻⁶ for any expected number.
    let allowed = expected + 6.0 * expected.sqrt() + 6.0;
    assert!(f64::from(failures) <= allowed, "{failures} of {trials} estimates fail, {expected} were announced");
    assert!(
        expected < 0.1 * f64::from(trials),
        "a failure probability this large says nothing: {expected} of {trials}"
    );
}

#[test]
fn passes_and_products_are_counted() {
    // Counted by the operator itself.
    use std::sync::atomic::{AtomicUsize, Ordering};
    let a = Family::Spectrum(Spectrum::Polynomial(1.0)).matrix::<f64>(120, 100, 2);
    let norm = Reference::new(a.as_ref()).norm() * f64::powi(2.0, exponent(&a));
    let (products, columns) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let count = |x: MatRef<'_, f64>| {
        products.fetch_add(1, Ordering::Relaxed);
        columns.fetch_add(x.ncols(), Ordering::Relaxed);
    };
    let inner = with_norm(&a, norm);
    let counted = FnOperator::new(
        120,
        100,
        |out: MatMut<'_, f64>, x: MatRef<'_, f64>, par: Par| {
            count(x);
            inner.apply(out, x, par);
        },
        |out: MatMut<'_, f64>, x: MatRef<'_, f64>, par: Par| {
            count(x);
            inner.apply_adjoint(out, x, par);
        },
    )
    .with_frobenius_norm(norm);
    for finder in [RangeFinder::BlockKrylov, RangeFinder::SubspaceIteration] {
        products.store(0, Ordering::Relaxed);
        columns.store(0, Ordering::Relaxed);
        let options = RsvdOptions { range_finder: finder, ..RsvdOptions::default() };
        let found = rsvd(&counted, Target::Rank(8), &options, Par::Seq).unwrap();
        assert_eq!(found.product_columns, columns.load(Ordering::Relaxed), "{finder:?}");
        assert_eq!(found.passes, products.load(Ordering::Relaxed), "{finder:?}");
    }
}

#[test]
fn estimates_of_qb_and_pivoted_qr_are_honest() {
    for seed in 0..20 {
        let a = Family::Spectrum(Spectrum::Polynomial(1.0)).matrix::<f64>(300, 60, seed);
        let reference = Reference::new(a.as_ref());
        let options = RsvdOptions { seed, ..RsvdOptions::default() };
        let found = qb(&a, Target::Rank(10), &options, Par::Seq).unwrap();
        let error = reference.qb_error(found.q.as_ref(), found.b.as_ref()) / reference.norm();
        let pair = Pair { error, estimate: reference.scale(found.error_estimate) / reference.norm() };
        assert_honest(&format!("qb seed {seed}"), &pair, &reference);
        // A rank tolerance that drops most columns, so that the error is no rounding.
        let options = CqrrptOptions { rank_tolerance: Some(0.05), seed, ..CqrrptOptions::default() };
        let by_sketch = cqrrpt(a.as_ref(), &options, Par::Seq).unwrap();
        let options = PivotedQrOptions { rank_tolerance: Some(0.05), seed, ..PivotedQrOptions::default() };
        let by_blocks = pivoted_qr(a.as_ref(), &options, Par::Seq).unwrap();
        for (name, found) in [("cqrrpt", by_sketch), ("pivoted_qr", by_blocks)] {
            assert!(found.rank < 60, "{name} seed {seed}: rank {}", found.rank);
            let error = reference.qr_error(found.q.as_ref(), found.r.as_ref(), &found.permutation) / reference.norm();
            let pair = Pair { error, estimate: reference.scale(found.error_estimate) / reference.norm() };
            assert_honest(&format!("{name} seed {seed}"), &pair, &reference);
        }
    }
}

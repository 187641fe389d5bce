//! The a-posteriori error estimates: never below the true error, and not far above it.

use faer::{Mat, MatMut, MatRef, Par};
use panther_linalg::{
    CqrrptOptions, FnOperator, LinearOperator, NormSource, PivotedQrOptions, RangeFinder, Real, Rsvd, RsvdOptions,
    Target, cqrrpt, pivoted_qr, qb, rsvd,
};
use panther_tests::checks::{self, QR_ESTIMATE, SVD_ESTIMATE};
use panther_tests::layouts::closures;
use panther_tests::matrices::{Family, Spectrum};
use panther_tests::measure::{Reference, frobenius};

/// ‖A − UΣVᵀ‖_F.
fn error_of<T: Real>(reference: &Reference, found: &Rsvd<T>) -> f64 {
    reference.svd_error(found.u.as_ref(), &found.s, found.v.as_ref())
}

fn assert_honest<T: Real>(what: &str, reference: &Reference, found: &Rsvd<T>) {
    let check = checks::estimate(reference, found.error_estimate, error_of(reference, found), SVD_ESTIMATE);
    assert_eq!(check, Ok(()), "{what}");
}

fn over_all_magnitudes<T: Real>() {
    // Errors from a half down to rounding, past √ε on the way.
    let a = Family::Spectrum(Spectrum::Exponential(0.7)).matrix::<T>(160, 130, 7);
    let reference = Reference::new(a.as_ref());
    for k in 1..=120 {
        for finder in [RangeFinder::BlockKrylov, RangeFinder::SubspaceIteration] {
            let options = RsvdOptions { range_finder: finder, seed: k as u64, ..RsvdOptions::default() };
            let found = rsvd(&a, Target::Rank(k), &options, Par::Seq).unwrap();
            assert_honest(&format!("{} k {k} {finder:?}", T::NAME), &reference, &found);
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
            assert_honest(&format!("seed {seed} {finder:?}"), &reference, &found);
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
            let found = rsvd(&a, target, &options, Par::Seq).unwrap();
            let estimate = reference.scale(found.error_estimate);
            let error = error_of(&reference, &found);
            assert!(estimate <= relative * reference.norm(), "tolerance {relative:e}: estimate {estimate:e}");
            let fits = (error * (1.0 - 1e-3)..=SVD_ESTIMATE * error).contains(&estimate);
            assert!(fits, "tolerance {relative:e}: estimate {estimate:e} of {error:e}");
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
    let norm = frobenius(a.as_ref());
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
        let (error, estimate) = (error_of(&reference, &found), reference.scale(found.error_estimate));
        trials += 1;
        expected += found.failure_probability;
        failures += u32::from(estimate < error * (1.0 - 1e-6));
        assert!(estimate <= SVD_ESTIMATE * error, "seed {seed}: {estimate:e} of {error:e}");
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
    // Counted by the operator itself: with its norm given, and without, where estimating it takes products too.
    use std::sync::atomic::{AtomicUsize, Ordering};
    let a = Family::Spectrum(Spectrum::Polynomial(1.0)).matrix::<f64>(120, 100, 2);
    let (products, columns) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let count = |x: MatRef<'_, f64>| {
        products.fetch_add(1, Ordering::Relaxed);
        columns.fetch_add(x.ncols(), Ordering::Relaxed);
    };
    let apply = |out: MatMut<'_, f64>, x: MatRef<'_, f64>, par: Par| {
        count(x);
        a.apply(out, x, par).unwrap();
    };
    let apply_adjoint = |out: MatMut<'_, f64>, x: MatRef<'_, f64>, par: Par| {
        count(x);
        a.apply_adjoint(out, x, par).unwrap();
    };
    let unknown = FnOperator::new(120, 100, apply, apply_adjoint);
    let known = FnOperator::new(120, 100, apply, apply_adjoint).with_frobenius_norm(frobenius(a.as_ref()));
    for (norm, operator) in [("known", &known as &dyn LinearOperator<f64>), ("unknown", &unknown)] {
        for finder in [RangeFinder::BlockKrylov, RangeFinder::SubspaceIteration] {
            products.store(0, Ordering::Relaxed);
            columns.store(0, Ordering::Relaxed);
            let options = RsvdOptions { range_finder: finder, ..RsvdOptions::default() };
            let found = rsvd(operator, Target::Rank(8), &options, Par::Seq).unwrap();
            let reported = (found.passes, found.product_columns);
            let counted = (products.load(Ordering::Relaxed), columns.load(Ordering::Relaxed));
            assert_eq!(reported, counted, "{finder:?}, {norm} norm: passes and columns");
        }
    }
}

#[test]
fn estimates_of_qb_and_pivoted_qr_are_honest() {
    for seed in 0..20 {
        let a = Family::Spectrum(Spectrum::Polynomial(1.0)).matrix::<f64>(300, 60, seed);
        let reference = Reference::new(a.as_ref());
        let options = RsvdOptions { seed, ..RsvdOptions::default() };
        let found = qb(&a, Target::Rank(10), &options, Par::Seq).unwrap();
        let error = reference.qb_error(found.q.as_ref(), found.b.as_ref());
        let check = checks::estimate(&reference, found.error_estimate, error, SVD_ESTIMATE);
        assert_eq!(check, Ok(()), "qb seed {seed}");
        // A rank tolerance that drops most columns, so that the error is no rounding.
        let options = CqrrptOptions { rank_tolerance: Some(0.05), seed, ..CqrrptOptions::default() };
        let by_sketch = cqrrpt(a.as_ref(), &options, Par::Seq).unwrap();
        let options = PivotedQrOptions { rank_tolerance: Some(0.05), seed, ..PivotedQrOptions::default() };
        let by_blocks = pivoted_qr(a.as_ref(), &options, Par::Seq).unwrap();
        for (name, found) in [("cqrrpt", by_sketch), ("pivoted_qr", by_blocks)] {
            assert!(found.rank < 60, "{name} seed {seed}: rank {}", found.rank);
            let error = reference.qr_error(found.q.as_ref(), found.r.as_ref(), &found.permutation);
            let check = checks::estimate(&reference, found.error_estimate, error, QR_ESTIMATE);
            assert_eq!(check, Ok(()), "{name} seed {seed}");
        }
    }
}

//! What must be refused, and how: a typed error that names the argument and the value, never a panic.

use faer::{Mat, Par};
use panther_linalg::{
    CqrrptOptions, Distribution, LinalgError, PivotedQrOptions, Real, RsvdOptions, SketchError, Target, cholesky_qr2,
    cqrrpt, pivoted_qr, qb, range_finder, rsvd, shifted_cholesky_qr3,
};
use panther_tests::layouts::{LAYOUTS, Layout, with_input, with_operator};
use panther_tests::matrices::{Family, Spectrum};

const RANK: Target = Target::Rank(3);

fn tolerance(relative: f64, max_rank: Option<usize>) -> Target {
    Target::Tolerance { relative, max_rank }
}

fn svd_error<T: Real>(a: &Mat<T>, target: Target, options: &RsvdOptions) -> LinalgError {
    rsvd(a, target, options, Par::Seq).map(|found| found.rank).expect_err("an error")
}

fn qr_error<T: Real>(a: &Mat<T>, options: &CqrrptOptions) -> LinalgError {
    cqrrpt(a.as_ref(), options, Par::Seq).map(|found| found.rank).expect_err("an error")
}

fn blocked_qr_error<T: Real>(a: &Mat<T>, options: &PivotedQrOptions) -> LinalgError {
    pivoted_qr(a.as_ref(), options, Par::Seq).map(|found| found.rank).expect_err("an error")
}

fn is_non_finite_at<T: Real>(error: &LinalgError, at: (usize, usize), value: T) -> bool {
    matches!(error, LinalgError::NonFinite { row, column, value: found, .. }
        if (*row, *column) == at && (found.to_bits() == value.to_f64().to_bits() || found.is_nan() && !value.is_finite()))
}

fn every_routine_refuses<T: Real>(a: &Mat<T>, is_right: impl Fn(&LinalgError) -> bool) {
    let svd = RsvdOptions::default();
    let errors = [
        ("rsvd", rsvd(a, RANK, &svd, Par::Seq).err()),
        ("rsvd by tolerance", rsvd(a, tolerance(0.1, None), &svd, Par::Seq).err()),
        ("qb", qb(a, RANK, &svd, Par::Seq).err()),
        ("range_finder", range_finder(a, 3, &svd, Par::Seq).err()),
        ("cqrrpt", cqrrpt(a.as_ref(), &CqrrptOptions::default(), Par::Seq).err()),
        ("pivoted_qr", pivoted_qr(a.as_ref(), &PivotedQrOptions::default(), Par::Seq).err()),
        ("cholesky_qr2", cholesky_qr2(a.as_ref(), Par::Seq).err()),
        ("shifted_cholesky_qr3", shifted_cholesky_qr3(a.as_ref(), Par::Seq).err()),
    ];
    for (name, error) in errors {
        let error = error.unwrap_or_else(|| panic!("{name} accepts it"));
        assert!(is_right(&error), "{name}: {error:?}");
        assert!(!error.to_string().is_empty());
    }
}

#[test]
fn entries_that_are_not_finite_are_named_with_their_place() {
    fn check<T: Real>() {
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY].map(T::from_f64) {
            for at in [(0, 0), (39, 9), (17, 4)] {
                let mut a = Family::Gaussian.matrix::<T>(40, 10, 1);
                a[at] = value;
                every_routine_refuses(&a, |e| is_non_finite_at(e, at, value));
            }
        }
    }
    check::<f32>();
    check::<f64>();
}

#[test]
fn entries_that_are_not_finite_are_found_in_any_layout() {
    let (at, value) = ((70, 30), f64::NAN);
    let mut a = Family::Gaussian.matrix::<f64>(90, 40, 1);
    a[at] = value;
    for &layout in LAYOUTS.iter().filter(|&&layout| layout != Layout::Closures) {
        let error = with_operator(&a, layout, |a| rsvd(a, RANK, &RsvdOptions::default(), Par::Seq).err());
        assert!(error.as_ref().is_some_and(|e| is_non_finite_at(e, at, value)), "rsvd {layout:?}: {error:?}");
        let error = with_input(&a, layout, |a| cqrrpt(a, &CqrrptOptions::default(), Par::Seq).err());
        assert!(error.as_ref().is_some_and(|e| is_non_finite_at(e, at, value)), "cqrrpt {layout:?}: {error:?}");
    }
}

#[test]
fn closures_that_yield_nan_are_an_error_or_no_result() {
    let mut a = Family::Gaussian.matrix::<f64>(90, 40, 1);
    a[(70, 30)] = f64::NAN;
    let operator = panther_tests::layouts::closures(&a);
    let error = rsvd(&operator, RANK, &RsvdOptions::default(), Par::Seq).err();
    assert!(matches!(error, Some(LinalgError::NonFinite { .. })), "{error:?}");
}

#[test]
fn empty_matrices_are_refused() {
    for shape in [(0, 5), (5, 0), (0, 0)] {
        let is_right = |e: &LinalgError| matches!(e, LinalgError::Empty { shape: found, .. } if *found == shape);
        every_routine_refuses(&Mat::<f32>::zeros(shape.0, shape.1), is_right);
        every_routine_refuses(&Mat::<f64>::zeros(shape.0, shape.1), is_right);
        for &layout in LAYOUTS {
            let a = Mat::<f64>::zeros(shape.0, shape.1);
            let error = with_operator(&a, layout, |a| rsvd(a, RANK, &RsvdOptions::default(), Par::Seq).err());
            assert!(error.as_ref().is_some_and(is_right), "{layout:?}: {error:?}");
        }
    }
}

#[test]
fn ranks_out_of_range_are_refused() {
    let a = Family::Gaussian.matrix::<f64>(20, 9, 1);
    let options = RsvdOptions::default();
    for rank in [0, 10, 20, usize::MAX] {
        let is_right =
            |e: &LinalgError| matches!(e, LinalgError::OutOfRange { low: 1, high: 9, got, .. } if *got == rank);
        let error = svd_error(&a, Target::Rank(rank), &options);
        assert!(is_right(&error), "{error:?}");
        let error = svd_error(&a, tolerance(0.1, Some(rank)), &options);
        assert!(is_right(&error), "{error:?}");
        let error = qb(&a, Target::Rank(rank), &options, Par::Seq).err().unwrap();
        assert!(is_right(&error), "{error:?}");
        let error = range_finder(&a, rank, &options, Par::Seq).err().unwrap();
        assert!(is_right(&error), "{error:?}");
        let error = svd_error(&Mat::<f64>::zeros(20, 9), Target::Rank(rank), &options);
        assert!(is_right(&error), "{error:?}");
    }
}

#[test]
fn tolerances_out_of_range_are_refused() {
    let a = Family::Gaussian.matrix::<f64>(20, 9, 1);
    for relative in [0.0, 1.0, -0.1, 1.5, f64::NAN, f64::INFINITY] {
        let is_right = |e: &LinalgError| matches!(e, LinalgError::InvalidNumber { got, .. } if got.to_bits() == relative.to_bits());
        let error = svd_error(&a, tolerance(relative, None), &RsvdOptions::default());
        assert!(is_right(&error), "{error:?}");
        let error = qb(&a, tolerance(relative, None), &RsvdOptions::default(), Par::Seq).err().unwrap();
        assert!(is_right(&error), "{error:?}");
    }
    for rank_tolerance in [1.0, -1e-3, 2.0, f64::NAN, f64::INFINITY].map(Some) {
        let is_right = |e: &LinalgError| matches!(e, LinalgError::InvalidNumber { got, .. } if Some(got.to_bits()) == rank_tolerance.map(f64::to_bits));
        let error = qr_error(&a, &CqrrptOptions { rank_tolerance, ..CqrrptOptions::default() });
        assert!(is_right(&error), "{error:?}");
        let error = blocked_qr_error(&a, &PivotedQrOptions { rank_tolerance, ..PivotedQrOptions::default() });
        assert!(is_right(&error), "{error:?}");
    }
}

#[test]
fn sketch_parameters_out_of_range_are_refused() {
    let a = Family::Gaussian.matrix::<f64>(200, 40, 1);
    for gamma in [0.0, 0.99, -1.0, f64::NAN, f64::INFINITY] {
        let error = qr_error(&a, &CqrrptOptions { gamma, ..CqrrptOptions::default() });
        let is_right = matches!(error, LinalgError::InvalidNumber { got, .. } if got.to_bits() == gamma.to_bits());
        assert!(is_right, "gamma {gamma}: {error:?}");
    }
    // d = ⌈1.25·40⌉ = 50.
    for vec_nnz in [0, 51, usize::MAX] {
        let error = qr_error(&a, &CqrrptOptions { vec_nnz, ..CqrrptOptions::default() });
        let is_right = matches!(
            error,
            LinalgError::OutOfRange { low: 1, high: 50, got, .. }
                | LinalgError::Sketch(SketchError::OutOfRange { low: 1, high: 50, got, .. }) if got == vec_nnz
        );
        assert!(is_right, "vec_nnz {vec_nnz}: {error:?}");
    }
    let error = blocked_qr_error(&a, &PivotedQrOptions { block_size: 0, ..PivotedQrOptions::default() });
    assert!(matches!(error, LinalgError::OutOfRange { low: 1, got: 0, .. }), "{error:?}");
    // Whether the sketch is drawn in the end or the exact SVD is cheaper.
    for (rank, distribution) in [
        (3, Distribution::SparseSign { vec_nnz: 0 }),
        (3, Distribution::LessUniform { vec_nnz: 0 }),
        (40, Distribution::SparseSign { vec_nnz: 0 }),
        (40, Distribution::LessUniform { vec_nnz: 0 }),
    ] {
        let error = svd_error(&a, Target::Rank(rank), &RsvdOptions { distribution, ..RsvdOptions::default() });
        let is_right = matches!(
            error,
            LinalgError::OutOfRange { low: 1, got: 0, .. }
                | LinalgError::Sketch(SketchError::OutOfRange { low: 1, got: 0, .. })
        );
        assert!(is_right, "{distribution:?}: {error:?}");
    }
}

#[test]
fn wide_matrices_have_no_cholesky_qr() {
    let a = Family::Gaussian.matrix::<f64>(9, 20, 1);
    for error in [cholesky_qr2(a.as_ref(), Par::Seq).err(), shifted_cholesky_qr3(a.as_ref(), Par::Seq).err()] {
        assert!(matches!(error, Some(LinalgError::Shape { got: (9, 20), .. })), "{error:?}");
    }
}

#[test]
fn a_norm_that_the_type_cannot_hold_is_an_overflow() {
    // Finite entries whose norm and largest singular value are not.
    let a = Mat::<f32>::from_fn(60, 40, |_, _| f32::MAX);
    let error = svd_error(&a, RANK, &RsvdOptions::default());
    assert!(matches!(error, LinalgError::Overflow { scalar: "f32", .. }), "{error:?}");
    let a = Mat::<f64>::from_fn(60, 40, |_, _| f64::MAX);
    let error = svd_error(&a, RANK, &RsvdOptions::default());
    assert!(matches!(error, LinalgError::Overflow { scalar: "f64", .. }), "{error:?}");
    let error = qr_error(&a, &CqrrptOptions::default());
    assert!(matches!(error, LinalgError::Overflow { scalar: "f64", .. }), "{error:?}");
    let error = blocked_qr_error(&a, &PivotedQrOptions::default());
    assert!(matches!(error, LinalgError::Overflow { scalar: "f64", .. }), "{error:?}");
}

#[test]
fn the_ends_of_the_range_are_valid_input() {
    // As large as can be without overflow of the norm, and subnormal throughout.
    for size in [1e306, 1e-310] {
        let unit = Family::Spectrum(Spectrum::Polynomial(1.0)).matrix::<f64>(40, 30, 2);
        let a = Mat::from_fn(40, 30, |i, j| unit[(i, j)] * size);
        let reference = panther_tests::measure::Reference::new(a.as_ref());
        let found = rsvd(&a, RANK, &RsvdOptions::default(), Par::Seq).unwrap();
        // A subnormal σ is rounded to multiples of 5e-324, 10⁻¹³ of its size here.
        let error = reference.svd_error(found.u.as_ref(), &found.s, found.v.as_ref());
        assert!(error <= 1.01 * reference.best(3) + 1e-11 * reference.norm(), "{size:e}: {error:e}");
        let found = cqrrpt(a.as_ref(), &CqrrptOptions::default(), Par::Seq).unwrap();
        let error = reference.qr_error(found.q.as_ref(), found.r.as_ref(), &found.permutation);
        assert!(error <= 1e-11 * reference.norm(), "{size:e}: {error:e}");
    }
}

//! CQRRPT and pivoted QR at the ends of their ranges: very long columns, ranks at the level of rounding, columns that
//! vanish in a sketch, options at their extremes.

use faer::{Mat, MatRef, Par};
use panther_linalg::{CqrrptOptions, LinalgError, PivotedQr, PivotedQrOptions, QrFallback, Real, cqrrpt, pivoted_qr};
use panther_tests::cases::config;
use panther_tests::checks::{self, Check, slack};
use panther_tests::matrices::{Family, Spectrum};
use panther_tests::measure::{Reference, to_double};
use proptest::prelude::*;
use proptest::sample::select;

use crate::case;

fn by_cqrrpt<T: Real>(a: &Mat<T>) -> PivotedQr<T> {
    cqrrpt(a.as_ref(), &CqrrptOptions::default(), Par::Seq).unwrap()
}

fn from_values<T: Real>(m: usize, n: usize, value: impl Fn(usize, usize) -> f64) -> Mat<T> {
    Mat::from_fn(m, n, |i, j| T::from_f64(value(i, j)))
}

/// ‖QᵀQ − I‖_F of few long columns: products of blocks of 256 rows, added up pairwise in double precision.
fn orthogonality<T: Real>(q: MatRef<'_, T>) -> f64 {
    fn gram<T: Real>(q: MatRef<'_, T>) -> Mat<f64> {
        if q.nrows() > 256 {
            let (top, bottom) = q.split_at_row(q.nrows() / 2);
            return gram(top) + gram(bottom);
        }
        let q = to_double(q);
        q.transpose() * &q
    }
    (gram(q) - Mat::<f64>::identity(q.ncols(), q.ncols())).norm_l2()
}

/// One Cholesky pass, the rank, and Q orthonormal as measured here in double precision.
fn is_found_at_once<T: Real>(what: &str, a: &Mat<T>, rank: usize) {
    let found = by_cqrrpt(a);
    assert_eq!((found.rank, found.fallback), (rank, QrFallback::None), "{what} {}", T::NAME);
    let (true_defect, n_eps) = (orthogonality(found.q.as_ref()), a.ncols() as f64 * T::EPSILON.to_f64());
    assert!(true_defect <= 10.0 * n_eps, "{what} {}: ‖QᵀQ − I‖ {true_defect:e}", T::NAME);
    let difference = (found.orthogonality - true_defect).abs();
    assert!(difference <= n_eps, "{what} {}: {:e} reported, {true_defect:e} true", T::NAME, found.orthogonality);
}

/// Sums of 2·10⁶ equal f32 entries lose 10⁻³ of themselves if they are added up one after the other.
#[test]
fn very_long_columns_are_orthonormalized_by_one_cholesky_pass() {
    fn check<T: Real>() {
        is_found_at_once("equal entries", &from_values::<T>(2_000_000, 2, |_, _| 0.1), 1);
        let value = |i: usize, j: usize| if j == 0 { 0.1 } else { 0.1 + 0.008 * f64::powi(-1.0, (i % 2) as i32) };
        is_found_at_once("nearly equal columns", &from_values::<T>(2_000_000, 2, value), 2);
        is_found_at_once("Gaussian column", &Family::Gaussian.matrix::<T>(3_000_000, 1, 1), 1);
        is_found_at_once("Gaussian columns", &Family::Gaussian.matrix::<T>(200_000, 12, 1), 12);
        is_found_at_once("ones", &from_values::<T>(9_000_000, 1, |_, _| 1.0), 1);
    }
    check::<f32>();
    check::<f64>();
}

/// Directions far above rounding, and below l·ε or 16·√l·ε with l the longer side.
#[test]
fn small_directions_of_long_columns_are_kept() {
    // Orthogonal columns of norms 1 and 0.011.
    let value = |i: usize, j: usize| if j == 0 { 1.0 } else { 0.011 * f64::powi(-1.0, i as i32) };
    is_found_at_once("columns 1 and 0.011", &from_values::<f32>(100_000, 2, value), 2);
    for (m, n, condition) in [(20_000, 50, 1e4), (20_000, 50, 3e5), (3000, 100, 1e5), (50_000, 10, 3e5)] {
        let a = Family::Spectrum(Spectrum::Condition(condition)).matrix::<f32>(m, n, 1);
        let what = format!("{m}×{n} κ {condition:e}");
        assert_eq!(by_cqrrpt(&a).rank, n, "cqrrpt {what}");
        let found = pivoted_qr(a.as_ref(), &PivotedQrOptions::default(), Par::Seq).unwrap();
        assert_eq!(found.rank, n, "pivoted_qr {what}");
        assert_eq!(
            checks::pivoted_qr(&Reference::new(a.as_ref()), &by_cqrrpt(&a), slack(&Reference::new(a.as_ref()))),
            Ok(())
        );
    }
}

#[test]
fn passes_and_sketches_are_counted() {
    let count = |a: &Mat<f64>| {
        let found = by_cqrrpt(a);
        (found.fallback, found.sketches, found.passes)
    };
    // The norm, a sketch, a copy of the columns, the error.
    assert_eq!(count(&Family::Gaussian.matrix(500, 20, 1)), (QrFallback::None, 1, 4));
    assert_eq!(count(&Family::LowRank(5).matrix(500, 20, 1)), (QrFallback::None, 1, 4));
    // The scaled copy.
    assert_eq!(count(&Family::Scaled(150).matrix(500, 20, 1)), (QrFallback::None, 1, 5));
    // The norm alone.
    assert_eq!(count(&Mat::zeros(500, 20)), (QrFallback::None, 0, 1));
    // No sketch of A; of the trailing matrix one per block but the last two.
    assert_eq!(count(&Family::Gaussian.matrix(30, 20, 1)), (QrFallback::PivotedQr, 0, 3));
    // CountSketch of 40 unit vectors to 40 rows is singular, and the next sketch would have 80 rows.
    let a = Mat::<f64>::from_fn(60, 40, |i, j| f64::from(u8::from(i == j)));
    let options = CqrrptOptions { gamma: 1.0, vec_nnz: 1, ..CqrrptOptions::default() };
    let found = cqrrpt(a.as_ref(), &options, Par::Seq).unwrap();
    let general = pivoted_qr(a.as_ref(), &PivotedQrOptions::default(), Par::Seq).unwrap();
    assert_eq!(found.fallback, QrFallback::PivotedQr);
    assert_eq!(found.sketches, 1 + general.sketches);
    // The norm and the sketch at least, a copy if its rank was not zero, and those of the general method.
    assert!((general.passes + 2..=general.passes + 4).contains(&found.passes), "{} passes", found.passes);
}

/// A matrix and options for pivoted QR.
#[derive(Clone, Copy, Debug)]
struct Extreme {
    shape: (usize, usize),
    decay: i32,
    options: PivotedQrOptions,
}

impl Extreme {
    /// Gaussian columns scaled by 10^(−decay·j), as far as the type holds them.
    fn matrix<T: Real>(&self) -> Mat<T> {
        let a = Family::Gaussian.matrix::<f64>(self.shape.0, self.shape.1, self.options.seed);
        let least = T::MIN_POSITIVE.to_f64().log10() as i32;
        from_values(self.shape.0, self.shape.1, |i, j| a[(i, j)] * f64::powi(10.0, (-self.decay * j as i32).max(least)))
    }

    fn check<T: Real>(&self) -> Check {
        let a = self.matrix::<T>();
        let reference = Reference::new(a.as_ref());
        let tolerance = self.options.rank_tolerance.unwrap_or(0.0);
        let dropped = tolerance * reference.norm();
        let found = pivoted_qr(a.as_ref(), &self.options, Par::Seq).map_err(|e| e.to_string())?;
        checks::pivoted_qr(&reference, &found, dropped + slack(&reference))?;
        let options = CqrrptOptions { rank_tolerance: self.options.rank_tolerance, ..CqrrptOptions::default() };
        let found = cqrrpt(a.as_ref(), &options, Par::Seq).map_err(|e| e.to_string())?;
        checks::pivoted_qr(&reference, &found, 4.0 * dropped + slack(&reference))
    }
}

fn extremes() -> impl Strategy<Value = Extreme> {
    let size = || prop_oneof![3 => 1..12usize, 2 => 12..90usize];
    let number = || select(vec![0, 1, 2, 3, 8, 31, usize::MAX / 2, usize::MAX - 1, usize::MAX]);
    let tolerance = select(vec![None, Some(0.0), Some(f64::MIN_POSITIVE), Some(1e-3), Some(1.0 - f64::EPSILON)]);
    ((size(), size()), select(vec![0, 1, 3, 8]), number(), number(), tolerance, any::<u64>()).prop_map(
        |(shape, decay, block_size, oversampling, rank_tolerance, seed)| Extreme {
            shape,
            decay,
            options: PivotedQrOptions { block_size: block_size.max(1), oversampling, rank_tolerance, seed },
        },
    )
}

proptest! {
    #![proptest_config(config(400))]

    #[test]
    fn pivoted_qr_holds_its_bounds_at_any_options(c in extremes()) {
        case(c.check::<f32>())?;
        case(c.check::<f64>())?;
    }
}

/// Squares of what is left underflow in f32: the sketch sees nothing, and the residual is above a tolerance of zero.
#[test]
fn columns_that_vanish_in_the_sketch_are_reduced() {
    let zero = PivotedQrOptions { rank_tolerance: Some(0.0), ..PivotedQrOptions::default() };
    let narrow = PivotedQrOptions { block_size: 1, oversampling: 0, ..zero };
    for (shape, decay, options) in [((42, 66), 0, zero), ((3, 4), 0, narrow), ((42, 66), 3, zero), ((3, 4), 20, narrow)]
    {
        for seed in 0..20 {
            let c = Extreme { shape, decay, options: PivotedQrOptions { seed, ..options } };
            assert_eq!((c.check::<f32>(), c.check::<f64>()), (Ok(()), Ok(())), "{c:?}");
            for family in [Family::LowRank(1), Family::LowRank(2), Family::DuplicatedColumns] {
                let a = family.matrix::<f32>(shape.0, shape.1, seed);
                let reference = Reference::new(a.as_ref());
                let found = pivoted_qr(a.as_ref(), &c.options, Par::Seq).unwrap();
                assert_eq!(checks::pivoted_qr(&reference, &found, slack(&reference)), Ok(()), "{family:?} {c:?}");
            }
        }
    }
}

#[test]
fn options_of_cqrrpt_at_their_extremes_work_or_are_refused_by_name() {
    let a = Family::Gaussian.matrix::<f64>(300, 7, 1);
    let check = |options: CqrrptOptions| cqrrpt(a.as_ref(), &options, Par::Seq).map(|qr| qr.rank);
    let default = CqrrptOptions::default();
    for gamma in [0.0, -1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1.0 - f64::EPSILON, 1.1e6] {
        let error = check(CqrrptOptions { gamma, ..default });
        assert!(matches!(error, Err(LinalgError::InvalidNumber { argument: "gamma", .. })), "{gamma}: {error:?}");
    }
    for vec_nnz in [0, 33, usize::MAX] {
        let refused = LinalgError::OutOfRange { argument: "vec_nnz", low: 1, high: 32, got: vec_nnz };
        assert_eq!(check(CqrrptOptions { vec_nnz, ..default }), Err(refused));
    }
    for (gamma, vec_nnz) in [(1.0, 1), (1e6, 1), (1.0, 32), (1e6, 7_000_000)] {
        assert_eq!(check(CqrrptOptions { gamma, vec_nnz, seed: u64::MAX, ..default }), Ok(7), "{gamma} {vec_nnz}");
    }
}

//! CholeskyQR2 and shifted Cholesky QR.

use faer::{Mat, Par};
use panther_linalg::{LinalgError, Real, cholesky_qr2, shifted_cholesky_qr3};
use panther_tests::checks;
use panther_tests::matrices::{Family, Spectrum};
use panther_tests::measure::Reference;

#[test]
fn cholesky_qr2_is_orthonormal_up_to_a_condition_of_ten_million() {
    // ε·κ² < 1/8 is what the first pass needs: κ up to 2·10⁷ in f64 and 10³ in f32.
    for (m, n) in [(1, 1), (50, 1), (30, 30), (300, 60), (500, 129)] {
        for seed in 0..5 {
            for condition in [1.0, 1e3, 1e7] {
                let a = Family::Spectrum(Spectrum::Condition(condition)).matrix::<f64>(m, n, seed);
                let qr = cholesky_qr2(a.as_ref(), Par::Seq).unwrap();
                let check = checks::thin_qr(&Reference::new(a.as_ref()), qr.q.as_ref(), qr.r.as_ref());
                assert_eq!(check, Ok(()), "{m}×{n} f64 condition {condition:e} seed {seed}");
            }
            for condition in [1.0, 1e2, 5e2] {
                let a = Family::Spectrum(Spectrum::Condition(condition)).matrix::<f32>(m, n, seed);
                let qr = cholesky_qr2(a.as_ref(), Par::Seq).unwrap();
                let check = checks::thin_qr(&Reference::new(a.as_ref()), qr.q.as_ref(), qr.r.as_ref());
                assert_eq!(check, Ok(()), "{m}×{n} f32 condition {condition:e} seed {seed}");
            }
        }
    }
}

/// Either a good factorisation or the typed error: never a bad Q.
fn good_or_typed<T: Real>(a: &Mat<T>, shifted: bool) -> Result<bool, String> {
    let found = if shifted { shifted_cholesky_qr3(a.as_ref(), Par::Seq) } else { cholesky_qr2(a.as_ref(), Par::Seq) };
    match found {
        Ok(qr) => checks::thin_qr(&Reference::new(a.as_ref()), qr.q.as_ref(), qr.r.as_ref()).map(|()| true),
        Err(LinalgError::CholeskyBreakdown { column, .. }) if column < a.ncols() => Ok(false),
        Err(e) => Err(format!("unexpected error: {e}")),
    }
}

#[test]
fn cholesky_qr2_breaks_down_with_an_error_beyond() {
    for seed in 0..10 {
        // κ² is far beyond 1/ε: the Gram matrix is indefinite by rounding.
        for condition in [1e10, 1e13] {
            let a = Family::Spectrum(Spectrum::Condition(condition)).matrix::<f64>(200, 50, seed);
            assert_eq!(good_or_typed(&a, false), Ok(false), "condition {condition:e} seed {seed}");
        }
        // On the edge it may go either way, but not wrong.
        for condition in [3e7, 1e8, 3e8, 1e9] {
            let a = Family::Spectrum(Spectrum::Condition(condition)).matrix::<f64>(200, 50, seed);
            let outcome = good_or_typed(&a, false);
            assert!(outcome.is_ok(), "condition {condition:e} seed {seed}: {outcome:?}");
        }
    }
    for singular in [Family::Zero, Family::LowRank(3), Family::Lauchli] {
        let a = singular.matrix::<f64>(100, 20, 1);
        assert_eq!(good_or_typed(&a, false), Ok(false), "{singular:?}");
    }
}

/// κ up to 1/(10·ε) for any shape: shifts by a proven bound on ‖A‖_F stop at 4·10³ for 500×100 f32.
#[test]
fn shifted_cholesky_qr3_is_orthonormal_up_to_the_precision() {
    fn check<T: Real>((m, n): (usize, usize), condition: f64, seed: u64) -> Result<bool, String> {
        good_or_typed(&Family::Spectrum(Spectrum::Condition(condition)).matrix::<T>(m, n, seed), true)
    }
    for shape in [(1, 1), (50, 1), (30, 30), (100, 100), (300, 60), (500, 100), (300, 300), (4000, 200), (20_000, 20)] {
        for seed in 0..2 {
            for power in [0.0, 0.3, 0.5, 0.7, 0.85, 1.0] {
                let (single, double) = (f64::powf(8e5, power), f64::powf(4e14, power));
                assert_eq!(check::<f32>(shape, single, seed), Ok(true), "{shape:?} f32 κ {single:e} seed {seed}");
                assert_eq!(check::<f64>(shape, double, seed), Ok(true), "{shape:?} f64 κ {double:e} seed {seed}");
            }
            // Beyond, a good answer or none.
            for beyond in [3.0, 1e2, 1e5] {
                let (single, double) =
                    (check::<f32>(shape, 8e5 * beyond, seed), check::<f64>(shape, 4e14 * beyond, seed));
                assert!(single.is_ok() && double.is_ok(), "{shape:?} seed {seed} {beyond:e}: {single:?}, {double:?}");
            }
        }
    }
    for family in [Family::Lauchli, Family::Kahan] {
        assert_eq!(good_or_typed(&family.matrix::<f64>(100, 20, 1), true), Ok(true), "{family:?}");
        assert_eq!(good_or_typed(&family.matrix::<f32>(100, 20, 1), true), Ok(true), "{family:?}");
    }
    assert_eq!(good_or_typed(&Mat::<f64>::zeros(30, 3), true), Ok(false));
}

/// Columns of lengths from 1 to 10⁻⁵⁷ are as easy as unit columns.
#[test]
fn cholesky_qr_does_not_depend_on_the_lengths_of_columns() {
    let unit = Family::Gaussian.matrix::<f64>(200, 20, 3);
    let graded = Mat::from_fn(200, 20, |i, j| unit[(i, j)] * f64::powi(1e-3, j as i32));
    assert_eq!(good_or_typed(&graded, false), Ok(true));
    assert_eq!(good_or_typed(&graded, true), Ok(true));
}

#[test]
fn cholesky_qr_is_invariant_to_powers_of_two_over_the_whole_range() {
    for exponent in [1, -1] {
        let a = Family::Scaled(exponent * 300).matrix::<f64>(100, 20, 4);
        assert_eq!(good_or_typed(&a, false), Ok(true));
        assert_eq!(good_or_typed(&a, true), Ok(true));
        let a = Family::Scaled(exponent * 30).matrix::<f32>(100, 20, 4);
        assert_eq!(good_or_typed(&a, false), Ok(true));
        assert_eq!(good_or_typed(&a, true), Ok(true));
    }
}

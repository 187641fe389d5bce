//! Decompositions by tolerance: met where it can be, at the smallest rank whose bound meets it, never told falsely.

use faer::{Mat, MatMut, MatRef, Par};
use panther_linalg::{FnOperator, Real, Rsvd, RsvdOptions, Target, rsvd};
use panther_tests::matrices::with_singular_values;
use panther_tests::measure::Reference;

fn matrix<T: Real>(sigma: &[f64]) -> Mat<T> {
    let a = with_singular_values(sigma.len(), sigma.len(), sigma, 3);
    Mat::from_fn(a.nrows(), a.ncols(), |i, j| T::from_f64(a[(i, j)]))
}

fn by_tolerance<T: Real>(a: &Mat<T>, relative: f64, max_rank: Option<usize>) -> Rsvd<T> {
    rsvd(a, Target::Tolerance { relative, max_rank }, &RsvdOptions::default(), Par::Seq).unwrap()
}

/// Met, and not by a false claim.
fn assert_met<T: Real>(a: &Mat<T>, found: &Rsvd<T>, relative: f64) {
    assert_eq!(found.tolerance_met, Some(true), "estimate {:e} of norm {:e}", found.error_estimate, found.norm);
    let reference = Reference::new(a.as_ref());
    let error = reference.svd_error(found.u.as_ref(), &found.s, found.v.as_ref());
    assert!(error <= relative * reference.norm() * (1.0 + 1e-6), "error {error:e}");
}

#[test]
fn rsvd_meets_tolerance_on_step_spectrum_in_single_precision() {
    let sigma: Vec<f64> = (0..200).map(|i| if i < 20 { 1.0 } else { 0.01193 }).collect();
    let a = matrix::<f32>(&sigma);
    let found = by_tolerance(&a, 0.03674, None);
    assert!(found.s.len() <= 22, "rank {}", found.s.len());
    assert_met(&a, &found, 0.03674);
    assert_met(&a, &by_tolerance(&a, 0.03674, Some(140)), 0.03674);
}

#[test]
fn rsvd_meets_tolerance_on_step_spectrum_in_double_precision() {
    let sigma: Vec<f64> = (0..200).map(|i| if i < 20 { 1.0 } else { 0.01193 * 4.3e-5 }).collect();
    let a = matrix::<f64>(&sigma);
    let found = by_tolerance(&a, 1.584e-6, None);
    assert!(found.s.len() <= 22, "rank {}", found.s.len());
    assert_met(&a, &found, 1.584e-6);
}

#[test]
fn rsvd_with_a_largest_rank_meets_what_that_rank_meets() {
    let sigma: Vec<f64> = (1..=300).map(|i| 1.0 / f64::from(i)).collect();
    let a = matrix::<f64>(&sigma);
    let norm = |from: usize| sigma[from..].iter().map(|s| s * s).sum::<f64>().sqrt();
    let relative = 1.02 * norm(50) / norm(0);
    let found = by_tolerance(&a, relative, Some(50));
    assert_met(&a, &found, relative);
    assert!(found.s.len() <= 50);
    let missed = by_tolerance(&a, 0.5 * relative, Some(50));
    assert_eq!((missed.tolerance_met, missed.s.len()), (Some(false), 50));
    let by_rank = rsvd(&a, Target::Rank(50), &RsvdOptions::default(), Par::Seq).unwrap();
    assert_eq!(missed.s, by_rank.s, "a miss is that of the largest rank");
}

#[test]
fn rsvd_meets_tolerance_near_rounding_by_the_exact_method() {
    let sigma: Vec<f64> = (0..300).map(|i| 0.7_f64.powi(i)).collect();
    let a = matrix::<f32>(&sigma);
    let found = by_tolerance(&a, 2e-5, None);
    assert_met(&a, &found, 2e-5);
    assert!(found.s.len() <= 34, "rank {}", found.s.len());
}

#[test]
fn rsvd_wastes_no_rank_on_noise_within_the_tolerance() {
    let sigma: Vec<f64> = (0..300).map(|i| if i < 30 { 1.0 } else { 1e-7 }).collect();
    let a = matrix::<f64>(&sigma);
    let found = by_tolerance(&a, 5.6e-7, None);
    assert_met(&a, &found, 5.6e-7);
    assert!(found.s.len() <= 33, "rank {}", found.s.len());
}

#[test]
fn rsvd_of_tall_equal_columns_has_an_honest_bound() {
    // Sums of millions of equal terms, whose rounding errors do not cancel.
    let m = 2_000_000;
    for tilt in [0.08, -0.08] {
        let sign = |i: usize| if i.is_multiple_of(2) { 1.0 } else { -1.0 };
        let a = Mat::<f32>::from_fn(m, 2, |i, j| if j == 0 { 0.1 } else { (0.1 * (1.0 + tilt * sign(i))) as f32 });
        let found = rsvd(&a, Target::Rank(1), &RsvdOptions::default(), Par::Seq).unwrap();
        let [u, v] = [found.u.col(0), found.v.col(0)];
        let squared: f64 = (0..m)
            .flat_map(|i| (0..2).map(move |j| (i, j)))
            .map(|(i, j)| (f64::from(a[(i, j)]) - f64::from(u[i]) * f64::from(found.s[0]) * f64::from(v[j])).powi(2))
            .sum();
        let error = squared.sqrt();
        assert!(found.error_estimate >= error, "tilt {tilt}: {:e} of {error:e}", found.error_estimate);
    }
}

#[test]
fn rsvd_of_closures_meets_no_tolerance_by_an_overestimated_norm() {
    // diag(1, 0.1), whose error of rank 1 is above the tolerance. An estimate of the norm alone would call it met in one of
    // 10⁴ seeds; here the part of A that was seen is the measure.
    let sigma = [1.0, 0.1];
    let times = move |mut out: MatMut<'_, f64>, x: MatRef<'_, f64>, _: Par| {
        for j in 0..x.ncols() {
            for i in 0..2 {
                out[(i, j)] = sigma[i] * x[(i, j)];
            }
        }
    };
    let a = FnOperator::new(2, 2, times, times);
    let relative = 0.999 * 0.1 / 1.01_f64.sqrt();
    for seed in 0..20_000 {
        let options = RsvdOptions { seed, ..RsvdOptions::default() };
        let found = rsvd(&a, Target::Tolerance { relative, max_rank: Some(1) }, &options, Par::Seq).unwrap();
        assert_eq!(found.tolerance_met, Some(false), "seed {seed}");
    }
}

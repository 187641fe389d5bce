//! What can be done with the results of QR decompositions.

use faer::{Mat, Par};
use panther_linalg::{CqrrptOptions, LinalgError, cholesky_qr2, cqrrpt};
use panther_tests::matrices::{Family, Spectrum};

fn distance(a: &Mat<f64>, b: &Mat<f64>) -> f64 {
    (a - b).norm_l2()
}

#[test]
fn pivoted_qr_is_reconstructed_in_the_order_of_the_columns() {
    for family in [Family::Gaussian, Family::LowRank(4)] {
        let a = family.matrix::<f64>(200, 9, 1);
        let qr = cqrrpt(a.as_ref(), &CqrrptOptions::default(), Par::Seq).unwrap();
        assert!(distance(&qr.reconstruct(Par::Seq), &a) < 1e-13 * a.norm_l2(), "{family:?}");
    }
}

#[test]
fn truncated_pivoted_qr_has_the_leading_factors_and_a_bound() {
    let a = Family::Spectrum(Spectrum::Exponential(0.5)).matrix::<f64>(300, 20, 1);
    let qr = cqrrpt(a.as_ref(), &CqrrptOptions::default(), Par::Seq).unwrap();
    for k in [0, 1, 7, 20] {
        let truncated = qr.truncate(k).unwrap();
        assert_eq!((truncated.rank, truncated.q.shape(), truncated.r.shape()), (k, (300, k), (k, 20)));
        let error = distance(&truncated.reconstruct(Par::Seq), &a);
        assert!(error <= truncated.error_estimate && truncated.error_estimate <= 1.1 * error + 1e-10, "{k}: {error:e}");
    }
    let refused = LinalgError::OutOfRange { argument: "k", low: 0, high: 20, got: 21 };
    assert_eq!(qr.truncate(21).unwrap_err(), refused);
}

#[test]
fn q_is_applied_to_blocks_of_vectors() {
    let a = Family::Gaussian.matrix::<f64>(200, 9, 1);
    let pivoted = cqrrpt(a.as_ref(), &CqrrptOptions::default(), Par::Seq).unwrap();
    let thin = cholesky_qr2(a.as_ref(), Par::Seq).unwrap();
    assert!(distance(&thin.reconstruct(Par::Seq), &a) < 1e-13 * a.norm_l2());
    let x = Family::Gaussian.matrix::<f64>(9, 3, 2);
    let images = [pivoted.apply_q(x.as_ref(), Par::Seq).unwrap(), thin.apply_q(x.as_ref(), Par::Seq).unwrap()];
    let back = [
        pivoted.apply_q_transpose(images[0].as_ref(), Par::Seq).unwrap(),
        thin.apply_q_transpose(images[1].as_ref(), Par::Seq).unwrap(),
    ];
    for (image, back) in images.iter().zip(&back) {
        assert_eq!(image.shape(), (200, 3));
        assert!(distance(back, &x) < 1e-13 * x.norm_l2());
    }
    let short = Mat::<f64>::zeros(8, 3);
    let refused = |operation, rows| LinalgError::Shape { operation, argument: "x", expected: (rows, 3), got: (8, 3) };
    assert_eq!(pivoted.apply_q(short.as_ref(), Par::Seq), Err(refused("apply_q", 9)));
    assert_eq!(thin.apply_q(short.as_ref(), Par::Seq), Err(refused("apply_q", 9)));
    assert_eq!(pivoted.apply_q_transpose(short.as_ref(), Par::Seq), Err(refused("apply_q_transpose", 200)));
    assert_eq!(thin.apply_q_transpose(short.as_ref(), Par::Seq), Err(refused("apply_q_transpose", 200)));
}

//! Options and results survive being stored.
#![cfg(feature = "serde")]

use faer::{Mat, Par};
use panther_linalg::{CqrrptOptions, PivotedQr, Qb, Rsvd, RsvdOptions, Target, cqrrpt, qb, rsvd};

#[test]
fn options_and_results_are_stored_and_read() {
    let options = RsvdOptions { seed: 7, oversampling: Some(3), ..RsvdOptions::default() };
    let stored = serde_json::to_string(&(Target::Rank(4), options, CqrrptOptions::default())).unwrap();
    let (target, again, _): (Target, RsvdOptions, CqrrptOptions) = serde_json::from_str(&stored).unwrap();
    assert_eq!((target, again), (Target::Rank(4), options));

    let a = Mat::<f64>::from_fn(30, 20, |i, j| 1.0 / (1 + i + 2 * j) as f64);
    let found = rsvd(&a, target, &options, Par::Seq).unwrap();
    let read: Rsvd<f64> = serde_json::from_str(&serde_json::to_string(&found).unwrap()).unwrap();
    assert_eq!(read.u.shape(), (30, 4));
    assert!((read.u - found.u).norm_max() < 1e-15 && read.path == found.path && read.converged == found.converged);
    let found = qb(&a, target, &options, Par::Seq).unwrap();
    let read: Qb<Mat<f64>> = serde_json::from_str(&serde_json::to_string(&found).unwrap()).unwrap();
    assert!((read.b - found.b).norm_max() < 1e-14);
    let found = cqrrpt(a.as_ref(), &CqrrptOptions::default(), Par::Seq).unwrap();
    let read: PivotedQr<f64> = serde_json::from_str(&serde_json::to_string(&found).unwrap()).unwrap();
    assert!((read.r - found.r).norm_max() < 1e-14 && read.permutation == found.permutation);
}

#[test]
fn a_stored_matrix_with_missing_entries_is_rejected() {
    let a = Mat::<f64>::identity(3, 3);
    let found = qb(&a, Target::Rank(2), &RsvdOptions::default(), Par::Seq).unwrap();
    let stored = serde_json::to_string(&found).unwrap().replacen("\"rows\":3", "\"rows\":4", 1);
    let error = serde_json::from_str::<Qb<Mat<f64>>>(&stored).unwrap_err();
    assert!(error.to_string().contains("needs rows·columns entries"), "{error}");
}

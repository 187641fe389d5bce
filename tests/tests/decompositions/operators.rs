//! What operators may be and must not be: repeated entries, closures that lie, extreme norms, sizes and options.

use faer::sparse::{SparseColMat, SymbolicSparseColMat};
use faer::{Mat, MatMut, MatRef, Par};
use panther_linalg::{
    FnOperator, LinalgError, LinearOperator, RangeFinder, Real, RsvdOptions, Target, qb, range_finder, rsvd,
};

type Product<T> = fn(MatMut<'_, T>, MatRef<'_, T>, Par);

fn csc(rows: usize, starts: Vec<usize>, indices: Vec<usize>, values: Vec<f64>) -> SparseColMat<usize, f64> {
    let symbolic = SymbolicSparseColMat::new_unsorted_checked(rows, starts.len() - 1, starts, None, indices);
    SparseColMat::new(symbolic, values)
}

#[test]
fn norm_of_a_sparse_matrix_adds_repeated_entries() {
    let a = csc(2, vec![0, 1, 3], vec![0, 1, 1], vec![1.0, 0.25, 0.25]);
    let found = rsvd(&a, Target::Rank(1), &RsvdOptions::default(), Par::Seq).unwrap();
    assert!((0.5..0.51).contains(&found.error_estimate), "{}", found.error_estimate);
    let cancelling = csc(2, vec![0, 2, 3], vec![0, 0, 1], vec![1.0, -1.0, 1e-3]);
    let found = rsvd(&cancelling, Target::Rank(1), &RsvdOptions::default(), Par::Seq).unwrap();
    assert!((found.norm - 1e-3).abs() < 1e-15 && (found.s[0] - 1e-3).abs() < 1e-15);
    let by_rows = a.as_ref().transpose();
    let found = rsvd(&by_rows, Target::Rank(1), &RsvdOptions::default(), Par::Seq).unwrap();
    assert!(found.error_estimate >= 0.5);
}

fn subnormal(mut out: MatMut<'_, f64>, x: MatRef<'_, f64>, _: Par) {
    for j in 0..x.ncols() {
        for i in 0..x.nrows() {
            out[(i, j)] = 1e-310 * x[(i, j)];
        }
    }
}

#[test]
fn rsvd_of_a_subnormal_given_norm_keeps_it() {
    let a = FnOperator::new(10, 10, subnormal as Product<f64>, subnormal as Product<f64>)
        .with_frobenius_norm(1e-310 * 10_f64.sqrt());
    let options = RsvdOptions::default();
    let found = rsvd(&a, Target::Tolerance { relative: 0.1, max_rank: None }, &options, Par::Seq).unwrap();
    assert_eq!((found.s.len(), found.tolerance_met), (10, Some(true)));
    let found = rsvd(&a, Target::Tolerance { relative: 0.1, max_rank: Some(3) }, &options, Par::Seq).unwrap();
    assert_eq!(found.tolerance_met, Some(false));
    let found = rsvd(&a, Target::Rank(1), &options, Par::Seq).unwrap();
    assert!((found.s[0] / 1e-310 - 1.0).abs() < 1e-3, "{:e}", found.s[0]);
}

fn inverse<T: Real>(mut out: MatMut<'_, T>, x: MatRef<'_, T>, _: Par) {
    for j in 0..x.ncols() {
        for i in 0..x.nrows() {
            out[(i, j)] = x[(i, j)] / T::from_f64(i as f64 + 1.0);
        }
    }
}

fn reversed<T: Real>(mut out: MatMut<'_, T>, x: MatRef<'_, T>, _: Par) {
    let n = x.nrows();
    for j in 0..x.ncols() {
        for i in 0..n {
            out[(n - 1 - i, j)] = x[(i, j)] / T::from_f64(i as f64 + 1.0);
        }
    }
}

fn inverse_norm(n: usize) -> f64 {
    (1..=n).map(|i| (i as f64).powi(-2)).sum::<f64>().sqrt()
}

fn closures_that_contradict<T: Real>() {
    for n in [2, 60, 300] {
        for rank in [1, 5, 20].into_iter().filter(|&rank| rank <= n) {
            for finder in [RangeFinder::BlockKrylov, RangeFinder::SubspaceIteration] {
                let options = RsvdOptions { range_finder: finder, ..RsvdOptions::default() };
                let what = format!("{} n {n} rank {rank} {finder:?}", T::NAME);
                let run = |a: &dyn LinearOperator<T>| rsvd(a, Target::Rank(rank), &options, Par::Seq);
                let wrong = FnOperator::new(n, n, inverse as Product<T>, reversed as Product<T>);
                let error = run(&wrong).unwrap_err();
                assert!(matches!(error, LinalgError::InconsistentAdjoint { .. }), "{what}: {error}");
                let right = || FnOperator::new(n, n, inverse as Product<T>, inverse as Product<T>);
                assert!(run(&right()).is_ok(), "{what}");
                assert!(run(&right().with_frobenius_norm(inverse_norm(n))).is_ok(), "{what}");
                for norm in [0.0, 0.5 * inverse_norm(n)] {
                    let error = run(&right().with_frobenius_norm(norm)).unwrap_err();
                    assert!(matches!(error, LinalgError::InconsistentNorm { .. }), "{what}, norm {norm}: {error}");
                }
            }
        }
    }
}

#[test]
fn rsvd_rejects_closures_that_contradict_each_other() {
    closures_that_contradict::<f32>();
    closures_that_contradict::<f64>();
}

#[test]
fn rsvd_rejects_a_norm_that_is_two_percent_too_small() {
    let a = FnOperator::new(60, 60, inverse as Product<f64>, inverse as Product<f64>)
        .with_frobenius_norm(0.98 * inverse_norm(60));
    for rank in [1, 5, 20] {
        let error = rsvd(&a, Target::Rank(rank), &RsvdOptions::default(), Par::Seq).unwrap_err();
        assert!(matches!(error, LinalgError::InconsistentNorm { .. }), "rank {rank}: {error}");
    }
}

#[test]
fn closures_get_contiguous_columns() {
    let by_columns = |mut out: MatMut<'_, f64>, x: MatRef<'_, f64>, _: Par| {
        assert!(x.ncols() > 0 && out.ncols() == x.ncols());
        for j in 0..x.ncols() {
            let x = x.col(j).try_as_col_major().expect("a contiguous column of X").as_slice();
            let out = out.rb_mut().col_mut(j).try_as_col_major_mut().expect("a contiguous column of out");
            out.as_slice_mut().iter_mut().zip(x).enumerate().for_each(|(i, (out, x))| *out = x / (i + 1) as f64);
        }
    };
    use faer::prelude::ReborrowMut;
    use panther_linalg::Distribution;
    for n in [1, 3, 40, 200] {
        let a = FnOperator::new(n, n, by_columns, by_columns);
        let scaled = FnOperator::new(n, n, by_columns, by_columns).with_frobenius_norm(inverse_norm(n));
        for finder in [RangeFinder::BlockKrylov, RangeFinder::SubspaceIteration] {
            for distribution in [Distribution::Gaussian, Distribution::Srht, Distribution::COUNT_SKETCH] {
                let options = RsvdOptions { range_finder: finder, distribution, ..RsvdOptions::default() };
                for target in [Target::Rank(1), Target::Tolerance { relative: 1e-3, max_rank: None }] {
                    rsvd(&a, target, &options, Par::Seq).unwrap();
                    rsvd(&scaled, target, &options, Par::Seq).unwrap();
                    qb(&a, target, &options, Par::Seq).unwrap();
                }
            }
        }
    }
}

#[test]
fn operators_reject_operands_that_do_not_fit() {
    let dense = Mat::<f64>::from_fn(7, 5, |i, j| (i + j) as f64);
    let sparse = panther_tests::layouts::sparse_columns(&dense);
    let by_rows = panther_tests::layouts::sparse_rows(&dense);
    let closures = panther_tests::layouts::closures(&dense);
    let operators: [&dyn LinearOperator<f64>; 4] = [&dense, &sparse, &by_rows, &closures];
    for a in operators {
        for (rows, out_rows, columns) in [(4, 7, 2), (6, 7, 2), (5, 6, 2), (5, 7, 3)] {
            let x = Mat::<f64>::zeros(rows, 2);
            let mut out = Mat::<f64>::zeros(out_rows, columns);
            let error = a.apply(out.as_mut(), x.as_ref(), Par::Seq).unwrap_err();
            assert!(matches!(error, LinalgError::Shape { .. }), "{error}");
        }
        let x = Mat::<f64>::zeros(6, 2);
        let mut out = Mat::<f64>::zeros(5, 2);
        assert!(matches!(a.apply_adjoint(out.as_mut(), x.as_ref(), Par::Seq), Err(LinalgError::Shape { .. })));
        let s = panther_linalg::Distribution::Gaussian.operator::<f64>(2, 6, 1).unwrap();
        assert!(a.sketch(&*s, Par::Seq).is_err());
    }
}

#[test]
fn rsvd_takes_every_option_at_its_extremes() {
    for (m, n) in [(1, 1), (1, 9), (9, 1), (5, 40), (200, 150)] {
        let a = Mat::<f32>::from_fn(m, n, |i, j| ((3 * i + 7 * j) as f32).sin());
        for finder in [RangeFinder::BlockKrylov, RangeFinder::SubspaceIteration] {
            for oversampling in [Some(0), Some(1), Some(usize::MAX), None] {
                for power_iterations in [Some(0), Some(1), Some(1000), Some(usize::MAX), None] {
                    let base = RsvdOptions { range_finder: finder, ..RsvdOptions::default() };
                    let options = RsvdOptions { oversampling, power_iterations, seed: u64::MAX, ..base };
                    let found = rsvd(&a, Target::Rank(1), &options, Par::Seq);
                    if power_iterations == Some(usize::MAX) {
                        let expected = LinalgError::OutOfRange {
                            argument: "power_iterations",
                            low: 0,
                            high: 1000,
                            got: usize::MAX,
                        };
                        assert_eq!(found.map(|_| ()), Err(expected));
                        assert!(range_finder(&a, 1, &options, Par::Seq).is_err());
                    } else {
                        let found = found.unwrap();
                        assert!(found.s[0].is_finite() && found.error_estimate.is_finite());
                    }
                }
            }
        }
    }
}

#[test]
fn rsvd_reports_sizes_that_do_not_fit_into_memory() {
    let unused = |_: MatMut<'_, f64>, _: MatRef<'_, f64>, _: Par| unreachable!("nothing fits");
    let a = FnOperator::new(1 << 60, 5, unused, unused);
    let norm_given = FnOperator::new(1 << 60, 5, unused, unused).with_frobenius_norm(1.0);
    let wide = FnOperator::new(5, 1 << 60, unused, unused);
    let operators: [&dyn LinearOperator<f64>; 3] = [&a, &norm_given, &wide];
    for a in operators {
        for target in [Target::Rank(1), Target::Rank(5), Target::Tolerance { relative: 0.5, max_rank: None }] {
            let error = rsvd(a, target, &RsvdOptions::default(), Par::Seq).unwrap_err();
            assert!(matches!(error, LinalgError::OutOfMemory { bytes, .. } if bytes > 1 << 60), "{error}");
        }
    }
    let n = 200_000;
    let identity = csc(n, (0..=n).collect(), (0..n).collect(), vec![1.0; n]);
    let options = RsvdOptions { oversampling: Some(usize::MAX), ..RsvdOptions::default() };
    let error = rsvd(&identity, Target::Rank(1), &options, Par::Seq).unwrap_err();
    assert!(matches!(error, LinalgError::OutOfMemory { bytes, .. } if bytes > 300_000_000_000), "{error}");
}

#[test]
fn qb_of_zero_makes_no_pass() {
    let zero = Mat::<f64>::zeros(30, 20);
    let found = qb(&zero, Target::Rank(3), &RsvdOptions::default(), Par::Seq).unwrap();
    assert_eq!((found.passes, found.error_estimate), (0, 0.0));
}

#[test]
fn closures_without_a_norm_take_as_many_products_as_the_matrix() {
    let n = 400;
    let flat: Vec<f64> = (0..n).map(|i| 1.0 - 0.2 * i as f64 / n as f64).collect();
    let a = panther_tests::matrices::with_singular_values(n, n, &flat, 3);
    for rank in [1, 10, 40] {
        let dense = rsvd(&a, Target::Rank(rank), &RsvdOptions::default(), Par::Seq).unwrap();
        let closures = panther_tests::layouts::closures(&a);
        let found = rsvd(&closures, Target::Rank(rank), &RsvdOptions::default(), Par::Seq).unwrap();
        // The norm and the error are measured by the same 32 products.
        assert!(
            found.product_columns <= dense.product_columns + 32,
            "rank {rank}: {} and {}",
            found.product_columns,
            dense.product_columns
        );
    }
}

#[test]
fn residuals_tell_the_accuracy_of_each_triplet() {
    let sign = |i: usize, j: usize| if (i * 7919 + j * 104_729 + i * j) % 7 < 3 { 1.0 } else { -1.0 };
    let a = Mat::<f64>::from_fn(100, 100, sign);
    let found = rsvd(&a, Target::Rank(5), &RsvdOptions::default(), Par::Seq).unwrap();
    let residuals = found.residuals(&a, Par::Seq).unwrap();
    for (i, residual) in residuals.iter().enumerate() {
        let (u, v) = (found.u.subcols(i, 1), found.v.subcols(i, 1));
        let right = (&a * v - u * faer::Scale(found.s[i])).norm_l2();
        let left = (a.transpose() * u - v * faer::Scale(found.s[i])).norm_l2();
        assert!((residual.right - right).abs() < 1e-11 && (residual.left - left).abs() < 1e-11);
        assert!(residual.left < 1e-11 * found.norm, "AᵀU = VΣ holds to rounding: {:e}", residual.left);
        assert!(residual.right < 0.02 * found.s[0]);
    }
    assert!(found.residuals(&Mat::<f64>::zeros(100, 99), Par::Seq).is_err());
}

#[test]
fn truncated_results_keep_a_valid_bound() {
    let a = Mat::<f64>::from_fn(60, 40, |i, j| 1.0 / (1 + i + j) as f64);
    let found = rsvd(&a, Target::Rank(10), &RsvdOptions::default(), Par::Seq).unwrap();
    assert!((found.reconstruct() - &a).norm_l2() <= found.error_estimate);
    let x = Mat::<f64>::from_fn(40, 3, |i, j| (i + j) as f64);
    assert!((found.apply(x.as_ref(), Par::Seq).unwrap() - found.reconstruct() * &x).norm_l2() < 1e-12 * x.norm_l2());
    let y = a.subcols(0, 2);
    let adjoint = found.apply_adjoint(y, Par::Seq).unwrap();
    assert!((adjoint - found.reconstruct().transpose() * y).norm_l2() < 1e-13 * y.norm_l2());
    assert!(found.apply(y, Par::Seq).is_err());
    for k in [10, 4, 1, 0] {
        let cut = found.clone().truncate(k).unwrap();
        assert_eq!((cut.u.ncols(), cut.s.len(), cut.v.ncols()), (k, k, k));
        let error = (cut.reconstruct() - &a).norm_l2();
        assert!(error <= cut.error_estimate * (1.0 + 1e-12), "k {k}: {error:e} of {:e}", cut.error_estimate);
    }
    assert!(matches!(found.truncate(11), Err(LinalgError::OutOfRange { argument: "k", low: 0, high: 10, got: 11 })));
}

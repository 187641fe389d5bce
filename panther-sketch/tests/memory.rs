//! A lack of memory is an error with the bytes asked for, and every parameter works at its limits.

use faer::{Mat, Par};
use panther_sketch::{Distribution, SketchError, Srht, try_resize, try_vec, try_zeros};

const MAX: usize = isize::MAX.cast_unsigned();

fn bytes<T>(result: Result<T, SketchError>) -> Option<u128> {
    match result {
        Err(SketchError::OutOfMemory { bytes, .. }) => Some(bytes),
        _ => None,
    }
}

#[test]
fn allocations_that_cannot_succeed_are_errors_with_their_bytes() {
    assert_eq!(bytes(try_zeros::<f64>("", 1 << 60, 5)), Some(5 << 63));
    assert_eq!(bytes(try_zeros::<f32>("", 5, 1 << 60)), Some(5 << 62));
    assert_eq!(bytes(try_zeros::<f64>("", 1 << 48, 1)), Some(1 << 51));
    assert_eq!(bytes(try_zeros::<f64>("", 1, 1 << 48)), Some(1 << 51));
    assert_eq!(
        bytes(try_zeros::<f64>("", usize::MAX, usize::MAX)),
        Some((usize::MAX as u128).pow(2).saturating_mul(8))
    );
    assert_eq!(bytes(try_vec("", 1 << 48, 1, 0_u64)), Some(1 << 51));
    assert_eq!(bytes(try_vec("", usize::MAX, 3, 0_u8)), Some(3 * usize::MAX as u128));
    let mut values = vec![1.0_f32; 3];
    assert_eq!(bytes(try_resize("", &mut values, 1 << 50, 1, 0.0)), Some(1 << 52));
    assert_eq!(values, [1.0; 3]);
}

#[test]
fn zeros_have_their_shape_and_values() {
    for (rows, columns) in [(0, 0), (0, 5), (5, 0), (1, 1), (7, 3), (1000, 2)] {
        let zeros = try_zeros::<f64>("", rows, columns).unwrap();
        assert_eq!(zeros, Mat::<f64>::zeros(rows, columns));
    }
    for columns in [usize::MAX, MAX] {
        assert_eq!(try_zeros::<f64>("", 0, columns).map(|zeros| zeros.nrows()).unwrap_or(0), 0);
    }
}

/// Families whose d×n operators exist at any size.
fn families(d: usize, n: usize) -> Vec<Distribution> {
    let mut families = vec![Distribution::Gaussian, Distribution::Rademacher, Distribution::Uniform];
    families.extend([1, d].map(|vec_nnz| Distribution::SparseSign { vec_nnz }));
    families.push(Distribution::LessUniform { vec_nnz: 1 });
    if d <= n && d <= 1 << 20 {
        families.push(Distribution::Srht);
    }
    families
}

#[test]
fn products_too_large_for_memory_are_errors() {
    for (d, n) in [(2, MAX), (2, 1 << 48), (1 << 48, 2), (MAX, 2), (1 << 48, 1 << 48), (MAX, MAX)] {
        for family in families(d, n) {
            let s = family.operator::<f64>(d, n, 1).unwrap();
            assert!(bytes(s.to_dense()).is_some(), "{family:?} {d}×{n}, dense");
            if n > d {
                assert!(bytes(s.adjoint(Mat::zeros(d, 1).as_ref(), Par::Seq)).is_some(), "{family:?} {d}×{n}, adjoint");
            } else if d > n {
                assert!(
                    bytes(s.left(Mat::zeros(n, 1).as_ref().into(), Par::Seq)).is_some(),
                    "{family:?} {d}×{n}, left"
                );
                assert!(bytes(s.right(Mat::zeros(1, n).as_ref().into(), Par::rayon(2))).is_some(), "{family:?}, right");
            }
        }
    }
}

#[test]
fn rows_of_an_srht_too_many_for_memory_are_an_error() {
    assert_eq!(bytes(Srht::new(1 << 62, MAX, 0)), Some(1 << 60));
    assert_eq!(bytes(Srht::new(1 << 48, 1 << 60, 0)), Some(1 << 51));
}

/// An operator is usable after an error.
#[test]
fn an_operator_works_after_an_error() {
    let s = Distribution::Gaussian.operator::<f64>(2, 1 << 50, 1).unwrap();
    assert!(bytes(s.adjoint(Mat::zeros(2, 3).as_ref(), Par::Seq)).is_some());
    let x = Mat::<f64>::from_fn(2, 3, |i, j| (i + j) as f64);
    let mut out = Mat::<f64>::zeros(4, 3);
    s.adjoint_into(out.as_mut(), (1 << 49)..(1 << 49) + 4, x.as_ref(), Par::Seq).unwrap();
    assert!(out.norm_max() > 0.0);
}

/// The operators of one row, one column and one nonzero, and those with as many nonzeros as there
/// is room for.
#[test]
fn parameters_at_their_limits_work() {
    for (d, n) in [(1, 1), (1, 5), (5, 1), (4, 4), (1, MAX), (3, MAX)] {
        let high = n.min(4);
        let a = Mat::<f64>::from_fn(high, 2, |i, j| (1 + i + 2 * j) as f64);
        let mut families = families(d, n);
        if n < MAX {
            families.push(Distribution::LessUniform { vec_nnz: n });
        }
        for family in families {
            let s = family.operator::<f64>(d, n, 3).unwrap();
            // The last columns of S: every index is below n.
            let columns = n - high..n;
            let (mut out, mut back) = (Mat::<f64>::zeros(d, 2), Mat::<f64>::zeros(high, 2));
            s.accumulate(out.as_mut(), columns.clone(), a.as_ref().into(), Par::rayon(2)).unwrap();
            s.adjoint_into(back.as_mut(), columns, out.as_ref(), Par::rayon(2)).unwrap();
            let is_finite = |m: &Mat<f64>| m.col_iter().all(|c| c.iter().all(|x| x.is_finite()));
            assert!(is_finite(&out) && is_finite(&back), "{family:?} {d}×{n}");
        }
    }
}

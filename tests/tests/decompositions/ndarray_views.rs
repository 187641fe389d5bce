//! ndarray views in any memory order, without a copy.

use faer::{Mat, Par};
use ndarray::{Array2, ArrayView2, ShapeBuilder, s};
use panther_linalg::{
    CqrrptOptions, IntoFaer, IntoNdarray, LinalgError, PivotedQrOptions, RsvdOptions, Target, cqrrpt, pivoted_qr, rsvd,
};
use panther_tests::checks::{self, default_error, slack};
use panther_tests::matrices::{Family, Spectrum};
use panther_tests::measure::Reference;

const SHAPE: (usize, usize) = (150, 40);

fn matrix() -> Mat<f64> {
    Family::Spectrum(Spectrum::Polynomial(1.0)).matrix(SHAPE.0, SHAPE.1, 6)
}

/// Calls `f` with views of the same matrix: C order, Fortran order, every second row and third column of a larger array
/// that is NaN elsewhere, and back to front.
fn with_views(a: &Mat<f64>, f: impl Fn(&str, ArrayView2<'_, f64>)) {
    let entry = |(i, j): (usize, usize)| a[(i, j)];
    let (m, n) = a.shape();
    f("C order", Array2::from_shape_fn((m, n), entry).view());
    f("Fortran order", Array2::from_shape_fn((m, n).f(), entry).view());
    let mut sparse = Array2::from_elem((2 * m, 3 * n), f64::NAN);
    sparse.slice_mut(s![..;2, ..;3]).assign(&Array2::from_shape_fn((m, n), entry));
    f("slice", sparse.slice(s![..;2, ..;3]));
    let reversed = Array2::from_shape_fn((m, n), |(i, j)| a[(m - 1 - i, n - 1 - j)]);
    f("back to front", reversed.slice(s![..;-1, ..;-1]));
}

#[test]
fn views_are_the_same_memory() {
    let a = matrix();
    with_views(&a, |order, view| {
        let seen = view.into_faer();
        assert_eq!(seen.as_ptr(), view.as_ptr(), "{order}: a copy");
        assert_eq!(seen.to_owned(), a, "{order}");
        // The way back is for strides that are not negative.
        if view.strides().iter().all(|&stride| stride >= 0) {
            let back = seen.into_ndarray();
            assert_eq!((back.as_ptr(), back.strides()), (view.as_ptr(), view.strides()), "{order} and back");
        }
    });
}

#[test]
fn decompositions_take_any_order() {
    let a = matrix();
    let reference = Reference::new(a.as_ref());
    with_views(&a, |order, view| {
        let a = view.into_faer();
        let svd = rsvd(&a, Target::Rank(6), &RsvdOptions::default(), Par::Seq).unwrap();
        assert_eq!(checks::rsvd(&reference, &svd, 6, default_error(&reference, 6)), Ok(()), "rsvd, {order}");
        let by_sketch = cqrrpt(a, &CqrrptOptions::default(), Par::Seq).unwrap();
        assert_eq!(checks::pivoted_qr(&reference, &by_sketch, slack(&reference)), Ok(()), "cqrrpt, {order}");
        let by_blocks = pivoted_qr(a, &PivotedQrOptions::default(), Par::Seq).unwrap();
        assert_eq!(checks::pivoted_qr(&reference, &by_blocks, slack(&reference)), Ok(()), "pivoted_qr, {order}");
    });
}

#[test]
fn results_can_be_seen_as_ndarray() {
    let a = matrix();
    let svd = rsvd(&a, Target::Rank(40), &RsvdOptions::default(), Par::Seq).unwrap();
    let (u, v) = (svd.u.as_ref().into_ndarray(), svd.v.as_ref().into_ndarray());
    assert_eq!((u.dim(), v.dim()), ((SHAPE.0, 40), (SHAPE.1, 40)));
    let product = (&u * &ndarray::ArrayView1::from(&svd.s)).dot(&v.t());
    for ((i, j), &x) in product.indexed_iter() {
        // The promise for the norm holds for each entry; ‖A‖_F < 1.3.
        assert!((x - a[(i, j)]).abs() <= 50.0 * 150.0 * f64::EPSILON * 1.3, "entry ({i}, {j})");
    }
}

#[test]
fn a_nan_is_named_by_its_place_in_the_view() {
    let mut a = matrix();
    a[(70, 30)] = f64::NAN;
    with_views(&a, |order, view| {
        let error = rsvd(&view.into_faer(), Target::Rank(2), &RsvdOptions::default(), Par::Seq).err();
        assert!(matches!(error, Some(LinalgError::NonFinite { row: 70, column: 30, .. })), "{order}: {error:?}");
    });
}

//! Tests of every family's products against naive ones with its dense form.

use faer::prelude::ReborrowMut;
use faer::sparse::{SparseColMat, SparseRowMat, SymbolicSparseColMat, Triplet};
use faer::{Mat, MatRef, Par};

use panther_sketch::seed::mix;
use panther_sketch::{Distribution, Input, Real, SketchError, SketchOperator};

const FAMILIES: [Distribution; 6] = [
    Distribution::Gaussian,
    Distribution::Rademacher,
    Distribution::Uniform,
    Distribution::COUNT_SKETCH,
    Distribution::LessUniform { vec_nnz: 1 },
    Distribution::Srht,
];

/// Every family with every parameter that the shape allows.
fn families(d: usize, n: usize) -> Vec<Distribution> {
    let mut families = FAMILIES[..5].to_vec();
    if d <= n.next_power_of_two() {
        families.push(Distribution::Srht);
    }
    for vec_nnz in [2, 8, d] {
        if vec_nnz <= d {
            families.push(Distribution::SparseSign { vec_nnz });
        }
    }
    for vec_nnz in [3, 40] {
        if vec_nnz <= n {
            families.push(Distribution::LessUniform { vec_nnz });
        }
    }
    families
}

/// A matrix of values in (−1, 1).
fn matrix<T: Real>(rows: usize, columns: usize, seed: u64) -> Mat<T> {
    Mat::from_fn(rows, columns, |i, j| {
        let word = mix(seed << 32 | (1 + i * columns + j) as u64);
        T::from_f64((word >> 40) as f64 / f64::from(1 << 23) - 1.0)
    })
}

/// A·B in double precision, and |A|·|B|, which bounds the rounding with a little more for entries
/// of S that are sums of draws that cancel.
fn product<T: Real>(a: MatRef<'_, T>, b: MatRef<'_, T>) -> (Mat<f64>, Mat<f64>) {
    let sum = |f: fn(f64) -> f64| {
        Mat::from_fn(a.nrows(), b.ncols(), |i, j| {
            (0..a.ncols()).map(|k| f(a[(i, k)].to_f64() * b[(k, j)].to_f64())).sum()
        })
    };
    let largest = |m: MatRef<'_, T>| m.col_iter().flat_map(|c| c.iter()).fold(0.0, |x: f64, y| x.max(y.to_f64().abs()));
    let least = largest(a) * largest(b);
    let size = sum(f64::abs);
    (sum(|x| x), Mat::from_fn(a.nrows(), b.ncols(), |i, j| size[(i, j)].max(least)))
}

#[track_caller]
fn assert_close<T: Real>(got: MatRef<'_, T>, (expected, size): &(Mat<f64>, Mat<f64>), what: &str) {
    assert_eq!((got.nrows(), got.ncols()), (expected.nrows(), expected.ncols()), "{what}");
    for i in 0..got.nrows() {
        for j in 0..got.ncols() {
            let error = (got[(i, j)].to_f64() - expected[(i, j)]).abs();
            let bound = 40.0 * T::EPSILON.to_f64() * size[(i, j)];
            assert!(error <= bound, "{what} at ({i}, {j}): {error:e} above {bound:e}");
        }
    }
}

fn bytes<T: Real>(a: MatRef<'_, T>) -> Vec<u64> {
    (0..a.ncols()).flat_map(|j| (0..a.nrows()).map(move |i| a[(i, j)].to_f64().to_bits())).collect()
}

/// Every third entry of a matrix or so.
fn triplets<T: Real>(a: MatRef<'_, T>) -> Vec<Triplet<usize, usize, T>> {
    let mut triplets = Vec::new();
    for j in 0..a.ncols() {
        for i in (0..a.nrows()).filter(|i| (i * 7 + j * 3) % 11 < 3) {
            triplets.push(Triplet::new(i, j, a[(i, j)]));
        }
    }
    triplets
}

fn check_operator<T: Real>(family: Distribution, d: usize, n: usize, p: usize) {
    let what = format!("{family:?} {} {d}×{n}, {p} columns", T::NAME);
    let s = family.operator::<T>(d, n, 11).unwrap();
    assert_eq!((s.nrows(), s.ncols()), (d, n));
    let dense = s.to_dense().unwrap();
    let both = [Par::Seq, Par::rayon(2)];

    // Dense A: by columns, by rows, reversed (no stride is 1), and with rows between that belong to
    // another matrix.
    let a = matrix::<T>(n, p, 1);
    let rows = a.transpose().to_owned();
    let reversed = a.as_ref().reverse_rows_and_cols().to_owned();
    let wide = Mat::<T>::from_fn(n + 3, p + 1, |i, j| if i < n && j < p { a[(i, j)] } else { T::from_f64(f64::NAN) });
    let expected = product(dense.as_ref(), a.as_ref());
    let views =
        [a.as_ref(), rows.transpose(), reversed.as_ref().reverse_rows_and_cols(), wide.as_ref().submatrix(0, 0, n, p)];
    for view in views {
        let results = both.map(|par| s.left(view.into(), par).unwrap());
        assert_close(results[0].as_ref(), &expected, &what);
        assert_eq!(bytes(results[0].as_ref()), bytes(results[1].as_ref()), "{what}: threads");
        let right = both.map(|par| s.right(view.transpose().into(), par).unwrap());
        assert_close(right[0].transpose(), &expected, &what);
        assert_eq!(bytes(right[0].as_ref()), bytes(right[1].as_ref()), "{what}: threads, right");
    }

    // Sparse A, with an entry stored twice and lines out of order.
    let entries = triplets(a.as_ref());
    let csc = SparseColMat::<usize, T>::try_new_from_triplets(n, p, &entries).unwrap();
    let csr = SparseRowMat::<usize, T>::try_new_from_triplets(n, p, &entries).unwrap();
    let (starts, mut indices, mut values) = (csc.col_ptr().to_vec(), csc.row_idx().to_vec(), csc.val().to_vec());
    for line in starts.windows(2) {
        indices[line[0]..line[1]].reverse();
        values[line[0]..line[1]].reverse();
        if line[1] - line[0] >= 2 {
            indices[line[0] + 1] = indices[line[0]];
        }
    }
    let symbolic = SymbolicSparseColMat::new_unsorted_checked(n, p, starts, None, indices);
    let unsorted = SparseColMat::new(symbolic, values);
    for sparse in [Input::from(csc.as_ref()), Input::from(csr.as_ref()), Input::from(unsorted.as_ref())] {
        let full = match sparse {
            Input::Csc(a) => {
                let mut full = Mat::<T>::zeros(n, p);
                for t in a.triplet_iter() {
                    full[(t.row, t.col)] += *t.val;
                }
                full
            }
            Input::Csr(a) => a.to_dense(),
            Input::Dense(a) => a.to_owned(),
        };
        let expected = product(dense.as_ref(), full.as_ref());
        let results = both.map(|par| s.left(sparse, par).unwrap());
        assert_close(results[0].as_ref(), &expected, &what);
        assert_eq!(bytes(results[0].as_ref()), bytes(results[1].as_ref()), "{what}: threads, sparse");
        let right = both.map(|par| s.right(sparse.transpose(), par).unwrap());
        assert_close(right[0].transpose(), &expected, &what);
        assert_eq!(bytes(right[0].as_ref()), bytes(right[1].as_ref()), "{what}: threads, sparse right");
        // Row ranges of a sparse matrix come as dense views or as matrices of their own; the whole
        // range is enough here.
    }

    // The adjoint, into columns and into rows.
    let x = matrix::<T>(d, p, 2);
    let expected = product(dense.transpose(), x.as_ref());
    let results = both.map(|par| s.adjoint(x.as_ref(), par).unwrap());
    assert_close(results[0].as_ref(), &expected, &what);
    assert_eq!(bytes(results[0].as_ref()), bytes(results[1].as_ref()), "{what}: threads, adjoint");
    let x_rows = x.transpose().to_owned();
    let mut by_rows = Mat::<T>::from_fn(p, n, |_, _| T::from_f64(f64::NAN));
    s.adjoint_into(by_rows.as_mut().transpose_mut(), 0..n, x_rows.transpose(), Par::Seq).unwrap();
    assert_close(by_rows.transpose(), &expected, &what);
    assert_eq!(bytes(by_rows.transpose()), bytes(results[0].as_ref()), "{what}: layout of the adjoint");

    check_ranges(&*s, &dense, &a, &x, &what);
}

/// Products of column ranges add up, and the pieces of the adjoint are the whole.
fn check_ranges<T: Real>(s: &dyn SketchOperator<T>, dense: &Mat<T>, a: &Mat<T>, x: &Mat<T>, what: &str) {
    let (n, p) = (a.nrows(), a.ncols());
    let cuts = [0, n / 7, n / 3, n / 3, n / 2 + n / 5, n];
    let mut sum = Mat::<T>::zeros(s.nrows(), p);
    let mut adjoint = Mat::<T>::zeros(n, p);
    for cut in cuts.windows(2) {
        let (range, len) = (cut[0]..cut[1], cut[1] - cut[0]);
        s.accumulate(sum.as_mut(), range.clone(), a.as_ref().subrows(cut[0], len).into(), Par::rayon(2)).unwrap();
        let mut out = adjoint.as_mut();
        s.adjoint_into(out.rb_mut().subrows_mut(cut[0], len), range.clone(), x.as_ref(), Par::Seq).unwrap();
        // A block of rows of A as a sparse matrix.
        let block = a.as_ref().subrows(cut[0], len);
        let csr = SparseRowMat::<usize, T>::try_new_from_triplets(len, p, &triplets(block)).unwrap();
        let csc = csr.to_col_major().unwrap();
        let expected = product(dense.as_ref().subcols(cut[0], len), csr.to_dense().as_ref());
        for sparse in [Input::from(csr.as_ref()), Input::from(csc.as_ref())] {
            let mut part = Mat::<T>::zeros(s.nrows(), p);
            s.accumulate(part.as_mut(), range.clone(), sparse, Par::rayon(2)).unwrap();
            assert_close(part.as_ref(), &expected, what);
        }
    }
    assert_close(sum.as_ref(), &product(dense.as_ref(), a.as_ref()), what);
    assert_close(adjoint.as_ref(), &product(dense.transpose(), x.as_ref()), what);
}

#[test]
fn products_agree_with_the_dense_operator() {
    let sizes = [(1, 1), (1, 7), (2, 8), (7, 9), (8, 63), (9, 64), (63, 65), (64, 1000), (65, 1000), (65, 9), (130, 7)];
    for (k, (d, n)) in sizes.into_iter().enumerate() {
        for family in families(d, n) {
            let p = [1, 3, 8, 17][k % 4];
            check_operator::<f32>(family, d, n, p);
            check_operator::<f64>(family, d, n, p);
        }
    }
}

/// More rows than a panel has, and more draws than a block of them.
#[test]
fn products_of_tall_operators() {
    for family in [Distribution::Gaussian, Distribution::Rademacher, Distribution::Uniform] {
        check_operator::<f64>(family, 2100, 5, 2);
    }
    check_operator::<f64>(Distribution::LessUniform { vec_nnz: 9000 }, 5, 10_000, 2);
    check_operator::<f64>(Distribution::SparseSign { vec_nnz: 8 }, 100, 5000, 2);
    check_operator::<f32>(Distribution::Srht, 700, 3001, 20);
}

/// The width of the tile that a column lies in does not change its result.
#[test]
fn columns_do_not_depend_on_their_neighbors() {
    let a = matrix::<f32>(1000, 20, 3);
    for family in FAMILIES.into_iter().skip(3).chain([Distribution::SparseSign { vec_nnz: 8 }]) {
        let s = family.operator::<f32>(60, 1000, 5).unwrap();
        let whole = s.left(a.as_ref().into(), Par::Seq).unwrap();
        for width in [1, 2, 5, 9] {
            let part = s.left(a.as_ref().subcols(0, width).into(), Par::Seq).unwrap();
            assert_eq!(bytes(part.as_ref()), bytes(whole.as_ref().subcols(0, width)), "{family:?}, {width}");
        }
    }
}

#[test]
fn precisions_draw_the_same() {
    for (d, n) in [(64, 200), (33, 65)] {
        for family in families(d, n) {
            let single = family.operator::<f32>(d, n, 4).unwrap().to_dense().unwrap();
            let double = family.operator::<f64>(d, n, 4).unwrap().to_dense().unwrap();
            // Gaussians agree to 2⁻²⁰ before they are scaled; the rest is the rounding of the entry
            // itself.
            let absolute = if family == Distribution::Gaussian { 2.0_f64.powi(-20) / (d as f64).sqrt() } else { 0.0 };
            for i in 0..d {
                for j in 0..n {
                    let (x, y) = (f64::from(single[(i, j)]), double[(i, j)]);
                    let bound = absolute + 2.0 * f64::from(f32::EPSILON) * y.abs().max((1.0 / d as f64).sqrt() / 4.0);
                    assert!((x - y).abs() <= bound, "{family:?} ({i}, {j}): {x} and {y}");
                    assert_eq!(x == 0.0, y == 0.0);
                }
            }
        }
    }
}

/// A block of coordinates is drawn alike whatever n is, except by the families whose rule depends
/// on n.
#[test]
fn seeds_and_families_differ() {
    let dense =
        |family: Distribution, seed| bytes(family.operator::<f64>(8, 40, seed).unwrap().to_dense().unwrap().as_ref());
    for family in families(8, 40) {
        assert_eq!(dense(family, 1), dense(family, 1), "{family:?}");
        assert_ne!(dense(family, 1), dense(family, 2), "{family:?}");
    }
}

#[test]
fn bad_parameters_are_errors() {
    for family in FAMILIES {
        let error = |d, n| family.operator::<f64>(d, n, 0).err();
        assert_eq!(error(0, 5), Some(SketchError::Empty { argument: "d" }));
        assert_eq!(error(5, 0), Some(SketchError::Empty { argument: "n" }));
        let high = isize::MAX.cast_unsigned();
        let got = usize::MAX;
        assert_eq!(error(1, got), Some(SketchError::OutOfRange { argument: "n", low: 1, high, got }));
        assert_eq!(error(got, 1), Some(SketchError::OutOfRange { argument: "d", low: 1, high, got }));
    }
    let error = |family: Distribution| family.operator::<f32>(4, 6, 0).err();
    for vec_nnz in [0, 5] {
        let expected = SketchError::OutOfRange { argument: "vec_nnz", low: 1, high: 4, got: vec_nnz };
        assert_eq!(error(Distribution::SparseSign { vec_nnz }), Some(expected));
    }
    for vec_nnz in [0, 7] {
        let expected = SketchError::OutOfRange { argument: "vec_nnz", low: 1, high: 6, got: vec_nnz };
        assert_eq!(error(Distribution::LessUniform { vec_nnz }), Some(expected));
    }
    let expected = SketchError::OutOfRange { argument: "d", low: 1, high: 8, got: 9 };
    assert_eq!(Distribution::Srht.operator::<f32>(9, 6, 0).err(), Some(expected));
    assert!(Distribution::Srht.operator::<f32>(8, 6, 0).is_ok());
    // Operators far larger than memory are fine as long as nothing of their size is asked for.
    for family in FAMILIES {
        let s = family.operator::<f64>(2, 1 << 62, 1).unwrap();
        assert!(matches!(s.adjoint(Mat::zeros(2, 3).as_ref(), Par::Seq), Err(SketchError::OutOfMemory { .. })));
    }
}

#[test]
fn bad_shapes_are_errors() {
    let a = Mat::<f64>::zeros(6, 2);
    for family in FAMILIES {
        let s = family.operator::<f64>(4, 7, 0).unwrap();
        assert!(matches!(s.left(a.as_ref().into(), Par::Seq), Err(SketchError::Shape { argument: "a", .. })));
        assert!(matches!(s.right(a.as_ref().into(), Par::Seq), Err(SketchError::Shape { argument: "a", .. })));
        assert!(matches!(s.adjoint(a.as_ref(), Par::Seq), Err(SketchError::Shape { argument: "x", .. })));
        let mut out = Mat::zeros(5, 2);
        let mut accumulate = |columns| s.accumulate(out.as_mut(), columns, a.as_ref().into(), Par::Seq);
        assert!(matches!(accumulate(0..6), Err(SketchError::Shape { argument: "out", .. })));
        assert!(matches!(accumulate(2..8), Err(SketchError::OutOfRange { argument: "columns.end", .. })));
        #[allow(clippy::reversed_empty_ranges)]
        let backwards = 5..3;
        assert!(matches!(accumulate(backwards), Err(SketchError::OutOfRange { argument: "columns.start", .. })));
        let mut out = Mat::zeros(6, 2);
        let adjoint = s.adjoint_into(out.as_mut(), 0..7, Mat::zeros(4, 2).as_ref(), Par::Seq);
        assert!(matches!(adjoint, Err(SketchError::Shape { argument: "out", .. })));
        // No columns at all is a product like any other.
        let none = s.left(Mat::zeros(7, 0).as_ref().into(), Par::rayon(2)).unwrap();
        assert_eq!((none.nrows(), none.ncols()), (4, 0));
    }
}

//! The true error, in double precision, where it costs little.

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatRef, Par};
use panther_linalg::{Input, Real};

/// m·n·min(m, n) up to which a matrix is compared with the exact result: a second or two.
const CHEAP: f64 = 4e9;

/// The matrix, if it is dense, not zero, and small enough for a comparison.
pub fn comparable<T: Real>(a: Input<'_, T>, norm: f64) -> Option<MatRef<'_, T>> {
    let (m, n) = (a.nrows() as f64, a.ncols() as f64);
    match a {
        Input::Dense(a) if norm > 0.0 && m * n * m.min(n) <= CHEAP => Some(a),
        _ => None,
    }
}

/// ‖A − L·M‖_F / ‖A‖_F, with A by its entries and M divided by ‖A‖_F already, so that nothing overflows.
pub fn relative_error(entry: impl Fn(usize, usize) -> f64, norm: f64, l: &Mat<f64>, m: &Mat<f64>, par: Par) -> f64 {
    let mut residual = Mat::from_fn(l.nrows(), m.ncols(), |i, j| entry(i, j) / norm);
    matmul(residual.as_mut(), Accum::Add, l.as_ref(), m.as_ref(), -1.0, par);
    residual.norm_l2()
}

/// A matrix in double precision.
pub fn to_double<T: Real>(a: MatRef<'_, T>) -> Mat<f64> {
    Mat::from_fn(a.nrows(), a.ncols(), |i, j| a[(i, j)].to_f64())
}

//! Loops over the contiguous columns of matrices, and over slices, for the widest vectors that the machine has.

use faer::prelude::*;
use panther_sketch::Real;
pub(crate) use panther_sketch::simd::{dot, max_abs, sum_of_squares, vectorized};

use crate::kernels::{column, column_mut};

/// a = α·a, for an owned, column-major matrix.
pub(crate) fn scale_matrix<T: Real>(alpha: T, mut a: MatMut<'_, T>) {
    vectorized(
        #[inline(always)]
        || {
            for j in 0..a.ncols() {
                scale(alpha, column_mut(a.rb_mut(), j));
            }
        },
    );
}

/// Σ aᵢⱼ² in double precision, for an owned, column-major matrix.
pub(crate) fn squared_norm<T: Real>(a: MatRef<'_, T>) -> f64 {
    vectorized(
        #[inline(always)]
        || {
            let mut sum = 0.0;
            for j in 0..a.ncols() {
                sum += sum_of_squares(1.0, column(a, j));
            }
            sum
        },
    )
}

/// y += α·x.
#[inline(always)]
pub(crate) fn axpy<T: Real>(alpha: T, x: &[T], y: &mut [T]) {
    for (x, y) in x.iter().zip(y) {
        *y = alpha.mul_add(*x, *y);
    }
}

/// x = α·x.
#[inline(always)]
pub(crate) fn scale<T: Real>(alpha: T, x: &mut [T]) {
    for x in x {
        *x *= alpha;
    }
}

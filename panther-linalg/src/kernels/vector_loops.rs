//! Loops over the contiguous columns of matrices, and over slices, for the widest vectors that the machine has.

use faer::prelude::*;
use panther_sketch::Real;
use panther_sketch::simd;
pub(crate) use panther_sketch::simd::{dot, max_abs, vectorized};

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

/// Squares that are summed without compensation.
const BLOCK: usize = 4096;

/// A sum in double precision that keeps the rounding errors of its additions (Knuth's two-sum).
#[derive(Default)]
struct CompensatedSum {
    sum: f64,
    lost: f64,
}

impl CompensatedSum {
    #[inline(always)]
    fn add(&mut self, term: f64) {
        let next = self.sum + term;
        let added = next - self.sum;
        self.lost += (self.sum - (next - added)) + (term - added);
        self.sum = next;
    }

    #[inline(always)]
    fn total(&self) -> f64 {
        self.sum + self.lost
    }
}

/// Σ (α·xᵢ)² in double precision, with an error that does not grow with the length.
#[inline(always)]
pub(crate) fn sum_of_squares<T: Real>(alpha: f64, x: &[T]) -> f64 {
    if x.len() <= BLOCK {
        return simd::sum_of_squares(alpha, x);
    }
    let mut sum = CompensatedSum::default();
    for x in x.chunks(BLOCK) {
        sum.add(simd::sum_of_squares(alpha, x));
    }
    sum.total()
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

//! Numerator over denominator, and the backward pass through the division.

use faer::{Mat, MatMut};
use panther_sketch::simd::vectorized;

use crate::Scalar;
use crate::cpu::linear_attention::favor_features::{FeatureMap, dot};
use crate::cpu::linear_attention::{CHUNK, Output, column, column_mut};

/// 1/denominator, and 0 where that counts as zero.
fn inverse<T: Scalar>(denominator: T) -> T {
    if denominator >= FeatureMap::<T>::least_denominator() { T::ONE / denominator } else { T::ZERO }
}

/// y = numerator/denominator in place, a column for each denominator.
pub(super) fn divide<T: Scalar>(mut numerators: MatMut<'_, T>, denominators: &[T]) {
    for (i, denominator) in denominators.iter().enumerate() {
        let (inverse, y) = (inverse(*denominator), column_mut(numerators.as_mut(), i));
        vectorized(|| y.iter_mut().for_each(|y| *y = if inverse > T::ZERO { *y * inverse } else { T::ZERO }));
    }
}

/// The gradients by the numerators and, with the other sign, by the denominators of a chunk.
pub(super) struct QuotientGradient<T: Scalar> {
    /// dy/denominator, d×chunk.
    pub numerators: Mat<T>,
    /// dy·y/denominator.
    pub denominators: Vec<T>,
}

impl<T: Scalar> QuotientGradient<T> {
    pub fn room(d: usize) -> Self {
        Self { numerators: Mat::zeros(d, CHUNK), denominators: vec![T::ZERO; CHUNK] }
    }

    /// For the positions from `start` on, one for each denominator.
    pub fn compute(&mut self, output: &Output<'_, T>, start: usize, denominators: &[T]) {
        for (i, denominator) in denominators.iter().enumerate() {
            let (y, dy) = (column(output.y, start + i), column(output.dy, start + i));
            let (inverse, out) = (inverse(*denominator), self.numerators.col_as_slice_mut(i));
            self.denominators[i] = vectorized(|| {
                out.iter_mut().zip(dy).for_each(|(out, dy)| *out = inverse * *dy);
                dot(y, out)
            });
        }
    }
}

//! Sums over positions of features times vectors.

use faer::{Accum, Mat, MatRef, Par};
use panther_sketch::product;
use panther_sketch::simd::vectorized;

use crate::Scalar;
use crate::cpu::linear_attention::column;

/// Σⱼ fⱼ·wⱼ (m) and Σⱼ fⱼ·xⱼᵀ (m×d), with features f that are e^base times too small.
#[derive(Debug)]
pub(super) struct State<T: Scalar> {
    pub base: Vec<T>,
    pub weights: Vec<T>,
    pub vectors: Mat<T>,
}

impl<T: Scalar> State<T> {
    /// The sum of nothing.
    pub fn new(base: Vec<T>, d: usize) -> Self {
        let m = base.len();
        Self { base, weights: vec![T::ZERO; m], vectors: Mat::zeros(m, d) }
    }

    /// Goes over to another base.
    pub fn rebase(&mut self, base: &[T]) {
        let mut factors = vec![T::ZERO; base.len()];
        let old = &mut self.base;
        vectorized(|| {
            for ((factor, old), new) in factors.iter_mut().zip(&mut *old).zip(base) {
                *factor = (*old - *new).exp();
                *old = *new;
            }
        });
        if factors.iter().all(|factor| *factor == T::ONE) {
            return;
        }
        let Self { weights, vectors, .. } = self;
        vectorized(|| weights.iter_mut().zip(&factors).for_each(|(x, factor)| *x *= *factor));
        for j in 0..vectors.ncols() {
            let sums = vectors.col_as_slice_mut(j);
            vectorized(|| sums.iter_mut().zip(&factors).for_each(|(x, factor)| *x *= *factor));
        }
    }

    /// Adds positions: features m×n, vectors d×n, weights n.
    pub fn add(&mut self, features: MatRef<'_, T>, vectors: MatRef<'_, T>, weights: &[T]) {
        product(self.vectors.as_mut(), Accum::Add, features, vectors.transpose(), T::ONE, Par::Seq);
        let sums = &mut self.weights;
        vectorized(|| {
            for (j, weight) in weights.iter().enumerate() {
                let features = column(features, j);
                sums.iter_mut().zip(features).for_each(|(sum, f)| *sum += *weight * *f);
            }
        });
    }
}

//! What a method works on, and what it gives.

use faer::{Mat, MatRef, Par};

use crate::Scalar;
use crate::convert::weight::DenseWeight;

/// What a method works on.
pub struct Problem<'a, T: Scalar> {
    pub weight: &'a DenseWeight<T>,
    pub inputs: Option<MatRef<'a, T>>,
    pub num_terms: usize,
    pub low_rank: usize,
    /// Tk.
    pub half: usize,
    pub seed: u64,
    pub par: Par,
}

impl<T: Scalar> Problem<'_, T> {
    /// Rows of E whose factors U1 are frozen: half of them, but all of a convolution's.
    pub fn frozen_up(&self) -> usize {
        if self.weight.is_convolution() { 2 * self.half } else { self.half }
    }

    /// 2T.
    pub fn count(&self) -> T {
        T::from_f64(2.0 * self.num_terms as f64)
    }
}

/// D, d_in×2Tk, and E, 2Tk×d_out.
pub type Pair<T> = (Mat<T>, Mat<T>);

//! Using low-rank approximations: reconstruction, truncation, products with vectors, residuals.

use faer::Accum;
use faer::prelude::*;
use panther_sketch::{Real, product};

use crate::operator::linear_operator::check_shape;
use crate::operator::{Scaled, exponent_of, scaled_back};
use crate::{LinalgError, LinearOperator, Qb, Rsvd};

/// Residual norms of one singular triplet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TripletResidual {
    /// ‖A·v − σ·u‖₂.
    pub right: f64,
    /// ‖Aᵀ·u − σ·v‖₂.
    pub left: f64,
}

impl<T: Real> Rsvd<T> {
    /// U Σ Vᵀ, m×n. 2mnk operations.
    #[must_use]
    pub fn reconstruct(&self) -> Mat<T> {
        times(self.scaled(self.u.as_ref()).as_ref(), self.v.transpose(), Par::Seq)
    }

    /// The leading k triplets. The error bound grows by what is cut off.
    ///
    /// # Errors
    /// [`LinalgError::OutOfRange`] if there are fewer than k triplets.
    pub fn truncate(mut self, k: usize) -> Result<Self, LinalgError> {
        let triplets = self.s.len();
        if k > triplets {
            return Err(LinalgError::OutOfRange { argument: "k", low: 0, high: triplets, got: k });
        }
        let cut_off = self.s[k..].iter().fold(0.0, |norm: f64, s| norm.hypot(s.to_f64()));
        self.error_estimate = self.error_estimate.hypot(cut_off);
        self.u = self.u.subcols(0, k).to_owned();
        self.v = self.v.subcols(0, k).to_owned();
        self.s.truncate(k);
        self.rank = self.rank.min(k);
        // The tolerance was that of all triplets.
        self.tolerance_met = self.tolerance_met.filter(|_| k == triplets);
        Ok(self)
    }

    /// U Σ Vᵀ·X for X n×l: m×l. 2(m + n)kl operations.
    ///
    /// # Errors
    /// [`LinalgError::Shape`] if X does not have n rows.
    pub fn apply(&self, x: MatRef<'_, T>, par: Par) -> Result<Mat<T>, LinalgError> {
        check_shape("UΣVᵀ·X", "x", (self.v.nrows(), x.ncols()), x.shape())?;
        Ok(times(self.u.as_ref(), self.scaled(times(self.v.transpose(), x, par).transpose()).transpose(), par))
    }

    /// (U Σ Vᵀ)ᵀ·X for X m×l: n×l. 2(m + n)kl operations.
    ///
    /// # Errors
    /// [`LinalgError::Shape`] if X does not have m rows.
    pub fn apply_adjoint(&self, x: MatRef<'_, T>, par: Par) -> Result<Mat<T>, LinalgError> {
        check_shape("(UΣVᵀ)ᵀ·X", "x", (self.u.nrows(), x.ncols()), x.shape())?;
        Ok(times(self.v.as_ref(), self.scaled(times(self.u.transpose(), x, par).transpose()).transpose(), par))
    }

    /// The residuals of every triplet, from one product with A and one with Aᵀ, rounding included.
    ///
    /// # Errors
    /// [`LinalgError::Shape`] if A is not m×n, [`LinalgError::NonFinite`] in a product.
    pub fn residuals<A: LinearOperator<T> + ?Sized>(
        &self,
        a: &A,
        par: Par,
    ) -> Result<Vec<TripletResidual>, LinalgError> {
        let expected = (self.u.nrows(), self.v.nrows());
        check_shape("residuals", "a", expected, (a.nrows(), a.ncols()))?;
        // Scaled by σ₁, so that no square over- or underflows.
        let largest = self.s.first().map_or(0.0, |s| s.to_f64());
        let exponent = if largest > 0.0 { exponent_of(largest) } else { 0 };
        let scaled = Scaled::new(a, exponent);
        let right = scaled.apply("A·V", self.v.as_ref(), par)?;
        let left = scaled.apply_adjoint("Aᵀ·U", self.u.as_ref(), par)?;
        let norm = |product: &Mat<T>, vectors: &Mat<T>, i: usize| {
            let sigma = scaled_back(self.s[i].to_f64(), -exponent);
            let entries = product.col(i).iter().zip(vectors.col(i).iter());
            let sum: f64 = entries.map(|(p, x)| (p.to_f64() - sigma * x.to_f64()).powi(2)).sum();
            scaled_back(sum.sqrt(), exponent)
        };
        let residual = |i| TripletResidual { right: norm(&right, &self.u, i), left: norm(&left, &self.v, i) };
        Ok((0..self.s.len()).map(residual).collect())
    }

    /// X·Σ for X with k columns.
    fn scaled(&self, x: MatRef<'_, T>) -> Mat<T> {
        Mat::from_fn(x.nrows(), x.ncols(), |i, j| x[(i, j)] * self.s[j])
    }
}

impl<T: Real> Qb<Mat<T>> {
    /// Q·B, m×n. 2mnl operations.
    #[must_use]
    pub fn reconstruct(&self) -> Mat<T> {
        times(self.q.as_ref(), self.b.as_ref(), Par::Seq)
    }

    /// Q·B·X for X n×p: m×p.
    ///
    /// # Errors
    /// [`LinalgError::Shape`] if X does not have n rows.
    pub fn apply(&self, x: MatRef<'_, T>, par: Par) -> Result<Mat<T>, LinalgError> {
        check_shape("QB·X", "x", (self.b.ncols(), x.ncols()), x.shape())?;
        Ok(times(self.q.as_ref(), times(self.b.as_ref(), x, par).as_ref(), par))
    }
}

fn times<T: Real>(a: MatRef<'_, T>, b: MatRef<'_, T>, par: Par) -> Mat<T> {
    let mut out = Mat::zeros(a.nrows(), b.ncols());
    product(out.as_mut(), Accum::Replace, a, b, T::ONE, par);
    out
}

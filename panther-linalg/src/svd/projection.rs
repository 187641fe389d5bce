//! A seen through two orthonormal bases that grow block by block: the state of every range finder.
//!
//! Q spans part of the range of A, W the range of AᵀQ, and T is small: AᵀQ = W·T, so that A ≈ QQᵀA = Q·Tᵀ·Wᵀ. The SVD of
//! Tᵀ is that of QᵀA; it needs neither a product with A nor a QR of QᵀA.

use faer::prelude::*;
use panther_sketch::seed::{Purpose, derive};
use panther_sketch::{Distribution, Real};

use crate::operator::Scaled;
use crate::qr::orthonormalize::{append, orthonormalize_against};
use crate::{LinalgError, LinearOperator};

/// A scaled to ‖A‖_F of about one or more, its bases and the count of the products they cost.
pub(crate) struct Projection<'a, T, A: ?Sized> {
    pub(crate) a: Scaled<'a, A>,
    /// m×K.
    pub(crate) q: Mat<T>,
    /// n×L, L ≤ K.
    pub(crate) w: Mat<T>,
    /// L×K.
    pub(crate) t: Mat<T>,
    /// Length below which a direction is rounding errors.
    pub(crate) tolerance: f64,
    pub(crate) passes: usize,
    pub(crate) product_columns: usize,
    distribution: Distribution,
    pub(crate) seed: u64,
    draws: u64,
    pub(crate) par: Par,
}

impl<'a, T: Real, A: LinearOperator<T> + ?Sized> Projection<'a, T, A> {
    /// Empty bases.
    pub(crate) fn new(a: Scaled<'a, A>, frobenius: f64, distribution: Distribution, seed: u64, par: Par) -> Self {
        let (m, n) = (a.operator.nrows(), a.operator.ncols());
        let tolerance = 4.0 * (m.max(n) as f64).sqrt() * T::EPSILON.to_f64() * frobenius;
        Self {
            q: Mat::zeros(m, 0),
            w: Mat::zeros(n, 0),
            t: Mat::zeros(0, 0),
            a,
            tolerance,
            passes: 0,
            product_columns: 0,
            distribution,
            seed,
            draws: 0,
            par,
        }
    }

    /// Makes room for `columns` columns.
    pub(crate) fn reserve(&mut self, columns: usize) {
        self.q.reserve(self.q.nrows(), columns);
        self.w.reserve(self.w.nrows(), columns);
    }

    /// The bases without columns, for a fresh start with the same draws; counts go on.
    pub(crate) fn restart(&mut self) {
        self.q = Mat::zeros(self.q.nrows(), 0);
        self.w = Mat::zeros(self.w.nrows(), 0);
        self.t = Mat::zeros(0, 0);
        self.draws = 0;
    }

    /// A·Ωᵀ for a fresh Ω of `columns` rows.
    pub(crate) fn sample(&mut self, columns: usize) -> Result<Mat<T>, LinalgError> {
        self.sample_from(self.distribution, columns)
    }

    /// A·Ωᵀ for a fresh Ω, and for a Gaussian one of `verification` rows, whatever the family of Ω: two columns of A that
    /// share a bucket of one CountSketch might share one of the next.
    pub(crate) fn sample_and_verification(
        &mut self,
        columns: usize,
        verification: usize,
    ) -> Result<(Mat<T>, Mat<T>), LinalgError> {
        if verification == 0 {
            return Ok((self.sample(columns)?, Mat::zeros(self.q.nrows(), 0)));
        }
        if self.distribution == Distribution::Gaussian {
            // One pass serves both.
            let both = self.sample(columns + verification)?;
            let (samples, fresh) = both.as_ref().split_at_col(columns);
            return Ok((samples.to_owned(), fresh.to_owned()));
        }
        Ok((self.sample(columns)?, self.sample_from(Distribution::Gaussian, verification)?))
    }

    fn sample_from(&mut self, distribution: Distribution, columns: usize) -> Result<Mat<T>, LinalgError> {
        let seed = derive(self.seed, Purpose::Sample, self.draws);
        self.draws += 1;
        let n = self.a.operator.ncols();
        let omega = clamped_to_shape(distribution, columns, n).operator::<T>(columns, n, seed)?;
        self.count(columns);
        self.a.sketch("A·Ω", omega.as_ref(), self.par)
    }

    /// A·X.
    pub(crate) fn apply(&mut self, x: MatRef<'_, T>) -> Result<Mat<T>, LinalgError> {
        self.count(x.ncols());
        self.a.apply("A·X", x, self.par)
    }

    /// Aᵀ·X.
    pub(crate) fn apply_adjoint(&mut self, x: MatRef<'_, T>) -> Result<Mat<T>, LinalgError> {
        self.count(x.ncols());
        self.a.apply_adjoint("Aᵀ·X", x, self.par)
    }

    /// Counts one pass over A with so many vectors.
    pub(crate) fn count(&mut self, columns: usize) {
        self.passes += 1;
        self.product_columns += columns;
    }

    /// An orthonormal basis of the part of `y`, in the range of A, that is orthogonal to Q.
    pub(crate) fn new_directions(&self, y: Mat<T>) -> Result<Mat<T>, LinalgError> {
        Ok(orthonormalize_against(self.q.as_ref(), y, self.tolerance, self.seed, self.par)?.q)
    }

    /// Adds the new directions of `y` to Q; returns their number.
    pub(crate) fn extend_q(&mut self, y: Mat<T>) -> Result<usize, LinalgError> {
        let new = self.new_directions(y)?;
        append(&mut self.q, new.as_ref());
        Ok(new.ncols())
    }

    /// Brings W and T up to date with Q; returns the columns that are new in W.
    pub(crate) fn extend_w(&mut self) -> Result<Mat<T>, LinalgError> {
        let nothing = Mat::zeros(self.q.nrows(), 0);
        Ok(self.extend_w_beside(nothing.as_ref())?.0)
    }

    /// As [`extend_w`](Self::extend_w), with Aᵀ·`companion` from the same pass, orthonormalized against W.
    pub(crate) fn extend_w_beside(&mut self, companion: MatRef<'_, T>) -> Result<(Mat<T>, Mat<T>), LinalgError> {
        let (k, l) = (self.q.ncols(), self.t.ncols());
        let mut both = self.q.as_ref().subcols(l, k - l).to_owned();
        append(&mut both, companion);
        let image = self.apply_adjoint(both.as_ref())?;
        let (z, beside) = image.as_ref().split_at_col(k - l);
        let new = orthonormalize_against(self.w.as_ref(), z.to_owned(), self.tolerance, self.seed, self.par)?;
        let (rows, added) = (self.w.ncols(), new.q.ncols());
        append(&mut self.w, new.q.as_ref());
        self.t.resize_with(rows + added, k, |_, _| T::ZERO);
        self.t.as_mut().submatrix_mut(0, l, rows, k - l).copy_from(&new.coefficients);
        self.t.as_mut().submatrix_mut(rows, l, added, k - l).copy_from(&new.r);
        let beside = orthonormalize_against(self.w.as_ref(), beside.to_owned(), self.tolerance, self.seed, self.par)?;
        Ok((new.q, beside.q))
    }

    /// No more than min(m, n) directions can be had.
    pub(crate) fn is_full(&self) -> bool {
        self.q.ncols() >= self.q.nrows().min(self.w.nrows())
    }
}

/// The family for a d×n operator: a column of d entries has no room for more than d nonzeros, nor a row for more than n.
#[must_use]
pub fn clamped_to_shape(distribution: Distribution, d: usize, n: usize) -> Distribution {
    match distribution {
        Distribution::SparseSign { vec_nnz } => Distribution::SparseSign { vec_nnz: vec_nnz.min(d) },
        Distribution::LessUniform { vec_nnz } => Distribution::LessUniform { vec_nnz: vec_nnz.min(n) },
        other => other,
    }
}

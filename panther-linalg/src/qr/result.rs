//! Results of the QR decompositions.

use std::fmt;
use std::marker::PhantomData;

use faer::Accum;
use faer::prelude::*;
use panther_sketch::{Real, product};

use crate::LinalgError;
use crate::kernels::inner_product;

/// A = Q R. `M` is the type of the matrices, on the CPU faer's.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(
    feature = "serde",
    serde(bound(
        serialize = "M: crate::stored_matrix::StoredMatrix",
        deserialize = "M: crate::stored_matrix::StoredMatrix"
    ))
)]
pub struct ThinQr<T, M = Mat<T>> {
    /// Orthonormal columns, m×n.
    #[cfg_attr(feature = "serde", serde(with = "crate::stored_matrix"))]
    pub q: M,
    /// Upper triangular, n×n.
    #[cfg_attr(feature = "serde", serde(with = "crate::stored_matrix"))]
    pub r: M,
    /// The type of the entries.
    pub scalar: PhantomData<T>,
}

/// The method that a pivoted QR had to fall back to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum QrFallback {
    /// None: one Cholesky pass was enough.
    None,
    /// A second Cholesky pass.
    CholeskyQr2,
    /// Shifted Cholesky QR, two passes or more.
    ShiftedCholeskyQr3,
    /// Householder QR of the preconditioned matrix.
    Householder,
    /// The blocked randomized pivoted QR of A itself, which [`cqrrpt`](crate::cqrrpt()) takes for wide and square
    /// input, and where the sketches were unlucky.
    PivotedQr,
}

impl fmt::Display for QrFallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::CholeskyQr2 => "cholesky-qr2",
            Self::ShiftedCholeskyQr3 => "shifted-cholesky-qr3",
            Self::Householder => "householder",
            Self::PivotedQr => "pivoted-qr",
        })
    }
}

/// A\[:, P\] ≈ Q R. `M` is the type of the matrices, on the CPU faer's.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(
    feature = "serde",
    serde(bound(
        serialize = "M: crate::stored_matrix::StoredMatrix",
        deserialize = "M: crate::stored_matrix::StoredMatrix"
    ))
)]
pub struct PivotedQr<T, M = Mat<T>> {
    /// Orthonormal columns, m×rank.
    #[cfg_attr(feature = "serde", serde(with = "crate::stored_matrix"))]
    pub q: M,
    /// Upper triangular (trapezoidal if rank < n), rank×n, zeros stored below the diagonal.
    #[cfg_attr(feature = "serde", serde(with = "crate::stored_matrix"))]
    pub r: M,
    /// P: column j of QR is column `permutation[j]` of A.
    pub permutation: Vec<usize>,
    /// Numerical rank. The residual of the columns left out is at most `rank_tolerance`·‖A‖_F from
    /// [`pivoted_qr`](crate::pivoted_qr()), and four times that from [`cqrrpt`](crate::cqrrpt()), which chooses them by a
    /// sketch.
    pub rank: usize,
    /// ‖A\[:, P\] − QR‖_F is at most this, but for [`failure_probability`](Self::failure_probability).
    pub error_estimate: f64,
    /// Probability, over the random vectors that measured it, that the true error exceeds the estimate.
    pub failure_probability: f64,
    /// ‖A‖_F.
    pub norm: f64,
    /// ‖QᵀQ − I‖_F: computed up to 32 columns, beyond estimated from random vectors (unbiased in the square).
    pub orthogonality: f64,
    /// Sketches drawn: of A by [`cqrrpt`](crate::cqrrpt()), of trailing matrices by
    /// [`pivoted_qr`](crate::pivoted_qr()).
    pub sketches: usize,
    /// Passes over A, as counted: each reading of its norm, for a sketch, for copies of columns (all of them, or those
    /// kept and those dropped), and for the measured error.
    pub passes: usize,
    /// The method that was fallen back to.
    pub fallback: QrFallback,
    /// The type of the entries.
    pub scalar: PhantomData<T>,
}

impl<T: Real> ThinQr<T> {
    /// Q·R, m×n.
    pub fn reconstruct(&self, par: Par) -> Mat<T> {
        multiplied(self.q.as_ref(), self.r.as_ref(), par)
    }

    /// Q·X for X n×s, m×s.
    ///
    /// # Errors
    /// [`LinalgError::Shape`] if X does not have n rows.
    pub fn apply_q(&self, x: MatRef<'_, T>, par: Par) -> Result<Mat<T>, LinalgError> {
        apply_q(self.q.as_ref(), x, par)
    }

    /// Qᵀ·X for X m×s, n×s.
    ///
    /// # Errors
    /// [`LinalgError::Shape`] if X does not have m rows.
    pub fn apply_q_transpose(&self, x: MatRef<'_, T>, par: Par) -> Result<Mat<T>, LinalgError> {
        apply_q_transpose(self.q.as_ref(), x, par)
    }
}

impl<T: Real> PivotedQr<T> {
    /// Q·R·Pᵀ ≈ A, m×n: the columns in the order of A.
    pub fn reconstruct(&self, par: Par) -> Mat<T> {
        let pivoted = multiplied(self.q.as_ref(), self.r.as_ref(), par);
        let mut a = Mat::zeros(pivoted.nrows(), pivoted.ncols());
        for (from, &to) in self.permutation.iter().enumerate() {
            a.col_mut(to).copy_from(pivoted.col(from));
        }
        a
    }

    /// The factorization of rank `k`: the first k columns of Q and rows of R. The error estimate grows by the norm of the
    /// rows left out.
    ///
    /// # Errors
    /// [`LinalgError::OutOfRange`] if `k` is above [`rank`](Self::rank).
    pub fn truncate(&self, k: usize) -> Result<Self, LinalgError> {
        if k > self.rank {
            return Err(LinalgError::OutOfRange { argument: "k", low: 0, high: self.rank, got: k });
        }
        let left_out = self.r.as_ref().subrows(k, self.rank - k).norm_l2().to_f64();
        Ok(Self {
            q: self.q.as_ref().subcols(0, k).to_owned(),
            r: self.r.as_ref().subrows(0, k).to_owned(),
            permutation: self.permutation.clone(),
            rank: k,
            error_estimate: self.error_estimate + left_out,
            ..*self
        })
    }

    /// Q·X for X rank×s, m×s.
    ///
    /// # Errors
    /// [`LinalgError::Shape`] if X does not have as many rows as Q has columns.
    pub fn apply_q(&self, x: MatRef<'_, T>, par: Par) -> Result<Mat<T>, LinalgError> {
        apply_q(self.q.as_ref(), x, par)
    }

    /// Qᵀ·X for X m×s, rank×s.
    ///
    /// # Errors
    /// [`LinalgError::Shape`] if X does not have m rows.
    pub fn apply_q_transpose(&self, x: MatRef<'_, T>, par: Par) -> Result<Mat<T>, LinalgError> {
        apply_q_transpose(self.q.as_ref(), x, par)
    }
}

fn multiplied<T: Real>(a: MatRef<'_, T>, b: MatRef<'_, T>, par: Par) -> Mat<T> {
    let mut out = Mat::zeros(a.nrows(), b.ncols());
    product(out.as_mut(), Accum::Replace, a, b, T::ONE, par);
    out
}

fn with_rows<T>(operation: &'static str, x: MatRef<'_, T>, rows: usize) -> Result<(), LinalgError> {
    if x.nrows() == rows {
        return Ok(());
    }
    Err(LinalgError::Shape { operation, argument: "x", expected: (rows, x.ncols()), got: x.shape() })
}

fn apply_q<T: Real>(q: MatRef<'_, T>, x: MatRef<'_, T>, par: Par) -> Result<Mat<T>, LinalgError> {
    with_rows("apply_q", x, q.ncols())?;
    Ok(multiplied(q, x, par))
}

fn apply_q_transpose<T: Real>(q: MatRef<'_, T>, x: MatRef<'_, T>, par: Par) -> Result<Mat<T>, LinalgError> {
    with_rows("apply_q_transpose", x, q.nrows())?;
    Ok(inner_product(q, x, par))
}

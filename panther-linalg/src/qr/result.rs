//! Results of the QR decompositions.

use std::fmt;

use faer::Mat;

/// A = Q R.
#[derive(Clone, Debug)]
pub struct ThinQr<T> {
    /// Orthonormal columns, m×n.
    pub q: Mat<T>,
    /// Upper triangular, n×n.
    pub r: Mat<T>,
}

/// What a pivoted QR had to fall back to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum QrFallback {
    /// Nothing: one Cholesky pass was enough.
    None,
    /// A second Cholesky pass.
    CholeskyQr2,
    /// Shifted Cholesky QR, three passes.
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

/// A\[:, P\] ≈ Q R.
#[derive(Clone, Debug)]
pub struct PivotedQr<T> {
    /// Orthonormal columns, m×rank.
    pub q: Mat<T>,
    /// Upper triangular (trapezoidal if rank < n), rank×n, zeros stored below the diagonal.
    pub r: Mat<T>,
    /// P: column j of QR is column `permutation[j]` of A.
    pub permutation: Vec<usize>,
    /// Numerical rank: the columns left out have a residual of at most the rank tolerance.
    pub rank: usize,
    /// ‖A\[:, P\] − QR‖_F is at most this, but for [`failure_probability`](Self::failure_probability).
    pub error_estimate: f64,
    /// Probability, over the random vectors that measured it, that the true error exceeds the estimate.
    pub failure_probability: f64,
    /// ‖A‖_F.
    pub norm: f64,
    /// ‖QᵀQ − I‖_F, estimated from random vectors (unbiased in the square).
    pub orthogonality: f64,
    /// How many sketches were drawn: more than one when the first was unlucky.
    pub sketches: usize,
    /// Passes over A: reading its norm, sketching it, gathering its columns, measuring the error.
    pub passes: usize,
    /// What was fallen back to.
    pub fallback: QrFallback,
}

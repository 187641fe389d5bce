//! What a decomposition returns, and what it says about itself.

use std::fmt;

use faer::Mat;

/// Where ‖A‖_F came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NormSource {
    /// Summed over the entries, or given by the operator.
    Exact,
    /// Estimated from products with random vectors: the operator is matrix-free and gave none.
    Estimated,
}

/// How a truncated SVD was come by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RsvdPath {
    /// From a basis that the range finder built.
    Randomized,
    /// As [`Randomized`](Self::Randomized), and a fresh block of random vectors showed that the basis missed something
    /// (singular values of high multiplicity), so more was added.
    Replenished,
    /// The basis would have been as large as the smaller side of A: the exact SVD was cheaper.
    Exact,
    /// A is zero.
    Zero,
}

impl fmt::Display for RsvdPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Randomized => "none",
            Self::Replenished => "replenished",
            Self::Exact => "exact-svd",
            Self::Zero => "zero-matrix",
        })
    }
}

/// A ≈ U Σ Vᵀ. U is m×k and V n×k with orthonormal columns, σ descends; in each column of U the entry of largest
/// magnitude (the first of equals) is positive.
#[derive(Clone, Debug)]
pub struct Rsvd<T> {
    /// Left singular vectors, m×k.
    pub u: Mat<T>,
    /// Singular values, k of them, descending.
    pub s: Vec<T>,
    /// Right singular vectors, n×k (not transposed).
    pub v: Mat<T>,
    /// How many of the k singular values exceed max(m, n)·ε·σ₁: the numerical rank, as far as k sees it.
    pub rank: usize,
    /// ‖A − UΣVᵀ‖_F is at most this, but for [`failure_probability`](Self::failure_probability).
    pub error_estimate: f64,
    /// Probability, over the random vectors that measured it, that the true error exceeds the estimate; 0 where the
    /// estimate is ‖A‖² − ‖Σ‖², which needs no random vectors.
    pub failure_probability: f64,
    /// ‖A‖_F.
    pub norm: f64,
    /// Whether [`norm`](Self::norm) is exact.
    pub norm_source: NormSource,
    /// For [`Target::Tolerance`](crate::Target::Tolerance): whether the estimate is within it.
    pub tolerance_met: Option<bool>,
    /// Passes over A: products with A or Aᵀ of one vector or many. Summing the norm of a stored matrix is not counted.
    pub passes: usize,
    /// Vectors multiplied by A or Aᵀ, all passes together.
    pub product_columns: usize,
    /// Which way led here.
    pub path: RsvdPath,
    /// max(‖UᵀU − I‖_F, ‖VᵀV − I‖_F), measured.
    pub orthogonality: f64,
}

/// A ≈ Q B with orthonormal Q.
#[derive(Clone, Debug)]
pub struct Qb<T> {
    /// Orthonormal basis, m×l.
    pub q: Mat<T>,
    /// QᵀA, l×n.
    pub b: Mat<T>,
    /// ‖A − QB‖_F is at most this, but for [`failure_probability`](Self::failure_probability).
    pub error_estimate: f64,
    /// As in [`Rsvd`].
    pub failure_probability: f64,
    /// ‖A‖_F.
    pub norm: f64,
    /// Whether [`norm`](Self::norm) is exact.
    pub norm_source: NormSource,
    /// For a tolerance: whether the estimate is within it.
    pub tolerance_met: Option<bool>,
    /// Passes over A.
    pub passes: usize,
}

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

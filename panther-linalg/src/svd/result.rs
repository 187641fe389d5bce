//! Results of the low-rank decompositions.

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

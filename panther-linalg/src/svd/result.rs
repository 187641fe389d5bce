//! Results of the low-rank decompositions.

use std::fmt;

use faer::Mat;

/// Where ‖A‖_F came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum NormSource {
    /// Summed over the entries, or given by the operator.
    Exact,
    /// Estimated from products with random vectors: the operator is matrix-free and gave none.
    Estimated,
}

/// The code path that produced a truncated SVD.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum RsvdPath {
    /// From the basis of the range finder.
    Randomized,
    /// As [`Randomized`](Self::Randomized), and a fresh block of random vectors showed that the basis had missed
    /// directions (singular values of high multiplicity), so it was extended.
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
///
/// AᵀU = VΣ holds to rounding; AV = UΣ holds to the error of the subspace only, which is up to 1 % of σ₁ where the spectrum is
/// flat: [`residuals`](Rsvd::residuals) measures both.
///
/// M is the matrix: on the host faer's, elsewhere that of the device.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(
    feature = "serde",
    serde(bound(
        serialize = "T: serde::Serialize, M: crate::stored_matrix::StoredMatrix",
        deserialize = "T: serde::Deserialize<'de>, M: crate::stored_matrix::StoredMatrix"
    ))
)]
pub struct Rsvd<T, M = Mat<T>> {
    /// Left singular vectors, m×k.
    #[cfg_attr(feature = "serde", serde(with = "crate::stored_matrix"))]
    pub u: M,
    /// Singular values, k of them, descending.
    pub s: Vec<T>,
    /// Right singular vectors, n×k (not transposed).
    #[cfg_attr(feature = "serde", serde(with = "crate::stored_matrix"))]
    pub v: M,
    /// How many of the k singular values exceed ε·max(√l, 4√s)·σ₁, l = max(m, n), s = min(m, n): the numerical rank, as far as k sees it.
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
    /// Whether the last step of block Krylov brought next to nothing and a fresh random block found nothing that it had
    /// missed; `None` where that is not examined: subspace iteration has a fixed number of steps, and a basis that grew to a
    /// tolerance is judged by its bound. The exact SVD has converged.
    pub converged: Option<bool>,
    /// Passes over A: products with A or Aᵀ of one vector or many. Summing the norm of a stored matrix is not counted.
    pub passes: usize,
    /// Vectors multiplied by A or Aᵀ, all passes together.
    pub product_columns: usize,
    /// The code path that produced the result.
    pub path: RsvdPath,
    /// max(‖UᵀU − I‖_F, ‖VᵀV − I‖_F), measured.
    pub orthogonality: f64,
}

/// A ≈ Q B with orthonormal Q. M is the matrix, as in [`Rsvd`].
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(
    feature = "serde",
    serde(bound(
        serialize = "M: crate::stored_matrix::StoredMatrix",
        deserialize = "M: crate::stored_matrix::StoredMatrix"
    ))
)]
pub struct Qb<M> {
    /// Orthonormal basis, m×l.
    #[cfg_attr(feature = "serde", serde(with = "crate::stored_matrix"))]
    pub q: M,
    /// QᵀA, l×n.
    #[cfg_attr(feature = "serde", serde(with = "crate::stored_matrix"))]
    pub b: M,
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

impl<T: Clone, M> Rsvd<T, M> {
    /// The same result with other matrices: copies on another device.
    ///
    /// # Errors
    /// Those of `copy`.
    pub fn map_matrices<N, E>(&self, copy: impl Fn(&M) -> Result<N, E>) -> Result<Rsvd<T, N>, E> {
        Ok(Rsvd {
            u: copy(&self.u)?,
            s: self.s.clone(),
            v: copy(&self.v)?,
            rank: self.rank,
            error_estimate: self.error_estimate,
            failure_probability: self.failure_probability,
            norm: self.norm,
            norm_source: self.norm_source,
            tolerance_met: self.tolerance_met,
            converged: self.converged,
            passes: self.passes,
            product_columns: self.product_columns,
            path: self.path,
            orthogonality: self.orthogonality,
        })
    }
}

impl<M> Qb<M> {
    /// The same result with other matrices: copies on another device.
    ///
    /// # Errors
    /// Those of `copy`.
    pub fn map_matrices<N, E>(&self, copy: impl Fn(&M) -> Result<N, E>) -> Result<Qb<N>, E> {
        Ok(Qb {
            q: copy(&self.q)?,
            b: copy(&self.b)?,
            error_estimate: self.error_estimate,
            failure_probability: self.failure_probability,
            norm: self.norm,
            norm_source: self.norm_source,
            tolerance_met: self.tolerance_met,
            passes: self.passes,
        })
    }
}

//! What can be chosen for a decomposition. Every choice has a default.

use panther_sketch::Distribution;

/// How much of the matrix to keep.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Target {
    /// This many singular triplets, 1..=min(m, n).
    Rank(usize),
    /// As many as it takes for ‖A − UΣVᵀ‖_F ≤ `relative`·‖A‖_F, but `max_rank` at most.
    Tolerance {
        /// The relative error allowed, in (0, 1).
        relative: f64,
        /// Most triplets, 1..=min(m, n); `None` for min(m, n).
        max_rank: Option<usize>,
    },
}

/// How the range of A is found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum RangeFinder {
    /// span{AΩ, (AAᵀ)AΩ, …, (AAᵀ)^q AΩ} with blocks of about a third of the rank: fewer products and a smaller error
    /// than subspace iteration, for some more orthonormalization (Musco and Musco 2015).
    #[default]
    BlockKrylov,
    /// span (AAᵀ)^q AΩ, re-orthonormalized between the products (Halko, Martinsson and Tropp 2011, Algorithm 4.4).
    SubspaceIteration,
}

/// Options of [`rsvd`](crate::rsvd()), [`qb`](crate::qb()) and [`range_finder`](crate::range_finder()).
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct RsvdOptions {
    /// p, columns beyond the rank; `None` for max(10, ⌈k/10⌉).
    pub oversampling: Option<usize>,
    /// q, the power of AAᵀ, at most 1000; `None` for 2 with [`RangeFinder::SubspaceIteration`], and with
    /// [`RangeFinder::BlockKrylov`] for 5 and as many more as convergence takes.
    pub power_iterations: Option<usize>,
    /// Which subspace is searched.
    pub range_finder: RangeFinder,
    /// The family Ω is drawn from.
    pub distribution: Distribution,
    /// The seed Ω is drawn with: the same seed gives the same bytes.
    pub seed: u64,
}

impl Default for RsvdOptions {
    fn default() -> Self {
        Self {
            oversampling: None,
            power_iterations: None,
            range_finder: RangeFinder::default(),
            distribution: Distribution::Gaussian,
            seed: 0,
        }
    }
}

/// Options of [`cqrrpt`](crate::cqrrpt()).
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct CqrrptOptions {
    /// γ, rows of the sketch a column of A, at least 1: d = max(⌈γn⌉, 32).
    pub gamma: f64,
    /// ζ, nonzeros in a column of the SparseSign sketch, 1..=d.
    pub vec_nnz: usize,
    /// Columns whose residual is below this times ‖A‖_F are dropped, in \[0, 1); `None` for the level of rounding: below
    /// √max(m, n)·ε in the sketch, and measured to be below (2 + √min(m, n))·ε in A itself.
    pub rank_tolerance: Option<f64>,
    /// The seed of the sketch: the same seed gives the same bytes.
    pub seed: u64,
}

impl Default for CqrrptOptions {
    fn default() -> Self {
        Self { gamma: 1.25, vec_nnz: 4, rank_tolerance: None, seed: 0 }
    }
}

/// Options of [`pivoted_qr`](crate::pivoted_qr()).
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct PivotedQrOptions {
    /// b, pivots chosen from one sketch, at least 1; where 2b is n or more, all pivots are classical.
    pub block_size: usize,
    /// p, rows of the sketch beyond the block.
    pub oversampling: usize,
    /// Columns whose residual is below this times ‖A‖_F are dropped, in \[0, 1); `None` for
    /// (2 + √min(m, n))·ε, the level of rounding.
    pub rank_tolerance: Option<f64>,
    /// The seed of the sketch: the same seed gives the same bytes.
    pub seed: u64,
}

impl Default for PivotedQrOptions {
    fn default() -> Self {
        Self { block_size: 32, oversampling: 8, rank_tolerance: None, seed: 0 }
    }
}

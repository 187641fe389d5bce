//! The command line of `svd`.

use std::path::PathBuf;

use clap::{ArgGroup, Parser, ValueEnum};
use panther_linalg::{Distribution, RsvdOptions, Target};

use crate::common::cli::Common;

/// What the photograph is decomposed with unless something else is asked for: a fifth of its numbers, and still a
/// good likeness.
const PHOTOGRAPH_RANK: usize = 50;

/// Randomized SVD of a matrix, A ≈ U·diag(S)·Vᵀ; of a photograph without arguments
#[derive(Parser)]
#[command(name = "svd", group(ArgGroup::new("target")))]
pub struct Svd {
    /// The matrix: .npy, .mtx (MatrixMarket), .png or .jpg (its luminance)
    #[arg(requires = "target")]
    pub file: Option<PathBuf>,
    /// Number of singular values
    #[arg(long, value_name = "K", group = "target", allow_negative_numbers = true)]
    rank: Option<usize>,
    /// As many singular values as it takes for a relative error of T in the Frobenius norm
    #[arg(long, value_name = "T", group = "target", allow_negative_numbers = true)]
    pub tol: Option<f64>,
    /// Random vectors beyond the rank [default: max(10, K/10)]
    #[arg(long, value_name = "P", allow_negative_numbers = true)]
    oversampling: Option<usize>,
    /// Power of A·Aᵀ that sharpens the spectrum [default: 4]
    #[arg(long, value_name = "Q", allow_negative_numbers = true)]
    power_iterations: Option<usize>,
    /// Family of the random vectors
    #[arg(long, value_enum, default_value_t = Family::Gaussian)]
    sketch: Family,
    #[command(flatten)]
    pub common: Common,
}

#[derive(Clone, Copy, ValueEnum)]
enum Family {
    Gaussian,
    Rademacher,
    SparseSign,
    CountSketch,
    Srht,
}

impl Svd {
    pub fn target(&self) -> Target {
        match self.tol {
            Some(relative) => Target::Tolerance { relative, max_rank: None },
            None => Target::Rank(self.rank.unwrap_or(PHOTOGRAPH_RANK)),
        }
    }

    pub fn options(&self) -> RsvdOptions {
        RsvdOptions {
            oversampling: self.oversampling,
            power_iterations: self.power_iterations,
            distribution: self.sketch.distribution(),
            seed: self.common.seed,
            ..RsvdOptions::default()
        }
    }
}

impl Family {
    fn distribution(self) -> Distribution {
        match self {
            Self::Gaussian => Distribution::Gaussian,
            Self::Rademacher => Distribution::Rademacher,
            Self::SparseSign => Distribution::SparseSign { vec_nnz: 8 },
            Self::CountSketch => Distribution::COUNT_SKETCH,
            Self::Srht => Distribution::Srht,
        }
    }
}

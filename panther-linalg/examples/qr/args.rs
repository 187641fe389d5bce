//! The command line of `qr`.

use std::path::PathBuf;

use clap::Parser;
use panther_linalg::CqrrptOptions;

use crate::common::cli::Common;

/// Randomized pivoted QR of a matrix, A[:, P] = Q·R; of a photograph without arguments
#[derive(Parser)]
#[command(name = "qr")]
pub struct Qr {
    /// The matrix: .npy, .mtx (MatrixMarket), .png or .jpg (its luminance)
    pub file: Option<PathBuf>,
    /// Rows of the sketch for each column of the matrix
    #[arg(long, value_name = "G", default_value_t = CqrrptOptions::default().gamma, allow_negative_numbers = true)]
    gamma: f64,
    /// Nonzeros in each column of the sketch
    #[arg(long, value_name = "Z", default_value_t = CqrrptOptions::default().vec_nnz, allow_negative_numbers = true)]
    vec_nnz: usize,
    #[command(flatten)]
    pub common: Common,
}

impl Qr {
    pub fn options(&self) -> CqrrptOptions {
        CqrrptOptions { gamma: self.gamma, vec_nnz: self.vec_nnz, seed: self.common.seed, ..CqrrptOptions::default() }
    }
}

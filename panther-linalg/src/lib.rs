//! Randomized decompositions: truncated SVD and pivoted QR of matrices that are too big for the exact ones, with an
//! estimate of their error.
//!
//! | function | gives | for |
//! |---|---|---|
//! | [`rsvd`](rsvd()) | A ≈ U Σ Vᵀ, by rank or by tolerance | dense, sparse, matrix-free |
//! | [`qb`](qb()) | A ≈ Q B, the stage before it | dense, sparse, matrix-free |
//! | [`range_finder`](range_finder()) | Q, the stage before that | dense, sparse, matrix-free |
//! | [`cqrrpt`](cqrrpt()) | A\[:, P\] ≈ Q R, fast for m ≫ n | dense, sparse |
//! | [`pivoted_qr`](pivoted_qr()) | A\[:, P\] ≈ Q R for any shape | dense |
//! | [`cholesky_qr2`], [`shifted_cholesky_qr3`] | A = Q R of full-rank tall A | dense |
//!
//! Every function takes views, `f32` or `f64`, and faer's `Par`; its result is the same bytes for any number of threads,
//! and the same for the same seed. Bad input is a [`LinalgError`] that names the argument and its value. Rank-deficient and
//! zero matrices are valid input, and so are matrices whose squares over- or underflow: A is scaled by a power of two
//! first.
//!
//! ```
//! use faer::{Mat, Par};
//! use panther_linalg::{RsvdOptions, Target, rsvd};
//!
//! let a = Mat::from_fn(400, 300, |i, j| 1.0 / (i + j + 1) as f64);
//! let target = Target::Tolerance { relative: 1e-6, max_rank: None };
//! let svd = rsvd(&a, target, &RsvdOptions::default(), Par::Seq)?;
//! assert_eq!(svd.tolerance_met, Some(true));
//! println!("rank {}, error at most {:.1e}", svd.rank, svd.error_estimate);
//! # Ok::<(), panther_linalg::LinalgError>(())
//! ```
//!
//! # ndarray
//! With the feature `ndarray` the traits `IntoFaer` and `IntoNdarray` turn views of either library into views of the
//! other, without a copy:
//!
#![cfg_attr(feature = "ndarray", doc = "```")]
#![cfg_attr(not(feature = "ndarray"), doc = "```ignore")]
//! use faer::Par;
//! use panther_linalg::{CqrrptOptions, IntoFaer, IntoNdarray, cqrrpt};
//!
//! let a = ndarray::Array2::from_shape_fn((500, 20), |(i, j)| ((i + 1) as f64).ln() / (j + 1) as f64 + (i % (j + 2)) as f64);
//! let qr = cqrrpt(a.view().into_faer(), &CqrrptOptions::default(), Par::Seq)?;
//! let (q, r) = (qr.q.as_ref().into_ndarray(), qr.r.as_ref().into_ndarray());
//! let first = a.column(qr.permutation[0]);
//! assert!((&q.dot(&r).column(0) - &first).iter().all(|x| x.abs() < 1e-12));
//! # Ok::<(), panther_linalg::LinalgError>(())
//! ```

mod error;
mod estimate;
mod kernels;
mod operator;
mod options;
mod qr;
mod rank;
#[doc(hidden)]
pub mod rules;
mod seed;
mod svd;

pub use error::LinalgError;
#[cfg(feature = "ndarray")]
pub use faer_ext::{IntoFaer, IntoNdarray};
pub use operator::{FnOperator, LinearOperator, ScaledNorm};
pub use options::{CqrrptOptions, PivotedQrOptions, RangeFinder, RsvdOptions, Target};
pub use panther_sketch::{Distribution, Input, Real, SketchError};
pub use qr::{PivotedQr, QrFallback, ThinQr, cholesky_qr2, cqrrpt, pivoted_qr, shifted_cholesky_qr3};
pub use svd::{NormSource, Qb, Rsvd, RsvdPath, qb, range_finder, rsvd};

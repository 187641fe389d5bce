//! The operators and decompositions of panther-sketch and panther-linalg, and the kernels of panther-nn's layers, on NVIDIA GPUs.
//!
//! Options, draws, diagnostics and fallbacks are those of panther-linalg; matrices and results stay on the device, and the same bytes
//! come out each time. CUDA 13's libraries are loaded when [`Device::new`] asks for them: nothing of CUDA is needed to build, and
//! without them there is an error.
//!
//! ```no_run
//! use faer::Mat;
//! use panther_gpu::{Device, Matrix, rsvd};
//! use panther_linalg::{RsvdOptions, Target};
//!
//! let device = Device::new(0)?;
//! let a = Mat::from_fn(4000, 1000, |i, j| 1.0 / (1 + i + j) as f32);
//! let on_device = Matrix::from_host(&device, a.as_ref())?;
//! let svd = rsvd(on_device.as_ref(), Target::Rank(20), &RsvdOptions::default())?;
//! println!("‖A − UΣVᵀ‖ ≤ {:.1e}", svd.error_estimate);
//! let svd = svd.to_host()?;
//! assert_eq!(svd.v.shape(), (1000, 20));
//! # Ok::<(), panther_gpu::GpuError>(())
//! ```

mod basis;
mod bfloat;
mod buffer;
mod cholesky;
mod cholesky_qr;
mod column_pivoting;
mod cqrrpt;
mod device;
mod error;
mod graph;
mod growing;
mod jacobi;
mod kernel;
pub mod layers;
mod libraries;
mod magnitude;
mod matrix;
mod memory;
mod orthonormal;
mod pivoted_qr;
mod probe;
mod product;
mod projection;
mod qb;
mod random;
mod range_finder;
mod real;
mod rsvd;
mod sketch;
mod small;
mod small_svd;
mod solver;
mod staging;
mod tensor_product;
mod timing;
mod triangular;

pub use buffer::{Buffer, DeviceNumber};
pub use cholesky_qr::{DeviceThinQr, cholesky_qr2, shifted_cholesky_qr3};
pub use cqrrpt::cqrrpt;
pub use device::Device;
pub use error::GpuError;
pub use graph::Graph;
pub use matrix::{Matrix, MatrixMut, MatrixRef};
pub use pivoted_qr::{DevicePivotedQr, pivoted_qr};
pub use product::{Precision, product};
pub use qb::{DeviceQb, qb};
pub use random::{dropout, fill_normal, fill_uniform};
pub use range_finder::range_finder;
pub use real::DeviceReal;
pub use rsvd::{DeviceRsvd, rsvd};
pub use sketch::{DeviceSketch, gaussian_matrix};
pub use small::frobenius;
pub use solver::householder_qr;

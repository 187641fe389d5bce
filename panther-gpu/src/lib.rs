//! The operators and decompositions of panther-sketch and panther-linalg, and the kernels of panther-nn's layers, on NVIDIA GPUs.
//!
//! Options, draws, diagnostics and fallbacks are those of panther-linalg; matrices and results stay on the device, and the same bytes
//! come out each time. CUDA 13's libraries are loaded when [`Device::new`] asks for them: nothing of CUDA is needed to build, and
//! without them there is an error.
//!
//! ```no_run
//! use faer::Mat;
//! use panther_gpu::{Device, Matrix, ToHost, rsvd};
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

mod device;
mod error;
mod gemm;
#[cfg(test)]
mod kernel_tests;
pub mod layers;
mod matrix;
mod qr;
mod runtime;
mod sketch;
mod svd;

pub use device::{Buffer, Device, DeviceName, Graph, UnknownDeviceName};
pub use error::GpuError;
pub use gemm::{Precision, product};
pub use matrix::{Matrix, MatrixMut, MatrixRef, ToHost, frobenius};
pub use qr::{DevicePivotedQr, DeviceThinQr, cholesky_qr2, cqrrpt, householder_qr, pivoted_qr, shifted_cholesky_qr3};
pub use runtime::scalar::{DeviceNumber, DeviceReal};
pub use sketch::{DeviceSketch, dropout, fill_normal, fill_uniform, gaussian_matrix};
pub use svd::{DeviceQb, DeviceRsvd, qb, range_finder, rsvd};

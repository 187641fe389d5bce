//! Neural-network layers compressed by sketching: to build and train, and to make a trained network smaller.
//!
//! | module | holds |
//! |---|---|
//! | [`layers`] | sketched layers and their dense counterparts, forward and backward |
//! | [`train`] | losses, optimizers, schedules, batches |
//! | [`backend`] | what a device must be able to do for them |
//! | [`convert`] | trained dense layers made sketched, one by one or a whole checkpoint |
//! | [`checkpoint`] | safetensors files |
//! | [`cpu`] | the CPU: ndarray tensors, products through faer, rayon |
//! | `cuda` | NVIDIA GPUs, with the feature `cuda`: buffers of a device, products through cuBLAS, kernels for everything else |
//!
//! Layers take tensors of rows: x is …×d_in, y = x·W + b is …×d_out. They are generic over the scalar ([`Scalar`], `f32` or
//! `f64`) and over the [`Backend`](backend::Backend), so that the same model runs anywhere.
//!
//! ```
//! use panther_nn::backend::Storage;
//! use panther_nn::cpu::Cpu;
//! use panther_nn::layers::{Layer, SkLinear, SkLinearOptions};
//!
//! let cpu = Cpu::default();
//! let options = SkLinearOptions { num_terms: 1, low_rank: 16, bias: true, seed: 7 };
//! let layer = SkLinear::<f32, _>::new(&cpu, 512, 256, options)?;
//! let x = cpu.upload(&[8, 512], vec![0.5; 8 * 512])?;
//! let y = layer.forward(&x)?;
//! assert_eq!(Cpu::shape(&y), [8, 256]);
//! # Ok::<(), panther_nn::NnError>(())
//! ```

pub mod backend;
pub mod checkpoint;
pub mod convert;
pub mod cpu;
#[cfg(feature = "cuda")]
pub mod cuda;
mod error;
mod exponential;
pub mod layers;
mod parameter;
mod scalar;
pub mod state;
pub mod train;

pub use error::NnError;
pub use parameter::Parameter;
pub use scalar::Scalar;

/// The README's examples are tests too; some run on a device.
#[cfg(all(doctest, feature = "cuda"))]
#[doc = include_str!("../../README.md")]
struct Readme;

//! NVIDIA GPUs: tensors in the memory of a device, products through cuBLAS, kernels of panther-gpu for everything else.
//!
//! Nothing of CUDA is needed to build; [`Cuda::new`] says what is missing where there is no device.

mod convolution;
mod elementwise;
mod gather;
mod linear_attention;
mod loss;
mod normalization;
mod optimizer;
mod pooling;
mod products;
mod random;
mod reductions;
mod sinusoids;
mod softmax;
mod tensor;

pub use linear_attention::SavedAttention;
use panther_gpu::Device;
pub use panther_gpu::Precision;
pub use tensor::CudaTensor;

use crate::NnError;

/// A CUDA device as a [`Backend`](crate::backend::Backend). Repeated runs on one device give the same bytes.
#[derive(Clone, Debug)]
pub struct Cuda {
    device: Device,
    precision: Precision,
}

impl Cuda {
    /// The device of this number, from 0 on. Products are taken in full precision.
    ///
    /// # Errors
    /// [`NnError::Gpu`] where there is no such device, or no driver.
    pub fn new(ordinal: usize) -> Result<Self, NnError> {
        Ok(Self::of(Device::new(ordinal)?))
    }

    /// A device that is open already.
    #[must_use]
    pub fn of(device: Device) -> Self {
        Self { device, precision: Precision::default() }
    }

    /// The same device, with the products of f32 matrices taken in this precision: those of [`Linear`](crate::layers::Linear) and
    /// [`SkLinear`](crate::layers::SkLinear), forward and backward, and so the projections of both kinds of attention; the scores and
    /// weighted sums of dense attention; the codes of [`StochasticEncoding`](crate::layers::StochasticEncoding). Convolutions are
    /// computed in full precision always, and so are the features of attention and all sums over them.
    #[must_use]
    pub fn with_precision(self, precision: Precision) -> Self {
        Self { precision, ..self }
    }

    /// The device.
    #[must_use]
    pub const fn device(&self) -> &Device {
        &self.device
    }
}

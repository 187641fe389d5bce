//! NVIDIA GPUs: tensors in the memory of a device, products through cuBLAS, kernels of panther-gpu for everything else.
//!
//! Nothing of CUDA is needed to build; [`Cuda::new`] says what is missing where there is no device.
//!
//! Where batches are small, launching kernels takes longer than running them. [`Graph::record`] records a forward, or a whole step but
//! for the loss and AdamW, which need the host, and [`Graph::launch`] runs all of it at once:
//!
//! ```no_run
//! use panther_nn::NnError;
//! use panther_nn::backend::{Random, Storage};
//! use panther_nn::cuda::{Cuda, Graph};
//! use panther_nn::layers::{Layer, SkLinear, SkLinearOptions};
//! use panther_nn::train::zero_gradients;
//!
//! let cuda = Cuda::new(0)?;
//! let options = SkLinearOptions { num_terms: 1, low_rank: 16, bias: true, seed: 1 };
//! let mut layer = SkLinear::<f32, Cuda>::new(&cuda, 1024, 1024, options)?;
//! let (x, dy) = (cuda.zeros::<f32>(&[4, 1024])?, cuda.normal::<f32>(&[4, 1024], 1.0, 2)?);
//! let (mut graph, (y, dx)) = Graph::record(cuda.device(), || {
//!     zero_gradients(&mut layer.parameters_mut());
//!     let y = layer.forward_train(&x)?;
//!     Ok::<_, NnError>((y, layer.backward(&dy)?))
//! })?;
//! for seed in 3..10 {
//!     x.buffer().copy_from(cuda.normal::<f32>(&[4, 1024], 1.0, seed)?.buffer())?;
//!     graph.launch()?;
//!     // y, dx and the gradients of the layer's parameters are those of this x.
//! }
//! # Ok::<(), NnError>(())
//! ```

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
mod row_marks;
mod sinusoids;
mod softmax;
mod tensor;

pub use linear_attention::SavedAttention;
use panther_gpu::Device;
pub use panther_gpu::{Graph, Precision};
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
    /// weighted sums of dense attention; the codes of [`StochasticEncoding`](crate::layers::StochasticEncoding); and of convolutions the
    /// gradient by the hidden channels of an [`SkConv2d`](crate::layers::SkConv2d). All else of convolutions is computed in full
    /// precision always, and so are the features of attention and all sums over them.
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

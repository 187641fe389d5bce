//! The CPU: ndarray tensors, products through faer, rayon for everything else.

mod convolution;
mod elementwise;
mod gather;
mod linear_attention;
mod loss;
mod normalization;
mod optimizer;
mod parallel;
mod products;
mod random;
mod reductions;
mod row_marks;
mod sinusoids;
mod softmax;
mod tensor;

use faer::Par;
pub use linear_attention::SavedAttention;
pub use tensor::CpuTensor;

/// The CPU as a [`Backend`](crate::backend::Backend). The default uses all threads; results are the same bytes for any
/// number of them.
#[derive(Clone, Copy, Debug)]
pub struct Cpu {
    par: Par,
}

impl Cpu {
    /// With the given parallelism: [`Par::Seq`] or `Par::rayon(threads)`.
    #[must_use]
    pub const fn new(par: Par) -> Self {
        Self { par }
    }
}

impl Default for Cpu {
    fn default() -> Self {
        Self::new(Par::rayon(0))
    }
}

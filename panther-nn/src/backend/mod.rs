//! What a device must be able to do for the layers: tensors, products, loops over elements, and some operations that each
//! device does in its own way.
//!
//! Tensors are dense and row-major; every operation returns an error rather than panicking where shapes do not fit. The
//! results of every operation are the same bytes each time, for any number of threads.

mod attention;
mod convolution;
mod elementwise;
mod gather;
mod loss;
mod normalization;
mod optimizer;
mod pooling;
mod products;
mod random;
mod reductions;
mod sinusoids;
mod storage;

pub use attention::{
    Arithmetic, Attended, AttentionInputs, AttentionKernel, Dependence, KeysSeen, LinearAttention, Marked, RowMarks,
    Softmax,
};
pub(crate) use attention::{
    AttentionMarks, AttentionSizes, HIDDEN, Positions, TAINTED, check_mask, dependent_rows, marked_rows, rows_of_marks,
    score_sizes,
};
pub use convolution::{Convolution, Geometry};
pub(crate) use convolution::{ConvolutionSizes, batch_shape, channel_sums, images};
pub use elementwise::{Activation, Elementwise};
pub(crate) use elementwise::{rows_as_long_as, same_count};
pub use gather::Gather;
pub(crate) use gather::{scattered_width, table_width};
pub use loss::{CrossEntropy, Loss, Losses};
pub(crate) use normalization::normalized_width;
pub use normalization::{Normalization, Normalized};
pub(crate) use optimizer::changed;
pub use optimizer::{AdamWStep, OptimizerSteps, SgdStep};
pub use pooling::Pooling;
pub(crate) use pooling::{check_pooled, pixels_along, pooled_positions};
pub(crate) use products::check_product;
#[cfg(feature = "cuda")]
pub(crate) use products::product_layout;
pub use products::{Layout, Products};
pub use random::Random;
pub use reductions::Reductions;
pub use sinusoids::{SequenceRows, Sinusoids, Waves};
pub(crate) use sinusoids::{WaveSizes, wave_gradient_sizes, wave_sizes};
pub use storage::Storage;
pub(crate) use storage::count;

/// Everything that layers and training need of a device.
pub trait Backend:
    Products
    + Elementwise
    + Reductions
    + Random
    + Gather
    + Normalization
    + Softmax
    + RowMarks
    + Sinusoids
    + Losses
    + OptimizerSteps
    + Convolution
    + Pooling
    + LinearAttention
{
}

impl<B> Backend for B where
    B: Products
        + Elementwise
        + Reductions
        + Random
        + Gather
        + Normalization
        + Softmax
        + RowMarks
        + Sinusoids
        + Losses
        + OptimizerSteps
        + Convolution
        + Pooling
        + LinearAttention
{
}

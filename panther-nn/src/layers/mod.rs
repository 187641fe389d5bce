//! Layers: sketched ones, the dense ones beside them, and those between.

mod activation;
mod attention;
mod checks;
mod convolution;
mod dropout;
mod embedding;
mod flatten;
mod layer;
mod layer_norm;
mod linear;
mod residual;
mod saved;
mod sequential;

pub use activation::ActivationLayer;
pub use attention::{
    MultiHeadAttention, MultiHeadAttentionOptions, PositionalEncodingOptions, RandMultiHeadAttention,
    RandMultiHeadAttentionOptions, StochasticEncoding, StochasticEncodingOptions, orthogonal_features,
};
pub(crate) use checks::{check_gradient, check_terms, in_range, rows_of, with_last};
pub use convolution::{AvgPool2d, Conv2d, MaxPool2d, Padding, SkConv2d, SkConv2dOptions, Window};
pub use dropout::Dropout;
pub use embedding::Embedding;
pub use flatten::Flatten;
pub use layer::Layer;
pub use layer_norm::LayerNorm;
pub(crate) use linear::signs;
pub use linear::{Linear, SkLinear, SkLinearOptions};
pub use residual::Residual;
pub(crate) use saved::Saved;
pub use sequential::Sequential;

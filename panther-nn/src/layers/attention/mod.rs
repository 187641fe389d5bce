//! Attention, dense and through random features, and encodings of positions.

mod dot_product_attention;
mod multi_head_attention;
mod orthogonal_features;
mod rand_multi_head_attention;
mod stochastic_encoding;
mod visible_rows;

pub use multi_head_attention::{MultiHeadAttention, MultiHeadAttentionOptions};
pub use orthogonal_features::orthogonal_features;
pub use rand_multi_head_attention::{PositionalEncodingOptions, RandMultiHeadAttention, RandMultiHeadAttentionOptions};
pub use stochastic_encoding::{StochasticEncoding, StochasticEncodingOptions};

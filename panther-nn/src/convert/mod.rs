//! Trained dense layers made sketched: the same function, nearly, from fewer values.
//!
//! | function | does |
//! |---|---|
//! | [`convert_weight`] | one weight, given T and k |
//! | [`convert_to_error`] | one weight, the smallest k within an error |
//! | [`convert_to_budget`] | many weights, the values to be stored spent where they buy the most |
//! | [`sketched_linear`], [`sketched_conv2d`] | one [`Linear`](crate::layers::Linear) or [`Conv2d`](crate::layers::Conv2d) layer |
//! | [`sketched_attention`] | one [`MultiHeadAttention`](crate::layers::MultiHeadAttention), with its error on given inputs |
//! | [`convert_checkpoint`] | a whole file |
//! | [`attention_state`] | the projections of PyTorch's attention, by their names in a file |
//!
//! A weight matrix M = Wᵀ, d_in×d_out, becomes M̂ = D·E/(2T) of rank 2Tk, of which 2Tk·(d_in + d_out) values are stored. With
//! [`Method::Rsvd`] that is the best there is of this rank, in the norm of the weights or, given inputs X, of the outputs
//! ‖X(M − M̂)‖_F.
//!
//! ```
//! use faer::Par;
//! use panther_nn::convert::{ConversionOptions, DenseWeight, WeightLayout, convert_weight};
//!
//! // A trained weight decays; this one as 1/(i + j).
//! let values: Vec<f32> = (0..96 * 64).map(|e| 1.0 / (1 + e / 64 + e % 64) as f32).collect();
//! let weight = DenseWeight::new(WeightLayout::OutIn, &[96, 64], &values)?;
//! let conversion = convert_weight(&weight, 1, 4, None, &ConversionOptions::default(), Par::Seq)?;
//! assert!(conversion.report.relative_error < 1e-3);
//! assert_eq!(conversion.report.parameters_after, 8 * (96 + 64));
//! # Ok::<(), panther_nn::NnError>(())
//! ```

mod budget;
mod checkpoint;
mod convert_weight;
mod factors;
mod layer;
mod method;
mod report;
mod selection;
mod spectrum;
mod spool;
mod to_budget;
mod to_error;
mod weight;

pub use budget::{Spectrum, allocate};
pub use checkpoint::{CheckpointOptions, Choice, convert_checkpoint};
pub use convert_weight::{Conversion, ConversionOptions, convert_weight};
pub use factors::Factors;
pub use layer::{attention_state, sketched_attention, sketched_conv2d, sketched_linear};
pub use method::Method;
pub use report::{CheckpointReport, ConversionReport, KeptTensor, LayerReport};
pub use selection::Reason;
pub use to_budget::convert_to_budget;
pub use to_error::convert_to_error;
pub use weight::{DenseWeight, WeightLayout};

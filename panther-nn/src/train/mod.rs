//! Training: losses, optimizers, learning rates, batches. From one seed a run gives the same bytes each time, for any number of
//! threads.
//!
//! ```
//! use panther_nn::backend::{CrossEntropy, Storage};
//! use panther_nn::cpu::Cpu;
//! use panther_nn::layers::{ActivationLayer, Layer, Linear, Sequential};
//! use panther_nn::train::{AdamW, AdamWOptions, Batches, Optimizer, clip_gradient, cross_entropy, rows, zero_gradients};
//!
//! let cpu = Cpu::default();
//! let mut model = Sequential::<f32, _>::new(vec![
//!     Box::new(Linear::new(&cpu, 2, 16, true, 1)?),
//!     Box::new(ActivationLayer::relu(&cpu)),
//!     Box::new(Linear::new(&cpu, 16, 2, true, 2)?),
//! ]);
//! // Which of two values is the larger?
//! let (features, classes) = ([0.1, 0.9, 0.8, 0.3, 0.2, 0.5, 0.7, 0.1], [1, 0, 1, 0]);
//! let mut optimizer = AdamW::new(&cpu, AdamWOptions::default())?;
//! let batches = Batches::new(4, 2, 7)?;
//! for epoch in 0..50 {
//!     for batch in batches.epoch(epoch) {
//!         let x = cpu.upload(&[batch.len(), 2], rows(&features, 2, &batch)?)?;
//!         let logits = model.forward_train(&x)?;
//!         let loss = cross_entropy(&cpu, CrossEntropy::default(), &logits, &rows(&classes, 1, &batch)?)?;
//!         model.backward(&loss.gradient)?;
//!         clip_gradient(&cpu, &mut model.parameters_mut(), 1.0)?;
//!         optimizer.step(&mut model.parameters_mut(), 0.01)?;
//!         zero_gradients(&mut model.parameters_mut());
//!     }
//! }
//! let x = cpu.upload(&[4, 2], features.to_vec())?;
//! assert_eq!(panther_nn::train::accuracy(&cpu, &model.forward(&x)?, &classes)?, 1.0);
//! # Ok::<(), panther_nn::NnError>(())
//! ```

mod clip;
mod data;
mod loss;
mod optimizer;
mod progress;
mod schedule;

pub use clip::clip_gradient;
pub use data::{Batches, rows, stratified_split};
pub use loss::{accuracy, cross_entropy, mean_squared_error};
pub use optimizer::{AdamW, AdamWOptions, Optimizer, Sgd, SgdOptions, zero_gradients};
pub use progress::Progress;
pub use schedule::Schedule;

use crate::NnError;

/// An error where a number does not fulfil what is asked of it.
fn require(fulfilled: bool, argument: &'static str, requirement: &'static str, got: f64) -> Result<(), NnError> {
    if fulfilled { Ok(()) } else { Err(NnError::InvalidNumber { argument, requirement, got }) }
}

//! Dropout (Srivastava et al. 2014).

use panther_sketch::stream;
use rand_core::Rng;

use crate::backend::Backend;
use crate::layers::{Layer, Saved};
use crate::state::State;
use crate::{NnError, Parameter, Scalar};

/// Tag of the seeds that dropout layers draw.
const DROPOUT: u64 = 0x5be0_cd19_137e_2179;

/// In training each number becomes zero with probability `rate` and grows by 1/(1 − `rate`) otherwise; for inference y = x.
///
/// Draw n of a layer is a function of its seed, n and the place in the tensor. The count of draws is no part of the
/// layer's state in files: a run that is continued from one starts again with draw 0.
#[derive(Debug)]
pub struct Dropout<B: Backend> {
    backend: B,
    rate: f64,
    key: u64,
    /// Draws so far.
    draws: usize,
    /// The seed of each use.
    saved: Saved<u64>,
}

impl<B: Backend> Dropout<B> {
    /// Drops with probability `rate`.
    ///
    /// # Errors
    /// [`NnError::InvalidNumber`] where `rate` is not in \[0, 1).
    pub fn new(backend: &B, rate: f64, seed: u64) -> Result<Self, NnError> {
        if !(0.0..1.0).contains(&rate) {
            return Err(NnError::InvalidNumber { argument: "rate", requirement: "in [0, 1)", got: rate });
        }
        let key = stream::family_key(seed, DROPOUT);
        Ok(Self { backend: backend.clone(), rate, key, draws: 0, saved: Saved::new("dropout") })
    }
}

impl<T: Scalar, B: Backend> Layer<T, B> for Dropout<B> {
    fn forward(&self, x: &B::Tensor<T>) -> Result<B::Tensor<T>, NnError> {
        Ok(x.clone())
    }

    fn forward_train(&mut self, x: &B::Tensor<T>) -> Result<B::Tensor<T>, NnError> {
        let seed = stream::coordinate(self.key, self.draws).next_u64();
        let mut y = x.clone();
        self.backend.dropout(self.rate, seed, &mut y)?;
        self.draws += 1;
        self.saved.push(B::shape(x), seed);
        Ok(y)
    }

    fn backward(&mut self, dy: &B::Tensor<T>) -> Result<B::Tensor<T>, NnError> {
        let seed = self.saved.take(B::shape(dy))?;
        let mut dx = dy.clone();
        self.backend.dropout(self.rate, seed, &mut dx)?;
        Ok(dx)
    }

    fn parameters_mut(&mut self) -> Vec<&mut Parameter<T, B>> {
        Vec::new()
    }

    fn save(&self, _: &str, _: &mut State<T>) -> Result<(), NnError> {
        Ok(())
    }

    fn load(&mut self, _: &str, _: &State<T>) -> Result<(), NnError> {
        Ok(())
    }
}

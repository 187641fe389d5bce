//! What the uses of a layer in training leave for their backward passes.

use crate::NnError;
use crate::layers::check_gradient;

/// A stack of uses: each backward pass takes the last one, after checking that the gradient is that of its output.
#[derive(Debug)]
pub(crate) struct Saved<S> {
    layer: &'static str,
    uses: Vec<Use<S>>,
}

#[derive(Debug)]
struct Use<S> {
    /// The shape of the output.
    output: Vec<usize>,
    saved: S,
}

impl<S> Saved<S> {
    /// No uses yet of a layer of this name.
    pub const fn new(layer: &'static str) -> Self {
        Self { layer, uses: Vec::new() }
    }

    /// Adds a use with an output of this shape.
    pub fn push(&mut self, output: &[usize], saved: S) {
        self.uses.push(Use { output: output.to_vec(), saved });
    }

    /// Takes the last use, where `dy` is the shape of its output; otherwise nothing is taken.
    ///
    /// # Errors
    /// [`NnError::BackwardWithoutForward`], [`NnError::Shape`].
    pub fn take(&mut self, dy: &[usize]) -> Result<S, NnError> {
        let layer = self.layer;
        self.take_if(|output, _| check_gradient(layer, dy, output))
    }

    /// Takes the last use, where `check` of its output's shape and of what was saved passes.
    ///
    /// # Errors
    /// [`NnError::BackwardWithoutForward`], and that of `check`.
    pub fn take_if(&mut self, check: impl FnOnce(&[usize], &S) -> Result<(), NnError>) -> Result<S, NnError> {
        let last = self.uses.pop().ok_or(NnError::BackwardWithoutForward { layer: self.layer })?;
        match check(&last.output, &last.saved) {
            Ok(()) => Ok(last.saved),
            Err(refused) => {
                self.uses.push(last);
                Err(refused)
            }
        }
    }
}

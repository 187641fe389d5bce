//! A computation that can be repeated, and a fingerprint of its result.

use panther_nn::NnError;

/// A computation on inputs that exist already.
pub struct Work {
    /// The name of the row.
    pub name: String,
    /// Runs it and returns a fingerprint of the result.
    pub run: Box<dyn Fn() -> Result<u64, NnError>>,
}

impl Work {
    /// A computation with its name.
    pub fn new(name: impl Into<String>, run: impl Fn() -> Result<u64, NnError> + 'static) -> Self {
        Self { name: name.into(), run: Box::new(run) }
    }
}

//! Accuracy checks of the device against dense references and against the CPU, for the tests and for `panther-bench gpu-check`.

mod decompositions;
mod graphs;
mod layers;
mod sketches;

use panther_gpu::Device;

/// One accuracy check.
#[derive(Clone, Copy, Debug)]
pub struct Check {
    /// What is checked.
    pub name: &'static str,
    /// Runs it; what is wrong, if anything is.
    pub run: fn(&Device) -> Result<(), String>,
}

/// All checks.
#[must_use]
pub fn checks() -> Vec<Check> {
    [decompositions::checks(), sketches::checks(), layers::layer_checks(), graphs::checks()].concat()
}

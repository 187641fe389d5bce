//! Accuracy checks of the device against dense references and against the CPU, for the tests and for `panther-bench gpu-check`.

mod common;
mod copies;
mod decompositions;
mod graphs;
mod large;
mod layers;
mod memory;
mod products;
mod repeats;
mod sketches;
mod snapshots;
mod threads;
mod work;

pub use common::Check;
pub use repeats::{Repeat, repeats};

/// All checks, but for those of repetition.
#[must_use]
pub fn checks() -> Vec<Check> {
    let groups = [
        copies::checks(),
        products::checks(),
        decompositions::checks(),
        sketches::checks(),
        layers::layer_checks(),
        graphs::checks(),
        memory::checks(),
        threads::checks(),
        large::checks(),
        snapshots::checks(),
    ];
    groups.concat()
}

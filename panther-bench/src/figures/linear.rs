//! `linear_forward_DEV` and `linear_backward_DEV`.

use super::analysis::comparison::product;
use super::analysis::data::{Data, Pass};
use super::figure::{Figure, Observation};
use super::layer_grid::LayerGrid;
use crate::record::Record;

/// Both figures of a device.
pub fn figures(records: &[Record], device: &str) -> Vec<Figure> {
    let data = Data::of(records, "linear", device);
    Pass::BOTH.map(|pass| layer_grid(pass, device).figure(&data, pass)).into()
}

/// What they say.
pub fn observations(records: &[Record], device: &str) -> Vec<Observation> {
    let data = Data::of(records, "linear", device);
    let of = |pass: Pass| {
        Observation::new(
            format!("Linear layers, {}", pass.words()),
            device,
            layer_grid(pass, device).summaries(&data, pass),
        )
    };
    Pass::BOTH.map(of).into()
}

fn layer_grid(pass: Pass, device: &str) -> LayerGrid {
    LayerGrid {
        name: format!("linear_{}_{device}", pass.name()),
        title: "Linear layers: dense and sketched".to_owned(),
        input: "in",
        output: "out",
        size: |cell| product(cell, ["in", "out"]),
        suite: "linear",
    }
}

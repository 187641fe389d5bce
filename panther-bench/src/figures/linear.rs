//! `linear_forward_DEV` and `linear_backward_DEV`.

use super::Figure;
use super::contest::product;
use super::data::{Data, Pass};
use super::ladder::Ladder;
use crate::record::Record;

/// Both figures of a device.
pub fn figures(records: &[Record], device: &str) -> Vec<Figure> {
    let data = Data::of(records, "linear", device);
    let figure = |pass: Pass| {
        let ladder = Ladder {
            name: format!("linear_{}_{device}", pass.name()),
            title: "Linear layers: dense and sketched".to_owned(),
            input: ("in", "in"),
            output: ("out", "out"),
            size: |cell| product(cell, ["in", "out"]),
            unit: "in·out",
            suite: "linear",
        };
        ladder.figure(&data, pass)
    };
    Pass::BOTH.map(figure).into()
}

//! `conv_forward_kS_imN` and `conv_backward_kS_imN`.

use super::contest::product;
use super::data::{Data, Pass};
use super::ladder::Ladder;
use super::{Figure, on};
use crate::record::Record;

const KERNELS: [u64; 3] = [3, 5, 9];
const IMAGES: [u64; 3] = [64, 128, 256];

/// All figures of a device.
pub fn figures(records: &[Record], device: &str) -> Vec<Figure> {
    let data = Data::of(records, "conv", device);
    let figure = |pass: Pass, kernel, image| {
        let ladder = Ladder {
            name: on(format!("conv_{}_k{kernel}_im{image}", pass.name()), device),
            title: format!("Convolutions {kernel}×{kernel} of images {image}×{image}: dense and sketched"),
            input: ("in_channels", "in"),
            output: ("out_channels", "out"),
            size: |cell| product(cell, ["in_channels", "out_channels"]),
            unit: "in·out",
            suite: "conv",
        };
        ladder.figure(&data.at("kernel", kernel).at("image", image), pass)
    };
    let of_pass = |pass| KERNELS.into_iter().flat_map(move |k| IMAGES.into_iter().map(move |n| (pass, k, n)));
    Pass::BOTH.into_iter().flat_map(of_pass).map(|(pass, k, n)| figure(pass, k, n)).collect()
}

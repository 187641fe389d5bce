//! `conv_forward_kS_imN` and `conv_backward_kS_imN`.

use super::analysis::comparison::product;
use super::analysis::data::{Data, Pass};
use super::figure::{Figure, Observation, on};
use super::layer_grid::LayerGrid;
use crate::record::Record;

const KERNELS: [u64; 3] = [3, 5, 9];
const IMAGES: [u64; 3] = [64, 128, 256];

/// All figures of a device.
pub fn figures(records: &[Record], device: &str) -> Vec<Figure> {
    let data = Data::of(records, "conv", device);
    let mut figures = Vec::new();
    for pass in Pass::BOTH {
        for kernel in KERNELS {
            for image in IMAGES {
                let data = data.at("kernel", kernel).at("image", image);
                let layer_grid = LayerGrid {
                    name: on(format!("conv_{}_k{kernel}_im{image}", pass.name()), device),
                    title: format!("Convolutions {kernel}×{kernel} of images {image}×{image}: dense and sketched"),
                    ..LADDER
                };
                figures.push(layer_grid.figure(&data, pass));
            }
        }
    }
    figures
}

/// What all figures of a kernel's size say together.
pub fn observations(records: &[Record], device: &str) -> Vec<Observation> {
    let data = Data::of(records, "conv", device);
    let mut observations = Vec::new();
    for pass in Pass::BOTH {
        for kernel in KERNELS {
            let subject = format!("Convolutions {kernel}×{kernel}, {}", pass.words());
            observations.push(Observation::new(subject, device, LADDER.summaries(&data.at("kernel", kernel), pass)));
        }
    }
    observations
}

const LADDER: LayerGrid = LayerGrid {
    name: String::new(),
    title: String::new(),
    input: "in_channels",
    output: "out_channels",
    size: |cell| product(cell, ["in_channels", "out_channels"]),
    suite: "conv",
};

//! Layers: gradients against central differences, outputs against plain formulas, files against what was put in.

mod conversion;
mod convolution;
mod linear;
mod pooling;
mod simple;
mod training;

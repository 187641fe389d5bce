//! Layers: gradients against central differences, outputs against plain formulas, files against what was put in.

mod attention;
mod conversion;
mod conversion_choices;
mod convolution;
mod embedding;
mod linear;
mod linear_attention;
mod non_finite;
mod normalization;
mod pooling;
mod random_attention;
mod refused_backward;
mod simple;
mod stochastic_encoding;
mod training;

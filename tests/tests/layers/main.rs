//! Layers: gradients against central differences, outputs against plain formulas, files against what was put in.

mod attention;
mod embedding;
mod linear;
mod normalization;
mod simple;
mod stochastic_encoding;
mod training;

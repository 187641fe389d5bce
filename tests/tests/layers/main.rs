//! Layers: gradients against central differences, outputs against plain formulas, files against what was put in.

mod linear;
mod linear_attention;
mod random_attention;

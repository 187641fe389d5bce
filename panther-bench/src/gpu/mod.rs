//! `gpu-check` and `gpu-times`.

pub mod check;
pub mod graph_times;
pub mod layer_times;
pub mod spectrum;
pub mod times;

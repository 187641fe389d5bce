//! The classifiers.

use panther_nn::NnError;
use panther_nn::cpu::Cpu;
use panther_nn::layers::{ActivationLayer, Layer, Linear, Sequential, SkLinear, SkLinearOptions};

use crate::data::PIXELS;

/// A classifier of images, n×64, into ten digits.
pub type Model = Sequential<f32, Cpu>;

/// Widths of the perceptron.
const WIDTHS: [usize; 3] = [PIXELS, 512, 512];

/// T and k of the perceptron's sketched layers.
pub const NUM_TERMS: usize = 1;
/// See [`NUM_TERMS`].
pub const LOW_RANK: usize = 16;

/// 64→512→512→10 with ReLU between, of dense layers.
pub fn dense_mlp(cpu: &Cpu, seed: u64) -> Result<Model, NnError> {
    mlp(cpu, seed, |d_in, d_out, seed| Ok(Box::new(Linear::new(cpu, d_in, d_out, true, seed)?)))
}

/// The same with sketched layers; the last one, which has few numbers, stays dense.
pub fn sketched_mlp(cpu: &Cpu, seed: u64) -> Result<Model, NnError> {
    mlp(cpu, seed, |d_in, d_out, seed| {
        let options = SkLinearOptions { num_terms: NUM_TERMS, low_rank: LOW_RANK, bias: true, seed };
        Ok(Box::new(SkLinear::new(cpu, d_in, d_out, options)?))
    })
}

/// The perceptron with hidden layers of some kind.
fn mlp(
    cpu: &Cpu,
    seed: u64,
    hidden: impl Fn(usize, usize, u64) -> Result<Box<dyn Layer<f32, Cpu>>, NnError>,
) -> Result<Model, NnError> {
    let mut layers = Vec::new();
    for (i, pair) in WIDTHS.windows(2).enumerate() {
        layers.push(hidden(pair[0], pair[1], layer_seed(seed, i))?);
        layers.push(Box::new(ActivationLayer::relu(cpu)) as _);
    }
    layers.push(Box::new(Linear::new(cpu, WIDTHS[2], 10, true, layer_seed(seed, 2))?));
    Ok(Sequential::new(layers))
}

/// Layers draw from their seed and the few above it.
fn layer_seed(seed: u64, layer: usize) -> u64 {
    seed.wrapping_mul(1 << 20).wrapping_add(16 * layer as u64)
}

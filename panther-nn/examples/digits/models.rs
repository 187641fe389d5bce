//! The classifiers.

use faer::Par;
use panther_nn::NnError;
use panther_nn::backend::Backend;
use panther_nn::convert::{ConversionOptions, sketched_linear};
use panther_nn::layers::{
    ActivationLayer, Conv2d, Dropout, Flatten, Layer, Linear, MaxPool2d, Padding, Sequential, SkConv2d,
    SkConv2dOptions, SkLinear, SkLinearOptions, Window,
};
use panther_nn::state::State;

use crate::data::SIDE;

/// A classifier of images, n×1×8×8, into ten digits.
pub type Model<B> = Sequential<f32, B>;

type AnyLayer<B> = Box<dyn Layer<f32, B>>;

/// Widths of the perceptron.
const WIDTHS: [usize; 4] = [SIDE * SIDE, 512, 512, 10];

/// T of all sketched layers.
const NUM_TERMS: usize = 1;

/// k of the perceptron's sketched layers: its 512×512 weight becomes two of 512×40.
const LOW_RANK: usize = 20;

/// Part of the values between layers that are dropped in training.
const DROPOUT: f64 = 0.2;

/// 64→512→512→10 of dense layers.
pub fn dense_mlp<B: Backend>(backend: &B, seed: u64) -> Result<Model<B>, NnError> {
    mlp(backend, seed, |at, d_in, d_out| Ok(Box::new(Linear::new(backend, d_in, d_out, true, layer_seed(seed, at))?)))
}

/// The same with sketched layers; the last one, which has few values, stays dense.
pub fn sketched_mlp<B: Backend>(backend: &B, seed: u64) -> Result<Model<B>, NnError> {
    mlp(backend, seed, |at, d_in, d_out| sketched(backend, d_in, d_out, LOW_RANK, layer_seed(seed, at)))
}

/// A trained dense perceptron with its layers converted, and the relative error of each weight.
pub fn converted_mlp<B: Backend>(backend: &B, dense: &Model<B>, seed: u64) -> Result<(Model<B>, Vec<f64>), NnError> {
    let mut state = State::new();
    dense.save("", &mut state)?;
    let mut errors = Vec::new();
    let model = mlp(backend, seed, |at, d_in, d_out| {
        let mut layer = Linear::new(backend, d_in, d_out, true, 0)?;
        layer.load(&at.to_string(), &state)?;
        if d_out == WIDTHS[3] {
            return Ok(Box::new(layer));
        }
        let options = ConversionOptions { seed: layer_seed(seed, at), ..ConversionOptions::default() };
        let (layer, report) = sketched_linear(backend, &layer, NUM_TERMS, LOW_RANK, &options, Par::rayon(0))?;
        errors.push(report.relative_error);
        Ok(Box::new(layer))
    })?;
    Ok((model, errors))
}

/// The perceptron with ReLU and dropout behind its hidden layers, which are made from their place and their widths.
fn mlp<B: Backend>(
    backend: &B,
    seed: u64,
    mut linear: impl FnMut(usize, usize, usize) -> Result<AnyLayer<B>, NnError>,
) -> Result<Model<B>, NnError> {
    let [d_in, hidden, last, d_out] = WIDTHS;
    let mut layers: Vec<AnyLayer<B>> = vec![Box::new(Flatten::new(backend))];
    for (d_in, d_out) in [(d_in, hidden), (hidden, last)] {
        layers.push(linear(layers.len(), d_in, d_out)?);
        layers.push(Box::new(ActivationLayer::relu(backend)));
        layers.push(Box::new(Dropout::new(backend, DROPOUT, layer_seed(seed, layers.len()))?));
    }
    layers.push(linear(layers.len(), last, d_out)?);
    Ok(Sequential::new(layers))
}

/// Channels of the convolutions, and width of the layer behind them.
const CHANNELS: [usize; 2] = [32, 64];
/// See [`CHANNELS`].
const CNN_WIDTH: usize = 128;

/// Two 3×3 convolutions, pooling by 2×2, and two linear layers.
pub fn dense_cnn<B: Backend>(backend: &B, seed: u64) -> Result<Model<B>, NnError> {
    let second = Conv2d::new(backend, CHANNELS[0], CHANNELS[1], three_by_three(), true, layer_seed(seed, 2))?;
    let first_linear = Linear::new(backend, flat(), CNN_WIDTH, true, layer_seed(seed, 6))?;
    cnn(backend, seed, Box::new(second), Box::new(first_linear))
}

/// The same with the two largest layers sketched: the second convolution and the first linear layer.
pub fn sketched_cnn<B: Backend>(backend: &B, seed: u64) -> Result<Model<B>, NnError> {
    let options = SkConv2dOptions { num_terms: NUM_TERMS, low_rank: 8, bias: true, seed: layer_seed(seed, 2) };
    let second = SkConv2d::new(backend, CHANNELS[0], CHANNELS[1], three_by_three(), options)?;
    cnn(backend, seed, Box::new(second), sketched(backend, flat(), CNN_WIDTH, 10, layer_seed(seed, 6))?)
}

fn cnn<B: Backend>(
    backend: &B,
    seed: u64,
    second: AnyLayer<B>,
    first_linear: AnyLayer<B>,
) -> Result<Model<B>, NnError> {
    let pool = Window { stride: [2, 2], ..Window::new([2, 2]) };
    Ok(Sequential::new(vec![
        Box::new(Conv2d::new(backend, 1, CHANNELS[0], three_by_three(), true, layer_seed(seed, 0))?),
        Box::new(ActivationLayer::relu(backend)),
        second,
        Box::new(ActivationLayer::relu(backend)),
        Box::new(MaxPool2d::new(backend, pool)?),
        Box::new(Flatten::new(backend)),
        first_linear,
        Box::new(ActivationLayer::relu(backend)),
        Box::new(Dropout::new(backend, DROPOUT, layer_seed(seed, 8))?),
        Box::new(Linear::new(backend, CNN_WIDTH, WIDTHS[3], true, layer_seed(seed, 9))?),
    ]))
}

/// Values of an image behind convolutions and pooling.
const fn flat() -> usize {
    CHANNELS[1] * (SIDE / 2) * (SIDE / 2)
}

fn three_by_three() -> Window {
    Window { padding: Padding::Same, ..Window::new([3, 3]) }
}

/// A sketched layer, or a dense one where it makes the ten outputs.
fn sketched<B: Backend>(
    backend: &B,
    d_in: usize,
    d_out: usize,
    low_rank: usize,
    seed: u64,
) -> Result<AnyLayer<B>, NnError> {
    if d_out == WIDTHS[3] {
        return Ok(Box::new(Linear::new(backend, d_in, d_out, true, seed)?));
    }
    let options = SkLinearOptions { num_terms: NUM_TERMS, low_rank, bias: true, seed };
    Ok(Box::new(SkLinear::new(backend, d_in, d_out, options)?))
}

/// Layers draw from their seed and the few above it.
fn layer_seed(seed: u64, layer: usize) -> u64 {
    seed.wrapping_mul(1 << 20).wrapping_add(16 * layer as u64)
}

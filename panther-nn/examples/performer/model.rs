//! A causal transformer over characters, with either attention.

use std::f64::consts::SQRT_2;

use panther_nn::NnError;
use panther_nn::backend::{AttentionKernel, Backend};
use panther_nn::layers::{
    ActivationLayer, Embedding, Layer, LayerNorm, Linear, MultiHeadAttention, MultiHeadAttentionOptions,
    RandMultiHeadAttention, RandMultiHeadAttentionOptions, Residual, Sequential, SkLinear, SkLinearOptions,
};
use panther_nn::state::HostTensor;
use panther_nn::{Parameter, Scalar};

/// The attention of a model.
#[derive(Clone, Copy, Debug)]
pub enum Attention {
    /// Through so many random features: cost linear in the length.
    Linear { features: usize },
    /// Softmax over all positions.
    Dense,
}

/// The sizes of a model.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    pub width: usize,
    pub heads: usize,
    pub blocks: usize,
    /// Characters that it sees at the most.
    pub length: usize,
}

/// The deviation of fresh embeddings.
const DEVIATION: f64 = 0.3;

/// The next character from those before it.
pub struct Model<B: Backend> {
    characters: Embedding<f32, B>,
    positions: Embedding<f32, B>,
    layers: Sequential<f32, B>,
    backend: B,
    pub sizes: Sizes,
}

impl<B: Backend> Model<B> {
    pub fn new(backend: &B, symbols: usize, sizes: Sizes, attention: Attention, seed: u64) -> Result<Self, NnError> {
        let Sizes { width, heads, blocks, length } = sizes;
        let mut layers: Vec<Box<dyn Layer<f32, B>>> = Vec::new();
        for block in 0..blocks as u64 {
            let seed = seed + 100 * (block + 1);
            let attend =
                Sequential::new(vec![norm(backend, width)?, causal_attention(backend, width, heads, attention, seed)?]);
            let perceive = Sequential::new(vec![
                norm(backend, width)?,
                sketched(backend, width, 4 * width, seed + 10)?,
                Box::new(ActivationLayer::relu(backend)),
                sketched(backend, 4 * width, width, seed + 20)?,
            ]);
            layers.push(Box::new(Residual::new(backend, attend)));
            layers.push(Box::new(Residual::new(backend, perceive)));
        }
        layers.push(norm(backend, width)?);
        layers.push(Box::new(Linear::new(backend, width, symbols, true, seed)?));
        Ok(Self {
            characters: Embedding::from_weight(backend, backend.normal(&[symbols, width], DEVIATION, seed + 1)?)?,
            positions: Embedding::from_weight(backend, sinusoids(backend, length, width)?)?,
            layers: Sequential::new(layers),
            backend: backend.clone(),
            sizes,
        })
    }

    /// Logits of the next character at each place, batch×length×symbols, of batch×length characters.
    pub fn forward(&self, characters: &HostTensor<usize>) -> Result<B::Tensor<f32>, NnError> {
        let x = self.sum(self.characters.forward(characters)?, &self.positions.forward(&places(characters))?)?;
        self.layers.forward(&x)
    }

    pub fn forward_train(&mut self, characters: &HostTensor<usize>) -> Result<B::Tensor<f32>, NnError> {
        let of_places = self.positions.forward_train(&places(characters))?;
        let x = self.characters.forward_train(characters)?;
        let x = self.sum(x, &of_places)?;
        self.layers.forward_train(&x)
    }

    pub fn backward(&mut self, d_logits: &B::Tensor<f32>) -> Result<(), NnError> {
        let dx = self.layers.backward(d_logits)?;
        self.characters.backward(&dx)?;
        self.positions.backward(&dx)
    }

    pub fn parameters_mut(&mut self) -> Vec<&mut Parameter<f32, B>> {
        let mut parameters = self.characters.parameters_mut();
        parameters.extend(self.positions.parameters_mut());
        parameters.extend(self.layers.parameters_mut());
        parameters
    }

    fn sum(&self, mut x: B::Tensor<f32>, y: &B::Tensor<f32>) -> Result<B::Tensor<f32>, NnError> {
        self.backend.add_scaled(1.0, y, &mut x)?;
        Ok(x)
    }
}

/// Causal self-attention of either kind.
pub fn causal_attention<T: Scalar, B: Backend>(
    backend: &B,
    width: usize,
    heads: usize,
    attention: Attention,
    seed: u64,
) -> Result<Box<dyn Layer<T, B>>, NnError> {
    Ok(match attention {
        Attention::Linear { features } => {
            let options = RandMultiHeadAttentionOptions {
                num_features: features,
                causal: true,
                kernel: AttentionKernel::Relu,
                seed,
                ..Default::default()
            };
            Box::new(RandMultiHeadAttention::new(backend, width, heads, options)?)
        }
        Attention::Dense => {
            let options = MultiHeadAttentionOptions { causal: true, seed, ..Default::default() };
            Box::new(MultiHeadAttention::new(backend, width, heads, options)?)
        }
    })
}

/// Sines and cosines of the positions (Vaswani et al. 2017), from which learned positions start: attention to the character before is
/// one rotation for all of them, which random positions would have to learn one by one.
fn sinusoids<B: Backend>(backend: &B, length: usize, width: usize) -> Result<B::Tensor<f32>, NnError> {
    /// About the longest period over 2π.
    const LONGEST: f64 = 100.0;
    let entry = |i: usize| {
        let (position, column) = (i / width, i % width);
        let angle = position as f64 * LONGEST.powf(-((column / 2 * 2) as f64) / width as f64);
        let wave = if column.is_multiple_of(2) { angle.sin() } else { angle.cos() };
        (SQRT_2 * DEVIATION * wave) as f32
    };
    backend.upload(&[length, width], (0..length * width).map(entry).collect())
}

/// The place of each character in its sequence.
fn places(characters: &HostTensor<usize>) -> HostTensor<usize> {
    let length = characters.shape.last().copied().unwrap_or(1).max(1);
    let values = (0..characters.values.len()).map(|i| i % length).collect();
    HostTensor { shape: characters.shape.clone(), values }
}

fn norm<B: Backend>(backend: &B, width: usize) -> Result<Box<dyn Layer<f32, B>>, NnError> {
    Ok(Box::new(LayerNorm::new(backend, width)?))
}

/// A sketched layer whose rank is a quarter of the narrower side.
fn sketched<B: Backend>(backend: &B, d_in: usize, d_out: usize, seed: u64) -> Result<Box<dyn Layer<f32, B>>, NnError> {
    let options = SkLinearOptions { num_terms: 1, low_rank: d_in.min(d_out) / 4, bias: true, seed };
    Ok(Box::new(SkLinear::new(backend, d_in, d_out, options)?))
}

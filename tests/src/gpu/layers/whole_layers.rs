//! Layers, forward and backward.

use panther_nn::Scalar;
use panther_nn::backend::{AttentionKernel, Backend};
use panther_nn::layers::{
    AvgPool2d, Conv2d, Embedding, LayerNorm, Linear, MaxPool2d, MultiHeadAttention, MultiHeadAttentionOptions, Padding,
    PositionalEncodingOptions, RandMultiHeadAttention, RandMultiHeadAttentionOptions, SkConv2d, SkConv2dOptions,
    SkLinear, SkLinearOptions, StochasticEncoding, StochasticEncodingOptions, Window,
};
use panther_nn::state::HostTensor;

use super::{Case, Outputs};

pub(super) fn simple_layers<T: Scalar, B: Backend>(backend: &B) -> Outputs {
    let mut case = Case::new(backend, 16);
    for batch in [1, 9] {
        case.layer("linear", &mut Linear::<T, B>::new(backend, 37, 11, true, 1)?, &[batch, 37])?;
        let options = SkLinearOptions { num_terms: 2, low_rank: 3, bias: true, seed: 7 };
        case.layer("sk_linear", &mut SkLinear::<T, B>::new(backend, 37, 20, options)?, &[2, batch, 37])?;
        case.layer("layer_norm", &mut LayerNorm::<T, B>::new(backend, 12)?, &[batch, 3, 12])?;
        let window = Window { padding: Padding::Same, ..Window::new([3, 3]) };
        let options = SkConv2dOptions { num_terms: 1, low_rank: 4, bias: true, seed: 7 };
        case.layer("sk_conv2d", &mut SkConv2d::<T, B>::new(backend, 3, 10, window, options)?, &[batch, 3, 13, 18])?;
        case.layer("conv2d", &mut Conv2d::<T, B>::new(backend, 3, 10, window, true, 7)?, &[batch, 3, 13, 18])?;
        let window = Window { stride: [2, 2], ..Window::new([2, 2]) };
        case.layer::<T>("max_pool", &mut MaxPool2d::new(backend, window)?, &[batch, 3, 8, 7])?;
        case.layer::<T>("avg_pool", &mut AvgPool2d::new(backend, window)?, &[batch, 3, 8, 7])?;
    }
    let mut embedding = Embedding::<T, B>::new(backend, 9, 5, 3)?;
    let rows = embedding.forward_train(&HostTensor { shape: vec![2, 3], values: vec![1, 8, 1, 0, 1, 8] })?;
    case.keep("embedding", &rows)?;
    let dy = case.gaussian(B::shape(&rows), 1.0)?;
    embedding.backward(&dy)?;
    case.gradients("embedding", &embedding.parameters_mut())?;
    Ok(case.outputs)
}

pub(super) fn attention_layers<T: Scalar, B: Backend>(backend: &B) -> Outputs {
    let mut case = Case::new(backend, 17);
    for (causal, batch, length) in [(false, 1, 5), (true, 2, 70), (false, 2, 70)] {
        let shape = [batch, length, 24];
        let options = MultiHeadAttentionOptions { causal, ..MultiHeadAttentionOptions::default() };
        case.layer("attention", &mut MultiHeadAttention::<T, B>::new(backend, 24, 3, options)?, &shape)?;
        for kernel in [AttentionKernel::Softmax, AttentionKernel::Relu] {
            let options = RandMultiHeadAttentionOptions {
                causal,
                kernel,
                num_features: 40,
                dropout: 0.2,
                ..RandMultiHeadAttentionOptions::default()
            };
            let mut layer = RandMultiHeadAttention::<T, B>::new(backend, 24, 3, options)?;
            case.layer(&format!("random attention {kernel:?}"), &mut layer, &shape)?;
        }
    }
    // Long enough for batches on tensor cores.
    for causal in [false, true] {
        let options = MultiHeadAttentionOptions { causal, ..MultiHeadAttentionOptions::default() };
        let mut layer = MultiHeadAttention::<T, B>::new(backend, 80, 4, options)?;
        case.layer(&format!("long attention, causal {causal}"), &mut layer, &[1, 1200, 80])?;
    }
    Ok(case.outputs)
}

pub(super) fn encoded_attention<T: Scalar, B: Backend>(backend: &B) -> Outputs {
    let mut case = Case::new(backend, 21);
    for (causal, batch, length, realizations) in [(false, 1, 5, 3), (true, 2, 70, 6), (false, 2, 70, 20)] {
        let options = StochasticEncodingOptions { sines: 4, realizations, seed: 9 };
        let mut encoding = StochasticEncoding::<T, B>::new(backend, 24, 3, options)?;
        let (query, key) = (case.gaussian::<T>(&[batch, length, 24], 1.0)?, case.gaussian(&[batch, length, 24], 1.0)?);
        let encoded = encoding.encode_train(&query, &key)?;
        let gradients = [case.gaussian::<T>(B::shape(&encoded[0]), 1.0)?, case.gaussian(B::shape(&encoded[1]), 1.0)?];
        let back = encoding.encode_backward(&gradients[0], &gradients[1])?;
        for (name, x) in ["query", "key", "by query", "by key"].into_iter().zip(encoded.iter().chain(&back)) {
            case.keep(format!("encoded {name}"), x)?;
        }
        case.gradients("encoding", &encoding.parameters_mut())?;
        let options = RandMultiHeadAttentionOptions {
            causal,
            num_features: 40,
            positional_encoding: Some(PositionalEncodingOptions { sines: 4, realizations }),
            ..RandMultiHeadAttentionOptions::default()
        };
        let mut layer = RandMultiHeadAttention::<T, B>::new(backend, 24, 3, options)?;
        case.layer(&format!("attention with {realizations} realizations"), &mut layer, &[batch, length, 24])?;
    }
    Ok(case.outputs)
}

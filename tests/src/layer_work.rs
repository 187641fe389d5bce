//! One step forward and backward of every layer, on any backend.

use panther_nn::backend::{AttentionKernel, Backend};
use panther_nn::layers::{
    AvgPool2d, Conv2d, Embedding, Layer, LayerNorm, Linear, MaxPool2d, MultiHeadAttention, MultiHeadAttentionOptions,
    Padding, RandMultiHeadAttention, RandMultiHeadAttentionOptions, SkConv2d, SkConv2dOptions, SkLinear,
    SkLinearOptions, Window,
};
use panther_nn::state::HostTensor;
use panther_nn::{NnError, Parameter, Scalar};

use crate::fingerprint::Fingerprint;
use crate::work::Work;

/// A backend that a [`Work`] can keep.
pub trait TestBackend: Backend + Clone + 'static {}

impl<B: Backend + Clone + 'static> TestBackend for B {}

/// A layer from its options to its gradients.
fn layer<T: Scalar, B: TestBackend, L: Layer<T, B>>(
    name: impl Into<String>,
    backend: &B,
    shape: &[usize],
    make: impl Fn(&B) -> Result<L, NnError> + 'static,
) -> Work {
    let (backend, shape) = (backend.clone(), shape.to_vec());
    Work::new(name, move || {
        let mut layer = make(&backend)?;
        let x = backend.normal::<T>(&shape, 1.0, 2)?;
        let mut fingerprint = Fingerprint::default();
        tensor::<T, B>(&backend, &mut fingerprint, &layer.forward(&x)?)?;
        let y = layer.forward_train(&x)?;
        let dx = layer.backward(&backend.normal(B::shape(&y), 1.0, 3)?)?;
        tensor::<T, B>(&backend, &mut fingerprint, &dx)?;
        gradients(&backend, &mut fingerprint, &layer.parameters_mut())?;
        Ok(fingerprint.0)
    })
}

fn tensor<T: Scalar, B: TestBackend>(backend: &B, into: &mut Fingerprint, x: &B::Tensor<T>) -> Result<(), NnError> {
    into.values(&backend.download(x)?);
    Ok(())
}

fn gradients<T: Scalar, B: TestBackend>(
    backend: &B,
    into: &mut Fingerprint,
    parameters: &[&mut Parameter<T, B>],
) -> Result<(), NnError> {
    let gradients = parameters.iter().filter_map(|parameter| parameter.gradient.as_ref());
    gradients.into_iter().try_for_each(|x| tensor(backend, into, x))
}

/// A step forward and backward of every layer that has kernels of its own.
#[must_use]
pub fn layers<T: Scalar, B: TestBackend>(backend: &B) -> Vec<Work> {
    let (rows, pictures, sequence) = ([33, 64], [3, 3, 13, 18], [2, 70, 24]);
    let same = Window { padding: Padding::Same, ..Window::new([3, 3]) };
    let halves = Window { stride: [2, 2], ..Window::new([2, 2]) };
    let sk_linear = SkLinearOptions { num_terms: 2, low_rank: 6, bias: true, seed: 7 };
    let sk_conv2d = SkConv2dOptions { num_terms: 1, low_rank: 4, bias: true, seed: 7 };
    let mut works = vec![
        layer("Linear", backend, &rows, |backend| Linear::<T, _>::new(backend, 64, 48, true, 1)),
        layer("SkLinear", backend, &rows, move |backend| SkLinear::<T, _>::new(backend, 64, 48, sk_linear)),
        layer("LayerNorm", backend, &rows, |backend| LayerNorm::<T, _>::new(backend, 64)),
        layer("Conv2d", backend, &pictures, move |backend| Conv2d::<T, _>::new(backend, 3, 10, same, true, 7)),
        layer("SkConv2d", backend, &pictures, move |backend| SkConv2d::<T, _>::new(backend, 3, 10, same, sk_conv2d)),
        layer::<T, B, _>("MaxPool2d", backend, &pictures, move |backend| MaxPool2d::new(backend, halves)),
        layer::<T, B, _>("AvgPool2d", backend, &pictures, move |backend| AvgPool2d::new(backend, halves)),
    ];
    for causal in [false, true] {
        let options = MultiHeadAttentionOptions { causal, ..MultiHeadAttentionOptions::default() };
        works.push(layer(format!("MultiHeadAttention, causal {causal}"), backend, &sequence, move |backend| {
            MultiHeadAttention::<T, _>::new(backend, 24, 3, options)
        }));
        for kernel in [AttentionKernel::Softmax, AttentionKernel::Relu] {
            let options = RandMultiHeadAttentionOptions {
                causal,
                kernel,
                num_features: 40,
                dropout: 0.2,
                ..RandMultiHeadAttentionOptions::default()
            };
            let name = format!("RandMultiHeadAttention {kernel:?}, causal {causal}");
            works.push(layer(name, backend, &sequence, move |backend| {
                RandMultiHeadAttention::<T, _>::new(backend, 24, 3, options)
            }));
        }
    }
    works.push(embedding::<T, B>(backend));
    works
}

fn embedding<T: Scalar, B: TestBackend>(backend: &B) -> Work {
    let backend = backend.clone();
    Work::new("Embedding", move || {
        let mut layer = Embedding::<T, _>::new(&backend, 9, 5, 3)?;
        let y = layer.forward_train(&HostTensor { shape: vec![2, 3], values: vec![1, 8, 1, 0, 1, 8] })?;
        layer.backward(&backend.normal(B::shape(&y), 1.0, 3)?)?;
        let mut fingerprint = Fingerprint::default();
        tensor::<T, B>(&backend, &mut fingerprint, &y)?;
        gradients(&backend, &mut fingerprint, &layer.parameters_mut())?;
        Ok(fingerprint.0)
    })
}

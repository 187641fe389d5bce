//! NaN and infinity in rows that must not be read, and where they must not be lost.
//!
//! The cases give what a device computes with poison in those rows less what it computes with zeros there: zeros, where the bytes are
//! the same.

use panther_nn::backend::{Activation, AttentionKernel, Backend, Geometry};
use panther_nn::layers::{
    Layer, MultiHeadAttention, MultiHeadAttentionOptions, RandMultiHeadAttention, RandMultiHeadAttentionOptions,
};
use panther_nn::{NnError, Scalar};

use super::{Case, Outputs};

const BATCH: usize = 2;
const LENGTH: usize = 130;
const EMBED: usize = 12;
const HEADS: usize = 2;

/// Attention of either kind.
enum Attention<T: Scalar, B: Backend> {
    Dense(MultiHeadAttention<T, B>),
    Random(RandMultiHeadAttention<T, B>),
}

impl<T: Scalar, B: Backend> Attention<T, B> {
    /// Every kind, by name, full or causal.
    fn all(backend: &B, causal: bool) -> Result<Vec<(String, Self)>, NnError> {
        let options = MultiHeadAttentionOptions { causal, seed: 5, ..Default::default() };
        let dense = MultiHeadAttention::new(backend, EMBED, HEADS, options)?;
        let mut all = vec![(format!("dense, causal {causal}"), Self::Dense(dense))];
        for kernel in [AttentionKernel::Softmax, AttentionKernel::Relu] {
            let options =
                RandMultiHeadAttentionOptions { num_features: 70, kernel, causal, seed: 3, ..Default::default() };
            let random = RandMultiHeadAttention::new(backend, EMBED, HEADS, options)?;
            all.push((format!("{kernel:?}, causal {causal}"), Self::Random(random)));
        }
        Ok(all)
    }

    /// The output, the gradients by the inputs and those by the parameters, on the host.
    fn train(
        &mut self,
        backend: &B,
        [q, k, v]: [&B::Tensor<T>; 3],
        mask: Option<&[bool]>,
        dy: &B::Tensor<T>,
    ) -> Result<Vec<Vec<T>>, NnError> {
        let (y, gradients, parameters) = match self {
            Self::Dense(layer) => {
                let y = layer.attend_train(q, k, v, mask)?;
                (y, layer.attend_backward(dy)?, layer.parameters_mut())
            }
            Self::Random(layer) => {
                let y = layer.attend_train(q, k, v, mask)?;
                (y, layer.attend_backward(dy)?, layer.parameters_mut())
            }
        };
        let mut outputs = vec![backend.download(&y)?];
        for gradient in &gradients {
            outputs.push(backend.download(gradient)?);
        }
        for gradient in parameters.into_iter().filter_map(|parameter| parameter.gradient.take()) {
            outputs.push(backend.download(&gradient)?);
        }
        Ok(outputs)
    }
}

/// How many of the values of the chosen rows differ in a bit.
fn differing<T: Scalar>(a: &[T], b: &[T], chosen: impl Fn(usize) -> bool) -> f64 {
    let bits = |x: &T| x.to_f64().to_bits();
    let pairs = a.iter().zip(b).enumerate().filter(|(i, _)| chosen(i / EMBED));
    pairs.filter(|(_, (a, b))| bits(a) != bits(b)).count() as f64
}

fn with<T: Scalar, B: Backend>(
    backend: &B,
    x: &B::Tensor<T>,
    chosen: impl Fn(usize) -> bool,
    value: f64,
) -> Result<B::Tensor<T>, NnError> {
    let mut values = backend.download(x)?;
    values.iter_mut().enumerate().filter(|(i, _)| chosen(i / EMBED)).for_each(|(_, x)| *x = T::from_f64(value));
    backend.upload(B::shape(x), values)
}

/// Rows that a mask hides, with NaN, infinity and huge values.
pub(super) fn hidden_rows<T: Scalar, B: Backend>(backend: &B) -> Outputs {
    let mut case = Case::new(backend, 31);
    let shape = [BATCH, LENGTH, EMBED];
    let [query, key, value, dy] = [(); 4].map(|()| case.gaussian::<T>(&shape, 1.0));
    let (query, key, value, dy) = (query?, key?, value?, dy?);
    let masks: [fn(usize) -> bool; 6] = [
        |row| row % LENGTH != 0,
        |row| row % LENGTH != LENGTH - 1,
        |row| row % LENGTH == 65,
        |row| row < LENGTH,
        |_| false,
        |row| if row < LENGTH { row % 3 != 1 } else { row % LENGTH > 40 },
    ];
    for causal in [false, true] {
        for (name, mut attention) in Attention::<T, B>::all(backend, causal)? {
            for (index, is_visible) in masks.iter().enumerate() {
                let mask: Vec<bool> = (0..BATCH * LENGTH).map(is_visible).collect();
                let mut run = |poison: f64| {
                    let hidden = |x| with(backend, x, |row| !mask[row], poison);
                    attention.train(backend, [&query, &hidden(&key)?, &hidden(&value)?], Some(&mask), &dy)
                };
                let expected = run(0.0)?;
                for poison in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300] {
                    let got = run(poison)?;
                    let differ: f64 = got.iter().zip(&expected).map(|(a, b)| differing(a, b, |_| true)).sum();
                    case.keep_number(&format!("{name}, mask {index}, {poison}"), differ);
                }
            }
        }
    }
    Ok(case.outputs)
}

/// Causal attention with a NaN or an infinity at one position: outputs before it, and gradients of a loss of them.
pub(super) fn future<T: Scalar, B: Backend>(backend: &B) -> Outputs {
    let mut case = Case::new(backend, 32);
    let shape = [BATCH, LENGTH, EMBED];
    let [query, key, value, dy] = [(); 4].map(|()| case.gaussian::<T>(&shape, 1.0));
    let (query, key, value, dy) = (query?, key?, value?, dy?);
    for (name, mut attention) in Attention::<T, B>::all(backend, true)? {
        for from in [0, 1, 63, 64, 129] {
            let is_past = |row: usize| row % LENGTH < from;
            let by_past = with(backend, &dy, |row| !is_past(row), 0.0)?;
            let mut run = |[q, k, v]: [f64; 3]| {
                let at = |x, poison| with(backend, x, |row| row % LENGTH == from, poison);
                attention.train(backend, [&at(&query, q)?, &at(&key, k)?, &at(&value, v)?], None, &by_past)
            };
            let expected = run([0.0; 3])?;
            for poison in [f64::NAN, f64::INFINITY] {
                for poisons in [[poison, 0.0, 0.0], [0.0, poison, 0.0], [0.0, 0.0, poison], [poison; 3]] {
                    let got = run(poisons)?;
                    let differ: f64 = (0..4).map(|place| differing(&got[place], &expected[place], is_past)).sum();
                    case.keep_number(&format!("{name}, {poisons:?} at {from}"), differ);
                    let own = got[0].iter().enumerate().filter(|(i, _)| i / EMBED % LENGTH == from);
                    let lost = own.filter(|(_, y)| !y.to_f64().is_nan()).count();
                    case.keep_number(&format!("{name}, {poisons:?} at {from}: lost"), lost as f64);
                }
            }
        }
    }
    Ok(case.outputs)
}

/// Functions that compare pass a NaN on.
pub(super) fn comparisons<T: Scalar, B: Backend>(backend: &B) -> Outputs {
    let mut case = Case::new(backend, 33);
    let nan = f64::NAN;
    let upload =
        |shape: &[usize], values: &[f64]| backend.upload(shape, values.iter().map(|x| T::from_f64(*x)).collect());
    let x = upload(&[6], &[nan, 1.0, -1.0, nan, 0.0, f64::INFINITY])?;
    let dy = upload(&[6], &[1.0; 6])?;
    case.keep("relu", &backend.activate(Activation::Relu, &x)?)?;
    case.keep("relu backward", &backend.activate_backward(Activation::Relu, &x, &dy)?)?;
    let geometry = Geometry { kernel: [2, 2], stride: [2, 2], padding: [[0; 2]; 2], dilation: [1, 1] };
    for place in 0..4 {
        let mut values = [1.0, 2.0, 3.0, 4.0];
        values[place] = nan;
        let x = upload(&[1, 1, 2, 2], &values)?;
        case.keep("max_pool", &backend.max_pool(&x, geometry)?)?;
        let dx = backend.max_pool_backward(&x, &upload(&[1, 1, 1, 1], &[1.0])?, geometry)?;
        case.keep("max_pool_backward", &dx)?;
    }
    Ok(case.outputs)
}

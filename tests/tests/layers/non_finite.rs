//! NaN and infinity: what a mask hides is never read, the future never reaches the past, and no function loses a NaN.
//!
//! "The same" means the same bytes as with zeros in place of the non-finite rows.

use panther_nn::Scalar;
use panther_nn::backend::{
    Activation, Arithmetic, AttentionInputs, AttentionKernel, Backend, Geometry, LinearAttention, Pooling, Storage,
};
use panther_nn::cpu::{Cpu, CpuTensor};
use panther_nn::layers::{
    Layer, MultiHeadAttention, MultiHeadAttentionOptions, PositionalEncodingOptions, RandMultiHeadAttention,
    RandMultiHeadAttentionOptions, orthogonal_features,
};
use panther_tests::random::Random;

/// Batch, positions (longer than a chunk of the causal scan), width, heads.
const BATCH: usize = 2;
const LENGTH: usize = 70;
const EMBED: usize = 6;
const HEADS: usize = 2;

/// What is put into rows that must not be read.
const POISONS: [f64; 4] = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300];

type Tensor<T> = CpuTensor<T>;

fn tensor<T: Scalar>(shape: &[usize], seed: u64) -> Tensor<T> {
    let mut random = Random::new(seed);
    let values = (0..shape.iter().product()).map(|_| T::from_f64(random.gaussian())).collect();
    Cpu::default().upload(shape, values).unwrap()
}

fn sequence<T: Scalar>(seed: u64) -> Tensor<T> {
    tensor(&[BATCH, LENGTH, EMBED], seed)
}

/// The rows for which `chosen` holds filled with a value.
fn filled<T: Scalar>(x: &Tensor<T>, chosen: impl Fn(usize) -> bool, value: f64) -> Tensor<T> {
    let mut x = x.clone();
    let width = x.shape()[x.shape().len() - 1];
    for (_, row) in x.as_mut_slice().chunks_mut(width).enumerate().filter(|(row, _)| chosen(*row)) {
        row.fill(T::from_f64(value));
    }
    x
}

/// The bits of the rows for which `chosen` holds.
fn bits<T: Scalar>(x: &Tensor<T>, chosen: impl Fn(usize) -> bool) -> Vec<u64> {
    let width = x.shape()[x.shape().len() - 1];
    let rows = x.as_slice().chunks(width.max(1)).enumerate().filter(|(row, _)| chosen(*row));
    rows.flat_map(|(_, row)| row.iter().map(|x| x.to_f64().to_bits())).collect()
}

fn all_bits<T: Scalar>(x: &Tensor<T>) -> Vec<u64> {
    bits(x, |_| true)
}

/// Masks of batch×length keys: the first row, the last, all but one, all of a sequence, everything, and a pattern of its own
/// for each sequence.
fn masks() -> Vec<Vec<bool>> {
    let rows = 0..BATCH * LENGTH;
    let masks: [fn(usize) -> bool; 6] = [
        |row| row % LENGTH != 0,
        |row| row % LENGTH != LENGTH - 1,
        |row| row % LENGTH == 65,
        |row| row < LENGTH,
        |_| false,
        |row| if row < LENGTH { row % 3 != 1 } else { row % LENGTH > 40 },
    ];
    masks.into_iter().map(|mask| rows.clone().map(mask).collect()).collect()
}

/// Attention of either kind.
#[expect(clippy::large_enum_variant, reason = "a test holds one at a time")]
enum Attention<T: Scalar> {
    Dense(MultiHeadAttention<T, Cpu>),
    Random(RandMultiHeadAttention<T, Cpu>),
}

impl<T: Scalar> Attention<T> {
    fn attend(&self, [q, k, v]: [&Tensor<T>; 3], mask: Option<&[bool]>) -> Tensor<T> {
        match self {
            Self::Dense(layer) => layer.attend(q, k, v, mask).unwrap(),
            Self::Random(layer) => layer.attend(q, k, v, mask).unwrap(),
        }
    }

    /// The output, the gradients by the inputs and those by the parameters.
    fn train(&mut self, [q, k, v]: [&Tensor<T>; 3], mask: Option<&[bool]>, dy: &Tensor<T>) -> Vec<Tensor<T>> {
        let (y, gradients) = match self {
            Self::Dense(layer) => (layer.attend_train(q, k, v, mask).unwrap(), layer.attend_backward(dy).unwrap()),
            Self::Random(layer) => (layer.attend_train(q, k, v, mask).unwrap(), layer.attend_backward(dy).unwrap()),
        };
        let parameters = match self {
            Self::Dense(layer) => layer.parameters_mut(),
            Self::Random(layer) => layer.parameters_mut(),
        };
        let by_parameters: Vec<_> = parameters.into_iter().filter_map(|parameter| parameter.gradient.take()).collect();
        std::iter::once(y).chain(gradients).chain(by_parameters).collect()
    }
}

fn random_options(kernel: AttentionKernel, causal: bool) -> RandMultiHeadAttentionOptions {
    RandMultiHeadAttentionOptions { num_features: 9, kernel, causal, seed: 3, ..Default::default() }
}

fn random<T: Scalar>(options: RandMultiHeadAttentionOptions) -> Attention<T> {
    let mut layer = RandMultiHeadAttention::new(&Cpu::default(), EMBED, HEADS, options).unwrap();
    with_biases(layer.parameters_mut());
    Attention::Random(layer)
}

/// Biases that are not zero.
fn with_biases<T: Scalar>(parameters: Vec<&mut panther_nn::Parameter<T, Cpu>>) {
    let mut random = Random::new(8);
    for parameter in parameters.into_iter().filter(|parameter| parameter.value.shape().len() == 1) {
        parameter.value.as_mut_slice().iter_mut().for_each(|b| *b = T::from_f64(0.5 * random.gaussian()));
    }
}

/// Every layer that takes a mask, by name.
fn attentions<T: Scalar>() -> Vec<(String, bool, Attention<T>)> {
    let mut all = Vec::new();
    for causal in [false, true] {
        let options = MultiHeadAttentionOptions { causal, seed: 5, ..Default::default() };
        let mut layer = MultiHeadAttention::new(&Cpu::default(), EMBED, HEADS, options).unwrap();
        with_biases(layer.parameters_mut());
        all.push((format!("dense, causal {causal}"), causal, Attention::Dense(layer)));
        for kernel in [AttentionKernel::Softmax, AttentionKernel::Relu] {
            all.push((format!("{kernel:?}, causal {causal}"), causal, random(random_options(kernel, causal))));
        }
        let encoded = RandMultiHeadAttentionOptions {
            positional_encoding: Some(PositionalEncodingOptions { sines: 2, realizations: 4 }),
            ..random_options(AttentionKernel::Softmax, causal)
        };
        all.push((format!("encoded, causal {causal}"), causal, random(encoded)));
    }
    all
}

fn hidden_rows_are_not_read<T: Scalar>() {
    let (query, key, value, dy) = (sequence::<T>(1), sequence::<T>(2), sequence::<T>(3), sequence::<T>(4));
    for (name, _, mut attention) in attentions::<T>() {
        for (index, mask) in masks().iter().enumerate() {
            let with = |poison: f64| [&key, &value].map(|x| filled(x, |row| !mask[row], poison));
            let [k, v] = with(0.0);
            let expected = attention.train([&query, &k, &v], Some(mask), &dy);
            assert!(expected.iter().flat_map(|x| x.as_slice()).all(|x| x.is_finite()), "{name}, mask {index}");
            for poison in POISONS {
                let [k, v] = with(poison);
                for (k, v) in [(&k, &v), (&k, &value), (&key, &v)] {
                    let what = format!("{name}, mask {index}, {poison}");
                    let y = attention.attend([&query, k, v], Some(mask));
                    assert!(all_bits(&y) == all_bits(&expected[0]), "{what}, inference");
                    let got = attention.train([&query, k, v], Some(mask), &dy);
                    for (place, (got, expected)) in got.iter().zip(&expected).enumerate() {
                        assert!(all_bits(got) == all_bits(expected), "{what}, tensor {place}");
                    }
                }
            }
        }
    }
}

#[test]
fn attention_never_reads_rows_hidden_by_a_mask() {
    hidden_rows_are_not_read::<f32>();
    hidden_rows_are_not_read::<f64>();
}

#[test]
fn dense_attention_of_one_number_ignores_a_hidden_nan() {
    let options = MultiHeadAttentionOptions { bias: false, ..Default::default() };
    let mut layer = MultiHeadAttention::<f64, _>::new(&Cpu::default(), 1, 1, options).unwrap();
    layer.parameters_mut().into_iter().for_each(|weight| weight.value.as_mut_slice().fill(1.0));
    let upload = |values: &[f64]| Cpu::default().upload(&[1, values.len(), 1], values.to_vec()).unwrap();
    let y = layer.attend(&upload(&[1.0]), &upload(&[1.0, 0.0]), &upload(&[1.0, f64::NAN]), Some(&[true, false]));
    assert_eq!(y.unwrap().as_slice(), [1.0]);
}

/// The original's features take their maximum over hidden keys too, where these are finite.
#[test]
fn original_arithmetic_does_not_read_hidden_rows_that_are_not_finite() {
    let (query, key, value) = (sequence::<f64>(1), sequence::<f64>(2), sequence::<f64>(3));
    for kernel in [AttentionKernel::Softmax, AttentionKernel::Relu] {
        let options =
            RandMultiHeadAttentionOptions { arithmetic: Arithmetic::Original, ..random_options(kernel, false) };
        let attention = random::<f64>(options);
        for mask in masks() {
            let with = |poison: f64| [&key, &value].map(|x| filled(x, |row| !mask[row], poison));
            let [k, v] = with(0.0);
            let expected = all_bits(&attention.attend([&query, &k, &v], Some(&mask)));
            for poison in [f64::NAN, f64::INFINITY] {
                let [k, v] = with(poison);
                assert!(all_bits(&attention.attend([&query, &k, &v], Some(&mask))) == expected, "{kernel:?} {poison}");
            }
        }
    }
}

fn the_future_does_not_reach_the_past<T: Scalar>() {
    let [query, key, value, dy] = [1, 2, 3, 4].map(sequence::<T>);
    for (name, _, mut attention) in attentions::<T>().into_iter().filter(|(_, causal, _)| *causal) {
        for from in [0, 1, 30, 63, 64, 69] {
            let is_future = |row: usize| row % LENGTH >= from;
            // A loss of the past alone.
            let by_past = filled(&dy, is_future, 0.0);
            let with = |poison: f64| [&query, &key, &value].map(|x| filled(x, |row| row % LENGTH == from, poison));
            let [q, k, v] = with(0.0);
            let expected = attention.train([&q, &k, &v], None, &by_past);
            for poison in [f64::NAN, f64::INFINITY] {
                let [bad_q, bad_k, bad_v] = with(poison);
                let cases = [
                    ([&bad_q, &k, &v], "query"),
                    ([&q, &bad_k, &v], "key"),
                    ([&q, &k, &bad_v], "value"),
                    ([&bad_q, &bad_k, &bad_v], "all"),
                ];
                for (inputs, which) in cases {
                    let what = format!("{name}, {which}, {poison} at {from}");
                    let got = attention.train(inputs, None, &by_past);
                    for place in 0..4 {
                        let past = |x: &Tensor<T>| bits(x, |row| !is_future(row));
                        assert!(past(&got[place]) == past(&expected[place]), "{what}, tensor {place}");
                    }
                    let at = bits(&got[0], |row| row % LENGTH == from);
                    assert!(at.iter().all(|x| f64::from_bits(*x).is_nan()), "{what}: lost");
                    // A loss of everything: what the past computes from itself alone.
                    let got = attention.train(inputs, None, &dy);
                    let by_query = bits(&got[1], |row| !is_future(row));
                    assert!(by_query.iter().all(|x| f64::from_bits(*x).is_finite()), "{what}: dq");
                }
            }
        }
    }
}

#[test]
fn causal_attention_keeps_a_nan_from_the_past() {
    the_future_does_not_reach_the_past::<f32>();
    the_future_does_not_reach_the_past::<f64>();
}

/// A query alone that is not finite, and a key that all queries see.
#[test]
fn full_attention_spoils_what_reads_a_nan_and_nothing_else() {
    let [query, key, value, dy] = [1, 2, 3, 4].map(sequence::<f64>);
    for (name, causal, mut attention) in attentions::<f64>().into_iter().filter(|(_, causal, _)| !causal) {
        assert!(!causal);
        let expected = attention.train([&query, &key, &value], None, &dy);
        let nan_at = |x: &Tensor<f64>, at: usize| filled(x, |row| row == at, f64::NAN);
        let got = attention.train([&nan_at(&query, 3), &key, &value], None, &dy);
        assert!(bits(&got[0], |row| row == 3).iter().all(|x| f64::from_bits(*x).is_nan()), "{name}");
        for place in [0, 1] {
            assert!(bits(&got[place], |row| row != 3) == bits(&expected[place], |row| row != 3), "{name} {place}");
        }
        for inputs in [[&query, &nan_at(&key, 3), &value], [&query, &key, &nan_at(&value, 3)]] {
            let y = attention.attend(inputs, None);
            assert!(bits(&y, |row| row < LENGTH).iter().all(|x| f64::from_bits(*x).is_nan()), "{name}");
            assert!(bits(&y, |row| row >= LENGTH) == bits(&expected[0], |row| row >= LENGTH), "{name}");
        }
    }
}

/// The backend's operation by itself, whose masks hide rows of projected keys and values.
fn linear_attention_of_a_backend<T: Scalar>() {
    let cpu = Cpu::default();
    let [query, key, value, dy] = [1, 2, 3, 4].map(sequence::<T>);
    let d = EMBED / HEADS;
    let projection = orthogonal_features(9, d, 5).unwrap().into_iter().map(T::from_f64).collect();
    let projection = cpu.upload(&[9, d], projection).unwrap();
    for kernel in [AttentionKernel::Softmax, AttentionKernel::Relu] {
        for causal in [false, true] {
            for mask in masks() {
                let run = |poison: f64| {
                    let [key, value] = [&key, &value].map(|x| filled(x, |row| !mask[row], poison));
                    let arithmetic = Arithmetic::Stable;
                    let (query, projection, mask, heads) = (query.clone(), &projection, Some(mask.as_slice()), HEADS);
                    let inputs =
                        AttentionInputs { query, key, value, projection, mask, heads, kernel, arithmetic, causal };
                    let (y, saved) = cpu.linear_attention(&inputs).unwrap();
                    let gradients = cpu.linear_attention_backward(inputs, y.clone(), saved, dy.clone()).unwrap();
                    let [dq, dk, dv] = gradients.each_ref().map(all_bits);
                    [all_bits(&y), dq, dk, dv]
                };
                let expected = run(0.0);
                for poison in POISONS {
                    assert!(run(poison) == expected, "{kernel:?}, causal {causal}, {poison}");
                }
            }
        }
    }
}

#[test]
fn linear_attention_never_reads_rows_hidden_by_a_mask() {
    linear_attention_of_a_backend::<f32>();
    linear_attention_of_a_backend::<f64>();
}

fn activations_pass_nan_on<T: Scalar, B: Backend>(backend: &B) {
    let nan = T::from_f64(f64::NAN);
    let x = backend.upload(&[5], vec![nan, T::ONE, -T::ONE, nan, T::ZERO]).unwrap();
    let dy = backend.upload(&[5], vec![T::ONE; 5]).unwrap();
    for f in [Activation::Relu, Activation::Gelu] {
        let y = backend.download(&backend.activate(f, &x).unwrap()).unwrap();
        let dx = backend.download(&backend.activate_backward(f, &x, &dy).unwrap()).unwrap();
        for values in [y, dx] {
            let is_nan: Vec<bool> = values.iter().map(|x| x.to_f64().is_nan()).collect();
            assert_eq!(is_nan, [true, false, false, true, false], "{f:?}");
        }
    }
}

#[test]
fn activations_and_max_pooling_pass_nan_on() {
    let cpu = Cpu::default();
    activations_pass_nan_on::<f32, _>(&cpu);
    activations_pass_nan_on::<f64, _>(&cpu);
    for place in 0..4 {
        let mut values = vec![1.0, 2.0, 3.0, 4.0];
        values[place] = f64::NAN;
        let x = cpu.upload(&[1, 1, 2, 2], values).unwrap();
        let geometry = Geometry { kernel: [2, 2], stride: [2, 2], padding: [[0; 2]; 2], dilation: [1, 1] };
        assert!(cpu.max_pool(&x, geometry).unwrap().as_slice()[0].is_nan());
        let dx = cpu.max_pool_backward(&x, &cpu.upload(&[1, 1, 1, 1], vec![1.0]).unwrap(), geometry).unwrap();
        assert_eq!(dx.as_slice().iter().position(|dx| *dx == 1.0), Some(place));
    }
}

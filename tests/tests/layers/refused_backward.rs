//! A refused backward pass consumes nothing: the next one, of the right shape, gives what it would have given.

use panther_nn::backend::{Activation, Storage};
use panther_nn::cpu::{Cpu, CpuTensor};
use panther_nn::layers::{
    ActivationLayer, AvgPool2d, Conv2d, Dropout, Embedding, Flatten, Layer, LayerNorm, Linear, MaxPool2d,
    MultiHeadAttention, MultiHeadAttentionOptions, Padding, PositionalEncodingOptions, RandMultiHeadAttention,
    RandMultiHeadAttentionOptions, Residual, Sequential, SkConv2d, SkConv2dOptions, SkLinear, SkLinearOptions,
    StochasticEncoding, StochasticEncodingOptions, Window,
};
use panther_nn::state::HostTensor;
use panther_nn::{NnError, Scalar};
use panther_tests::random::Random;

fn tensor<T: Scalar>(shape: &[usize], seed: u64) -> CpuTensor<T> {
    let mut random = Random::new(seed);
    let values = (0..shape.iter().product()).map(|_| T::from_f64(random.gaussian())).collect();
    Cpu::default().upload(shape, values).unwrap()
}

/// Shapes that are not this one: as many values in other extents, a value more, another extent for each.
fn other_shapes(shape: &[usize]) -> Vec<Vec<usize>> {
    let count = shape.iter().product();
    let mut others =
        vec![vec![count], vec![1, count], vec![count, 1], [&[1], shape].concat(), [shape, &[1]].concat(), vec![]];
    for axis in 0..shape.len() {
        for extent in [0, shape[axis] + 1] {
            let mut other = shape.to_vec();
            other[axis] = extent;
            others.push(other);
        }
    }
    let reversed = shape.iter().rev().copied().collect();
    others.push(reversed);
    others.retain(|other| other != shape);
    others
}

/// The gradients by the parameters, which are cleared.
fn gradients<T: Scalar>(layer: &mut dyn Layer<T, Cpu>) -> Vec<Option<CpuTensor<T>>> {
    layer.parameters_mut().into_iter().map(|parameter| parameter.gradient.take()).collect()
}

fn check<T: Scalar>(name: &str, layer: &mut dyn Layer<T, Cpu>, shape: &[usize]) {
    let x = tensor::<T>(shape, 1);
    let y = layer.forward_train(&x).unwrap();
    let dy = tensor::<T>(y.shape(), 2);
    for other in other_shapes(y.shape()) {
        let refused = layer.backward(&tensor(&other, 3)).unwrap_err();
        assert!(matches!(refused, NnError::Shape { argument: "dy", .. }), "{name}, {other:?}: {refused}");
        assert!(gradients(layer).iter().all(Option::is_none), "{name}, {other:?}: gradients of a refused pass");
    }
    let dx = layer.backward(&dy).unwrap();
    assert_eq!(dx.shape(), shape, "{name}");
    assert!(matches!(layer.backward(&dy), Err(NnError::BackwardWithoutForward { .. })), "{name}: taken twice");
    // Two uses are taken in reverse order, whatever is refused between them.
    let first = layer.forward_train(&x).unwrap();
    let second = layer.forward_train(&tensor(shape, 4)).unwrap();
    assert_eq!(first.shape(), second.shape());
    layer.backward(&dy).unwrap();
    gradients(layer);
    assert!(layer.backward(&tensor(&other_shapes(dy.shape())[0], 3)).is_err());
    let again = layer.backward(&dy).unwrap();
    if !name.starts_with("dropout") && !name.starts_with("dropping") {
        assert_eq!(again, dx, "{name}");
    }
}

fn all_layers<T: Scalar>() {
    let cpu = Cpu::default();
    let window = Window { padding: Padding::All(1), ..Window::new([3, 2]) };
    let image: &[&[usize]] = &[&[2, 3, 5, 4], &[3, 5, 4]];
    for shape in image {
        check::<T>("conv2d", &mut Conv2d::new(&cpu, 3, 4, window, true, 1).unwrap(), shape);
        let options = SkConv2dOptions { num_terms: 2, low_rank: 3, bias: true, seed: 1 };
        check::<T>("sk_conv2d", &mut SkConv2d::new(&cpu, 3, 4, window, options).unwrap(), shape);
        check::<T>("max_pool2d", &mut MaxPool2d::new(&cpu, Window::new([2, 2])).unwrap(), shape);
        check::<T>("avg_pool2d", &mut AvgPool2d::new(&cpu, Window::new([2, 2])).unwrap(), shape);
    }
    for shape in [&[2, 3, 6][..], &[4, 6]] {
        check::<T>("layer_norm", &mut LayerNorm::new(&cpu, 6).unwrap(), shape);
        check::<T>("relu", &mut ActivationLayer::new(&cpu, Activation::Relu), shape);
        check::<T>("gelu", &mut ActivationLayer::new(&cpu, Activation::Gelu), shape);
        check::<T>("dropout", &mut Dropout::new(&cpu, 0.5, 1).unwrap(), shape);
        check::<T>("dropout of nothing", &mut Dropout::new(&cpu, 0.0, 1).unwrap(), shape);
        check::<T>("linear", &mut Linear::new(&cpu, 6, 5, true, 1).unwrap(), shape);
        let options = SkLinearOptions { num_terms: 2, low_rank: 3, bias: true, seed: 1 };
        check::<T>("sk_linear", &mut SkLinear::new(&cpu, 6, 5, options).unwrap(), shape);
        check::<T>("residual", &mut Residual::new(&cpu, Linear::new(&cpu, 6, 6, true, 1).unwrap()), shape);
        check::<T>("sequential of nothing", &mut Sequential::new(Vec::new()), shape);
        let layers: Vec<Box<dyn Layer<T, Cpu>>> = vec![
            Box::new(Linear::new(&cpu, 6, 5, true, 1).unwrap()),
            Box::new(ActivationLayer::relu(&cpu)),
            Box::new(Linear::new(&cpu, 5, 7, true, 2).unwrap()),
        ];
        check::<T>("sequential", &mut Sequential::new(layers), shape);
        for dropout in [0.0, 0.5] {
            let name = if dropout > 0.0 { "dropping attention" } else { "attention" };
            let options = MultiHeadAttentionOptions { dropout, ..Default::default() };
            check::<T>(name, &mut MultiHeadAttention::new(&cpu, 6, 2, options).unwrap(), shape);
            for positional_encoding in [None, Some(PositionalEncodingOptions { sines: 2, realizations: 3 })] {
                let options = RandMultiHeadAttentionOptions { dropout, positional_encoding, ..Default::default() };
                check::<T>(name, &mut RandMultiHeadAttention::new(&cpu, 6, 2, options).unwrap(), shape);
            }
        }
    }
    check::<T>("flatten", &mut Flatten::new(&cpu), &[2, 3, 4, 5]);
    check::<T>("flatten of rows", &mut Flatten::new(&cpu), &[2]);
}

#[test]
fn refused_backward_of_every_layer_consumes_nothing() {
    all_layers::<f32>();
    all_layers::<f64>();
}

#[test]
fn refused_backward_of_an_embedding_consumes_nothing() {
    let cpu = Cpu::default();
    let mut layer = Embedding::<f64, _>::new(&cpu, 5, 3, 1).unwrap();
    let y = layer.forward_train(&HostTensor { shape: vec![2, 2], values: vec![0, 1, 4, 1] }).unwrap();
    for other in other_shapes(y.shape()) {
        let refused = layer.backward(&tensor(&other, 3)).unwrap_err();
        assert!(matches!(refused, NnError::Shape { argument: "dy", .. }), "{other:?}: {refused}");
        assert!(layer.parameters_mut()[0].gradient.is_none());
    }
    layer.backward(&tensor(y.shape(), 2)).unwrap();
    assert!(matches!(layer.backward(&y), Err(NnError::BackwardWithoutForward { .. })));
}

#[test]
fn refused_backward_of_a_positional_encoding_consumes_nothing() {
    let cpu = Cpu::default();
    let options = StochasticEncodingOptions { sines: 2, realizations: 3, seed: 1 };
    let mut encoding = StochasticEncoding::<f64, _>::new(&cpu, 6, 2, options).unwrap();
    let [dq, dk] = encoding.encode_train(&tensor(&[2, 3, 6], 1), &tensor(&[2, 4, 6], 2)).unwrap();
    for bad in other_shapes(dq.shape()) {
        assert!(matches!(
            encoding.encode_backward(&tensor(&bad, 3), &dk),
            Err(NnError::Shape { argument: "query", .. })
        ));
    }
    for bad in other_shapes(dk.shape()) {
        assert!(matches!(encoding.encode_backward(&dq, &tensor(&bad, 3)), Err(NnError::Shape { argument: "key", .. })));
        assert!(encoding.parameters_mut().iter().all(|parameter| parameter.gradient.is_none()));
    }
    encoding.encode_backward(&dq, &dk).unwrap();
    assert!(matches!(encoding.encode_backward(&dq, &dk), Err(NnError::BackwardWithoutForward { .. })));
}

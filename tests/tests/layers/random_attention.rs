//! Multi-head attention through random features, as a layer.

use faer::Par;
use panther_nn::backend::{Arithmetic, AttentionInputs, AttentionKernel, LinearAttention, Storage};
use panther_nn::cpu::{Cpu, CpuTensor};
use panther_nn::layers::{
    Layer, Linear, PositionalEncodingOptions, RandMultiHeadAttention, RandMultiHeadAttentionOptions,
    StochasticEncoding, StochasticEncodingOptions,
};
use panther_nn::state::State;
use panther_nn::{NnError, Scalar};
use panther_tests::attention::reference;
use panther_tests::gradients::{check, gaussian};
use panther_tests::random::Random;

type Attention<T> = RandMultiHeadAttention<T, Cpu>;
type Options = RandMultiHeadAttentionOptions;

const KERNELS: [AttentionKernel; 2] = [AttentionKernel::Softmax, AttentionKernel::Relu];

const ENCODING: Option<PositionalEncodingOptions> = Some(PositionalEncodingOptions { sines: 2, realizations: 5 });

/// A layer whose weights are so large that its features differ, and whose biases and phases are not zero.
fn layer<T: Scalar>(embed: usize, heads: usize, options: Options, seed: u64) -> Attention<T> {
    let cpu = Cpu::default();
    let mut random = Random::new(seed);
    let projections = [(); 4].map(|()| {
        let mut draw = |shape: &[usize], scale: f64| -> CpuTensor<T> {
            let numbers = gaussian(shape, &mut random).as_slice().iter().map(|x| T::from_f64(scale * x)).collect();
            cpu.upload(shape, numbers).unwrap()
        };
        let weight = draw(&[embed, embed], (embed as f64).powf(-0.5));
        let bias = options.bias.then(|| draw(&[embed], 0.3));
        Linear::from_parts(&cpu, weight, bias).unwrap()
    });
    let mut attention = Attention::from_projections(&cpu, projections, heads, options).unwrap();
    if options.positional_encoding.is_some() {
        for (parameter, size) in attention.parameters_mut().into_iter().rev().zip([0.7, 1.0, 0.1]) {
            parameter.value.as_mut_slice().iter_mut().for_each(|x| *x = T::from_f64(size * random.gaussian()));
        }
    }
    attention
}

fn variants() -> impl Iterator<Item = Options> {
    let flags = [(false, false), (false, true), (true, false), (true, true)];
    KERNELS.into_iter().flat_map(move |kernel| {
        flags.into_iter().flat_map(move |(causal, bias)| {
            let plain = Options { num_features: 7, bias, causal, kernel, seed: 5, ..Options::default() };
            // Frequencies are multiplied by positions, and relus have kinks: for some numbers of features the differences' own error,
            // which falls as h², is 2·10⁻⁶ at the step of the checks. For this one it is small enough.
            [plain, Options { positional_encoding: ENCODING, num_features: 15, ..plain }]
        })
    })
}

#[test]
fn gradients_agree_with_central_differences() {
    for options in variants() {
        // Differences by frequencies are off by (2π·L·h)²/6 or more: with an encoding, short sequences.
        let long = if options.positional_encoding.is_some() { 9 } else { 67 };
        for shape in [vec![2, 5, 6], vec![long, 6], vec![1, 2, 3, 6]] {
            let mut attention = layer::<f64>(6, 2, options, 1);
            check(&format!("{options:?} {shape:?}"), &mut attention, &gaussian(&shape, &mut Random::new(3)), 2);
        }
    }
}

/// Cross attention with a mask, seen as a function of its three inputs side by side.
#[derive(Debug)]
struct Cross {
    attention: Attention<f64>,
    mask: Vec<bool>,
}

impl Cross {
    /// The rows of x: 2 sequences of 4 queries, 5 keys and 5 values.
    fn parts(x: &CpuTensor<f64>) -> [CpuTensor<f64>; 3] {
        let part = |start: usize, length: usize| {
            let rows = x.as_slice()[start * 6..][..2 * length * 6].to_vec();
            Cpu::default().upload(&[2, length, 6], rows).unwrap()
        };
        [part(0, 4), part(8, 5), part(18, 5)]
    }
}

impl Layer<f64, Cpu> for Cross {
    fn forward(&self, x: &CpuTensor<f64>) -> Result<CpuTensor<f64>, NnError> {
        let [query, key, value] = Self::parts(x);
        self.attention.attend(&query, &key, &value, Some(&self.mask))
    }

    fn forward_train(&mut self, x: &CpuTensor<f64>) -> Result<CpuTensor<f64>, NnError> {
        let [query, key, value] = Self::parts(x);
        self.attention.attend_train(&query, &key, &value, Some(&self.mask))
    }

    fn backward(&mut self, dy: &CpuTensor<f64>) -> Result<CpuTensor<f64>, NnError> {
        let gradients = self.attention.attend_backward(dy)?;
        Cpu::default().upload(&[28, 6], gradients.iter().flat_map(|g| g.as_slice().to_vec()).collect())
    }

    fn parameters_mut(&mut self) -> Vec<&mut panther_nn::Parameter<f64, Cpu>> {
        self.attention.parameters_mut()
    }

    fn save(&self, prefix: &str, state: &mut State<f64>) -> Result<(), NnError> {
        self.attention.save(prefix, state)
    }

    fn load(&mut self, prefix: &str, state: &State<f64>) -> Result<(), NnError> {
        self.attention.load(prefix, state)
    }
}

#[test]
fn gradients_of_masked_cross_attention_agree_with_central_differences() {
    for options in variants().filter(|options| !options.causal) {
        let mask = [true, false, true, true, false, false, true, true, true, false].to_vec();
        let mut cross = Cross { attention: layer::<f64>(6, 2, options, 1), mask };
        check(&format!("{options:?}"), &mut cross, &gaussian(&[28, 6], &mut Random::new(3)), 2);
    }
}

/// x·Wᵀ + b in double precision.
fn linear<T: Scalar>(state: &State<T>, [weight, bias]: [&str; 2], x: &[f64], embed: usize) -> Vec<f64> {
    let weight = state.values(weight, &[embed, embed]).unwrap();
    let bias = state.values(bias, &[embed]).unwrap();
    let of_row = |row: &[f64]| -> Vec<f64> {
        (0..embed)
            .map(|o| bias[o].to_f64() + (0..embed).map(|i| row[i] * weight[o * embed + i].to_f64()).sum::<f64>())
            .collect()
    };
    x.chunks(embed).flat_map(of_row).collect()
}

/// Queries and keys as the features see them, and their columns a head.
fn encoded<T: Scalar>(
    state: &State<T>,
    query: CpuTensor<f64>,
    key: CpuTensor<f64>,
    heads: usize,
    options: Options,
) -> (CpuTensor<f64>, CpuTensor<f64>, usize) {
    let embed = query.shape()[2];
    let Some(PositionalEncodingOptions { sines, realizations }) = options.positional_encoding else {
        return (query, key, embed / heads);
    };
    let options = StochasticEncodingOptions { sines, realizations, seed: 0 };
    let mut encoding = StochasticEncoding::<f64, _>::new(&Cpu::default(), embed, heads, options).unwrap();
    let mut widened = State::new();
    for (name, tensor) in state.iter() {
        widened.insert(name.to_owned(), &tensor.shape, tensor.values.iter().map(|x| x.to_f64()).collect());
    }
    encoding.load("positional_encoding", &widened).unwrap();
    let [mut query, mut key] = encoding.encode(&query, &key).unwrap();
    // The reference divides products by √R.
    let factor = ((realizations * heads) as f64 / embed as f64).powf(0.25);
    for x in [&mut query, &mut key] {
        x.as_mut_slice().iter_mut().for_each(|x| *x *= factor);
    }
    (query, key, realizations)
}

fn output_is_its_definition<T: Scalar>(arithmetic: Arithmetic, tolerance: f64) {
    let (batch, queries, embed, heads) = (2, 70, 12, 3);
    for options in variants().filter(|options| options.bias) {
        for masked in [false, true] {
            let keys = if options.causal { queries } else { 45 };
            let options = Options { arithmetic, ..options };
            let attention = layer::<T>(embed, heads, options, 1);
            let mut state = State::new();
            attention.save("", &mut state).unwrap();
            let mut random = Random::new(8);
            let cpu = Cpu::default();
            let lengths = [queries, keys, keys];
            let given = lengths.map(|length| gaussian(&[batch, length, embed], &mut random));
            let given = given.map(|x| {
                let numbers = x.as_slice().iter().map(|x| T::from_f64(*x)).collect();
                cpu.upload(x.shape(), numbers).unwrap()
            });
            let mask: Option<Vec<bool>> = masked.then(|| (0..batch * keys).map(|_| random.uniform() < 0.7).collect());
            let y = attention.attend(&given[0], &given[1], &given[2], mask.as_deref()).unwrap();
            let [query, key, value] = [0, 1, 2].map(|i| {
                let x: Vec<f64> = given[i].as_slice().iter().map(|x| x.to_f64()).collect();
                let names = [["Wq", "bq"], ["Wk", "bk"], ["Wv", "bv"]][i];
                cpu.upload::<f64>(given[i].shape(), linear(&state, names, &x, embed)).unwrap()
            });
            let (query, key, dimension) = encoded(&state, query, key, heads, options);
            let shape = [options.num_features, dimension];
            let projection = state.values("projection_matrix", &shape).unwrap().iter().map(|x| x.to_f64()).collect();
            let attended = reference(&AttentionInputs {
                query,
                key,
                value,
                projection: &cpu.upload::<f64>(&shape, projection).unwrap(),
                mask: mask.as_deref(),
                heads,
                kernel: options.kernel,
                arithmetic,
                causal: options.causal,
            });
            let expected = linear(&state, ["W0", "b0"], &attended.y, embed);
            for (place, (y, e)) in y.as_slice().iter().zip(&expected).enumerate() {
                let error = (y.to_f64() - e).abs();
                assert!(error <= tolerance, "{options:?} masked {masked} at {place}: {y:?} {e}");
            }
        }
    }
}

#[test]
fn output_is_projected_attention() {
    output_is_its_definition::<f64>(Arithmetic::Stable, 1e-12);
    output_is_its_definition::<f32>(Arithmetic::Stable, 1e-4);
}

#[test]
fn the_originals_arithmetic_is_reproduced() {
    // In single precision the original's own promise.
    output_is_its_definition::<f64>(Arithmetic::Original, 1e-12);
    output_is_its_definition::<f32>(Arithmetic::Original, 1e-5);
}

#[test]
fn the_originals_arithmetic_is_for_inference() {
    let options = Options { arithmetic: Arithmetic::Original, num_features: 7, ..Options::default() };
    let mut attention = layer::<f64>(6, 2, options, 1);
    let x = gaussian(&[2, 5, 6], &mut Random::new(3));
    assert!(matches!(attention.forward_train(&x), Err(NnError::InferenceOnly { .. })));
    let inputs = AttentionInputs {
        query: x.clone(),
        key: x.clone(),
        value: x.clone(),
        projection: attention.features(),
        mask: None,
        heads: 2,
        kernel: AttentionKernel::Softmax,
        arithmetic: Arithmetic::Original,
        causal: false,
    };
    let cpu = Cpu::default();
    let (y, saved) = cpu.linear_attention(&inputs).unwrap();
    let refused = cpu.linear_attention_backward(inputs, y, saved, x).unwrap_err();
    assert!(matches!(refused, NnError::InferenceOnly { .. }));
}

#[test]
fn a_positional_encoding_tells_positions_apart() {
    // Two sequences that differ in the order of their keys: without positions and up to rounding, the same to every query.
    let cpu = Cpu::default();
    let mut random = Random::new(3);
    let (query, key) = (gaussian(&[4, 12], &mut random), gaussian(&[6, 12], &mut random));
    let backwards = key.as_slice().chunks(12).rev().flatten().copied().collect();
    let backwards = cpu.upload(&[6, 12], backwards).unwrap();
    for kernel in KERNELS {
        let moved = |positional_encoding| {
            let options = Options { num_features: 9, kernel, positional_encoding, ..Options::default() };
            let attention = layer::<f64>(12, 3, options, 1);
            let [a, b] = [&key, &backwards].map(|key| attention.attend(&query, key, key, None).unwrap());
            a.as_slice().iter().zip(b.as_slice()).fold(0.0, |most: f64, (a, b)| most.max((a - b).abs()))
        };
        assert!(moved(None) < 1e-13, "{}", moved(None));
        assert!(moved(ENCODING) > 0.1, "{}", moved(ENCODING));
    }
}

#[test]
fn a_layer_is_loaded_as_it_was_saved() {
    let cpu = Cpu::default();
    let x = gaussian(&[2, 5, 12], &mut Random::new(3));
    for (bias, positional_encoding) in [(false, None), (true, None), (true, ENCODING)] {
        let make = |seed| {
            let options = Options { num_features: 9, bias, seed, positional_encoding, ..Options::default() };
            Attention::<f64>::new(&cpu, 12, 3, options).unwrap()
        };
        let (attention, mut other) = (make(1), make(2));
        let mut state = State::new();
        attention.save("a", &mut state).unwrap();
        let names: Vec<&str> = state.iter().map(|(name, _)| name).collect();
        let weights = ["a.W0", "a.Wk", "a.Wq", "a.Wv"];
        let biases = ["a.b0", "a.bk", "a.bq", "a.bv"].iter().filter(|_| bias);
        let of_encoding =
            ["codes", "frequencies", "gains", "phases"].map(|name| format!("a.positional_encoding.{name}"));
        let of_encoding = of_encoding.iter().filter(|_| positional_encoding.is_some()).map(String::as_str);
        let expected: Vec<&str> =
            weights.iter().chain(biases).copied().chain(of_encoding).chain(["a.projection_matrix"]).collect();
        assert_eq!(names, expected);
        assert_ne!(attention.forward(&x).unwrap(), other.forward(&x).unwrap());
        other.load("a", &state).unwrap();
        assert_eq!(attention.forward(&x).unwrap(), other.forward(&x).unwrap());
        let mut narrow =
            Attention::<f64>::new(&cpu, 12, 3, Options { num_features: 8, bias, ..Options::default() }).unwrap();
        assert!(matches!(narrow.load("a", &state), Err(NnError::TensorShape { .. })));
        assert!(matches!(narrow.load("b", &state), Err(NnError::MissingTensor { .. })));
    }
}

#[test]
fn features_are_redrawn_from_a_seed() {
    for positional_encoding in [None, ENCODING] {
        let options = Options { num_features: 9, seed: 3, positional_encoding, ..Options::default() };
        let mut attention = layer::<f64>(12, 3, options, 1);
        let x = gaussian(&[2, 5, 12], &mut Random::new(3));
        let before = attention.forward(&x).unwrap();
        let codes = |attention: &Attention<f64>| {
            let mut state = State::new();
            attention.save("", &mut state).unwrap();
            state.tensor("positional_encoding.codes").cloned().ok()
        };
        let codes_before = codes(&attention);
        attention.redraw_features(4).unwrap();
        assert_ne!(attention.forward(&x).unwrap(), before);
        assert!(codes_before.is_none() || codes(&attention) != codes_before);
        attention.redraw_features(3).unwrap();
        assert_eq!(attention.forward(&x).unwrap(), before);
    }
}

#[test]
fn dropout_drops_the_same_outputs_and_gradients() {
    let cpu = Cpu::default();
    let options = Options { num_features: 9, dropout: 0.25, ..Options::default() };
    let x = gaussian(&[3, 50, 12], &mut Random::new(3));
    let mut attention = layer::<f64>(12, 3, options, 1);
    let plain = attention.forward(&x).unwrap();
    let first = attention.forward_train(&x).unwrap();
    let second = attention.forward_train(&x).unwrap();
    assert_ne!(first, second);
    let dropped = first.as_slice().iter().filter(|y| **y == 0.0).count() as f64;
    // 1800 outputs; five deviations of the count, a false alarm in 2·10⁶.
    assert!((dropped - 450.0).abs() <= 5.0 * (1800.0_f64 * 0.25 * 0.75).sqrt(), "{dropped}");
    for (y, plain) in first.as_slice().iter().zip(plain.as_slice()) {
        assert!(*y == 0.0 || (y - plain / 0.75).abs() <= 1e-14 * plain.abs(), "{y} {plain}");
    }
    // The bias of the output gets a gradient of 1/(1 − rate) from each output that is kept, the last use first.
    let ones = cpu.upload(x.shape(), vec![1.0; 1800]).unwrap();
    for y in [second, first] {
        attention.parameters_mut().iter_mut().for_each(|p| p.gradient = None);
        attention.backward(&ones).unwrap();
        let gradient = attention.parameters_mut()[7].gradient.clone().unwrap();
        for (column, gradient) in gradient.as_slice().iter().enumerate() {
            let kept = y.as_slice().iter().skip(column).step_by(12).filter(|y| **y != 0.0).count();
            assert!((gradient - kept as f64 / 0.75).abs() <= 1e-10);
        }
    }
    assert!(matches!(attention.backward(&ones), Err(NnError::BackwardWithoutForward { .. })));
}

#[test]
fn outputs_and_gradients_do_not_depend_on_threads() {
    let run = |par, positional_encoding| {
        let options = Options { num_features: 24, causal: true, positional_encoding, ..Options::default() };
        let mut attention = Attention::<f32>::new(&Cpu::new(par), 48, 3, options).unwrap();
        let x = gaussian(&[2, 150, 48], &mut Random::new(3));
        let x = Cpu::default().upload(x.shape(), x.as_slice().iter().map(|x| *x as f32).collect()).unwrap();
        let y = attention.forward_train(&x).unwrap();
        let dx = attention.backward(&y).unwrap();
        let gradients: Vec<_> = attention.parameters_mut().iter().map(|p| p.gradient.clone()).collect();
        (y, dx, gradients)
    };
    for encoding in [None, ENCODING] {
        assert_eq!(run(Par::Seq, encoding), run(Par::rayon(2), encoding));
        assert_eq!(run(Par::Seq, encoding), run(Par::rayon(3), encoding));
    }
}

#[test]
fn sizes_that_do_not_fit_are_refused() {
    let cpu = Cpu::default();
    let new = |embed, heads, options| Attention::<f64>::new(&cpu, embed, heads, options).unwrap_err();
    let none = Options { num_features: 0, ..Options::default() };
    assert!(matches!(new(12, 3, none), NnError::OutOfRange { argument: "num_features", got: 0, .. }));
    assert!(matches!(new(0, 1, Options::default()), NnError::OutOfRange { argument: "embed", .. }));
    assert!(matches!(new(12, 0, Options::default()), NnError::OutOfRange { argument: "heads", .. }));
    assert!(matches!(new(12, 5, Options::default()), NnError::Shape { argument: "embed", .. }));
    for (sines, realizations, expected) in [(0, 4, "sines"), (4, 0, "realizations")] {
        let positional_encoding = Some(PositionalEncodingOptions { sines, realizations });
        let refused = new(12, 3, Options { positional_encoding, ..Options::default() });
        assert_eq!(refused, NnError::OutOfRange { argument: expected, low: 1, high: usize::MAX, got: 0 });
    }
    for dropout in [-0.1, 1.0, f64::NAN] {
        let options = Options { dropout, ..Options::default() };
        assert!(matches!(new(12, 3, options), NnError::InvalidNumber { argument: "dropout", .. }));
    }
    let mut attention = layer::<f64>(12, 3, Options { num_features: 9, ..Options::default() }, 1);
    let draw = |shape: &[usize]| gaussian(shape, &mut Random::new(3));
    let (x, other) = (draw(&[2, 5, 12]), draw(&[2, 4, 12]));
    let refused = |result: Result<_, NnError>, expected: &str| match result {
        Err(NnError::Shape { argument, .. }) => assert_eq!(argument, expected),
        other => panic!("{other:?}"),
    };
    refused(attention.forward(&draw(&[2, 5, 11])), "query");
    refused(attention.forward(&draw(&[12])), "query");
    refused(attention.attend(&x, &draw(&[3, 5, 12]), &x, None), "key");
    refused(attention.attend(&x, &x, &other, None), "value");
    refused(attention.attend_train(&x, &other, &other, Some(&[true; 10])), "mask");
    // A refused use leaves nothing behind.
    assert!(matches!(attention.backward(&x), Err(NnError::BackwardWithoutForward { .. })));
    attention.forward_train(&x).unwrap();
    assert!(matches!(attention.backward(&other), Err(NnError::Shape { argument: "dy", .. })));
    attention.backward(&x).unwrap();
    let nothing = cpu.upload(&[0, 5, 12], Vec::new()).unwrap();
    let y = attention.forward_train(&nothing).unwrap();
    assert_eq!(y.shape(), [0, 5, 12]);
    assert_eq!(attention.backward(&y).unwrap().shape(), [0, 5, 12]);
}

//! Dense multi-head attention against its formula in double precision.

use faer::Par;
use panther_nn::backend::Storage;
use panther_nn::cpu::{Cpu, CpuTensor};
use panther_nn::layers::{Layer, MultiHeadAttention, MultiHeadAttentionOptions};
use panther_nn::state::State;
use panther_nn::{NnError, Parameter, Scalar};
use panther_tests::gradients::{check, gaussian};
use panther_tests::random::Random;

/// Batch, length of the query, of the keys, width, heads.
#[derive(Clone, Copy, Debug)]
struct Sizes {
    batch: usize,
    queries: usize,
    keys: usize,
    embed: usize,
    heads: usize,
}

const fn sizes(batch: usize, queries: usize, keys: usize, embed: usize, heads: usize) -> Sizes {
    Sizes { batch, queries, keys, embed, heads }
}

const CASES: &[Sizes] =
    &[sizes(1, 1, 1, 1, 1), sizes(2, 5, 5, 6, 3), sizes(1, 7, 3, 8, 1), sizes(3, 4, 9, 4, 4), sizes(2, 1, 6, 10, 2)];

/// More scores than a block holds for all rows, and a last block that is short.
const BLOCKED: Sizes = sizes(2, 701, 701, 4, 2);

fn options(causal: bool) -> MultiHeadAttentionOptions {
    MultiHeadAttentionOptions { causal, seed: 5, ..MultiHeadAttentionOptions::default() }
}

/// A layer whose biases are not 0.
fn layer<T: Scalar>(cpu: &Cpu, at: Sizes, options: MultiHeadAttentionOptions) -> MultiHeadAttention<T, Cpu> {
    let mut layer = MultiHeadAttention::new(cpu, at.embed, at.heads, options).unwrap();
    let mut random = Random::new(8);
    for parameter in layer.parameters_mut() {
        if Cpu::shape(&parameter.value).len() == 1 {
            parameter.value.as_mut_slice().iter_mut().for_each(|b| *b = T::from_f64(0.5 * random.gaussian()));
        }
    }
    layer
}

fn tensor<T: Scalar>(shape: &[usize], scale: f64, seed: u64) -> CpuTensor<T> {
    let numbers = gaussian(shape, &mut Random::new(seed)).as_slice().iter().map(|x| T::from_f64(scale * x)).collect();
    Cpu::default().upload(shape, numbers).unwrap()
}

fn inputs<T: Scalar>(at: Sizes) -> [CpuTensor<T>; 3] {
    let keys = [at.batch, at.keys, at.embed];
    [tensor(&[at.batch, at.queries, at.embed], 1.0, 1), tensor(&keys, 1.0, 2), tensor(&keys, 1.0, 3)]
}

/// Every third key is left out, and all of the first sequence where there are several.
fn mask(at: Sizes) -> Vec<bool> {
    (0..at.batch * at.keys).map(|i| i % 3 != 1 && (at.batch == 1 || i >= at.keys)).collect()
}

fn doubles<T: Scalar>(x: &[T]) -> Vec<f64> {
    x.iter().map(|x| x.to_f64()).collect()
}

/// x·Wᵀ + b for a part of the packed projections.
fn project(x: &[f64], weight: &[f64], bias: &[f64]) -> Vec<f64> {
    let width = bias.len();
    let row = |x: &[f64]| -> Vec<f64> {
        let dot = |o: usize| x.iter().zip(&weight[o * width..]).map(|(x, w)| x * w).sum::<f64>() + bias[o];
        (0..width).map(dot).collect()
    };
    x.chunks(width).flat_map(row).collect()
}

/// The layer's definition, position by position, from what it saves.
fn by_definition<T: Scalar>(
    state: &State<T>,
    at: Sizes,
    [query, key, value]: [&[f64]; 3],
    attends: impl Fn(usize, usize, usize) -> bool,
) -> Vec<f64> {
    let Sizes { batch, queries, keys, embed, heads } = at;
    let read = |name: &str, shape: &[usize]| doubles(state.values(name, shape).unwrap());
    let (weight, bias) = (read("in_proj_weight", &[3 * embed, embed]), read("in_proj_bias", &[3 * embed]));
    let part =
        |p: usize, x: &[f64]| project(x, &weight[p * embed * embed..][..embed * embed], &bias[p * embed..][..embed]);
    let (q, k, v) = (part(0, query), part(1, key), part(2, value));
    let width = embed / heads;
    let mut context = vec![0.0; batch * queries * embed];
    for b in 0..batch {
        for h in 0..heads {
            for i in 0..queries {
                let q = &q[(b * queries + i) * embed + h * width..][..width];
                let seen: Vec<usize> = (0..keys).filter(|&j| attends(b, i, j)).collect();
                let place = |j: usize| (b * keys + j) * embed + h * width;
                let score =
                    |j: usize| q.iter().zip(&k[place(j)..]).map(|(q, k)| q * k).sum::<f64>() / (width as f64).sqrt();
                let largest = seen.iter().map(|&j| score(j)).fold(f64::NEG_INFINITY, f64::max);
                let sum: f64 = seen.iter().map(|&j| (score(j) - largest).exp()).sum();
                for &j in &seen {
                    for c in 0..width {
                        let p = (score(j) - largest).exp() / sum;
                        context[(b * queries + i) * embed + h * width + c] += p * v[place(j) + c];
                    }
                }
            }
        }
    }
    project(&context, &read("out_proj.weight", &[embed, embed]), &read("out_proj.bias", &[embed]))
}

fn output_is_the_formula<T: Scalar>() {
    let cpu = Cpu::default();
    for &at in CASES.iter().chain([&BLOCKED]) {
        for (causal, masked) in [(false, false), (false, true), (true, false), (true, true)] {
            if causal && at.queries != at.keys {
                continue;
            }
            let layer = layer::<T>(&cpu, at, options(causal));
            let mut state = State::new();
            layer.save("", &mut state).unwrap();
            let [q, k, v] = inputs::<T>(at);
            let mask = mask(at);
            let y = layer.attend(&q, &k, &v, masked.then_some(&mask)).unwrap();
            assert_eq!(Cpu::shape(&y), Cpu::shape(&q));
            let [q, k, v] = [q, k, v].map(|x| doubles(x.as_slice()));
            let attends = |b, i, j| (!causal || j <= i) && (!masked || mask[b * at.keys + j]);
            let expected = by_definition(&state, at, [&q, &k, &v], attends);
            let scale = expected.iter().fold(0.0, |m: f64, y| m.max(y.abs()));
            for (y, e) in y.as_slice().iter().zip(&expected) {
                let error = (y.to_f64() - e).abs();
                let allowed = 100.0 * at.embed as f64 * T::EPSILON.to_f64() * scale;
                assert!(error <= allowed, "{at:?} causal {causal} masked {masked}: {y:?} {e}");
            }
        }
    }
}

#[test]
fn outputs_are_the_formula() {
    output_is_the_formula::<f32>();
    output_is_the_formula::<f64>();
}

/// Attention as a layer of query, key and value in one vector.
#[derive(Debug)]
struct OfThree {
    at: Sizes,
    attention: MultiHeadAttention<f64, Cpu>,
    mask: Option<Vec<bool>>,
}

impl OfThree {
    fn split(&self, x: &CpuTensor<f64>) -> [CpuTensor<f64>; 3] {
        let Sizes { batch, queries, keys, embed, .. } = self.at;
        let (query, rest) = x.as_slice().split_at(batch * queries * embed);
        let (key, value) = rest.split_at(rest.len() / 2);
        let upload = |rows, x: &[f64]| Cpu::default().upload(&[batch, rows, embed], x.to_vec()).unwrap();
        [upload(queries, query), upload(keys, key), upload(keys, value)]
    }
}

impl Layer<f64, Cpu> for OfThree {
    fn forward(&self, x: &CpuTensor<f64>) -> Result<CpuTensor<f64>, NnError> {
        let [q, k, v] = self.split(x);
        self.attention.attend(&q, &k, &v, self.mask.as_deref())
    }
    fn forward_train(&mut self, x: &CpuTensor<f64>) -> Result<CpuTensor<f64>, NnError> {
        let [q, k, v] = self.split(x);
        self.attention.attend_train(&q, &k, &v, self.mask.as_deref())
    }
    fn backward(&mut self, dy: &CpuTensor<f64>) -> Result<CpuTensor<f64>, NnError> {
        let parts = self.attention.attend_backward(dy)?;
        let numbers = parts.iter().flat_map(|x| x.as_slice().to_vec()).collect::<Vec<_>>();
        Cpu::default().upload(&[numbers.len()], numbers)
    }
    fn parameters_mut(&mut self) -> Vec<&mut Parameter<f64, Cpu>> {
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
fn gradients_agree_with_central_differences() {
    let cpu = Cpu::new(Par::Seq);
    for &at in CASES {
        for (causal, masked) in [(false, false), (false, true), (true, false), (true, true)] {
            if causal && at.queries != at.keys {
                continue;
            }
            let attention = layer(&cpu, at, options(causal));
            let mut layer = OfThree { at, attention, mask: masked.then(|| mask(at)) };
            let count = at.batch * (at.queries + 2 * at.keys) * at.embed;
            let x = gaussian(&[count], &mut Random::new(1));
            check(&format!("{at:?} causal {causal} masked {masked}"), &mut layer, &x, 2);
        }
    }
}

#[test]
fn gradients_of_self_attention_agree_with_central_differences() {
    let cpu = Cpu::new(Par::Seq);
    for bias in [false, true] {
        // With a batch extent and without.
        for shape in [&[2, 6, 8][..], &[6, 8]] {
            let with = MultiHeadAttentionOptions { bias, ..options(true) };
            let mut layer = MultiHeadAttention::new(&cpu, 8, 2, with).unwrap();
            check(&format!("self {shape:?}, bias {bias}"), &mut layer, &gaussian(shape, &mut Random::new(1)), 2);
        }
    }
}

#[test]
fn gradients_over_several_blocks_agree_with_central_differences() {
    let at = BLOCKED;
    for causal in [false, true] {
        let mut layer = layer::<f64>(&Cpu::default(), at, options(causal));
        let [x, ..] = inputs::<f64>(at);
        let c = tensor::<f64>(x.shape(), 1.0, 9);
        layer.forward_train(&x).unwrap();
        let dx = layer.backward(&c).unwrap();
        let largest = dx.as_slice().iter().fold(0.0, |m: f64, g| m.max(g.abs()));
        // Rows at both sides of a boundary, whatever the rows of a block, and the ends.
        for row in [0, 1, 63, 64, 127, 128, 350, 373, 374, 699, 700, 701, 1074, 1401] {
            let place = row * at.embed + 2;
            let loss = |h: f64| -> f64 {
                let mut moved = x.clone();
                moved.as_mut_slice()[place] += h;
                let y = layer.forward(&moved).unwrap();
                y.as_slice().iter().zip(c.as_slice()).map(|(y, c)| y * c).sum()
            };
            let difference = (loss(1e-4) - loss(-1e-4)) / 2e-4;
            let error = (dx.as_slice()[place] - difference).abs();
            assert!(error <= 1e-6 * largest, "causal {causal} row {row}: {} {difference}", dx.as_slice()[place]);
        }
    }
}

#[test]
fn no_position_sees_the_future() {
    for at in [sizes(2, 33, 33, 12, 3), BLOCKED] {
        let layer = layer::<f32>(&Cpu::default(), at, options(true));
        let [x, ..] = inputs::<f32>(at);
        let y = layer.forward(&x).unwrap();
        let changed_from = at.queries - 11;
        let mut other = x.clone();
        let sequence = at.queries * at.embed;
        for numbers in other.as_mut_slice().chunks_mut(sequence) {
            numbers[changed_from * at.embed..].iter_mut().for_each(|x| *x = 1e3 - *x);
        }
        let other_y = layer.forward(&other).unwrap();
        for (y, other) in y.as_slice().chunks(sequence).zip(other_y.as_slice().chunks(sequence)) {
            let (past, future) = y.split_at(changed_from * at.embed);
            assert_eq!(past, &other[..past.len()]);
            assert_ne!(future, &other[past.len()..]);
        }
    }
}

#[test]
fn masked_keys_do_not_count() {
    let at = sizes(2, 5, 9, 8, 2);
    let layer = layer::<f32>(&Cpu::default(), at, options(false));
    let [q, k, v] = inputs::<f32>(at);
    let mask = mask(at);
    let y = layer.attend(&q, &k, &v, Some(&mask)).unwrap();
    // Nothing to attend to in the first sequence: the output is the output projection's bias.
    let mut state = State::new();
    layer.save("", &mut state).unwrap();
    let bias = state.values("out_proj.bias", &[8]).unwrap();
    for row in y.as_slice()[..5 * 8].chunks(8) {
        assert_eq!(row, bias);
    }
    let (mut other_k, mut other_v) = (k, v);
    for (i, attend) in mask.iter().enumerate().filter(|(_, attend)| !**attend) {
        assert!(!attend);
        other_k.as_mut_slice()[8 * i..][..8].fill(1e6);
        other_v.as_mut_slice()[8 * i..][..8].fill(-1e6);
    }
    assert_eq!(layer.attend(&q, &other_k, &other_v, Some(&mask)).unwrap(), y);
    // All keys are as good as no mask, and no keys at all as all masked.
    let all = vec![true; 18];
    let [_, k, v] = inputs::<f32>(at);
    assert_eq!(layer.attend(&q, &k, &v, Some(&all)).unwrap(), layer.attend(&q, &k, &v, None).unwrap());
    let none = tensor::<f32>(&[2, 0, 8], 1.0, 1);
    let y = layer.attend(&q, &none, &none, None).unwrap();
    assert!(y.as_slice().chunks(8).all(|row| row == bias));
}

#[test]
fn large_inputs_stay_finite() {
    let at = sizes(2, 40, 40, 16, 4);
    for (scale, causal) in [(1e3, false), (1e3, true), (1e-30, true)] {
        let mut layer = layer::<f32>(&Cpu::default(), at, options(causal));
        let x = tensor::<f32>(&[2, 40, 16], scale, 1);
        let y = layer.forward_train(&x).unwrap();
        let dx = layer.backward(&tensor(&[2, 40, 16], 1.0, 2)).unwrap();
        let mut numbers = [y.as_slice(), dx.as_slice()].concat();
        for parameter in layer.parameters_mut() {
            numbers.extend(parameter.gradient.as_ref().unwrap().as_slice());
        }
        assert!(numbers.iter().all(|x| x.is_finite()), "{scale:e}");
    }
    // Scores beyond the largest number: the keys that overflow share the attention.
    let layer = layer::<f32>(&Cpu::default(), at, options(true));
    let y = layer.forward(&tensor(&[2, 40, 16], 1e25, 1)).unwrap();
    assert!(y.as_slice().iter().all(|x| x.is_finite()));
}

#[test]
fn threads_do_not_change_a_byte() {
    let run = |par, at: Sizes, causal| {
        let mut layer = layer::<f32>(&Cpu::new(par), at, options(causal));
        let [q, k, v] = inputs::<f32>(at);
        let y = layer.attend_train(&q, &k, &v, Some(&mask(at))).unwrap();
        let d = layer.attend_backward(&y).unwrap();
        let gradients: Vec<_> = layer.parameters_mut().iter().map(|p| p.gradient.clone()).collect();
        (y, d, gradients)
    };
    for (at, causal) in [(BLOCKED, true), (sizes(1, 300, 200, 128, 2), false)] {
        assert_eq!(run(Par::Seq, at, causal), run(Par::rayon(2), at, causal));
        assert_eq!(run(Par::Seq, at, causal), run(Par::rayon(3), at, causal));
    }
}

#[test]
fn dropout_is_of_training_only_and_differs_from_use_to_use() {
    let cpu = Cpu::default();
    let with = MultiHeadAttentionOptions { dropout: 0.4, ..options(false) };
    let at = sizes(1, 100, 100, 10, 2);
    let mut layer = layer::<f64>(&cpu, at, with);
    let [x, ..] = inputs::<f64>(at);
    let y = layer.forward(&x).unwrap();
    let (first, second) = (layer.forward_train(&x).unwrap(), layer.forward_train(&x).unwrap());
    assert_ne!(first, second);
    for dropped in [&first, &second] {
        // 1000 numbers of which 400 ± 15.5 are dropped: seven deviations are exceeded once in 4·10¹¹.
        let count = dropped.as_slice().iter().filter(|y| **y == 0.0).count();
        assert!(count.abs_diff(400) < 109, "{count}");
        for (dropped, y) in dropped.as_slice().iter().zip(y.as_slice()) {
            assert!(*dropped == 0.0 || (dropped / y * 0.6 - 1.0).abs() < 1e-12);
        }
    }
    // The gradient of what was dropped is 0: by the bias of the output it is the sum over the kept rows.
    let ones = cpu.upload(&[1, 100, 10], vec![1.0; 1000]).unwrap();
    for dropped in [&second, &first] {
        layer.parameters_mut().into_iter().for_each(|p| p.gradient = None);
        layer.backward(&ones).unwrap();
        let parameters = layer.parameters_mut();
        let gradient = parameters.last().unwrap().gradient.as_ref().unwrap();
        for (column, g) in gradient.as_slice().iter().enumerate() {
            let kept = dropped.as_slice().iter().skip(column).step_by(10).filter(|y| **y != 0.0).count();
            assert!((g - kept as f64 / 0.6).abs() < 1e-9);
        }
    }
}

#[test]
fn layers_are_loaded_as_they_were_saved() {
    let cpu = Cpu::default();
    let at = sizes(2, 5, 5, 6, 3);
    let layer = layer::<f32>(&cpu, at, options(false));
    let [x, ..] = inputs::<f32>(at);
    let mut state = State::new();
    layer.save("self_attn", &mut state).unwrap();
    let names: Vec<&str> = state.iter().map(|(name, _)| name).collect();
    let expected =
        ["self_attn.in_proj_bias", "self_attn.in_proj_weight", "self_attn.out_proj.bias", "self_attn.out_proj.weight"];
    assert_eq!(names, expected);
    let mut other =
        MultiHeadAttention::new(&cpu, 6, 3, MultiHeadAttentionOptions { seed: 77, ..options(false) }).unwrap();
    assert_ne!(other.forward(&x).unwrap(), layer.forward(&x).unwrap());
    other.load("self_attn", &state).unwrap();
    assert_eq!(other.forward(&x).unwrap(), layer.forward(&x).unwrap());
    let mut wider = MultiHeadAttention::<f32, _>::new(&cpu, 9, 3, options(false)).unwrap();
    assert!(matches!(wider.load("self_attn", &state), Err(NnError::TensorShape { .. })));
    assert!(matches!(other.load("cross_attn", &state), Err(NnError::MissingTensor { .. })));
}

#[test]
fn what_does_not_fit_is_refused() {
    let cpu = Cpu::default();
    let make = |embed, heads, options| MultiHeadAttention::<f64, _>::new(&cpu, embed, heads, options);
    let refused = make(0, 1, options(false)).unwrap_err();
    assert_eq!(refused, NnError::OutOfRange { argument: "embed", low: 1, high: usize::MAX, got: 0 });
    let refused = make(6, 0, options(false)).unwrap_err();
    assert_eq!(refused, NnError::OutOfRange { argument: "heads", low: 1, high: 6, got: 0 });
    assert!(matches!(make(6, 4, options(false)), Err(NnError::Shape { argument: "embed", .. })));
    for dropout in [-0.1, 1.0, f64::NAN] {
        let refused = make(6, 2, MultiHeadAttentionOptions { dropout, ..options(false) });
        assert!(matches!(refused, Err(NnError::InvalidNumber { argument: "dropout", .. })));
    }
    let mut layer = make(6, 2, options(false)).unwrap();
    let causal = make(6, 2, options(true)).unwrap();
    let x = |shape: &[usize]| tensor::<f64>(shape, 1.0, 1);
    let (query, key) = (x(&[2, 3, 6]), x(&[2, 4, 6]));
    let cases = [
        (x(&[2, 3, 5]), key.clone(), key.clone(), "query"),
        (x(&[6]), key.clone(), key.clone(), "query"),
        (query.clone(), x(&[1, 4, 6]), key.clone(), "key"),
        (query.clone(), x(&[2, 4, 5]), key.clone(), "key"),
        (query.clone(), x(&[6]), key.clone(), "key"),
        (query.clone(), key.clone(), x(&[2, 3, 6]), "value"),
    ];
    for (q, k, v, which) in &cases {
        let refused = layer.attend(q, k, v, None).unwrap_err();
        assert!(matches!(refused, NnError::Shape { argument, .. } if argument == *which), "{which}: {refused}");
    }
    let refused = layer.attend(&query, &key, &key, Some(&[true; 7])).unwrap_err();
    assert!(matches!(refused, NnError::Shape { argument: "mask", .. }));
    let refused = causal.attend(&query, &key, &key, None).unwrap_err();
    assert!(matches!(refused, NnError::Shape { argument: "key", .. }));
    assert!(matches!(layer.attend_backward(&query), Err(NnError::BackwardWithoutForward { .. })));
    layer.attend_train(&query, &key, &key, None).unwrap();
    assert!(matches!(layer.attend_backward(&x(&[2, 3, 5])), Err(NnError::Shape { argument: "dy", .. })));
    assert_eq!(Cpu::shape(&layer.forward(&x(&[0, 3, 6])).unwrap()), [0, 3, 6]);
    assert_eq!(Cpu::shape(&layer.forward(&x(&[2, 0, 6])).unwrap()), [2, 0, 6]);
}

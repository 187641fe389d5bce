//! What layers ask of a backend, and whole layers: the same on a device as on the CPU, and the same bytes each time.

use panther_gpu::Device;
use panther_nn::backend::{
    Activation, AdamWStep, Arithmetic, AttentionInputs, AttentionKernel, Backend, Convolution, CrossEntropy, Geometry,
    KeysSeen, Layout, Products, Random as _, SequenceRows, SgdStep, Storage, Waves,
};
use panther_nn::cpu::Cpu;
use panther_nn::cuda::{Cuda, Precision};
use panther_nn::layers::{
    ActivationLayer, AvgPool2d, Conv2d, Embedding, Layer, LayerNorm, Linear, MaxPool2d, MultiHeadAttention,
    MultiHeadAttentionOptions, Padding, PositionalEncodingOptions, RandMultiHeadAttention,
    RandMultiHeadAttentionOptions, Sequential, SkConv2d, SkConv2dOptions, SkLinear, SkLinearOptions,
    StochasticEncoding, StochasticEncodingOptions, Window, orthogonal_features,
};
use panther_nn::state::HostTensor;
use panther_nn::train::{AdamW, AdamWOptions, Optimizer, cross_entropy, zero_gradients};
use panther_nn::{NnError, Parameter, Scalar};

use crate::gpu::Check;
use crate::random::Random;

/// What a case computes, by name.
type Outputs = Result<Vec<(String, Vec<f64>)>, NnError>;

/// Collects what a case computes.
struct Case<'a, B> {
    backend: &'a B,
    random: Random,
    outputs: Vec<(String, Vec<f64>)>,
}

impl<'a, B: Backend> Case<'a, B> {
    fn new(backend: &'a B, seed: u64) -> Self {
        Self { backend, random: Random::new(seed), outputs: Vec::new() }
    }

    /// Independent N(0, scale²) entries, the same for every backend.
    fn gaussian<T: Scalar>(&mut self, shape: &[usize], scale: f64) -> Result<B::Tensor<T>, NnError> {
        let numbers = (0..shape.iter().product()).map(|_| T::from_f64(scale * self.random.gaussian())).collect();
        self.backend.upload(shape, numbers)
    }

    fn keep<T: Scalar>(&mut self, name: impl Into<String>, x: &B::Tensor<T>) -> Result<(), NnError> {
        let numbers = self.backend.download(x)?.into_iter().map(|x| x.to_f64()).collect();
        self.outputs.push((name.into(), numbers));
        Ok(())
    }

    fn keep_number(&mut self, name: &str, x: f64) {
        self.outputs.push((name.to_owned(), vec![x]));
    }

    /// Output, gradient by the input, and gradients by the parameters of a layer.
    fn layer<T: Scalar>(&mut self, name: &str, layer: &mut dyn Layer<T, B>, shape: &[usize]) -> Result<(), NnError> {
        let x = self.gaussian(shape, 1.0)?;
        let y = layer.forward(&x)?;
        self.keep(format!("{name}: y"), &y)?;
        let y = layer.forward_train(&x)?;
        let dy = self.gaussian(B::shape(&y), 1.0)?;
        let dx = layer.backward(&dy)?;
        self.keep(format!("{name}: dx"), &dx)?;
        self.gradients(name, &layer.parameters_mut())
    }

    /// Those by all parameters as one output: some, such as that by the bias of the keys of an attention, are zero but for rounding.
    fn gradients<T: Scalar>(&mut self, name: &str, parameters: &[&mut Parameter<T, B>]) -> Result<(), NnError> {
        let mut numbers = Vec::new();
        for gradient in parameters.iter().filter_map(|parameter| parameter.gradient.as_ref()) {
            numbers.extend(self.backend.download(gradient)?.into_iter().map(|x| x.to_f64()));
        }
        self.outputs.push((format!("{name}: gradients"), numbers));
        Ok(())
    }
}

/// An error where the device's outputs are not the CPU's up to `factor`·ε of the largest, or not finite where the CPU's are.
fn compare(what: &str, precision: f64, expected: Outputs, got: &Outputs) -> Result<(), String> {
    let expected = expected.map_err(|error| format!("{what} on the CPU: {error}"))?;
    let got = got.as_ref().map_err(|error| format!("{what} on the device: {error}"))?;
    if expected.len() != got.len() {
        return Err(format!("{what}: {} outputs on the CPU, {} on the device", expected.len(), got.len()));
    }
    for ((name, expected), (_, got)) in expected.iter().zip(got) {
        if expected.len() != got.len() {
            return Err(format!("{what}: {name}: {} numbers on the CPU, {} on the device", expected.len(), got.len()));
        }
        let largest = expected.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
        let allowed = precision * largest;
        for (i, (a, b)) in expected.iter().zip(got).enumerate() {
            let is_same = a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= allowed;
            if !is_same {
                return Err(format!(
                    "{what}: {name}[{i}]: {a:e} on the CPU, {b:e} on the device, may differ by {allowed:e}"
                ));
            }
        }
    }
    Ok(())
}

/// An error where two runs differ in a bit.
fn same(what: &str, first: &Outputs, second: &Outputs) -> Result<(), String> {
    let (Ok(first), Ok(second)) = (first, second) else { return Err(format!("{what}: a run failed")) };
    let bits = |outputs: &[(String, Vec<f64>)]| -> Vec<u64> {
        outputs.iter().flat_map(|(_, numbers)| numbers.iter().map(|x| x.to_bits())).collect()
    };
    if bits(first) == bits(second) { Ok(()) } else { Err(format!("{what}: two runs differ")) }
}

/// Runs a generic case in both precisions on both backends, on the device twice. Differences are allowed up to `$factor`·ε.
macro_rules! check {
    ($name:literal, $case:ident, $factor:expr) => {
        Check {
            name: $name,
            run: |device: &Device| {
                let (cpu, cuda) = (Cpu::default(), Cuda::of(device.clone()));
                let double = $case::<f64, Cuda>(&cuda);
                compare(concat!($name, " f64"), $factor * f64::EPSILON, $case::<f64, Cpu>(&cpu), &double)?;
                same(concat!($name, " f64"), &double, &$case::<f64, Cuda>(&cuda))?;
                let single = $case::<f32, Cuda>(&cuda);
                let precision = $factor * f64::from(f32::EPSILON);
                compare(concat!($name, " f32"), precision, $case::<f32, Cpu>(&cpu), &single)?;
                same(concat!($name, " f32"), &single, &$case::<f32, Cuda>(&cuda))
            },
        }
    };
}

/// All of them.
#[must_use]
pub fn layer_checks() -> Vec<Check> {
    vec![
        check!("layers: storage", storage, 0.0),
        check!("layers: elementwise", elementwise, 16.0),
        check!("layers: reductions", reductions, 256.0),
        check!("layers: products", products, 256.0),
        Check { name: "layers: precisions", run: precisions },
        check!("layers: random", random, 4.0),
        check!("layers: gather", gather, 4.0),
        check!("layers: normalization", normalization, 512.0),
        check!("layers: softmax", softmax, 64.0),
        check!("layers: sinusoids", sinusoids, 4096.0),
        check!("layers: losses", losses, 64.0),
        check!("layers: optimizers", optimizers, 64.0),
        check!("layers: pooling", pooling, 16.0),
        check!("layers: convolutions", convolutions, 1024.0),
        check!("layers: linear attention", linear_attention, 4096.0),
        check!("layers: linear attention with wide values", wide_values, 4096.0),
        check!("layers: linear attention of growing keys", growing_keys, 4096.0),
        check!("layers: linear attention of large inputs", large_attention, 0.0),
        check!("layers: linear and convolution layers", simple_layers, 2048.0),
        check!("layers: attention layers", attention_layers, 8192.0),
        check!("layers: attention with positions", encoded_attention, 16384.0),
        Check { name: "layers: precisions of attention", run: precisions_of_attention },
        check!("layers: training", training, 65536.0),
    ]
}

fn storage<T: Scalar, B: Backend>(backend: &B) -> Outputs {
    let mut case = Case::new(backend, 1);
    let x = case.gaussian::<T>(&[3, 5], 1.0)?;
    let mut shared = backend.reshape(&x, &[15])?;
    backend.scale(T::from_f64(2.0), &mut shared)?;
    case.keep("original", &x)?;
    case.keep("scaled", &shared)?;
    case.keep("nothing", &backend.zeros::<T>(&[0, 4])?)?;
    case.keep("zeros", &backend.zeros::<T>(&[7])?)?;
    Ok(case.outputs)
}

fn elementwise<T: Scalar, B: Backend>(backend: &B) -> Outputs {
    let mut case = Case::new(backend, 2);
    for shape in [vec![0, 3], vec![1, 1], vec![37, 5], vec![1000, 129]] {
        let (x, mut y) = (case.gaussian::<T>(&shape, 2.0)?, case.gaussian::<T>(&shape, 1.0)?);
        for f in [Activation::Relu, Activation::Gelu] {
            let activated = backend.activate(f, &x)?;
            case.keep(format!("{f:?} {shape:?}"), &activated)?;
            let gradient = backend.activate_backward(f, &x, &y)?;
            case.keep(format!("{f:?} backward {shape:?}"), &gradient)?;
        }
        backend.add_scaled(T::from_f64(-0.75), &x, &mut y)?;
        let bias = case.gaussian::<T>(&shape[1..], 1.0)?;
        backend.add_rows(&bias, &mut y)?;
        case.keep(format!("sums {shape:?}"), &y)?;
    }
    Ok(case.outputs)
}

fn reductions<T: Scalar, B: Backend>(backend: &B) -> Outputs {
    let mut case = Case::new(backend, 3);
    for (rows, width) in [(0, 3), (1, 1), (2, 700), (1000, 33), (5001, 7)] {
        let (x, mut sum) = (case.gaussian::<T>(&[rows, width], 1.0)?, case.gaussian::<T>(&[width], 1.0)?);
        backend.sum_rows(&x, &mut sum)?;
        case.keep(format!("rows {rows}×{width}"), &sum)?;
        let squares = backend.sum_of_squares(&x)?;
        case.keep_number("squares", squares);
    }
    for shape in [[0, 3, 4, 4], [1, 1, 1, 1], [3, 5, 7, 9], [2, 4, 65, 64]] {
        let (x, mut sum) = (case.gaussian::<T>(&shape, 1.0)?, case.gaussian::<T>(&shape[1..2], 1.0)?);
        backend.sum_channels(&x, &mut sum)?;
        case.keep(format!("channels {shape:?}"), &sum)?;
    }
    Ok(case.outputs)
}

fn products<T: Scalar, B: Backend>(backend: &B) -> Outputs {
    let mut case = Case::new(backend, 4);
    for (m, n, k) in [(1, 1, 1), (3, 5, 7), (33, 65, 17), (4, 6, 0), (1, 9, 8), (9, 1, 8)] {
        // Two levels of batches that one distance does not lead through, heads side by side in the columns of C.
        let (outer, inner) = (2, 3);
        let (a, b) = (case.gaussian::<T>(&[outer, inner, m, k], 1.0)?, case.gaussian::<T>(&[inner, n, k], 1.0)?);
        for beta in [0.0, 0.5] {
            let mut c = case.gaussian::<T>(&[outer, m, inner, n], 1.0)?;
            let a_at = Layout::matrix(m, k).batched([outer, inner], [inner * m * k, m * k]);
            let b_at = Layout::matrix(n, k).t().batched([outer, inner], [0, n * k]);
            let mut c_at = Layout::matrix(m, n).batched([outer, inner], [m * inner * n, n]);
            c_at.row_stride = inner * n;
            backend.gemm(T::from_f64(1.5), (&a, a_at), (&b, b_at), T::from_f64(beta), (&mut c, c_at))?;
            case.keep(format!("{m}×{n}×{k} β {beta}"), &c)?;
            let mut c = case.gaussian::<T>(&[m, n], 1.0)?;
            let (a_at, b_at) = (Layout::matrix(m, k), Layout::matrix(n, k).t());
            backend.gemm(T::ONE, (&a, a_at), (&b, b_at), T::from_f64(beta), (&mut c, Layout::matrix(m, n)))?;
            case.keep("single", &c)?;
            let mut c = case.gaussian::<T>(&[n, m], 1.0)?;
            let c_at = Layout::matrix(n, m).t();
            backend.gemm(T::ONE, (&a, a_at), (&b, b_at), T::from_f64(beta), (&mut c, c_at))?;
            case.keep("transposed", &c)?;
        }
        let a_at = Layout::matrix(m, k).batched([outer, inner], [inner * m * k, m * k]);
        let b_at = Layout::matrix(n, k).t().batched([outer, inner], [0, n * k]);
        let product = backend.product(&[outer, inner, m, n], T::from_f64(1.5), (&a, a_at), (&b, b_at))?;
        case.keep("new", &product)?;
    }
    Ok(case.outputs)
}

/// Products err by no more than their precision allows, and convolutions do not depend on it.
fn precisions(device: &Device) -> Result<(), String> {
    let words = |error: NnError| error.to_string();
    let full = convolved(&Cuda::of(device.clone())).map_err(words)?;
    // Factors are off by a unit in their last place at the most, however they are rounded.
    for (precision, unit) in
        [(Precision::F32, 0.0), (Precision::Tf32, (-10.0_f64).exp2()), (Precision::Bf16, (-7.0_f64).exp2())]
    {
        let cuda = Cuda::of(device.clone()).with_precision(precision);
        for [m, n, k] in [[1, 1, 1], [3, 5, 7], [64, 96, 200], [256, 128, 1024]] {
            let mut random = Random::new(19);
            let mut gaussian = |count: usize| (0..count).map(|_| random.gaussian() as f32).collect::<Vec<_>>();
            let (a, b) = (gaussian(m * k), gaussian(k * n));
            let product = cuda.upload(&[m, k], a.clone()).and_then(|a_there| {
                let b_there = cuda.upload(&[k, n], b.clone())?;
                let (a_there, b_there) = ((&a_there, Layout::matrix(m, k)), (&b_there, Layout::matrix(k, n)));
                cuda.download(&cuda.product(&[m, n], 1.0_f32, a_there, b_there)?)
            });
            // Sums of k numbers in f32, truncated.
            let allowed = unit * (2.0 + unit) + (k + 1) as f64 * f64::from(f32::EPSILON);
            for (at, got) in product.map_err(words)?.into_iter().enumerate() {
                let terms = (0..k).map(|l| f64::from(a[at / n * k + l]) * f64::from(b[l * n + at % n]));
                let (sum, size) = terms.fold((0.0, 0.0), |(sum, size), term| (sum + term, size + term.abs()));
                let error = (f64::from(got) - sum).abs();
                if error.is_nan() || error > allowed * size {
                    let bound = allowed * size;
                    return Err(format!(
                        "{precision:?} {m}×{n}×{k}: entry {at} is off by {error:e}, may be by {bound:e}"
                    ));
                }
            }
        }
        if convolved(&cuda).map_err(words)? != full {
            return Err(format!("{precision:?}: a convolution is not that in full precision"));
        }
    }
    Ok(())
}

/// A convolution's output and gradients, bit for bit.
fn convolved(cuda: &Cuda) -> Result<Vec<u32>, NnError> {
    let at = geometry([3, 3], [1, 1], [[1; 2]; 2], [1, 1]);
    let (x, weight) = (cuda.normal::<f32>(&[2, 5, 20, 40], 1.0, 1)?, cuda.normal(&[16, 5, 3, 3], 1.0, 2)?);
    let mix = cuda.normal(&[16, 24], 1.0, 3)?;
    let y = cuda.convolve(&x, &weight, None, None, at)?;
    let mixed = cuda.convolve(&x, &weight, Some((0.5, &mix)), None, at)?;
    let dx = cuda.convolve_backward_input(&y, &weight, [20, 40], at)?;
    let mut gradient = cuda.zeros(&[16, 5, 3, 3])?;
    cuda.convolve_backward_weight(&x, &y, at, &mut gradient)?;
    let mut bits = Vec::new();
    for output in [&y, &mixed, &dx, &gradient] {
        bits.extend(cuda.download(output)?.into_iter().map(f32::to_bits));
    }
    Ok(bits)
}

fn random<T: Scalar, B: Backend>(backend: &B) -> Outputs {
    let mut case = Case::new(backend, 5);
    for shape in [vec![0], vec![1], vec![3, 1025], vec![5000]] {
        case.keep("uniform", &backend.uniform::<T>(&shape, 0.3, 11)?)?;
        case.keep("normal", &backend.normal::<T>(&shape, 0.3, 12)?)?;
        let mut x = case.gaussian::<T>(&shape, 1.0)?;
        backend.dropout(0.4, 13, &mut x)?;
        case.keep("dropout", &x)?;
    }
    Ok(case.outputs)
}

fn gather<T: Scalar, B: Backend>(backend: &B) -> Outputs {
    let mut case = Case::new(backend, 6);
    let table = case.gaussian::<T>(&[11, 5], 1.0)?;
    for indices in [vec![], vec![10], vec![3, 0, 3, 3, 10, 0, 7]] {
        case.keep("rows", &backend.gather_rows(&table, &indices)?)?;
        let (x, mut sum) = (case.gaussian::<T>(&[indices.len(), 5], 1.0)?, table.clone());
        backend.scatter_add_rows(&x, &indices, &mut sum)?;
        case.keep("sums", &sum)?;
    }
    case.keep("untouched", &table)?;
    Ok(case.outputs)
}

fn normalization<T: Scalar, B: Backend>(backend: &B) -> Outputs {
    let mut case = Case::new(backend, 7);
    for (rows, width, size) in [(0, 4, 1.0), (1, 1, 1.0), (3, 7, 1.0), (70, 513, 1.0), (5, 33, 1e15)] {
        let (x, dy) = (case.gaussian::<T>(&[rows, width], size)?, case.gaussian::<T>(&[rows, width], 1.0)?);
        let (weight, bias) = (case.gaussian::<T>(&[width], 1.0)?, case.gaussian::<T>(&[width], 1.0)?);
        let normalized = backend.normalize(1e-5, &x, &weight, &bias)?;
        case.keep(format!("y {rows}×{width}"), &normalized.y)?;
        let (mut dw, mut db) = (case.gaussian::<T>(&[width], 1.0)?, case.gaussian::<T>(&[width], 1.0)?);
        let dx = backend.normalize_backward(&x, &normalized.moments, &weight, &dy, (&mut dw, &mut db))?;
        case.keep(format!("dx {rows}×{width}"), &dx)?;
        case.keep("dw", &dw)?;
        case.keep("db", &db)?;
    }
    Ok(case.outputs)
}

fn softmax<T: Scalar, B: Backend>(backend: &B) -> Outputs {
    let mut case = Case::new(backend, 8);
    for ([batch, heads, rows, keys], first_sees) in
        [([0, 1, 2, 3], None), ([1, 1, 1, 1], Some(0)), ([2, 3, 5, 7], None), ([2, 2, 9, 300], Some(2))]
    {
        let penalty: Vec<T> = (0..batch * (keys + 2))
            .map(|i| T::from_f64(if i % 3 == 1 || i < keys { f64::NEG_INFINITY } else { 0.0 }))
            .collect();
        let penalty = backend.upload(&[batch, keys + 2], penalty)?;
        for penalty in [None, Some(&penalty)] {
            let shape = [batch, heads, rows, keys];
            let mut p = case.gaussian::<T>(&shape, 3.0)?;
            backend.softmax(&mut p, KeysSeen { first_sees, penalty })?;
            case.keep(format!("p {shape:?}"), &p)?;
            let mut gradient = case.gaussian::<T>(&shape, 1.0)?;
            backend.softmax_backward(&p, &mut gradient)?;
            case.keep(format!("gradient {shape:?}"), &gradient)?;
        }
    }
    Ok(case.outputs)
}

fn sinusoids<T: Scalar, B: Backend>(backend: &B) -> Outputs {
    let mut case = Case::new(backend, 9);
    for (columns, waves, rows) in [(1, 1, 0..1), (5, 3, 2..77), (4, 2, 0..0)] {
        let x = case.gaussian::<T>(&[2, 40, columns], 1.0)?;
        let shape = [columns, waves];
        let at = SequenceRows { rows, length: 40 };
        let own = Waves {
            frequencies: case.gaussian::<T>(&shape, 0.2)?,
            phases: Some(case.gaussian::<T>(&shape, 1.0)?),
            gains: case.gaussian::<T>(&shape, 1.0)?,
        };
        for phases in [None, own.phases.as_ref()] {
            let given = Waves { frequencies: &own.frequencies, phases, gains: &own.gains };
            let y = backend.modulate(&x, &at, &given)?;
            case.keep("y", &y)?;
            let (dy, mut dx) = (case.gaussian::<T>(B::shape(&y), 1.0)?, case.gaussian::<T>(B::shape(&x), 1.0)?);
            let mut gradients = Waves {
                frequencies: backend.zeros::<T>(&shape)?,
                phases: phases.map(|_| backend.zeros::<T>(&shape)).transpose()?,
                gains: backend.zeros::<T>(&shape)?,
            };
            backend.modulate_backward(&x, &at, &given, &dy, &mut dx, &mut gradients)?;
            case.keep("dx", &dx)?;
            case.keep("by frequencies", &gradients.frequencies)?;
            case.keep("by gains", &gradients.gains)?;
            if let Some(phases) = &gradients.phases {
                case.keep("by phases", phases)?;
            }
        }
    }
    Ok(case.outputs)
}

fn losses<T: Scalar, B: Backend>(backend: &B) -> Outputs {
    let mut case = Case::new(backend, 10);
    for (rows, classes, size) in [(0, 3, 1.0), (1, 1, 1.0), (33, 10, 1.0), (5, 1000, 1e3)] {
        let logits = case.gaussian::<T>(&[rows, classes], size)?;
        let targets: Vec<usize> = (0..rows).map(|row| if row == 2 { 7777 } else { row * 3 % classes }).collect();
        for label_smoothing in [0.0, 0.1] {
            let options = CrossEntropy { label_smoothing, ignored: Some(7777) };
            let loss = backend.cross_entropy(options, &logits, &targets)?;
            case.keep_number("cross-entropy", loss.value);
            case.keep("its gradient", &loss.gradient)?;
        }
        let wanted = case.gaussian::<T>(&[rows, classes], 1.0)?;
        let loss = backend.mean_squared_error(&logits, &wanted)?;
        case.keep_number("squared error", loss.value);
        case.keep("its gradient", &loss.gradient)?;
    }
    Ok(case.outputs)
}

fn optimizers<T: Scalar, B: Backend>(backend: &B) -> Outputs {
    let mut case = Case::new(backend, 11);
    for (count, start) in [(0, 3), (1, 0), (1003, 5)] {
        let mut value = case.gaussian::<T>(&[count + start + 2], 1.0)?;
        let mut state = (0..3).map(|_| backend.zeros::<T>(&[count])).collect::<Result<Vec<_>, _>>()?;
        for step in 0..3 {
            let gradient = case.gaussian::<T>(&[count], 1.0)?;
            let plain = SgdStep { learning_rate: 0.1, momentum: 0.9, weight_decay: 0.01, nesterov: step == 1 };
            backend.sgd_step(plain, &gradient, None, &mut value, start)?;
            backend.sgd_step(plain, &gradient, Some(&mut state[0]), &mut value, start)?;
            let adamw =
                AdamWStep { learning_rate: 0.01, betas: [0.9, 0.99], eps: 1e-8, weight_decay: 0.1, count: step + 1 };
            let (first, second) = state[1..].split_at_mut(1);
            backend.adamw_step(adamw, &gradient, [&mut first[0], &mut second[0]], &mut value, start)?;
            case.keep("value", &value)?;
        }
        for moment in &state {
            case.keep("moment", moment)?;
        }
    }
    Ok(case.outputs)
}

const fn geometry(kernel: [usize; 2], stride: [usize; 2], padding: [[usize; 2]; 2], dilation: [usize; 2]) -> Geometry {
    Geometry { kernel, stride, padding, dilation }
}

fn pooling<T: Scalar, B: Backend>(backend: &B) -> Outputs {
    let mut case = Case::new(backend, 12);
    for (shape, at) in [
        ([0, 2, 5, 5], geometry([2, 2], [2, 2], [[0; 2]; 2], [1, 1])),
        ([2, 3, 8, 9], geometry([2, 2], [2, 2], [[0; 2]; 2], [1, 1])),
        ([1, 2, 11, 7], geometry([3, 2], [2, 1], [[1, 0], [1, 1]], [2, 1])),
        ([2, 1, 40, 33], geometry([5, 3], [1, 1], [[2, 2], [1, 1]], [1, 1])),
    ] {
        let x = case.gaussian::<T>(&shape, 1.0)?;
        let (largest, mean) = (backend.max_pool(&x, at)?, backend.average_pool(&x, at)?);
        case.keep("largest", &largest)?;
        case.keep("mean", &mean)?;
        let dy = case.gaussian::<T>(B::shape(&mean), 1.0)?;
        case.keep("by largest", &backend.max_pool_backward(&x, &dy, at)?)?;
        case.keep("by mean", &backend.average_pool_backward(&dy, [shape[2], shape[3]], at)?)?;
    }
    Ok(case.outputs)
}

fn convolutions<T: Scalar, B: Backend>(backend: &B) -> Outputs {
    let mut case = Case::new(backend, 13);
    for (shape, c_out, at) in [
        ([0, 2, 5, 5], 3, geometry([3, 3], [1, 1], [[1; 2]; 2], [1, 1])),
        ([1, 1, 1, 1], 1, geometry([1, 1], [1, 1], [[0; 2]; 2], [1, 1])),
        ([2, 3, 17, 35], 5, geometry([3, 3], [1, 1], [[1; 2]; 2], [1, 1])),
        ([3, 20, 9, 10], 33, geometry([1, 1], [1, 1], [[0; 2]; 2], [1, 1])),
        ([2, 4, 23, 19], 9, geometry([3, 5], [2, 3], [[1, 0], [2, 1]], [1, 2])),
        ([1, 2, 70, 66], 17, geometry([9, 9], [1, 1], [[4; 2]; 2], [1, 1])),
        ([1, 40, 12, 40], 40, geometry([3, 3], [1, 1], [[0, 2], [3, 0]], [2, 2])),
        // Several tiles each way, several shares of them, and channels in several slabs.
        ([3, 37, 70, 75], 20, geometry([3, 3], [1, 1], [[1; 2]; 2], [1, 1])),
        // A patch that shared memory does not hold.
        ([1, 1, 420, 430], 2, geometry([2, 2], [1, 1], [[0; 2]; 2], [400, 400])),
    ] {
        let [_, c_in, rows, columns] = shape;
        let x = case.gaussian::<T>(&shape, 1.0)?;
        let weight = case.gaussian::<T>(&[c_out, c_in, at.kernel[0], at.kernel[1]], 1.0)?;
        let bias = case.gaussian::<T>(&[c_out], 1.0)?;
        let y = backend.convolve(&x, &weight, None, Some(&bias), at)?;
        case.keep(format!("y {shape:?}"), &y)?;
        let (mix, mixed_bias) = (case.gaussian::<T>(&[c_out, 11], 1.0)?, case.gaussian::<T>(&[11], 1.0)?);
        let mixed = backend.convolve(&x, &weight, Some((T::from_f64(0.25), &mix)), Some(&mixed_bias), at)?;
        case.keep(format!("mixed {shape:?}"), &mixed)?;
        let dy = case.gaussian::<T>(B::shape(&y), 1.0)?;
        case.keep(format!("dx {shape:?}"), &backend.convolve_backward_input(&dy, &weight, [rows, columns], at)?)?;
        let mut gradient = case.gaussian::<T>(B::shape(&weight), 1.0)?;
        backend.convolve_backward_weight(&x, &dy, at, &mut gradient)?;
        case.keep(format!("dw {shape:?}"), &gradient)?;
    }
    Ok(case.outputs)
}

/// The extents of an attention: batch, heads, queries, keys, columns of keys, columns of values, features.
type Extents = [usize; 7];

/// Output and gradients of every kernel, arithmetic and mask, causal where the lengths allow it.
fn attention_cases<T: Scalar, B: Backend>(case: &mut Case<'_, B>, extents: Extents, size: f64) -> Result<(), NnError> {
    let backend = case.backend;
    let [batch, heads, queries, keys, d, dv, m] = extents;
    let query = case.gaussian::<T>(&[batch, queries, heads * d], size)?;
    let key = case.gaussian::<T>(&[batch, keys, heads * d], size)?;
    let value = case.gaussian::<T>(&[batch, keys, heads * dv], 1.0)?;
    let projection = orthogonal_features(m, d, 5)?.into_iter().map(T::from_f64).collect();
    let projection = backend.upload(&[m, d], projection)?;
    // The first sequence begins with keys that are not attended.
    let mask: Vec<bool> = (0..batch * keys).map(|i| i % 3 != 1 && i > 1).collect();
    for kernel in [AttentionKernel::Softmax, AttentionKernel::Relu] {
        for arithmetic in [Arithmetic::Stable, Arithmetic::Original] {
            for causal in [false, true] {
                for mask in [None, Some(mask.as_slice())] {
                    if causal && queries != keys {
                        continue;
                    }
                    let (query, key, value, projection) = (&query, &key, &value, &projection);
                    let inputs =
                        AttentionInputs { query, key, value, projection, mask, heads, kernel, arithmetic, causal };
                    let what = format!("{extents:?} {kernel:?} {arithmetic:?} causal {causal} mask {}", mask.is_some());
                    let (y, saved) = backend.linear_attention(&inputs)?;
                    case.keep(format!("y {what}"), &y)?;
                    if arithmetic == Arithmetic::Original {
                        continue;
                    }
                    let dy = case.gaussian::<T>(B::shape(&y), 1.0)?;
                    let gradients = backend.linear_attention_backward(&inputs, &y, &saved, &dy)?;
                    for (name, gradient) in ["dq", "dk", "dv"].iter().zip(&gradients) {
                        case.keep(format!("{name} {what}"), gradient)?;
                    }
                }
            }
        }
    }
    Ok(())
}

fn linear_attention<T: Scalar, B: Backend>(backend: &B) -> Outputs {
    let mut case = Case::new(backend, 14);
    for extents in [
        [0, 2, 3, 3, 4, 4, 5],
        [1, 1, 1, 1, 1, 1, 1],
        [1, 2, 0, 5, 4, 4, 8],
        [2, 3, 7, 5, 6, 6, 9],
        [2, 2, 130, 130, 20, 20, 70],
        [1, 1, 64, 200, 80, 80, 64],
        [1, 2, 300, 300, 64, 64, 128],
    ] {
        attention_cases::<T, B>(&mut case, extents, 0.7)?;
    }
    Ok(case.outputs)
}

/// Values of another width than keys.
fn wide_values<T: Scalar, B: Backend>(backend: &B) -> Outputs {
    let mut case = Case::new(backend, 19);
    for extents in [
        [0, 2, 3, 3, 4, 7, 5],
        [1, 2, 0, 5, 4, 1, 8],
        [2, 3, 7, 5, 6, 4, 9],
        [1, 2, 200, 200, 12, 70, 40],
        [1, 2, 130, 130, 100, 24, 33],
        [1, 1, 64, 200, 64, 130, 64],
    ] {
        attention_cases::<T, B>(&mut case, extents, 0.7)?;
    }
    Ok(case.outputs)
}

/// Keys that grow along the sequence, until the largest exponents of a position lie far above those of the one before. What comes
/// behind a position must not change a bit of its output.
fn growing_keys<T: Scalar, B: Backend>(backend: &B) -> Outputs {
    let mut case = Case::new(backend, 20);
    let (length, heads, d, dv, m) = (200, 2, 16, 24, 70);
    let projection = orthogonal_features(m, d, 5)?.into_iter().map(T::from_f64).collect();
    let projection = backend.upload(&[m, d], projection)?;
    let mask: Vec<bool> = (0..length).map(|i| i > 20).collect();
    for growth in [0.0, 0.02, 0.2] {
        let query = case.gaussian::<T>(&[1, length, heads * d], 2.0)?;
        let value = case.gaussian::<T>(&[1, length, heads * dv], 1.0)?;
        let keys = backend.download(&case.gaussian::<T>(&[1, length, heads * d], 2.0)?)?;
        let grown = |from: usize, factor: f64| {
            let grow = |(i, x): (usize, &T)| {
                let position = i / (heads * d);
                let factor = if position < from { 1.0 } else { factor };
                T::from_f64(x.to_f64() * factor * (1.0 + growth * position as f64))
            };
            backend.upload(&[1, length, heads * d], keys.iter().enumerate().map(grow).collect())
        };
        for mask in [None, Some(mask.as_slice())] {
            let key = grown(length, 1.0)?;
            let (kernel, arithmetic, causal) = (AttentionKernel::Softmax, Arithmetic::Stable, true);
            let (query, value, projection) = (&query, &value, &projection);
            let inputs =
                AttentionInputs { query, key: &key, value, projection, mask, heads, kernel, arithmetic, causal };
            let (y, saved) = backend.linear_attention(&inputs)?;
            case.keep(format!("y, growth {growth}"), &y)?;
            let dy = case.gaussian::<T>(B::shape(&y), 1.0)?;
            // Together: where one position takes all the weight, those by queries and keys are what is left of terms as large as those
            // by values.
            let mut gradients = Vec::new();
            for gradient in &backend.linear_attention_backward(&inputs, &y, &saved, &dy)? {
                gradients.extend(backend.download(gradient)?.into_iter().map(T::to_f64));
            }
            case.outputs.push((format!("gradients, growth {growth}"), gradients));
            let y = backend.download(&y)?;
            for from in [40, 64, 100, 199] {
                let other = backend.linear_attention(&AttentionInputs { key: &grown(from, 50.0)?, ..inputs })?.0;
                let seen = from * heads * dv;
                let is_same = backend.download(&other)?[..seen] == y[..seen];
                case.keep_number("unchanged before", f64::from(u8::from(is_same)) - 1.0);
            }
        }
    }
    Ok(case.outputs)
}

/// Exponents of a million are exact to some units only, so that these may differ: they must be finite.
fn large_attention<T: Scalar, B: Backend>(backend: &B) -> Outputs {
    let mut case = Case::new(backend, 15);
    attention_cases::<T, B>(&mut case, [1, 2, 100, 100, 16, 16, 33], 1e3)?;
    let finite = |numbers: Vec<f64>| vec![f64::from(u8::from(numbers.iter().all(|x| x.is_finite())))];
    Ok(case.outputs.into_iter().map(|(name, numbers)| (name, finite(numbers))).collect())
}

fn simple_layers<T: Scalar, B: Backend>(backend: &B) -> Outputs {
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
    let rows = embedding.forward_train(&HostTensor { shape: vec![2, 3], numbers: vec![1, 8, 1, 0, 1, 8] })?;
    case.keep("embedding", &rows)?;
    let dy = case.gaussian(B::shape(&rows), 1.0)?;
    embedding.backward(&dy)?;
    case.gradients("embedding", &embedding.parameters_mut())?;
    Ok(case.outputs)
}

fn attention_layers<T: Scalar, B: Backend>(backend: &B) -> Outputs {
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
    Ok(case.outputs)
}

fn encoded_attention<T: Scalar, B: Backend>(backend: &B) -> Outputs {
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

/// Layers whose products of f32 matrices honour the device's precision.
fn products_in_layers<T: Scalar, B: Backend>(backend: &B) -> Outputs {
    let mut case = Case::new(backend, 22);
    for causal in [false, true] {
        let options = MultiHeadAttentionOptions { causal, ..MultiHeadAttentionOptions::default() };
        case.layer("attention", &mut MultiHeadAttention::<T, B>::new(backend, 64, 2, options)?, &[2, 96, 64])?;
        let options = RandMultiHeadAttentionOptions { causal, ..RandMultiHeadAttentionOptions::default() };
        case.layer(
            "random attention",
            &mut RandMultiHeadAttention::<T, B>::new(backend, 64, 2, options)?,
            &[2, 96, 64],
        )?;
    }
    Ok(case.outputs)
}

/// That both differ from the CPU by their rounding of factors, which is more than that of f32: no more than a number of their unit
/// roundoffs for as many products in a row, and more than none.
fn precisions_of_attention(device: &Device) -> Result<(), String> {
    /// Eight products in a row at the most, forward and back, each of two rounded factors, and as much again for what stands between.
    const ROUNDINGS: f64 = 32.0;
    for (precision, bits) in [(Precision::Tf32, 11), (Precision::Bf16, 8)] {
        let what = format!("attention layers in {precision:?}");
        let cuda = Cuda::of(device.clone()).with_precision(precision);
        let got = products_in_layers::<f32, Cuda>(&cuda);
        let expected = || products_in_layers::<f32, Cpu>(&Cpu::default());
        compare(&what, ROUNDINGS * 0.5_f64.powi(bits), expected(), &got)?;
        if compare(&what, 64.0 * f64::from(f32::EPSILON), expected(), &got).is_ok() {
            return Err(format!("{what}: products are taken in full precision"));
        }
        same(&what, &got, &products_in_layers::<f32, Cuda>(&cuda))?;
        let double = products_in_layers::<f64, Cuda>(&cuda);
        compare(&what, 8192.0 * f64::EPSILON, products_in_layers::<f64, Cpu>(&Cpu::default()), &double)?;
    }
    Ok(())
}

fn training<T: Scalar, B: Backend>(backend: &B) -> Outputs {
    let mut case = Case::new(backend, 18);
    let options = SkLinearOptions { num_terms: 1, low_rank: 4, bias: true, seed: 3 };
    let mut model = Sequential::<T, B>::new(vec![
        Box::new(Linear::new(backend, 8, 24, true, 1)?),
        Box::new(ActivationLayer::new(backend, Activation::Gelu)),
        Box::new(SkLinear::new(backend, 24, 16, options)?),
        Box::new(LayerNorm::new(backend, 16)?),
        Box::new(Linear::new(backend, 16, 4, true, 2)?),
    ]);
    let mut optimizer = AdamW::new(backend, AdamWOptions { eps: 1e-3, ..AdamWOptions::default() })?;
    let x = case.gaussian::<T>(&[64, 8], 1.0)?;
    let classes: Vec<usize> = (0..64).map(|i| i % 4).collect();
    for _ in 0..20 {
        let logits = model.forward_train(&x)?;
        let loss = cross_entropy(backend, CrossEntropy::default(), &logits, &classes)?;
        case.keep_number("loss", loss.value);
        model.backward(&loss.gradient)?;
        optimizer.step(&mut model.parameters_mut(), 0.01)?;
        zero_gradients(&mut model.parameters_mut());
    }
    let logits = model.forward(&x)?;
    case.keep("logits", &logits)?;
    Ok(case.outputs)
}

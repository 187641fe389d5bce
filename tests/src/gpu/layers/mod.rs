//! What layers ask of a backend, and whole layers: the same on a device as on the CPU, and the same bytes each time.

mod convolutions;
mod linear_attention;
mod non_finite;
mod precisions;
mod tensors;
mod training;
mod whole_layers;

use panther_gpu::Device;
use panther_nn::backend::Backend;
use panther_nn::cpu::Cpu;
use panther_nn::cuda::Cuda;
use panther_nn::layers::Layer;
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
    ($name:literal, $($case:ident)::+, $factor:expr) => {
        Check {
            name: $name,
            run: |device: &Device| {
                let (cpu, cuda) = (Cpu::default(), Cuda::of(device.clone()));
                let double = $($case)::+::<f64, Cuda>(&cuda);
                compare(concat!($name, " f64"), $factor * f64::EPSILON, $($case)::+::<f64, Cpu>(&cpu), &double)?;
                same(concat!($name, " f64"), &double, &$($case)::+::<f64, Cuda>(&cuda))?;
                let single = $($case)::+::<f32, Cuda>(&cuda);
                let precision = $factor * f64::from(f32::EPSILON);
                compare(concat!($name, " f32"), precision, $($case)::+::<f32, Cpu>(&cpu), &single)?;
                same(concat!($name, " f32"), &single, &$($case)::+::<f32, Cuda>(&cuda))
            },
        }
    };
}

/// All of them.
#[must_use]
pub fn layer_checks() -> Vec<Check> {
    vec![
        check!("layers: storage", tensors::storage, 0.0),
        check!("layers: elementwise", tensors::elementwise, 16.0),
        check!("layers: reductions", tensors::reductions, 256.0),
        check!("layers: products", tensors::products, 256.0),
        Check { name: "layers: precisions", run: precisions::precisions },
        check!("layers: random", tensors::random, 4.0),
        check!("layers: gather", tensors::gather, 4.0),
        check!("layers: normalization", tensors::normalization, 512.0),
        check!("layers: softmax", tensors::softmax, 64.0),
        check!("layers: sinusoids", tensors::sinusoids, 4096.0),
        check!("layers: losses", training::losses, 64.0),
        check!("layers: optimizers", training::optimizers, 64.0),
        check!("layers: pooling", convolutions::pooling, 16.0),
        check!("layers: convolutions", convolutions::convolutions, 1024.0),
        check!("layers: linear attention", linear_attention::linear_attention, 4096.0),
        check!("layers: linear attention with wide values", linear_attention::wide_values, 4096.0),
        check!("layers: linear attention of growing keys", linear_attention::growing_keys, 4096.0),
        check!("layers: linear attention of large inputs", linear_attention::large_attention, 0.0),
        check!("layers: rows that a mask hides are not read", non_finite::hidden_rows, 0.0),
        check!("layers: a NaN in the future does not reach the past", non_finite::future, 0.0),
        check!("layers: comparisons pass NaN on", non_finite::comparisons, 0.0),
        check!("layers: linear and convolution layers", whole_layers::simple_layers, 2048.0),
        check!("layers: attention layers", whole_layers::attention_layers, 8192.0),
        check!("layers: attention with positions", whole_layers::encoded_attention, 16384.0),
        Check { name: "layers: precisions of attention", run: precisions::precisions_of_attention },
        check!("layers: training", training::training, 65536.0),
    ]
}

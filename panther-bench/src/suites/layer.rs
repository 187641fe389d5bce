//! Measures a layer: forward pass, and forward with backward pass.

use panther_bench::record::{Measured, Outcome};
use panther_gpu::Precision;
use panther_nn::backend::Backend;
use panther_nn::cpu::Cpu;
use panther_nn::cuda::Cuda;
use panther_nn::layers::Layer;
use panther_nn::train::zero_gradients;
use panther_nn::{NnError, Scalar};

use super::{Bench, INPUT_SEED, add_metric};
use crate::device::BenchDevice;
use crate::measure::{Budget, Metered, failure};

/// A layer that is a function of its sizes.
pub trait LayerCase {
    /// A new layer, with the same draws in both precisions.
    ///
    /// # Errors
    /// If the sizes do not fit, or the device lacks memory.
    fn layer<T: Scalar, B: Backend>(&self, backend: &B) -> Result<Box<dyn Layer<T, B>>, NnError>;

    /// The dense layer whose output it estimates, if there is one.
    ///
    /// # Errors
    /// As [`layer`](Self::layer).
    fn estimated<T: Scalar, B: Backend>(&self, _: &B) -> Result<Option<Box<dyn Layer<T, B>>>, NnError> {
        Ok(None)
    }

    /// The shape of its input.
    fn input(&self) -> Vec<usize>;

    /// The shape of the input that errors are measured with: its own, or a smaller one whose outputs are sums as long.
    fn checked_input(&self) -> Vec<usize>;

    /// Precision of products on a GPU.
    fn precision(&self) -> Precision {
        Precision::F32
    }
}

/// Times, peak memory, and numbers of parameters and trainable parameters.
///
/// # Errors
/// Errors of the device.
pub fn measure(case: &impl LayerCase, bench: &Bench) -> Result<Measured, NnError> {
    match &bench.device {
        BenchDevice::Cpu(par) => on(&Cpu::new(*par), case, bench.budget),
        BenchDevice::Cuda(device) => on(&Cuda::of(device.clone()).with_precision(case.precision()), case, bench.budget),
    }
}

fn on<B: Backend + Metered>(backend: &B, case: &impl LayerCase, budget: Budget) -> Result<Measured, NnError> {
    let mut layer = case.layer::<f32, B>(backend)?;
    let x = backend.normal::<f32>(&case.input(), 1.0, INPUT_SEED)?;
    let dy = {
        let y = layer.forward(&x)?;
        backend.normal::<f32>(B::shape(&y), 1.0, INPUT_SEED + 1)?
    };
    let meter = backend.meter();
    let mut measured = budget.measure(meter, || layer.forward(&x).map(drop))?;
    // The output is the caller's, and gone before the way back.
    let step = |layer: &mut dyn Layer<f32, B>| {
        drop(layer.forward_train(&x)?);
        layer.backward(&dy).map(drop)
    };
    measured.backward = Some(budget.time(meter, || step(layer.as_mut()))?);
    // A step makes the gradients: they count as memory.
    zero_gradients(&mut layer.parameters_mut());
    measured.memory_backward = Some(meter.peak_of(&mut || step(layer.as_mut()))?);
    let parameters = layer.parameters_mut();
    let held: usize = parameters.iter().map(|parameter| B::shape(&parameter.value).iter().product::<usize>()).sum();
    let learned: usize = parameters.iter().map(|parameter| parameter.trainable_len()).sum();
    add_metric(&mut measured, "parameters", held as f64);
    add_metric(&mut measured, "learned", learned as f64);
    match errors(backend, case, layer) {
        // What fits once may not fit beside its double.
        Err(error) if failure(&error) == Outcome::OutOfMemory => {}
        errors => errors?.into_iter().for_each(|(name, error)| add_metric(&mut measured, name, error)),
    }
    Ok(measured)
}

/// ‖y − ŷ‖ ÷ ‖ŷ‖ of the checked input, as `error`, where ŷ is computed in double precision of the same draws; and how far ŷ is from what it
/// estimates, as `distance_from_dense`.
fn errors<B: Backend>(
    backend: &B,
    case: &impl LayerCase,
    layer: Box<dyn Layer<f32, B>>,
) -> Result<Vec<(&'static str, f64)>, NnError> {
    let shape = case.checked_input();
    let y = layer.forward(&backend.normal(&shape, 1.0, INPUT_SEED)?)?;
    let y: Vec<f64> = backend.download(&y)?.into_iter().map(f64::from).collect();
    drop(layer);
    let x = backend.normal::<f64>(&shape, 1.0, INPUT_SEED)?;
    let in_double =
        |layer: Box<dyn Layer<f64, B>>| -> Result<Vec<f64>, NnError> { backend.download(&layer.forward(&x)?) };
    let exact = in_double(case.layer(backend)?)?;
    let mut errors = vec![("error", relative_distance(&y, &exact))];
    if let Some(dense) = case.estimated(backend)? {
        errors.push(("distance_from_dense", relative_distance(&exact, &in_double(dense)?)));
    }
    Ok(errors)
}

/// ‖x − y‖₂ ÷ ‖y‖₂.
fn relative_distance(x: &[f64], y: &[f64]) -> f64 {
    let squares = |numbers: &mut dyn Iterator<Item = f64>| numbers.map(|x| x * x).sum::<f64>();
    (squares(&mut x.iter().zip(y).map(|(x, y)| x - y)) / squares(&mut y.iter().copied())).sqrt()
}

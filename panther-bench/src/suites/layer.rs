//! Layers, forward and forward with backward.

use panther_bench::record::Measured;
use panther_gpu::Precision;
use panther_nn::NnError;
use panther_nn::backend::Backend;
use panther_nn::cpu::Cpu;
use panther_nn::cuda::Cuda;
use panther_nn::layers::Layer;
use panther_nn::train::zero_gradients;

use super::{Bench, INPUT_SEED, add_figure};
use crate::measure::{Budget, Metered};
use crate::place::Place;

/// A layer that is a function of its sizes.
pub trait LayerCase {
    /// A fresh one.
    ///
    /// # Errors
    /// Where the sizes do not fit, or the device has not the memory.
    fn layer<B: Backend>(&self, backend: &B) -> Result<Box<dyn Layer<f32, B>>, NnError>;

    /// The shape of its input.
    fn input(&self) -> Vec<usize>;

    /// In which precision a GPU takes its products.
    fn precision(&self) -> Precision {
        Precision::F32
    }
}

/// Times and peaks of memory, and how many numbers the layer holds and learns.
///
/// # Errors
/// What the device refuses.
pub fn measure(case: &impl LayerCase, bench: &Bench) -> Result<Measured, NnError> {
    match &bench.place {
        Place::Cpu(par) => on(&Cpu::new(*par), case, bench.budget),
        Place::Cuda(device) => on(&Cuda::of(device.clone()).with_precision(case.precision()), case, bench.budget),
    }
}

fn on<B: Backend + Metered>(backend: &B, case: &impl LayerCase, budget: Budget) -> Result<Measured, NnError> {
    let mut layer = case.layer(backend)?;
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
    add_figure(&mut measured, "parameters", held as f64);
    add_figure(&mut measured, "learned", learned as f64);
    Ok(measured)
}

//! Recorded graphs: the bytes that the same work gives without one, launch after launch.

use panther_gpu::{Device, GpuError};
use panther_nn::backend::{Elementwise, Random, Storage};
use panther_nn::cuda::{Cuda, CudaTensor, Graph};
use panther_nn::layers::{Layer, SkLinear, SkLinearOptions};
use panther_nn::train::{AdamW, AdamWOptions, Optimizer, Sgd, SgdOptions, zero_gradients};
use panther_nn::{NnError, Scalar};

use crate::gpu::Check;

/// Rows, columns of x and columns of y.
const SIZES: [usize; 3] = [3, 96, 80];
/// Launches of each graph.
const LAUNCHES: u64 = 4;

/// Runs a generic case in both precisions.
macro_rules! check {
    ($name:literal, $case:ident) => {
        Check { name: $name, run: |device: &Device| $case::<f64>(device).and_then(|()| $case::<f32>(device)) }
    };
}

/// All of them.
#[must_use]
pub fn checks() -> Vec<Check> {
    vec![
        check!("graphs: forward", forward),
        check!("graphs: forward and backward", forward_and_backward),
        check!("graphs: steps of training", training),
        check!("graphs: what cannot be recorded", refusals),
        check!("graphs: memory", memory),
    ]
}

fn layer<T: Scalar>(cuda: &Cuda) -> Result<SkLinear<T, Cuda>, String> {
    let options = SkLinearOptions { num_terms: 2, low_rank: 8, bias: true, seed: 5 };
    SkLinear::new(cuda, SIZES[1], SIZES[2], options).map_err(in_words)
}

fn input<T: Scalar>(cuda: &Cuda, seed: u64) -> Result<CudaTensor<T>, String> {
    cuda.normal(&SIZES[..2], 1.0, seed).map_err(in_words)
}

fn output<T: Scalar>(cuda: &Cuda, seed: u64) -> Result<CudaTensor<T>, String> {
    cuda.normal(&[SIZES[0], SIZES[2]], 1.0, seed).map_err(in_words)
}

fn in_words(error: impl ToString) -> String {
    error.to_string()
}

/// An error where two tensors differ in a bit.
fn same<T: Scalar>(cuda: &Cuda, what: &str, got: &CudaTensor<T>, expected: &CudaTensor<T>) -> Result<(), String> {
    let bits = |x: &CudaTensor<T>| -> Result<Vec<u64>, String> {
        Ok(cuda.download(x).map_err(in_words)?.into_iter().map(|x| x.to_f64().to_bits()).collect())
    };
    if bits(got)? == bits(expected)? { Ok(()) } else { Err(format!("{what}: not the bytes without a graph")) }
}

fn put<T: Scalar>(to: &CudaTensor<T>, from: &CudaTensor<T>) -> Result<(), String> {
    to.buffer().copy_from(from.buffer()).map_err(in_words)
}

fn forward<T: Scalar>(device: &Device) -> Result<(), String> {
    let cuda = Cuda::of(device.clone());
    let (layer, x) = (layer::<T>(&cuda)?, input(&cuda, 1)?);
    let (mut graph, y) = Graph::record(device, || layer.forward(&x)).map_err(in_words)?;
    for seed in 0..LAUNCHES {
        let next = input(&cuda, seed)?;
        let numbers = cuda.download(&next).map_err(in_words)?;
        x.buffer().copy_from_host(&numbers).map_err(in_words)?;
        graph.launch().map_err(in_words)?;
        same(&cuda, "y", &y, &layer.forward(&next).map_err(in_words)?)?;
    }
    Ok(())
}

fn forward_and_backward<T: Scalar>(device: &Device) -> Result<(), String> {
    let cuda = Cuda::of(device.clone());
    let (mut recorded, mut plain) = (layer::<T>(&cuda)?, layer::<T>(&cuda)?);
    let (x, dy) = (input(&cuda, 1)?, output(&cuda, 2)?);
    let (mut graph, (y, dx)) = Graph::record(device, || {
        zero_gradients(&mut recorded.parameters_mut());
        let y = recorded.forward_train(&x)?;
        Ok::<_, NnError>((y, recorded.backward(&dy)?))
    })
    .map_err(in_words)?;
    for seed in 0..LAUNCHES {
        let (next, slope) = (input(&cuda, 10 + seed)?, output(&cuda, 20 + seed)?);
        put(&x, &next)?;
        put(&dy, &slope)?;
        graph.launch().map_err(in_words)?;
        zero_gradients(&mut plain.parameters_mut());
        same(&cuda, "y", &y, &plain.forward_train(&next).map_err(in_words)?)?;
        same(&cuda, "dx", &dx, &plain.backward(&slope).map_err(in_words)?)?;
        for (got, expected) in recorded.parameters_mut().iter().zip(plain.parameters_mut()) {
            let (Some(got), Some(expected)) = (&got.gradient, &expected.gradient) else {
                return Err("a parameter has no gradient".to_owned());
            };
            same(&cuda, "gradient", got, expected)?;
        }
    }
    Ok(())
}

/// A step of gradient descent with momentum on ½‖y − t‖².
fn step<T: Scalar>(
    cuda: &Cuda,
    layer: &mut SkLinear<T, Cuda>,
    optimizer: &mut dyn Optimizer<T, Cuda>,
    x: &CudaTensor<T>,
    t: &CudaTensor<T>,
) -> Result<(), NnError> {
    zero_gradients(&mut layer.parameters_mut());
    let mut slope = layer.forward_train(x)?;
    cuda.add_scaled(-T::ONE, t, &mut slope)?;
    layer.backward(&slope)?;
    optimizer.step(&mut layer.parameters_mut(), 1e-3)
}

fn training<T: Scalar>(device: &Device) -> Result<(), String> {
    let cuda = Cuda::of(device.clone());
    let options = SgdOptions { momentum: 0.9, ..SgdOptions::default() };
    let (mut recorded, mut plain) = (layer::<T>(&cuda)?, layer::<T>(&cuda)?);
    let mut optimizers = [Sgd::new(&cuda, options).map_err(in_words)?, Sgd::new(&cuda, options).map_err(in_words)?];
    let [of_recorded, of_plain] = &mut optimizers;
    let (x, t) = (input(&cuda, 1)?, output(&cuda, 2)?);
    // Recording takes the first step.
    step(&cuda, &mut plain, of_plain, &x, &t).map_err(in_words)?;
    let (mut graph, ()) =
        Graph::record(device, || step(&cuda, &mut recorded, of_recorded, &x, &t)).map_err(in_words)?;
    for seed in 0..LAUNCHES {
        put(&x, &input(&cuda, 10 + seed)?)?;
        graph.launch().map_err(in_words)?;
        step(&cuda, &mut plain, of_plain, &x, &t).map_err(in_words)?;
        for (got, expected) in recorded.parameters_mut().iter().zip(plain.parameters_mut()) {
            same(&cuda, "parameter", &got.value, &expected.value)?;
        }
    }
    Ok(())
}

/// Each is refused by name, and the device works as before.
fn refusals<T: Scalar>(device: &Device) -> Result<(), String> {
    let cuda = Cuda::of(device.clone());
    let (mut layer, x, t) = (layer::<T>(&cuda)?, input(&cuda, 1)?, output(&cuda, 2)?);
    let expected = layer.forward(&x).map_err(in_words)?;
    let refused = |what: &str, outcome: Result<(), NnError>| match outcome {
        Err(NnError::Gpu(GpuError::NotRecordable { .. })) => Ok(()),
        other => Err(format!("{what} gave {other:?}")),
    };
    let download = || cuda.download(&x).map(drop);
    refused("a copy to the host", Graph::record(device, download).map(drop))?;
    let upload = || cuda.upload(&[1], vec![T::ONE]).map(drop);
    refused("a copy from the host", Graph::record(device, upload).map(drop))?;
    let dropout = || cuda.dropout(0.5, 3, &mut x.clone());
    refused("dropout", Graph::record(device, dropout).map(drop))?;
    let nested = || Graph::record(device, || layer.forward(&x)).map(drop);
    refused("a graph", Graph::record(device, nested).map(drop))?;
    let mut optimizer = AdamW::new(&cuda, AdamWOptions::default()).map_err(in_words)?;
    let adamw = || step(&cuda, &mut layer, &mut optimizer, &x, &t);
    refused("AdamW", Graph::record(device, adamw).map(drop))?;
    // A step was taken.
    let layer = self::layer::<T>(&cuda)?;
    same(&cuda, "y after refusals", &layer.forward(&x).map_err(in_words)?, &expected)
}

/// A graph needs nothing that it was recorded with, and what it made outlives it.
fn memory<T: Scalar>(device: &Device) -> Result<(), String> {
    let cuda = Cuda::of(device.clone());
    let (layer, x) = (layer::<T>(&cuda)?, input(&cuda, 1)?);
    let expected = layer.forward(&x).map_err(in_words)?;
    let (mut graph, y) = Graph::record(device, || layer.forward(&layer_input(&cuda, &x)?)).map_err(in_words)?;
    drop((layer, x));
    // What would come to lie in freed memory.
    let others = (0..8).map(|seed| input::<T>(&cuda, seed)).collect::<Result<Vec<_>, _>>()?;
    graph.launch().map_err(in_words)?;
    same(&cuda, "y of a layer that is gone", &y, &expected)?;
    same(&cuda, "what came after the layer", &others[1], &input(&cuda, 1)?)?;
    drop(graph);
    same(&cuda, "y of a graph that is gone", &y, &expected)
}

/// x by way of two tensors that the work allocates and frees.
fn layer_input<T: Scalar>(cuda: &Cuda, x: &CudaTensor<T>) -> Result<CudaTensor<T>, NnError> {
    let mut sum = cuda.zeros(x.shape())?;
    let mut half = x.clone();
    cuda.scale(T::from_f64(0.5), &mut half)?;
    cuda.add_scaled(T::from_f64(2.0), &half, &mut sum)?;
    Ok(sum)
}

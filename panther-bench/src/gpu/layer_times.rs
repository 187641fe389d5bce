//! Times of layers on a device, at the shapes of the project's tables: f32, forward, and forward with backward.

use panther_gpu::Device;
use panther_nn::NnError;
use panther_nn::backend::{Random, Storage};
use panther_nn::cuda::{Cuda, CudaTensor};
use panther_nn::layers::{
    Conv2d, Layer, Linear, MultiHeadAttention, MultiHeadAttentionOptions, Padding, RandMultiHeadAttention,
    RandMultiHeadAttentionOptions, SkConv2d, SkConv2dOptions, SkLinear, SkLinearOptions, Window,
};

use super::times::{Runs, median, memory_of};

/// Prints a line a case whose name contains `only`.
///
/// # Errors
/// What the device refuses.
pub fn run(device: &Device, only: &str, runs: Runs) -> Result<(), NnError> {
    let cuda = Cuda::of(device.clone());
    let case = |name: String, shape: &[usize], make: &dyn Fn() -> Result<Box<dyn Layer<f32, Cuda>>, NnError>| {
        if !name.contains(only) {
            return Ok(());
        }
        let mut layer = make()?;
        let x = cuda.normal::<f32>(shape, 1.0, 7)?;
        time(device, &cuda, runs, &name, layer.as_mut(), &x)
    };
    for (d, low_rank) in [(8192, 16), (16384, 64)] {
        case(format!("linear {d}² batch 256 dense"), &[256, d], &|| Ok(Box::new(Linear::new(&cuda, d, d, true, 1)?)))?;
        case(format!("linear {d}² batch 256 T 1 k {low_rank}"), &[256, d], &|| {
            Ok(Box::new(SkLinear::new(&cuda, d, d, SkLinearOptions { num_terms: 1, low_rank, bias: true, seed: 1 })?))
        })?;
    }
    for (length, causal) in [(1024, true), (4096, false), (4096, true), (16384, false), (16384, true)] {
        let kind = if causal { "causal" } else { "full" };
        case(format!("attention embed 512 length {length} {kind}"), &[1, length, 512], &|| {
            let options = RandMultiHeadAttentionOptions { causal, seed: 1, ..Default::default() };
            Ok(Box::new(RandMultiHeadAttention::new(&cuda, 512, 8, options)?))
        })?;
    }
    case("attention embed 512 length 4096 dense".to_owned(), &[1, 4096, 512], &|| {
        Ok(Box::new(MultiHeadAttention::new(&cuda, 512, 8, MultiHeadAttentionOptions::default())?))
    })?;
    for k in [3, 9] {
        let window = Window { padding: Padding::Same, ..Window::new([k, k]) };
        case(format!("conv {k}×{k} image 256² dense"), &[8, 64, 256, 256], &|| {
            Ok(Box::new(Conv2d::new(&cuda, 64, 128, window, true, 1)?))
        })?;
        case(format!("conv {k}×{k} image 256² T 1 k 8"), &[8, 64, 256, 256], &|| {
            let options = SkConv2dOptions { num_terms: 1, low_rank: 8, bias: true, seed: 1 };
            Ok(Box::new(SkConv2d::new(&cuda, 64, 128, window, options)?))
        })?;
    }
    Ok(())
}

fn time(
    device: &Device,
    cuda: &Cuda,
    runs: Runs,
    name: &str,
    layer: &mut dyn Layer<f32, Cuda>,
    x: &CudaTensor<f32>,
) -> Result<(), NnError> {
    let shape = Cuda::shape(&layer.forward(x)?).to_vec();
    let dy = cuda.normal::<f32>(&shape, 1.0, 8)?;
    let forward = median(device, runs, || layer.forward(x).map(drop))?;
    let memory_forward = memory_of(device, || layer.forward(x).map(drop))?;
    // The output is the caller's, and gone before the way back.
    let mut both = || {
        drop(layer.forward_train(x)?);
        layer.backward(&dy).map(drop)
    };
    let backward = median(device, runs, &mut both)?;
    let memory = memory_of(device, both)?;
    println!(
        "{name}: forward {forward:.3} ms, {memory_forward:.1} MiB; forward and backward {backward:.3} ms, {memory:.1} MiB"
    );
    Ok(())
}

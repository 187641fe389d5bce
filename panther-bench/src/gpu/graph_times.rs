//! Times of small steps, launched kernel by kernel and as a graph.

use panther_gpu::Device;
use panther_nn::NnError;
use panther_nn::backend::Random;
use panther_nn::cuda::{Cuda, Graph};
use panther_nn::layers::{Layer, SkLinear, SkLinearOptions};
use panther_nn::train::zero_gradients;

use super::times::{Runs, median};

/// Prints a line a case whose name contains `only`.
///
/// # Errors
/// What the device refuses.
pub fn run(device: &Device, only: &str, runs: Runs) -> Result<(), NnError> {
    for (d, batch) in [(1024, 1), (1024, 32), (8192, 1), (8192, 32)] {
        let name = format!("graph linear {d}² batch {batch} T 1 k 16");
        if name.contains(only) {
            time(device, runs, &name, d, batch)?;
        }
    }
    Ok(())
}

fn time(device: &Device, runs: Runs, name: &str, d: usize, batch: usize) -> Result<(), NnError> {
    let cuda = Cuda::of(device.clone());
    let options = SkLinearOptions { num_terms: 1, low_rank: 16, bias: true, seed: 1 };
    let mut layer = SkLinear::<f32, Cuda>::new(&cuda, d, d, options)?;
    let (x, dy) = (cuda.normal::<f32>(&[batch, d], 1.0, 7)?, cuda.normal::<f32>(&[batch, d], 1.0, 8)?);
    let forward = median(device, runs, || layer.forward(&x).map(drop))?;
    let mut both = || {
        zero_gradients(&mut layer.parameters_mut());
        layer.forward_train(&x)?;
        layer.backward(&dy)
    };
    let backward = median(device, runs, || both().map(drop))?;
    let (mut both, _kept) = Graph::record(device, both)?;
    let recorded_backward = median(device, runs, || both.launch())?;
    let (mut forward_only, _y) = Graph::record(device, || layer.forward(&x))?;
    let recorded_forward = median(device, runs, || forward_only.launch())?;
    println!(
        "{name}: forward {forward:.4} ms, as a graph {recorded_forward:.4} ms; \
         forward and backward {backward:.4} ms, as a graph {recorded_backward:.4} ms"
    );
    Ok(())
}

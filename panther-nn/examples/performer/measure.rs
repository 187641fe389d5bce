//! Time and memory of an attention layer's training step.

use std::time::Instant;

use panther_nn::NnError;
use panther_nn::backend::Backend;
use peak_alloc::PeakAlloc;

use crate::model::{Attention, causal_attention};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// One layer at one length.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    pub length: usize,
    pub seconds: f64,
    /// Bytes of the host beyond those held before, at their peak.
    pub bytes: f64,
}

/// Runs of which the fastest counts.
const RUNS: usize = 3;

/// Forward and backward of one sequence through causal self-attention, at each length.
pub fn training_steps<B: Backend>(
    backend: &B,
    width: usize,
    heads: usize,
    attention: Attention,
    lengths: &[usize],
) -> Result<Vec<Cost>, NnError> {
    let mut layer = causal_attention::<f32, B>(backend, width, heads, attention, 1)?;
    let mut costs = Vec::new();
    for &length in lengths {
        let x = backend.normal(&[1, length, width], 1.0, 2)?;
        let mut cost = Cost { length, seconds: f64::INFINITY, bytes: 0.0 };
        for _ in 0..RUNS {
            layer.parameters_mut().into_iter().for_each(|parameter| parameter.gradient = None);
            MEMORY.reset_peak_usage();
            let before = MEMORY.current_usage();
            let start = Instant::now();
            let y = layer.forward_train(&x)?;
            layer.backward(&y)?;
            // Comes back when a device has done what it was asked for.
            backend.download(&backend.zeros::<f32>(&[1])?)?;
            cost.seconds = cost.seconds.min(start.elapsed().as_secs_f64());
            cost.bytes = (MEMORY.peak_usage() - before) as f64;
        }
        costs.push(cost);
    }
    Ok(costs)
}

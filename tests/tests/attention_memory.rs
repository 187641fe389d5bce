//! What linear attention holds beside its inputs and outputs, as the allocator counts it. A program of its own with one test: the counts
//! are the whole process's.

use panther_nn::backend::{AttentionInputs, AttentionKernel, LinearAttention, Random};
use panther_nn::cpu::{Cpu, CpuTensor};
use panther_nn::layers::{Layer, RandMultiHeadAttention, RandMultiHeadAttentionOptions};
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

const LENGTH: usize = 4096;
const EMBED: usize = 512;
const HEADS: usize = 8;
const FEATURES: usize = 128;

/// Bytes of a tensor length×embed.
const TENSOR: usize = 4 * LENGTH * EMBED;
/// Bytes of the gradients by a projection and its bias.
const WEIGHTS: usize = 4 * (EMBED * EMBED + EMBED);
/// A quarter of what the features of all queries and keys would take.
const ALLOWED: usize = 2 * LENGTH * HEADS * FEATURES * 4 / 4;

/// Bytes that were held at the most during `work`, beyond those held before it and `expected` ones more.
fn beyond<X>(expected: usize, work: impl FnOnce() -> X) -> usize {
    MEMORY.reset_peak_usage();
    let before = MEMORY.current_usage();
    let result = work();
    let peak = MEMORY.peak_usage();
    drop(result);
    (peak - before).checked_sub(expected).expect("all that is expected is held at once")
}

#[test]
fn features_are_never_held_for_more_than_a_part_of_the_sequence() {
    let cpu = Cpu::default();
    let draw = |seed| -> CpuTensor<f32> { cpu.normal(&[1, LENGTH, EMBED], 1.0, seed).unwrap() };
    let (x, key, value) = (draw(1), draw(2), draw(3));
    for (causal, kernel) in [
        (false, AttentionKernel::Softmax),
        (true, AttentionKernel::Softmax),
        (false, AttentionKernel::Relu),
        (true, AttentionKernel::Relu),
    ] {
        let options = RandMultiHeadAttentionOptions { num_features: FEATURES, causal, kernel, ..Default::default() };
        let mut layer = RandMultiHeadAttention::new(&cpu, EMBED, HEADS, options).unwrap();
        // Threads and their buffers are there before anything is counted.
        layer.forward(&x).unwrap();
        let projection = layer.features().clone();
        let inputs = AttentionInputs {
            query: x.clone(),
            key: key.clone(),
            value: value.clone(),
            projection: &projection,
            mask: None,
            heads: HEADS,
            kernel,
            arithmetic: options.arithmetic,
            causal,
        };
        let counts = [
            ("attention, forward: output", beyond(TENSOR, || cpu.linear_attention(&inputs))),
            (
                "attention, forward and backward: output and three gradients",
                beyond(4 * TENSOR, || {
                    let (y, saved) = cpu.linear_attention(&inputs).unwrap();
                    cpu.linear_attention_backward(inputs.clone(), y.clone(), saved, y)
                }),
            ),
            ("layer, forward: three projections, attention", beyond(4 * TENSOR, || layer.forward(&x))),
            (
                "layer, forward and backward: those four, output, gradients of the four, and by W0",
                beyond(9 * TENSOR + WEIGHTS, || {
                    let y = layer.forward_train(&x).unwrap();
                    layer.backward(&y)
                }),
            ),
        ];
        for (what, bytes) in counts {
            println!("{kernel:?}, causal {causal}: {what}, and {:.2} MiB more", bytes as f64 / 1_048_576.0);
            assert!(bytes < ALLOWED, "{kernel:?}, causal {causal}: {what}, and {bytes} bytes more than {ALLOWED}");
        }
    }
}

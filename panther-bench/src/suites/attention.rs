//! Attention of one sequence: dense, and through random features.

use panther_bench::record::Measured;
use panther_nn::backend::{AttentionKernel, Backend};
use panther_nn::layers::{
    Layer, Linear, MultiHeadAttention, MultiHeadAttentionOptions, RandMultiHeadAttention, RandMultiHeadAttentionOptions,
};
use panther_nn::{NnError, Scalar};

use super::layer::{self, LayerCase};
use super::preset::limits::ATTENTION_FLOPS;
use super::{Bench, DeviceKind, Key, Preset, SEED, Task};

const EMBEDS: [usize; 4] = [128, 256, 512, 1024];
const KERNELS: [AttentionKernel; 2] = [AttentionKernel::Relu, AttentionKernel::Softmax];
/// The middle first, which every preset has.
const HEADS: [usize; 3] = [8, 4, 16];
const FEATURES: [usize; 3] = [64, 128, 256];
const LENGTHS: [usize; 6] = [512, 1024, 2048, 4096, 8192, 16384];

/// Self-attention of one sequence.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    pub embed: usize,
    pub heads: usize,
    pub length: usize,
    pub causal: bool,
    /// Kernel and number of the features; `None` for dense attention, which has none.
    pub features: Option<(AttentionKernel, usize)>,
}

impl Case {
    /// Operations forward: four projections, and the attention itself.
    pub fn flops(&self) -> f64 {
        let (embed, length) = (self.embed as f64, self.length as f64);
        let within = self.features.map_or(4.0 * length, |(_, features)| 8.0 * features as f64);
        length * embed * (8.0 * embed + within)
    }

    fn dense<T: Scalar, B: Backend>(&self, backend: &B) -> Result<MultiHeadAttention<T, B>, NnError> {
        let options =
            MultiHeadAttentionOptions { causal: self.causal, seed: SEED, ..MultiHeadAttentionOptions::default() };
        MultiHeadAttention::new(backend, self.embed, self.heads, options)
    }
}

impl LayerCase for Case {
    fn layer<T: Scalar, B: Backend>(&self, backend: &B) -> Result<Box<dyn Layer<T, B>>, NnError> {
        let dense = self.dense(backend)?;
        let Some((kernel, num_features)) = self.features else { return Ok(Box::new(dense)) };
        let causal = self.causal;
        let options = RandMultiHeadAttentionOptions { num_features, kernel, causal, seed: SEED, ..Default::default() };
        let copied = |l: &Linear<T, B>| Linear::from_parts(backend, l.weight().clone(), l.bias().cloned());
        let [q, k, v, out] = dense.projections();
        let projections = [copied(q)?, copied(k)?, copied(v)?, copied(out)?];
        Ok(Box::new(RandMultiHeadAttention::from_projections(backend, projections, self.heads, options)?))
    }

    /// Features of the softmax kernel estimate dense attention; those of the other are an attention of its own.
    fn estimated<T: Scalar, B: Backend>(&self, backend: &B) -> Result<Option<Box<dyn Layer<T, B>>>, NnError> {
        match self.features {
            Some((AttentionKernel::Softmax, _)) => Ok(Some(Box::new(self.dense(backend)?))),
            _ => Ok(None),
        }
    }

    fn input(&self) -> Vec<usize> {
        vec![1, self.length, self.embed]
    }

    fn checked_input(&self) -> Vec<usize> {
        vec![1, self.length.min(LENGTHS[0]), self.embed]
    }
}

impl Task for Case {
    fn key(&self) -> Key {
        let key = |method| Key::new(method, "f32").of("embed", self.embed);
        let key = match self.features {
            Some((kernel, features)) => {
                let kernel = if kernel == AttentionKernel::Relu { "relu" } else { "softmax" };
                key("randomized").of("kernel", kernel).of("heads", self.heads).of("features", features)
            }
            None => key("dense").of("heads", self.heads),
        };
        key.of("length", self.length).of("causal", usize::from(self.causal)).of("batch", 1)
    }

    fn measure(&self, bench: &Bench) -> Result<Measured, NnError> {
        layer::measure(self, bench)
    }
}

/// Every figure gets some of its cells before any gets more.
pub fn grid(kind: DeviceKind, preset: Preset) -> Vec<Case> {
    let heads: &[usize] = preset.choose(&HEADS[..1], &HEADS, &HEADS);
    let features: &[usize] = preset.choose(&FEATURES[..1], &FEATURES, &FEATURES);
    let lengths: &[usize] = preset.choose(&[512, 1024], &[512, 2048, 8192], &LENGTHS);
    let mut cases = Vec::new();
    for &heads in heads {
        for (number, &count) in features.iter().enumerate() {
            for causal in [false, true] {
                for embed in EMBEDS {
                    let mut ways: Vec<_> = KERNELS.iter().map(|&kernel| Some((kernel, count))).collect();
                    // The dense one has no features, and is measured once.
                    ways.extend((number == 0).then_some(None));
                    for features in ways {
                        cases.extend(lengths.iter().map(|&length| Case { embed, heads, length, causal, features }));
                    }
                }
            }
        }
    }
    cases.retain(|case| kind.allows(ATTENTION_FLOPS, case.flops()));
    // A causal line of one point shows its place beside the full one.
    cases.retain(|case| preset != Preset::Quick || !case.causal || case.length == LENGTHS[0]);
    cases
}

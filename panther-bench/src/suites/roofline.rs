//! Kernels relative to the limits of memory and arithmetic: counted FLOP and bytes, measured time.

use panther_bench::record::Measured;
use panther_gpu::Precision;
use panther_nn::NnError;
use panther_nn::backend::{AttentionKernel, Backend, Layout};
use panther_nn::cpu::Cpu;
use panther_nn::cuda::Cuda;

use super::sketch::{self, FAMILIES};
use super::{Bench, DeviceKind, INPUT_SEED, Key, Task, add_metric, attention, conv, cqrrpt, linear, rsvd};
use crate::device::BenchDevice;
use crate::measure::{Budget, Metered};

/// Bytes of an f32.
const SINGLE: f64 = 4.0;

/// One kernel, with the sizes that matter, or a ceiling.
#[derive(Clone, Copy, Debug)]
pub enum Case {
    /// A ceiling: a square product.
    Gemm(usize, Precision),
    Sketch(sketch::Case),
    Linear(linear::Case),
    Attention(attention::Case),
    Conv(conv::Case),
    Rsvd(rsvd::Case),
    Cqrrpt(cqrrpt::Case),
}

impl Case {
    /// What figures call it.
    fn name(&self) -> String {
        match *self {
            Self::Gemm(..) => "gemm".to_owned(),
            Self::Sketch(case) => match case.work {
                sketch::Work::Copy => "copy".to_owned(),
                sketch::Work::Product(_) => "dense product".to_owned(),
                sketch::Work::Sketch(name, ..) => name.to_owned(),
            },
            Self::Linear(case) => {
                let rank = case.sketch.map_or(0, |(_, rank)| rank);
                format!("SkLinear {}², rank {rank}", case.d_in)
            }
            Self::Attention(case) => {
                format!("RandMultiHeadAttention, {}{}", case.length, if case.causal { ", causal" } else { "" })
            }
            Self::Conv(case) => format!("SkConv2d {0}×{0}", case.kernel),
            Self::Rsvd(case) => format!("rsvd {}², rank {}", case.size, case.rank.unwrap_or(case.size)),
            Self::Cqrrpt(case) => format!("cqrrpt {}×{}", case.rows, case.columns),
        }
    }

    /// Operations, and bytes that must move: inputs, results, weights, and what passes from one step to the next, once each way.
    fn counts(&self, measured: &Measured) -> Option<(f64, f64)> {
        let real = |x: usize| x as f64;
        Some(match *self {
            Self::Gemm(n, _) => (2.0 * real(n).powi(3), 3.0 * SINGLE * real(n).powi(2)),
            Self::Sketch(case) => (case.flops(), case.bytes()),
            Self::Linear(case) => {
                let hidden = real(case.sketch.map_or(0, |(terms, rank)| 2 * terms * rank));
                let (batch, ends) = (real(case.batch), real(case.d_in + case.d_out));
                (2.0 * batch * hidden * ends, SINGLE * (batch * (ends + 2.0 * hidden) + hidden * ends))
            }
            Self::Attention(case) => {
                let (embed, length) = (real(case.embed), real(case.length));
                // Input and output; queries, keys, values and what is attended, each written and read.
                (case.flops(), SINGLE * (10.0 * length * embed + 4.0 * embed * embed))
            }
            Self::Conv(case) => {
                let hidden = real(case.sketch.map_or(0, |(terms, rank)| 2 * terms * rank));
                let (pixels, taps) =
                    (real(case.batch * case.image * case.image), real(case.kernel * case.kernel * case.c_in));
                let channels = real(case.c_in + case.c_out);
                let flops = 2.0 * pixels * hidden * (taps + real(case.c_out));
                (flops, SINGLE * (pixels * (channels + 2.0 * hidden) + hidden * (taps + real(case.c_out))))
            }
            // All columns that A is multiplied by, A read in every pass.
            Self::Rsvd(case) => {
                let numbers = real(case.size).powi(2);
                (2.0 * numbers * measured.metric("product_columns")?, SINGLE * numbers * measured.metric("passes")?)
            }
            // Preconditioning, Gram matrix and Q; A is read by the sketch and gathered, the result read and written thrice.
            Self::Cqrrpt(case) => {
                let (rows, columns) = (real(case.rows), real(case.columns));
                (3.0 * rows * columns * columns, 8.0 * SINGLE * rows * columns)
            }
        })
    }

    fn measured(&self, bench: &Bench) -> Result<Measured, NnError> {
        match *self {
            Self::Gemm(n, precision) => gemm(n, precision, bench),
            Self::Sketch(case) => case.measure(bench),
            Self::Linear(case) => case.measure(bench),
            Self::Attention(case) => case.measure(bench),
            Self::Conv(case) => case.measure(bench),
            Self::Rsvd(case) => case.measure(bench),
            Self::Cqrrpt(case) => case.measure(bench),
        }
    }
}

fn gemm(n: usize, precision: Precision, bench: &Bench) -> Result<Measured, NnError> {
    match &bench.device {
        BenchDevice::Cpu(par) => square(&Cpu::new(*par), n, bench.budget),
        BenchDevice::Cuda(device) => square(&Cuda::of(device.clone()).with_precision(precision), n, bench.budget),
    }
}

fn square<B: Backend + Metered>(backend: &B, n: usize, budget: Budget) -> Result<Measured, NnError> {
    let factor = |seed| backend.normal::<f32>(&[n, n], 1.0, seed);
    let (a, b, mut c) = (factor(INPUT_SEED)?, factor(INPUT_SEED + 1)?, backend.zeros(&[n, n])?);
    let at = Layout::matrix(n, n);
    budget.measure(backend.meter(), || backend.gemm(1.0, (&a, at), (&b, at), 0.0, (&mut c, at)))
}

impl Task for Case {
    fn key(&self) -> Key {
        let (method, precision) = match *self {
            Self::Gemm(_, precision) => ("gemm", super::linear::name(precision)),
            Self::Sketch(sketch::Case { work: sketch::Work::Copy, .. }) => ("copy", "f32"),
            _ => ("panther", "f32"),
        };
        Key::new(method, precision).of("kernel", self.name().as_str())
    }

    fn measure(&self, bench: &Bench) -> Result<Measured, NnError> {
        let mut measured = self.measured(bench)?;
        let counts = self.counts(&measured);
        // Times forward alone belong to what is counted.
        measured.backward = None;
        measured.memory_backward = None;
        measured.metrics.clear();
        if let Some((flops, bytes)) = counts {
            add_metric(&mut measured, "flops", flops);
            add_metric(&mut measured, "bytes", bytes);
        }
        Ok(measured)
    }
}

/// The ceilings first. On a GPU the cases that the project's goals are set for.
pub fn grid(kind: DeviceKind) -> Vec<Case> {
    let gpu = kind == DeviceKind::Gpu;
    let precisions: &[Precision] =
        if gpu { &[Precision::F32, Precision::Tf32, Precision::Bf16] } else { &[Precision::F32] };
    // On a GPU large enough that launches do not count.
    let order = if gpu { 8192 } else { 2048 };
    let mut cases = vec![sketch(sketch::Work::Copy)];
    cases.extend(precisions.iter().map(|&precision| Case::Gemm(order, precision)));
    cases.extend(FAMILIES.map(|(name, family)| sketch(sketch::Work::Sketch(name, family, 512))));
    if gpu {
        cases.extend([
            linear(8192, 16, 256),
            linear(16384, 64, 256),
            attention(4096, false),
            attention(16384, false),
            attention(1024, true),
            conv(3, 256, 8),
            conv(9, 256, 8),
            rsvd(4096, 100, rsvd::Method::Subspace),
            rsvd(8192, 50, rsvd::Method::Subspace),
            rsvd(16384, 100, rsvd::Method::Subspace),
            rsvd(16384, 500, rsvd::Method::Subspace),
            cqrrpt(16384, 256),
            cqrrpt(16384, 1024),
            cqrrpt(131_072, 1024),
        ]);
    } else {
        cases.extend([
            linear(2048, 16, linear::BATCH),
            linear(2048, 64, linear::BATCH),
            attention(1024, false),
            attention(1024, true),
            conv(3, 64, 1),
            conv(9, 64, 1),
            rsvd(1000, 100, rsvd::Method::Krylov),
            cqrrpt(8192, 256),
        ]);
    }
    cases
}

fn sketch(work: sketch::Work) -> Case {
    Case::Sketch(sketch::Case { rows: 65536, columns: 256, work })
}

fn linear(size: usize, rank: usize, batch: usize) -> Case {
    let (sketch, precision) = (Some((1, rank)), Precision::F32);
    Case::Linear(linear::Case { d_in: size, d_out: size, batch, sketch, precision })
}

fn attention(length: usize, causal: bool) -> Case {
    let features = Some((AttentionKernel::Softmax, 128));
    Case::Attention(attention::Case { embed: 512, heads: 8, length, causal, features })
}

fn conv(kernel: usize, image: usize, batch: usize) -> Case {
    Case::Conv(conv::Case { kernel, image, c_in: 64, c_out: 128, batch, sketch: Some((1, 8)) })
}

fn rsvd(size: usize, rank: usize, method: rsvd::Method) -> Case {
    Case::Rsvd(rsvd::Case { size, rank: Some(rank), method, exponential: false })
}

fn cqrrpt(rows: usize, columns: usize) -> Case {
    Case::Cqrrpt(cqrrpt::Case { rows, columns, double: false, method: cqrrpt::Method::Panther })
}

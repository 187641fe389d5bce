//! How near kernels come to what memory and arithmetic allow: operations and bytes by count, and the time.

use panther_bench::record::Measured;
use panther_gpu::Precision;
use panther_nn::NnError;
use panther_nn::backend::{AttentionKernel, Backend, Layout};
use panther_nn::cpu::Cpu;
use panther_nn::cuda::Cuda;

use super::sketch::{self, FAMILIES};
use super::{Bench, INPUT_SEED, Key, Kind, Task, add_figure, attention, conv, cqrrpt, linear, rsvd};
use crate::measure::{Budget, Metered};
use crate::place::Place;

/// Bytes of an f32.
const SINGLE: f64 = 4.0;

/// What is run, with the sizes that matter.
#[derive(Clone, Copy, Debug)]
enum Work {
    /// A ceiling: a square product.
    Gemm(usize, Precision),
    Sketch(sketch::Case),
    Linear(linear::Case),
    Attention(attention::Case),
    Conv(conv::Case),
    Rsvd(rsvd::Case),
    Cqrrpt(cqrrpt::Case),
}

/// One kernel, or a ceiling.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    kernel: &'static str,
    work: Work,
}

impl Case {
    /// Operations, and bytes that must move: inputs, results, weights, and what passes from one step to the next, once each way.
    fn counts(&self, measured: &Measured) -> Option<(f64, f64)> {
        let real = |x: usize| x as f64;
        Some(match self.work {
            Work::Gemm(n, _) => (2.0 * real(n).powi(3), 3.0 * SINGLE * real(n).powi(2)),
            Work::Sketch(case) => (case.flops(), case.bytes()),
            Work::Linear(case) => {
                let hidden = real(case.sketch.map_or(0, |(terms, rank)| 2 * terms * rank));
                let (batch, ends) = (real(case.batch), real(case.d_in + case.d_out));
                (2.0 * batch * hidden * ends, SINGLE * (batch * (ends + 2.0 * hidden) + hidden * ends))
            }
            Work::Attention(case) => {
                let (embed, length) = (real(case.embed), real(case.length));
                // Input and output; queries, keys, values and what is attended, each written and read.
                (case.flops(), SINGLE * (10.0 * length * embed + 4.0 * embed * embed))
            }
            Work::Conv(case) => {
                let hidden = real(case.sketch.map_or(0, |(terms, rank)| 2 * terms * rank));
                let (pixels, taps) =
                    (real(case.batch * case.image * case.image), real(case.kernel * case.kernel * case.c_in));
                let channels = real(case.c_in + case.c_out);
                let flops = 2.0 * pixels * hidden * (taps + real(case.c_out));
                (flops, SINGLE * (pixels * (channels + 2.0 * hidden) + hidden * (taps + real(case.c_out))))
            }
            // All columns that A is multiplied by, A read in every pass.
            Work::Rsvd(case) => {
                let figure = |name| measured.figures.iter().find(|(own, _)| own == name).map(|(_, value)| *value);
                let numbers = real(case.size).powi(2);
                (2.0 * numbers * figure("product_columns")?, SINGLE * numbers * figure("passes")?)
            }
            // Preconditioning, Gram matrix and Q; A is read by the sketch and gathered, the result read and written thrice.
            Work::Cqrrpt(case) => {
                let (rows, columns) = (real(case.rows), real(case.columns));
                (3.0 * rows * columns * columns, 8.0 * SINGLE * rows * columns)
            }
        })
    }

    fn measured(&self, bench: &Bench) -> Result<Measured, NnError> {
        match self.work {
            Work::Gemm(n, precision) => gemm(n, precision, bench),
            Work::Sketch(case) => case.measure(bench),
            Work::Linear(case) => case.measure(bench),
            Work::Attention(case) => case.measure(bench),
            Work::Conv(case) => case.measure(bench),
            Work::Rsvd(case) => case.measure(bench),
            Work::Cqrrpt(case) => case.measure(bench),
        }
    }
}

fn gemm(n: usize, precision: Precision, bench: &Bench) -> Result<Measured, NnError> {
    match &bench.place {
        Place::Cpu(par) => square(&Cpu::new(*par), n, bench.budget),
        Place::Cuda(device) => square(&Cuda::of(device.clone()).with_precision(precision), n, bench.budget),
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
        let (method, precision) = match self.work {
            Work::Gemm(_, precision) => ("gemm", super::linear::name(precision)),
            Work::Sketch(sketch::Case { work: sketch::Work::Copy, .. }) => ("copy", "f32"),
            _ => ("panther", "f32"),
        };
        Key::new(method, precision).of("kernel", self.kernel)
    }

    fn measure(&self, bench: &Bench) -> Result<Measured, NnError> {
        let mut measured = self.measured(bench)?;
        let counts = self.counts(&measured);
        // Times forward alone belong to what is counted.
        measured.backward = None;
        measured.memory_backward = None;
        measured.figures.clear();
        if let Some((flops, bytes)) = counts {
            add_figure(&mut measured, "flops", flops);
            add_figure(&mut measured, "bytes", bytes);
        }
        Ok(measured)
    }
}

/// The ceilings first. On a GPU the cases that the project's goals are set for.
pub fn grid(kind: Kind) -> Vec<Case> {
    let gpu = kind == Kind::Gpu;
    let precisions: &[Precision] =
        if gpu { &[Precision::F32, Precision::Tf32, Precision::Bf16] } else { &[Precision::F32] };
    // On a GPU large enough that launches do not count.
    let order = if gpu { 8192 } else { 2048 };
    let mut cases = vec![sketch("copy", sketch::Work::Copy)];
    cases.extend(precisions.iter().map(|&precision| Case { kernel: "gemm", work: Work::Gemm(order, precision) }));
    cases.extend(FAMILIES.map(|(name, family)| sketch(name, sketch::Work::Sketch(name, family, 512))));
    if gpu {
        cases.extend([
            linear("SkLinear 8192², rank 16", 8192, 16, 256),
            linear("SkLinear 16384², rank 64", 16384, 64, 256),
            attention("RandMultiHeadAttention, 4096", 4096, false),
            attention("RandMultiHeadAttention, 16384", 16384, false),
            attention("RandMultiHeadAttention, 1024, causal", 1024, true),
            conv("SkConv2d 3×3", 3, 256, 8),
            conv("SkConv2d 9×9", 9, 256, 8),
            rsvd("rsvd 4096², rank 100", 4096, 100, rsvd::Method::Subspace),
            rsvd("rsvd 8192², rank 50", 8192, 50, rsvd::Method::Subspace),
            rsvd("rsvd 16384², rank 100", 16384, 100, rsvd::Method::Subspace),
            rsvd("rsvd 16384², rank 500", 16384, 500, rsvd::Method::Subspace),
            cqrrpt("cqrrpt 16384×256", 16384, 256),
            cqrrpt("cqrrpt 16384×1024", 16384, 1024),
            cqrrpt("cqrrpt 131072×1024", 131_072, 1024),
        ]);
    } else {
        cases.extend([
            linear("SkLinear 2048², rank 16", 2048, 16, linear::BATCH),
            linear("SkLinear 2048², rank 64", 2048, 64, linear::BATCH),
            attention("RandMultiHeadAttention, 1024", 1024, false),
            attention("RandMultiHeadAttention, 1024, causal", 1024, true),
            conv("SkConv2d 3×3", 3, 64, 1),
            conv("SkConv2d 9×9", 9, 64, 1),
            rsvd("rsvd 1000², rank 100", 1000, 100, rsvd::Method::Krylov),
            cqrrpt("cqrrpt 8192×256", 8192, 256),
        ]);
    }
    cases
}

fn sketch(kernel: &'static str, work: sketch::Work) -> Case {
    Case { kernel, work: Work::Sketch(sketch::Case { rows: 65536, columns: 256, work }) }
}

fn linear(kernel: &'static str, size: usize, rank: usize, batch: usize) -> Case {
    let (sketch, precision) = (Some((1, rank)), Precision::F32);
    Case { kernel, work: Work::Linear(linear::Case { d_in: size, d_out: size, batch, sketch, precision }) }
}

fn attention(kernel: &'static str, length: usize, causal: bool) -> Case {
    let features = Some((AttentionKernel::Softmax, 128));
    Case { kernel, work: Work::Attention(attention::Case { embed: 512, heads: 8, length, causal, features }) }
}

fn conv(kernel: &'static str, size: usize, image: usize, batch: usize) -> Case {
    let sketch = Some((1, 8));
    Case { kernel, work: Work::Conv(conv::Case { kernel: size, image, c_in: 64, c_out: 128, batch, sketch }) }
}

fn rsvd(kernel: &'static str, size: usize, rank: usize, method: rsvd::Method) -> Case {
    Case { kernel, work: Work::Rsvd(rsvd::Case { size, rank: Some(rank), method, exponential: false }) }
}

fn cqrrpt(kernel: &'static str, rows: usize, columns: usize) -> Case {
    Case { kernel, work: Work::Cqrrpt(cqrrpt::Case { rows, columns, double: false, method: cqrrpt::Method::Panther }) }
}

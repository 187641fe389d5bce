//! Attention through random features beside dense softmax attention with the same projections: embed 512, 8 heads, 128 features,
//! one sequence, f32.

use criterion::{Criterion, criterion_group, criterion_main};
use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatRef, Par};
use panther_bench::{group, parallelisms};
use panther_nn::Scalar;
use panther_nn::backend::{Random, Storage};
use panther_nn::cpu::{Cpu, CpuTensor};
use panther_nn::layers::{Layer, Linear, RandMultiHeadAttention, RandMultiHeadAttentionOptions};
use panther_sketch::simd::vectorized;

const EMBED: usize = 512;
const HEADS: usize = 8;
const HEAD: usize = EMBED / HEADS;

/// Queries of a block, whose weights are held at a time.
const BLOCK: usize = 64;

/// softmax(q·kᵀ/√d)·v of each head, a block of queries at a time: two products and a softmax in between.
fn dense_attention(query: &CpuTensor<f32>, key: &CpuTensor<f32>, value: &CpuTensor<f32>, par: Par) -> Mat<f32> {
    let length = query.shape()[1];
    let columns = |x| MatRef::from_column_major_slice(CpuTensor::as_slice(x), EMBED, length);
    let (query, key, value) = (columns(query), columns(key), columns(value));
    let (mut out, mut weights) = (Mat::<f32>::zeros(EMBED, length), Mat::<f32>::zeros(length, BLOCK));
    for head in 0..HEADS {
        let [query, key, value] = [query, key, value].map(|x| x.subrows(head * HEAD, HEAD));
        let mut out = out.as_mut().subrows_mut(head * HEAD, HEAD);
        for start in (0..length).step_by(BLOCK) {
            let n = BLOCK.min(length - start);
            let scale = (HEAD as f32).sqrt().recip();
            let block = weights.as_mut().subcols_mut(0, n);
            matmul(block, Accum::Replace, key.transpose(), query.subcols(start, n), scale, par);
            (0..n).for_each(|i| softmax(weights.col_as_slice_mut(i)));
            let block = weights.as_ref().subcols(0, n);
            matmul(out.as_mut().subcols_mut(start, n), Accum::Replace, value, block, 1.0, par);
        }
    }
    out
}

fn softmax(x: &mut [f32]) {
    vectorized(|| {
        let mut largest = [f32::MIN; 16];
        for x in x.as_chunks::<16>().0 {
            largest.iter_mut().zip(x).for_each(|(m, x)| *m = m.larger(*x));
        }
        let largest = largest.into_iter().fold(f32::MIN, f32::larger);
        let mut sums = [0.0; 16];
        for x in x.as_chunks_mut::<16>().0 {
            for (x, sum) in x.iter_mut().zip(&mut sums) {
                *x = Scalar::exp(*x - largest);
                *sum += *x;
            }
        }
        let inverse = sums.iter().sum::<f32>().recip();
        x.iter_mut().for_each(|x| *x *= inverse);
    });
}

/// Dense multi-head attention, forward.
fn dense(projections: &[Linear<f32, Cpu>; 4], x: &CpuTensor<f32>, cpu: &Cpu, par: Par) -> CpuTensor<f32> {
    let [wq, wk, wv, w0] = projections;
    let project = |linear: &Linear<f32, Cpu>| linear.forward(x).expect("x fits");
    let attended = dense_attention(&project(wq), &project(wk), &project(wv), par);
    let numbers = (0..attended.ncols()).flat_map(|j| attended.col_as_slice(j)).copied().collect();
    w0.forward(&cpu.upload(x.shape(), numbers).expect("as many")).expect("it fits")
}

fn tables(criterion: &mut Criterion) {
    for length in [2048, 4096, 16384] {
        let mut group = group(criterion, &format!("attention {length}"));
        for (threads, par) in parallelisms() {
            let cpu = Cpu::new(par);
            let x = cpu.normal::<f32>(&[1, length, EMBED], 1.0, 1).expect("memory");
            for (name, causal) in [("full", false), ("causal", true)] {
                let options = RandMultiHeadAttentionOptions { causal, ..Default::default() };
                let mut layer = RandMultiHeadAttention::new(&cpu, EMBED, HEADS, options).expect("valid options");
                group.bench_function(format!("random {name} forward, {threads}"), |b| b.iter(|| layer.forward(&x)));
                group.bench_function(format!("random {name} forward and backward, {threads}"), |b| {
                    b.iter(|| {
                        let y = layer.forward_train(&x).expect("x fits");
                        layer.backward(&y).expect("y fits")
                    });
                });
            }
            let projections =
                [1, 2, 3, 4].map(|seed| Linear::new(&cpu, EMBED, EMBED, true, seed).expect("valid sizes"));
            group.bench_function(format!("dense full forward, {threads}"), |b| {
                b.iter(|| dense(&projections, &x, &cpu, par));
            });
        }
        group.finish();
    }
}

criterion_group!(benches, tables);
criterion_main!(benches);

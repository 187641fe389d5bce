//! Every family at 65536×256 → 512 rows, generation included, beside the dense product of the same shape in the same run.

#![allow(missing_docs)] // criterion's macros make public functions

use std::time::Duration;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, Par};
use panther_sketch::{Distribution, Real, stream};
use rand_xoshiro::rand_core::Rng;

const D: usize = 512;
const N: usize = 65536;
const P: usize = 256;

const FAMILIES: [(&str, Distribution); 7] = [
    ("Gaussian", Distribution::Gaussian),
    ("Rademacher", Distribution::Rademacher),
    ("Uniform", Distribution::Uniform),
    ("CountSketch", Distribution::COUNT_SKETCH),
    ("SparseSign 8", Distribution::SparseSign { vec_nnz: 8 }),
    ("SparseRows 64", Distribution::LessUniform { vec_nnz: 64 }),
    ("SRHT", Distribution::Srht),
];

fn matrix<T: Real>(rows: usize, columns: usize) -> Mat<T> {
    let mut words = stream::coordinate(1, 0);
    Mat::from_fn(rows, columns, |_, _| T::from_f64(words.next_u64() as f64 / 2.0_f64.powi(63) - 1.0))
}

fn sketches<T: Real>(c: &mut Criterion) {
    let a = matrix::<T>(N, P);
    let given = matrix::<T>(D, N);
    for (threads, par) in [("one thread", Par::Seq), ("all cores", Par::rayon(0))] {
        let mut group = c.benchmark_group(format!("{D}x{N}x{P} {}", T::NAME));
        group.sample_size(10).warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_millis(800));
        let mut out = Mat::<T>::zeros(D, P);
        group.bench_function(BenchmarkId::new("dense product", threads), |b| {
            b.iter(|| matmul(out.as_mut(), Accum::Replace, given.as_ref(), a.as_ref(), T::from_f64(1.0), par));
        });
        for (name, family) in FAMILIES {
            group.bench_function(BenchmarkId::new(name, threads), |b| {
                b.iter(|| family.operator::<T>(D, N, 1).and_then(|s| s.left(a.as_ref().into(), par)));
            });
        }
        group.finish();
    }
}

criterion_group!(benches, sketches::<f32>, sketches::<f64>);
criterion_main!(benches);

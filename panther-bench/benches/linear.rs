//! Dense and sketched linear layers at the shapes of the project's table, beside the product that the dense one is.

use criterion::{Criterion, criterion_group, criterion_main};
use panther_bench::{group, parallelisms, product};
use panther_nn::backend::Storage;
use panther_nn::cpu::{Cpu, CpuTensor};
use panther_nn::layers::{Layer, Linear, SkLinear, SkLinearOptions};
use panther_tests::matrices::Family;
use panther_tests::random::Random;

const BATCH: usize = 128;

fn gaussian(cpu: &Cpu, shape: &[usize]) -> CpuTensor<f32> {
    let mut random = Random::new(1);
    let numbers = (0..shape.iter().product()).map(|_| random.gaussian() as f32).collect();
    cpu.upload(shape, numbers).expect("as many numbers as the shape holds")
}

fn both_ways<L: Layer<f32, Cpu>>(layer: &mut L, x: &CpuTensor<f32>) -> CpuTensor<f32> {
    let y = layer.forward_train(x).expect("x fits");
    layer.backward(&y).expect("dy fits")
}

fn table(criterion: &mut Criterion) {
    for (d, low_rank) in [(2048, 16), (4096, 64), (8192, 16)] {
        let mut group = group(criterion, &format!("linear {d}², batch {BATCH}, k {low_rank}, f32"));
        let weight = Family::Gaussian.matrix::<f32>(d, d, 1);
        let input = Family::Gaussian.matrix::<f32>(d, BATCH, 2);
        for (threads, par) in parallelisms() {
            let cpu = Cpu::new(par);
            let options = SkLinearOptions { num_terms: 1, low_rank, bias: true, seed: 1 };
            let mut dense = Linear::new(&cpu, d, d, true, 1).expect("valid sizes");
            let mut sketched = SkLinear::new(&cpu, d, d, options).expect("valid sizes");
            let x = gaussian(&cpu, &[BATCH, d]);
            group.bench_function(format!("sketched, forward, {threads}"), |b| b.iter(|| sketched.forward(&x)));
            group.bench_function(format!("sketched, forward and backward, {threads}"), |b| {
                b.iter(|| both_ways(&mut sketched, &x));
            });
            group.bench_function(format!("dense, forward, {threads}"), |b| b.iter(|| dense.forward(&x)));
            group.bench_function(format!("dense, forward and backward, {threads}"), |b| {
                b.iter(|| both_ways(&mut dense, &x));
            });
            // xᵀ by rows is x by columns: the layer's own layouts.
            group.bench_function(format!("dense forward product, {threads}"), |b| {
                b.iter(|| product(weight.transpose(), input.as_ref(), par));
            });
        }
        group.finish();
    }
}

criterion_group!(benches, table);
criterion_main!(benches);

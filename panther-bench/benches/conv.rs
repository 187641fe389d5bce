//! Dense and sketched convolutions at the shapes of the project's table, beside a product of the dense one's flops.

use criterion::{Criterion, criterion_group, criterion_main};
use faer::Mat;
use panther_bench::{group, parallelisms, product};
use panther_nn::backend::Storage;
use panther_nn::cpu::{Cpu, CpuTensor};
use panther_nn::layers::{Conv2d, Layer, Padding, SkConv2d, SkConv2dOptions, Window};
use panther_tests::random::Random;

const BATCH: usize = 4;
const C_IN: usize = 64;
const C_OUT: usize = 128;

fn gaussian(cpu: &Cpu, shape: &[usize]) -> CpuTensor<f32> {
    let mut random = Random::new(1);
    let numbers = (0..shape.iter().product()).map(|_| random.gaussian() as f32).collect();
    cpu.upload(shape, numbers).expect("as many numbers as the shape holds")
}

fn both_ways<L: Layer<f32, Cpu>>(layer: &mut L, x: &CpuTensor<f32>, dy: &CpuTensor<f32>) -> CpuTensor<f32> {
    layer.forward_train(x).expect("x fits");
    layer.backward(dy).expect("dy fits")
}

fn table(criterion: &mut Criterion) {
    for size in [64, 128] {
        for kernel in [3, 5, 9] {
            let mut group = group(criterion, &format!("conv {kernel}×{kernel}, {size}² images, f32"));
            let (taps, pixels) = (C_IN * kernel * kernel, BATCH * size * size);
            for (threads, par) in parallelisms() {
                let cpu = Cpu::new(par);
                let window = Window { padding: Padding::Same, ..Window::new([kernel, kernel]) };
                let options = SkConv2dOptions { num_terms: 1, low_rank: 8, bias: true, seed: 1 };
                let mut dense = Conv2d::new(&cpu, C_IN, C_OUT, window, true, 1).expect("valid sizes");
                let mut sketched = SkConv2d::new(&cpu, C_IN, C_OUT, window, options).expect("valid sizes");
                let x = gaussian(&cpu, &[BATCH, C_IN, size, size]);
                let dy = gaussian(&cpu, &[BATCH, C_OUT, size, size]);
                group.bench_function(format!("sketched, forward, {threads}"), |b| b.iter(|| sketched.forward(&x)));
                group.bench_function(format!("sketched, forward and backward, {threads}"), |b| {
                    b.iter(|| both_ways(&mut sketched, &x, &dy));
                });
                group.bench_function(format!("dense, forward, {threads}"), |b| b.iter(|| dense.forward(&x)));
                group.bench_function(format!("dense, forward and backward, {threads}"), |b| {
                    b.iter(|| both_ways(&mut dense, &x, &dy));
                });
                // The product that the dense forward pass is, with an unfolded image that is there already; some of its columns,
                // so that it fits into memory.
                let share = 4;
                let weight = Mat::from_fn(C_OUT, taps, |i, j| ((i * 31 + j * 17) % 61) as f32 - 30.0);
                let unfolded = Mat::from_fn(taps, pixels / share, |i, j| ((i * 31 + j * 17) % 61) as f32 - 30.0);
                group.bench_function(format!("1/{share} of the dense forward product, {threads}"), |b| {
                    b.iter(|| product(weight.as_ref(), unfolded.as_ref(), par));
                });
            }
            group.finish();
        }
    }
}

criterion_group!(benches, table);
criterion_main!(benches);

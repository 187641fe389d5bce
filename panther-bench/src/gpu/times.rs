//! Times of the device, at the shapes of the project's tables.

use std::time::Instant;

use faer::{Mat, MatRef};
use panther_gpu::{Device, DeviceReal, DeviceSketch, GpuError, Matrix, cqrrpt, gaussian_matrix, product, rsvd};
use panther_linalg::{CqrrptOptions, Distribution, RangeFinder, RsvdOptions, Target};

use super::spectrum::{svd_error, with_singular_values};

/// How often a case is run.
#[derive(Clone, Copy)]
pub struct Runs {
    /// Before it is timed.
    pub warm: usize,
    /// Timed.
    pub timed: usize,
}

/// Prints a line a case whose name contains `only`.
///
/// # Errors
/// What the device refuses.
pub fn run(device: &Device, only: &str, runs: Runs) -> Result<(), GpuError> {
    for (n, k) in [(4096, 100), (8192, 50), (16384, 100), (16384, 500)] {
        if format!("rsvd {n}").contains(only) {
            rsvd_case::<f32>(device, runs, n, k)?;
        }
    }
    if "rsvd 4096".contains(only) {
        rsvd_case::<f64>(device, runs, 4096, 100)?;
    }
    for (m, n) in [(16384, 256), (16384, 512), (16384, 1024), (131_072, 1024)] {
        if format!("cqrrpt {m}").contains(only) {
            cqrrpt_case::<f32>(device, runs, m, n)?;
            cqrrpt_case::<f64>(device, runs, m, n)?;
        }
    }
    if "product".contains(only) {
        product_cases::<f32>(device, runs)?;
        product_cases::<f64>(device, runs)?;
    }
    if "copies".contains(only) {
        copies(device, runs, 16384)?;
    }
    if "sketch".contains(only) {
        sketch_cases::<f32>(device, runs, 65536, 256, 512, 8)?;
        sketch_cases::<f64>(device, runs, 16384, 1024, 1280, 4)?;
    }
    Ok(())
}

/// The median time in milliseconds.
pub fn median<E: From<GpuError>>(
    device: &Device,
    runs: Runs,
    mut work: impl FnMut() -> Result<(), E>,
) -> Result<f64, E> {
    for _ in 0..runs.warm {
        work()?;
    }
    let mut times = Vec::with_capacity(runs.timed);
    for _ in 0..runs.timed {
        let mut outcome = Ok(());
        times.push(device.seconds_of(|| {
            outcome = work();
            Ok(())
        })?);
        outcome?;
    }
    times.sort_by(f64::total_cmp);
    Ok(1e3 * times[runs.timed / 2])
}

/// The most bytes that `work` holds at a time beyond those held before it, in MiB.
pub fn memory_of<E: From<GpuError>>(device: &Device, work: impl FnOnce() -> Result<(), E>) -> Result<f64, E> {
    Ok(device.peak_memory_of(work)? as f64 / 1_048_576.0)
}

/// By the host's clock, which is what a copy costs; the fastest.
fn copies(device: &Device, runs: Runs, n: usize) -> Result<(), GpuError> {
    let a = Mat::<f32>::from_fn(n, n, |i, j| (i ^ j) as f32);
    let (mut there, mut by_rows, mut back) = (f64::INFINITY, f64::INFINITY, f64::INFINITY);
    let timed = |a: MatRef<'_, f32>, fastest: &mut f64| -> Result<Matrix<f32>, GpuError> {
        let start = Instant::now();
        let on_device = Matrix::from_host(device, a)?;
        device.synchronize()?;
        *fastest = fastest.min(start.elapsed().as_secs_f64());
        Ok(on_device)
    };
    for _ in 0..runs.warm + runs.timed {
        drop(timed(a.as_ref().transpose(), &mut by_rows)?);
        let on_device = timed(a.as_ref(), &mut there)?;
        let start = Instant::now();
        drop(on_device.to_host()?);
        back = back.min(start.elapsed().as_secs_f64());
    }
    let [there, by_rows, back] =
        [there, by_rows, back].map(|seconds| (n * n * size_of::<f32>()) as f64 / seconds / 1e9);
    println!("copies {n}² f32: to the device {there:.1} GB/s, by rows {by_rows:.1} GB/s, to the host {back:.1} GB/s");
    Ok(())
}

fn rsvd_case<T: DeviceReal>(device: &Device, runs: Runs, n: usize, k: usize) -> Result<(), GpuError> {
    // σᵢ = 1/i for i ≤ 1024.
    let sigma: Vec<f64> = (1..=1024).map(|i| f64::from(i).recip()).collect();
    let a = with_singular_values::<T>(device, n, &sigma)?;
    let best = sigma[k..].iter().map(|s| s * s).sum::<f64>().sqrt();
    for range_finder in [RangeFinder::BlockKrylov, RangeFinder::SubspaceIteration] {
        let options = RsvdOptions { range_finder, ..RsvdOptions::default() };
        let found = rsvd(a.as_ref(), Target::Rank(k), &options)?;
        let error = svd_error(a.as_ref(), &found)?;
        let time = median(device, runs, || rsvd(a.as_ref(), Target::Rank(k), &options).map(drop))?;
        drop(found);
        let memory = memory_of(device, || rsvd(a.as_ref(), Target::Rank(k), &options).map(drop))?;
        let real = T::NAME;
        println!(
            "rsvd {n}² k {k} {real} {range_finder:?}: {time:.3} ms, error {:.4} of the best, {memory:.1} MiB",
            error / best
        );
    }
    Ok(())
}

fn cqrrpt_case<T: DeviceReal>(device: &Device, runs: Runs, m: usize, n: usize) -> Result<(), GpuError> {
    let a = gaussian_matrix::<T>(device, m, n, 3)?;
    let options = CqrrptOptions::default();
    let found = cqrrpt(a.as_ref(), &options)?;
    let time = median(device, runs, || cqrrpt(a.as_ref(), &options).map(drop))?;
    println!(
        "cqrrpt {m}×{n} {}: {time:.3} ms, error at most {:.1e} of ‖A‖, orthogonality {:.1e}, fallback {}",
        T::NAME,
        found.error_estimate / found.norm,
        found.orthogonality,
        found.fallback
    );
    Ok(())
}

/// A·B and Aᵀ·B, everything by columns.
fn product_cases<T: DeviceReal>(device: &Device, runs: Runs) -> Result<(), GpuError> {
    for (m, n, k) in [
        (4096, 112, 4096),
        (8192, 60, 8192),
        (16384, 110, 16384),
        (16384, 550, 16384),
        (4096, 512, 512),
        (110, 110, 16384),
    ] {
        let b = gaussian_matrix::<T>(device, k, n, 4)?;
        let mut c = Matrix::zeros(device, m, n)?;
        for (name, transposed) in [("A·B", false), ("Aᵀ·B", true)] {
            let (rows, columns) = if transposed { (k, m) } else { (m, k) };
            let a = gaussian_matrix::<T>(device, rows, columns, 3)?;
            let a = if transposed { a.as_ref().t() } else { a.as_ref() };
            let time = median(device, runs, || product(c.as_mut(), T::ONE, a, b.as_ref(), T::ZERO))?;
            let speed = 2e-9 * (m * n * k) as f64 / time;
            println!("product {m}×{k}×{n} {} {name}: {time:.4} ms, {speed:.1} TFLOP/s", T::NAME);
        }
    }
    Ok(())
}

fn sketch_cases<T: DeviceReal>(
    device: &Device,
    runs: Runs,
    m: usize,
    n: usize,
    d: usize,
    zeta: usize,
) -> Result<(), GpuError> {
    let a = gaussian_matrix::<T>(device, m, n, 3)?;
    let s = gaussian_matrix::<T>(device, d, m, 4)?;
    let mut out = Matrix::zeros(device, d, n)?;
    let time = median(device, runs, || product(out.as_mut(), T::ONE, s.as_ref(), a.as_ref(), T::ZERO))?;
    println!("sketch {m}×{n} to {d} {}: the product alone {time:.3} ms", T::NAME);
    for distribution in [
        Distribution::Gaussian,
        Distribution::Rademacher,
        Distribution::COUNT_SKETCH,
        Distribution::SparseSign { vec_nnz: zeta },
        Distribution::Srht,
    ] {
        let time =
            median(device, runs, || DeviceSketch::<T>::new(device, distribution, d, m, 5)?.left(a.as_ref()).map(drop))?;
        println!("sketch {m}×{n} to {d} {}: {distribution:?} {time:.3} ms", T::NAME);
    }
    Ok(())
}

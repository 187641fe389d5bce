//! Truncated SVD of square matrices: of a given rank where singular values decay like 1/i (f32), and to a tolerance where they decay
//! exponentially (f64).

use faer::{Mat, Par};
use panther_bench::record::Measured;
use panther_bench::{distance, orthogonality};
use panther_gpu::Device;
use panther_linalg::{LinalgError, RangeFinder, RsvdOptions, Target, rsvd};
use panther_nn::{NnError, Scalar};
use panther_tests::matrices::with_singular_values;

use super::preset::limits::RSVD_SIZE;
use super::{Bench, DeviceKind, Key, Preset, SEED, Task, add_metric};
use crate::device::BenchDevice;
use crate::gpu::spectrum;
use crate::measure::Budget;

const SIZES: [usize; 5] = [1000, 2048, 4096, 8192, 16384];
const RANKS: [usize; 4] = [50, 100, 200, 500];
/// Relative error that is asked for, and the rank that it takes.
const TOLERANCE: (f64, i32) = (1e-6, 100);
/// Singular values that are not zero: more would make 16384² matrices dear and hardly change them.
const NONZERO: usize = 2048;
/// Above it the exact SVD takes minutes.
const EXACT_SIZE: usize = 2048;

/// How it is decomposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Krylov,
    Subspace,
    /// All singular triplets, by the device's own SVD.
    Exact,
}

/// A decomposition; for `rank` `None` to the tolerance, and of the other spectrum.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    pub size: usize,
    pub rank: Option<usize>,
    pub method: Method,
    /// Of exponential decay.
    pub exponential: bool,
}

impl Case {
    fn sigma(&self) -> Vec<f64> {
        let (tolerance, rank) = TOLERANCE;
        let ratio = tolerance.powf(f64::from(rank).recip());
        let value = |i: usize| if self.exponential { ratio.powi(i as i32) } else { ((i + 1) as f64).recip() };
        (0..self.size.min(NONZERO)).map(value).collect()
    }

    fn target(&self) -> Target {
        match self.rank {
            Some(rank) => Target::Rank(rank),
            None => Target::Tolerance { relative: TOLERANCE.0, max_rank: None },
        }
    }

    fn options(&self) -> RsvdOptions {
        let subspace = self.method == Method::Subspace;
        let range_finder = if subspace { RangeFinder::SubspaceIteration } else { RangeFinder::BlockKrylov };
        RsvdOptions { range_finder, seed: SEED, ..RsvdOptions::default() }
    }

    fn on_cpu<T: Scalar>(&self, par: Par, budget: Budget) -> Result<Measured, NnError> {
        let sigma = self.sigma();
        let a = host_matrix::<T>(self.size, &sigma);
        if self.method == Method::Exact {
            let decompose = || {
                let (operation, shape) = ("exact SVD", a.shape());
                a.thin_svd().map_err(|_| NnError::Linalg(LinalgError::NoConvergence { operation, shape }))
            };
            let mut measured = budget.measure(&par, || decompose().map(drop))?;
            add_metric(&mut measured, "orthogonality", orthogonality(decompose()?.U(), par));
            return Ok(measured);
        }
        let decompose = || rsvd(&a, self.target(), &self.options(), par);
        let mut measured = budget.measure(&par, || Ok(decompose().map(drop)?))?;
        let found = decompose()?;
        let scaled = Mat::from_fn(self.size, found.s.len(), |i, j| found.u[(i, j)] * found.s[j]);
        let error = distance(a.as_ref(), scaled.as_ref(), found.v.transpose(), par);
        let accuracy = Accuracy {
            error,
            estimate: found.error_estimate,
            orthogonality: found.orthogonality,
            work: (found.passes, found.product_columns),
        };
        accuracy.add_to(&mut measured, &sigma, found.s.len());
        Ok(measured)
    }

    fn on_gpu<T: Scalar>(&self, device: &Device, budget: Budget) -> Result<Measured, NnError> {
        let sigma = self.sigma();
        let a = spectrum::with_singular_values::<T>(device, self.size, &sigma)?;
        // Of full rank the device takes the exact way.
        let target = if self.method == Method::Exact { Target::Rank(self.size) } else { self.target() };
        let decompose = || panther_gpu::rsvd(a.as_ref(), target, &self.options());
        let mut measured = budget.measure(device, || Ok(decompose().map(drop)?))?;
        let found = decompose()?;
        if self.method == Method::Exact {
            add_metric(&mut measured, "orthogonality", found.orthogonality);
            return Ok(measured);
        }
        let error = spectrum::svd_error(a.as_ref(), &found)?;
        let accuracy = Accuracy {
            error,
            estimate: found.error_estimate,
            orthogonality: found.orthogonality,
            work: (found.passes, found.product_columns),
        };
        accuracy.add_to(&mut measured, &sigma, found.s.len());
        Ok(measured)
    }
}

/// Square with the singular values `sigma`, and zeros otherwise.
fn host_matrix<T: Scalar>(n: usize, sigma: &[f64]) -> Mat<T> {
    let mut all = sigma.to_vec();
    all.resize(n, 0.0);
    let a = with_singular_values(n, n, &all, SEED);
    Mat::from_fn(n, n, |i, j| T::from_f64(a[(i, j)]))
}

/// Absolute errors, and what the decomposition says of itself.
struct Accuracy {
    error: f64,
    estimate: f64,
    orthogonality: f64,
    /// Passes over A, and columns that it was multiplied by.
    work: (usize, usize),
}

impl Accuracy {
    /// As metrics, relative to ‖A‖_F, of a decomposition of rank k.
    fn add_to(&self, measured: &mut Measured, sigma: &[f64], k: usize) {
        let norm = |sigma: &[f64]| sigma.iter().rev().map(|s| s * s).sum::<f64>().sqrt();
        let all = norm(sigma);
        add_metric(measured, "error", self.error / all);
        add_metric(measured, "error_over_best", self.error / norm(&sigma[k.min(sigma.len())..]));
        add_metric(measured, "estimate", self.estimate / all);
        add_metric(measured, "orthogonality", self.orthogonality);
        add_metric(measured, "rank", k as f64);
        add_metric(measured, "passes", self.work.0 as f64);
        add_metric(measured, "product_columns", self.work.1 as f64);
    }
}

impl Task for Case {
    fn key(&self) -> Key {
        let method = match self.method {
            Method::Krylov => "panther-krylov",
            Method::Subspace => "panther-subspace",
            Method::Exact => "exact",
        };
        let (spectrum, precision) = if self.exponential { ("exponential", "f64") } else { ("polynomial", "f32") };
        let key = Key::new(method, precision).of("size", self.size).of("spectrum", spectrum);
        match self.rank {
            Some(rank) => key.of("rank", rank),
            None => key,
        }
    }

    fn measure(&self, bench: &Bench) -> Result<Measured, NnError> {
        match (&bench.device, self.exponential) {
            (BenchDevice::Cpu(par), false) => self.on_cpu::<f32>(*par, bench.budget),
            (BenchDevice::Cpu(par), true) => self.on_cpu::<f64>(*par, bench.budget),
            (BenchDevice::Cuda(device), false) => self.on_gpu::<f32>(device, bench.budget),
            (BenchDevice::Cuda(device), true) => self.on_gpu::<f64>(device, bench.budget),
        }
    }
}

/// Small sizes first, and of each the exact SVD last.
pub fn grid(kind: DeviceKind, preset: Preset) -> Vec<Case> {
    let ranks: &[usize] = preset.choose(&RANKS[..2], &RANKS, &RANKS);
    let sizes: &[usize] = preset.choose(&SIZES[..2], &SIZES, &SIZES);
    let mut cases = Vec::new();
    for &size in sizes.iter().filter(|&&size| kind.allows(RSVD_SIZE, size as f64)) {
        let mut add = |rank, method, exponential| cases.push(Case { size, rank, method, exponential });
        for method in [Method::Krylov, Method::Subspace] {
            ranks.iter().for_each(|&rank| add(Some(rank), method, false));
            add(None, method, true);
        }
        // The exact one has no rank; where all is quick, the smallest will do.
        if size <= preset.choose(SIZES[0], EXACT_SIZE, EXACT_SIZE) {
            add(None, Method::Exact, false);
            add(None, Method::Exact, true);
        }
    }
    cases
}

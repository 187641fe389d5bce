//! Error of the sketched factors of a weight by conversion method; on the host.

use faer::{Mat, Par};
use panther_bench::frobenius;
use panther_bench::record::Measured;
use panther_linalg::LinalgError;
use panther_nn::NnError;
use panther_nn::convert::{ConversionOptions, DenseWeight, Method, WeightLayout, convert_weight};
use panther_tests::matrices::{Spectrum, with_singular_values};
use panther_tests::random::Random;

use super::{Bench, DeviceKind, INPUT_SEED, Key, Preset, SEED, Task, add_metric};
use crate::device::BenchDevice;

/// Singular values of the weight.
const SPECTRA: [(&str, Weight); 3] =
    [("Kaiming uniform", Weight::Uniform), ("i^-1/2", Weight::Polynomial(0.5)), ("1/i", Weight::Polynomial(1.0))];
const METHODS: [(&str, Option<Method>); 4] = [
    ("sketch", Some(Method::Sketch)),
    ("least_squares", Some(Method::LeastSquares)),
    ("rsvd", Some(Method::Rsvd)),
    ("exact", None),
];

#[derive(Clone, Copy, Debug)]
enum Weight {
    /// Independent and uniform: a layer before training.
    Uniform,
    /// σᵢ = i^−p.
    Polynomial(f64),
}

/// The conversion of a square weight; by the exact SVD where there is no method.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    size: usize,
    spectrum: (&'static str, Weight),
    method: (&'static str, Option<Method>),
    num_terms: usize,
    low_rank: usize,
}

impl Case {
    fn weight(&self) -> Mat<f32> {
        let n = self.size;
        match self.spectrum.1 {
            Weight::Uniform => {
                let mut random = Random::new(INPUT_SEED);
                let limit = (n as f64).sqrt().recip();
                Mat::from_fn(n, n, |_, _| ((2.0 * random.uniform() - 1.0) * limit) as f32)
            }
            Weight::Polynomial(power) => {
                let a = with_singular_values(n, n, &Spectrum::Polynomial(power).values(n), INPUT_SEED);
                Mat::from_fn(n, n, |i, j| a[(i, j)] as f32)
            }
        }
    }

    /// 2Tk, the rank of the factors' product.
    fn rank(&self) -> usize {
        (2 * self.num_terms * self.low_rank).min(self.size)
    }

    fn no_convergence(&self) -> NnError {
        LinalgError::NoConvergence { operation: "exact SVD", shape: (self.size, self.size) }.into()
    }
}

impl Task for Case {
    fn key(&self) -> Key {
        let key = Key::new(self.method.0, "f32").of("size", self.size).of("spectrum", self.spectrum.0);
        key.with("num_terms", self.num_terms).with("low_rank", self.low_rank)
    }

    fn measure(&self, bench: &Bench) -> Result<Measured, NnError> {
        let par = match bench.device {
            BenchDevice::Cpu(par) => par,
            BenchDevice::Cuda(_) => Par::rayon(0),
        };
        let matrix = self.weight();
        let singular = matrix.singular_values().map_err(|_| self.no_convergence())?;
        let rest = singular.iter().skip(self.rank()).rev().map(|&s| f64::from(s).powi(2)).sum::<f64>();
        let best = rest.sqrt() / frobenius(matrix.as_ref());
        let kept = (4 * self.num_terms * self.low_rank) as f64 / self.size as f64;
        let (mut measured, error) = match self.method.1 {
            Some(method) => {
                let columns = (0..self.size).flat_map(|j| matrix.col_as_slice(j));
                let numbers: Vec<f32> = columns.copied().collect();
                let weight = DenseWeight::new(WeightLayout::OutIn, &[self.size, self.size], &numbers)?;
                let options = ConversionOptions { method, seed: SEED, storage: None };
                let convert = || convert_weight(&weight, self.num_terms, self.low_rank, None, &options, par);
                let measured = bench.budget.measure(&par, || convert().map(drop))?;
                (measured, convert()?.report.relative_error)
            }
            None => {
                let svd = || matrix.thin_svd().map(drop).map_err(|_| self.no_convergence());
                (bench.budget.measure(&par, svd)?, best)
            }
        };
        add_metric(&mut measured, "error", error);
        add_metric(&mut measured, "best", best);
        add_metric(&mut measured, "parameters_kept", kept);
        Ok(measured)
    }
}

/// Nothing on a GPU: conversion is the host's.
pub fn grid(kind: DeviceKind, preset: Preset) -> Vec<Case> {
    if kind == DeviceKind::Gpu {
        return Vec::new();
    }
    let size = preset.choose(256, 1024, 1024);
    let ranks: &[usize] = preset.choose(&[8, 32], &[16, 32, 64, 128], &[8, 16, 32, 64, 128, 256]);
    let terms: &[usize] = preset.choose(&[1], &[1], &[1, 2, 4]);
    let mut cases = Vec::new();
    for &num_terms in terms {
        for &low_rank in ranks {
            for spectrum in SPECTRA {
                cases.extend(METHODS.map(|method| Case { size, spectrum, method, num_terms, low_rank }));
            }
        }
    }
    // No more numbers than the weight.
    cases.retain(|case| 4 * case.num_terms * case.low_rank <= size);
    cases
}

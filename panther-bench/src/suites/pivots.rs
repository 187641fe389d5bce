//! Rank-revealing quality of the pivots of randomized QR, relative to classical pivoting.

use faer::{Mat, MatRef};
use panther_bench::record::Measured;
use panther_gpu::Matrix;
use panther_linalg::{LinalgError, PivotedQrOptions, pivoted_qr};
use panther_nn::NnError;
use panther_tests::matrices::{Family, Spectrum};

use super::{Bench, DeviceKind, INPUT_SEED, Key, Preset, SEED, Task, add_metric};
use crate::device::BenchDevice;
use crate::measure::Budget;

const FAMILIES: [(&str, Family); 5] = [
    ("1/i", Family::Spectrum(Spectrum::Polynomial(1.0))),
    ("exponential", Family::Spectrum(Spectrum::Exponential(0.95))),
    ("Kahan", Family::Kahan),
    ("spiked", Family::Spiked),
    ("Gaussian", Family::Gaussian),
];

/// Square matrices of a family, cut after k columns.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    size: usize,
    family: (&'static str, Family),
    k: usize,
    classical: bool,
}

impl Case {
    /// R, and the time of its QR; that of classical pivoting, which runs on the host, not beside a GPU's.
    fn factorize(&self, a: &Mat<f64>, device: &BenchDevice, budget: Budget) -> Result<(Measured, Mat<f64>), NnError> {
        let options = PivotedQrOptions { seed: SEED, ..PivotedQrOptions::default() };
        match device {
            BenchDevice::Cpu(par) if self.classical => {
                let measured = budget.measure(par, || {
                    std::hint::black_box(classical(a));
                    Ok(())
                })?;
                Ok((measured, classical(a)))
            }
            BenchDevice::Cuda(_) if self.classical => Ok((Measured::default(), classical(a))),
            BenchDevice::Cpu(par) => {
                let measured = budget.measure(par, || Ok(pivoted_qr(a.as_ref(), &options, *par).map(drop)?))?;
                Ok((measured, pivoted_qr(a.as_ref(), &options, *par)?.r))
            }
            BenchDevice::Cuda(device) => {
                let a = Matrix::from_host(device, a.as_ref())?;
                let factorize = || panther_gpu::pivoted_qr(a.as_ref(), &options);
                let measured = budget.measure(device, || Ok(factorize().map(drop)?))?;
                Ok((measured, factorize()?.r.to_host()?))
            }
        }
    }
}

fn classical(a: &Mat<f64>) -> Mat<f64> {
    a.col_piv_qr().thin_R().to_owned()
}

/// ‖R[k.., k..]‖_F, from the smallest entries up.
fn rest(r: MatRef<'_, f64>, k: usize) -> f64 {
    let k = k.min(r.nrows());
    panther_bench::frobenius(r.submatrix(k, k, r.nrows() - k, r.ncols() - k))
}

impl Task for Case {
    fn key(&self) -> Key {
        let method = if self.classical { "classical" } else { "panther" };
        Key::new(method, "f64").of("family", self.family.0).of("size", self.size).of("k", self.k)
    }

    fn measure(&self, bench: &Bench) -> Result<Measured, NnError> {
        let a = self.family.1.matrix::<f64>(self.size, self.size, INPUT_SEED);
        let (mut measured, r) = self.factorize(&a, &bench.device, bench.budget)?;
        let no_convergence =
            |_| NnError::Linalg(LinalgError::NoConvergence { operation: "exact SVD", shape: a.shape() });
        let sigma = a.singular_values().map_err(no_convergence)?;
        // Below it singular values are rounding.
        let floor = self.size as f64 * f64::EPSILON * sigma[0];
        let known = self.k.min(r.nrows());
        let ratios = || (0..known).filter(|&i| sigma[i] > floor).map(|i| r[(i, i)].abs() / sigma[i]);
        let beside = rest(classical(&a).as_ref(), self.k);
        // What classical pivoting leaves of rounding is no measure.
        if beside > floor {
            add_metric(&mut measured, "r_norm_ratio", rest(r.as_ref(), self.k) / beside);
        }
        add_metric(&mut measured, "sigma_ratio_least", ratios().fold(f64::INFINITY, f64::min));
        add_metric(&mut measured, "sigma_ratio_greatest", ratios().fold(f64::NEG_INFINITY, f64::max));
        Ok(measured)
    }
}

/// Every family at few columns first.
pub fn grid(_: DeviceKind, preset: Preset) -> Vec<Case> {
    let size = preset.choose(128, 512, 1024);
    let parts: &[usize] = preset.choose(&[16, 4, 2], &[32, 16, 8, 4, 2], &[64, 32, 16, 8, 4, 2]);
    let mut cases = Vec::new();
    for part in parts {
        for family in FAMILIES {
            cases.extend([false, true].map(|classical| Case { size, family, k: size / part, classical }));
        }
    }
    cases
}

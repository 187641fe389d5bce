//! QR of tall Gaussian matrices: pivoted by sketching, unpivoted, and pivoted by the next best method.

use faer::{Mat, MatRef, Par};
use panther_bench::record::Measured;
use panther_bench::{distance, frobenius, orthogonality};
use panther_gpu::{Device, DevicePivotedQr, gaussian_matrix, householder_qr};
use panther_linalg::{CqrrptOptions, PivotedQrOptions, cqrrpt};
use panther_nn::{NnError, Scalar};
use panther_tests::matrices::Family;
use panther_tests::measure::to_double;

use super::preset::limits::CQRRPT_COLUMNS;
use super::{Bench, DeviceKind, INPUT_SEED, Key, Preset, SEED, Task, add_metric};
use crate::device::BenchDevice;
use crate::measure::Budget;

const ROWS: [usize; 2] = [8192, 16384];
const COLUMNS: [usize; 6] = [64, 128, 256, 512, 1024, 2048];

/// How it is factorized.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Panther,
    /// Householder QR: faer's, cuSOLVER's on a GPU.
    Unpivoted,
    /// Classical pivoting by faer; on a GPU, whose libraries have none, the randomized one of any shape.
    Pivoted,
}

/// A factorization with Q.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    pub rows: usize,
    pub columns: usize,
    pub double: bool,
    pub method: Method,
}

/// Q, R and the columns of A that they are of.
struct Factors<T> {
    q: Mat<T>,
    r: Mat<T>,
    permutation: Vec<usize>,
}

impl Case {
    const METHODS: [Method; 3] = [Method::Panther, Method::Unpivoted, Method::Pivoted];

    const fn options() -> CqrrptOptions {
        CqrrptOptions { gamma: 1.25, vec_nnz: 4, rank_tolerance: None, seed: SEED }
    }

    fn on_cpu<T: Scalar>(&self, par: Par, budget: Budget) -> Result<Measured, NnError> {
        let a = Family::Gaussian.matrix::<T>(self.rows, self.columns, INPUT_SEED);
        let factorize = || -> Result<Factors<T>, NnError> {
            Ok(match self.method {
                Method::Panther => {
                    let found = cqrrpt(a.as_ref(), &Self::options(), par)?;
                    Factors { q: found.q, r: found.r, permutation: found.permutation }
                }
                Method::Unpivoted => {
                    let qr = a.qr();
                    let permutation = (0..self.columns).collect();
                    Factors { q: qr.compute_thin_Q(), r: qr.thin_R().to_owned(), permutation }
                }
                Method::Pivoted => {
                    let qr = a.col_piv_qr();
                    let permutation = qr.P().arrays().0.to_vec();
                    Factors { q: qr.compute_thin_Q(), r: qr.thin_R().to_owned(), permutation }
                }
            })
        };
        let mut measured = budget.measure(&par, || factorize().map(drop))?;
        add_errors(&mut measured, a.as_ref(), &factorize()?, par);
        Ok(measured)
    }

    fn on_gpu<T: Scalar>(&self, device: &Device, budget: Budget) -> Result<Measured, NnError> {
        let a = gaussian_matrix::<T>(device, self.rows, self.columns, INPUT_SEED)?;
        let options = PivotedQrOptions { seed: SEED, ..PivotedQrOptions::default() };
        let on_host = |found: DevicePivotedQr<T>| -> Result<Factors<T>, NnError> {
            let found = found.to_host()?;
            Ok(Factors { q: found.q, r: found.r, permutation: found.permutation })
        };
        let pivoted = || match self.method {
            Method::Panther => panther_gpu::cqrrpt(a.as_ref(), &Self::options()),
            _ => panther_gpu::pivoted_qr(a.as_ref(), &options),
        };
        let unpivoted = || householder_qr(a.try_clone()?);
        let (mut measured, factors) = if self.method == Method::Unpivoted {
            let measured = budget.measure(device, || Ok(unpivoted().map(drop)?))?;
            let (q, r) = unpivoted()?;
            let permutation = (0..self.columns).collect();
            (measured, Factors { q: q.to_host()?, r: r.to_host()?, permutation })
        } else {
            (budget.measure(device, || Ok(pivoted().map(drop)?))?, on_host(pivoted()?)?)
        };
        add_errors(&mut measured, a.to_host()?.as_ref(), &factors, Par::rayon(0));
        Ok(measured)
    }
}

/// ‖AP − QR‖_F/‖A‖_F and ‖QᵀQ − I‖_F, computed in double precision.
fn add_errors<T: Scalar>(measured: &mut Measured, a: MatRef<'_, T>, factors: &Factors<T>, par: Par) {
    let Factors { q, r, permutation } = factors;
    let permuted = Mat::from_fn(a.nrows(), a.ncols(), |i, j| a[(i, permutation[j])].to_f64());
    let (q, r) = (to_double(q.as_ref()), to_double(r.as_ref()));
    let residual = distance(permuted.as_ref(), q.as_ref(), r.as_ref(), par);
    add_metric(measured, "error", residual / frobenius(permuted.as_ref()));
    add_metric(measured, "orthogonality", orthogonality(q.as_ref(), par));
}

impl Task for Case {
    fn key(&self) -> Key {
        let method = match self.method {
            Method::Panther => "panther",
            Method::Unpivoted => "unpivoted",
            Method::Pivoted => "pivoted",
        };
        let precision = if self.double { "f64" } else { "f32" };
        Key::new(method, precision).of("rows", self.rows).of("columns", self.columns)
    }

    fn measure(&self, bench: &Bench) -> Result<Measured, NnError> {
        match (&bench.device, self.double) {
            (BenchDevice::Cpu(par), false) => self.on_cpu::<f32>(*par, bench.budget),
            (BenchDevice::Cpu(par), true) => self.on_cpu::<f64>(*par, bench.budget),
            (BenchDevice::Cuda(device), false) => self.on_gpu::<f32>(device, bench.budget),
            (BenchDevice::Cuda(device), true) => self.on_gpu::<f64>(device, bench.budget),
        }
    }
}

/// Few columns first.
pub fn grid(kind: DeviceKind, preset: Preset) -> Vec<Case> {
    let some: &[usize] = preset.choose(&[64, 256], &COLUMNS, &COLUMNS);
    let mut cases = Vec::new();
    for &columns in some.iter().filter(|&&columns| kind.allows(CQRRPT_COLUMNS, columns as f64)) {
        for rows in ROWS {
            for double in [false, true] {
                cases.extend(Case::METHODS.map(|method| Case { rows, columns, double, method }));
            }
        }
    }
    cases
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suites::Preset;

    #[test]
    fn every_method_factorises_its_matrix() {
        let bench = Bench { device: BenchDevice::Cpu(Par::Seq), budget: Preset::Quick.budget(DeviceKind::Cpu) };
        for method in Case::METHODS {
            let measured = Case { rows: 300, columns: 20, double: true, method }.measure(&bench).unwrap();
            let metrics: Vec<f64> = measured.metrics.iter().map(|(_, value)| *value).collect();
            // Backward stable: max(m, n)·ε and n·ε, and more than tenfold room.
            assert!(metrics.len() == 2 && metrics.iter().all(|value| *value < 300.0 * f64::EPSILON), "{method:?}");
        }
    }
}

//! Randomized SVD on a device.

use panther_linalg::rules::{exponent_of, quantum, scaled_back, singular_value_tolerance};
use panther_linalg::{LinalgError, NormSource, Rsvd, RsvdOptions, RsvdPath, Target};

use crate::gemm::product::multiplied;
use crate::matrix::report::Report;
use crate::matrix::scaling::scale_values_by_power;
use crate::qr::orthonormalize::complete;
use crate::svd::basis::{Basis, build_basis};
use crate::svd::factors::Svd;
use crate::svd::signs::fix_signs;
use crate::{DeviceReal, GpuError, Matrix, MatrixRef, ToHost};

/// A ≈ U Σ Vᵀ with U and V on a device.
pub type DeviceRsvd<T> = Rsvd<T, Matrix<T>>;

impl<T: DeviceReal> ToHost for DeviceRsvd<T> {
    type Host = Rsvd<T>;

    fn to_host(&self) -> Result<Rsvd<T>, GpuError> {
        self.map_matrices(Matrix::to_host)
    }
}

/// A ≈ U Σ Vᵀ of a given rank or to a given tolerance, on the device that holds A: the algorithm, the draws, the options, the
/// diagnostics and the fallbacks of [`panther_linalg::rsvd()`].
///
/// A is read in place, but for entries beyond 2^±(a quarter of the type's exponents), for which a scaled copy is made. Beside it
/// O((m + n)·(k + p)) numbers of the device are taken. The same bytes come out each time.
///
/// # Errors
/// Those of [`panther_linalg::rsvd()`] as [`GpuError::Linalg`], and [`GpuError::OutOfMemory`], [`GpuError::Call`].
pub fn rsvd<T: DeviceReal>(
    a: MatrixRef<'_, T>,
    target: Target,
    options: &RsvdOptions,
) -> Result<DeviceRsvd<T>, GpuError> {
    let (m, n) = (a.nrows(), a.ncols());
    build_basis(a, target, options, |basis| {
        let k = match target {
            Target::Rank(rank) => rank,
            Target::Tolerance { relative, max_rank } => basis.rank_for(relative, max_rank)?,
        };
        let (squared, failure_probability) = basis.bound(k)?;
        let Svd { u, mut s, v } = basis.triplets(k, options.seed)?;
        let orthogonality = orthogonality(&u, &v)?;
        let threshold = singular_value_tolerance::<T>(m, n) * s.first().map_or(0.0, |s| s.to_f64());
        let rank = s.iter().filter(|s| s.to_f64() > threshold).count();
        scale_values(&mut s, basis.exponent)?;
        Ok(DeviceRsvd {
            u,
            s,
            v,
            rank,
            error_estimate: scaled_back(squared.sqrt(), basis.exponent) + quantum::<T>(basis.frobenius, m, n),
            failure_probability,
            norm: basis.norm.norm(),
            norm_source: NormSource::Exact,
            tolerance_met: basis.tolerance_met(target, squared),
            converged: basis.converged,
            passes: basis.projection.passes,
            product_columns: basis.projection.product_columns,
            path: basis.path,
            orthogonality,
        })
    })
}

impl<T: DeviceReal> Basis<'_, T> {
    /// The leading k triplets of A, U = Q·Û and V = W·V̂, completed by zeros where there are fewer.
    fn triplets(&self, k: usize, seed: u64) -> Result<Svd<T>, GpuError> {
        let found = k.min(self.svd.s.len());
        let side = |basis: MatrixRef<'_, T>, small: &Matrix<T>| {
            if found == 0 {
                Matrix::zeros(basis.device, basis.nrows(), 0)
            } else if self.path == RsvdPath::Exact {
                basis.subcols(0, found).to_owned()
            } else {
                multiplied(T::ONE, basis, small.as_ref().subcols(0, found))
            }
        };
        let mut u = complete(side(self.projection.q.view(), &self.svd.u)?, k, seed)?;
        let mut v = complete(side(self.projection.w.view(), &self.svd.v)?, k, seed)?;
        fix_signs(&mut u, &mut v)?;
        let mut s = self.svd.s[..found].to_vec();
        s.resize(k, T::ZERO);
        Ok(Svd { u, s, v })
    }
}

/// max(‖UᵀU − I‖_F, ‖VᵀV − I‖_F).
fn orthogonality<T: DeviceReal>(u: &Matrix<T>, v: &Matrix<T>) -> Result<f64, GpuError> {
    if u.ncols() == 0 {
        return Ok(0.0);
    }
    let [of_u, of_v] = Report::several(u.device())?;
    of_u.defect(multiplied(T::ONE, u.as_ref().t(), u.as_ref())?.as_ref())?;
    of_v.defect(multiplied(T::ONE, v.as_ref().t(), v.as_ref())?.as_ref())?;
    let [of_u, of_v] = Report::read_all([of_u, of_v])?;
    Ok(of_u.defect.max(of_v.defect))
}

/// σ·2^exponent, if the type can hold it.
fn scale_values<T: DeviceReal>(s: &mut [T], exponent: i32) -> Result<(), GpuError> {
    let largest = s.first().map_or(0.0, |s| s.to_f64());
    scale_values_by_power(s, exponent);
    match s.first() {
        Some(first) if !first.is_finite() => Err(LinalgError::Overflow {
            quantity: "the largest singular value",
            exponent: exponent + exponent_of(largest),
            scalar: T::NAME,
        }
        .into()),
        _ => Ok(()),
    }
}

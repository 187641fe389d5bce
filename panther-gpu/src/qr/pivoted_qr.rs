//! Pivoted QR of any matrix on a device.

use panther_linalg::rules::rank_tolerance;
use panther_linalg::{LinalgError, PivotedQr, PivotedQrOptions, QrFallback};

use crate::matrix::norms::scaled_norm;
use crate::matrix::scaling::{rescale, scaled_copy};
use crate::qr::error_estimate::{Residual, measure_orthogonality, measure_residual};
use crate::qr::pivoted_reduction::{check_size, reduce};
use crate::{Buffer, DeviceReal, GpuError, Matrix, MatrixRef};

/// A\[:, P\] ≈ Q R on a device, with the diagnostics of [`PivotedQr`].
#[derive(Debug)]
pub struct DevicePivotedQr<T> {
    /// Orthonormal columns, m×rank.
    pub q: Matrix<T>,
    /// Upper triangular (trapezoidal if rank < n), rank×n, zeros stored below the diagonal.
    pub r: Matrix<T>,
    /// P, n numbers: column j of QR is column `permutation[j]` of A.
    pub permutation: Buffer<i32>,
    /// Numerical rank.
    pub rank: usize,
    /// ‖A\[:, P\] − QR‖_F is at most this, but for [`failure_probability`](Self::failure_probability).
    pub error_estimate: f64,
    /// As in [`PivotedQr`].
    pub failure_probability: f64,
    /// ‖A‖_F.
    pub norm: f64,
    /// ‖QᵀQ − I‖_F, estimated from random vectors (unbiased in the square).
    pub orthogonality: f64,
    /// How many sketches were drawn.
    pub sketches: usize,
    /// Passes over A.
    pub passes: usize,
    /// What was fallen back to.
    pub fallback: QrFallback,
}

impl<T: DeviceReal> DevicePivotedQr<T> {
    /// A copy on the host.
    ///
    /// # Errors
    /// [`GpuError::Call`].
    pub fn to_host(&self) -> Result<PivotedQr<T>, GpuError> {
        Ok(PivotedQr {
            q: self.q.to_host()?,
            r: self.r.to_host()?,
            permutation: self.permutation.to_host()?.into_iter().map(|j| j as usize).collect(),
            rank: self.rank,
            error_estimate: self.error_estimate,
            failure_probability: self.failure_probability,
            norm: self.norm,
            orthogonality: self.orthogonality,
            sketches: self.sketches,
            passes: self.passes,
            fallback: self.fallback,
            scalar: std::marker::PhantomData,
        })
    }
}

/// A\[:, P\] = Q R of any matrix on the device that holds it: promises, rank rule and diagnostics of
/// [`panther_linalg::pivoted_qr()`].
///
/// Where A, or for tall A the R of its unpivoted QR, fits into the device's shared memory (29 MB on an H100: 2500 columns of f32),
/// the pivots are those of classical pivoting, chosen in one launch without a sketch: `options.block_size` and
/// `options.oversampling` say how a sketch is made, and there is none. Of larger matrices max(128, `block_size`) pivots, at most 1024,
/// are chosen at a time from a Gaussian sketch of max(`oversampling`, b/8 + 8) rows more than these b; b is halved until the sketch
/// fits into shared memory too (beyond 50000 columns of f32). The rest is Householder QR through cuSOLVER.
///
/// # Errors
/// Those of [`panther_linalg::pivoted_qr()`] as [`GpuError::Linalg`], [`GpuError::TooLarge`] where not even a sketch for a single pivot,
/// of nine rows or `oversampling` + 1, fits into shared memory (700000 columns of f32 on an H100) or a block of columns is beyond the
/// 32-bit sizes of cuSOLVER, and [`GpuError::OutOfMemory`], [`GpuError::Call`].
pub fn pivoted_qr<T: DeviceReal>(
    a: MatrixRef<'_, T>,
    options: &PivotedQrOptions,
) -> Result<DevicePivotedQr<T>, GpuError> {
    let (m, n) = (a.nrows(), a.ncols());
    if m == 0 || n == 0 {
        return Err(LinalgError::Empty { argument: "a", shape: (m, n) }.into());
    }
    if options.block_size == 0 {
        let high = m.min(n);
        return Err(LinalgError::OutOfRange { argument: "block_size", low: 1, high, got: 0 }.into());
    }
    let relative = rank_tolerance::<T>(options.rank_tolerance, m, n)?;
    check_size::<T>(a.device, (m, n), options)?;
    let size = scaled_norm("a", a)?;
    let work = scaled_copy(a, -size.exponent)?;
    let reduced = reduce(work.try_clone()?, relative * size.frobenius, options)?;
    let (q, mut r) = (reduced.q()?, reduced.r()?);
    let Residual { error_estimate, failure_probability } = measure_residual(
        work.as_ref(),
        (size.frobenius, size.exponent),
        &reduced.permutation,
        q.as_ref(),
        r.as_ref(),
        options.seed,
    )?;
    let orthogonality = measure_orthogonality(q.as_ref(), options.seed)?;
    rescale("R", r.as_mut(), size.exponent)?;
    Ok(DevicePivotedQr {
        rank: reduced.rank,
        q,
        r,
        permutation: reduced.permutation,
        error_estimate,
        failure_probability,
        norm: size.norm(),
        orthogonality,
        sketches: reduced.sketches,
        passes: 3,
        fallback: QrFallback::None,
    })
}

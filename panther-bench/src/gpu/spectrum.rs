//! Matrices of a device with prescribed singular values, and errors of their decompositions.

use panther_gpu::{
    Device, DeviceReal, DeviceRsvd, GpuError, Matrix, MatrixRef, frobenius, gaussian_matrix, product,
    shifted_cholesky_qr3,
};

/// n×n with the singular values `sigma`, at most n of them and zeros otherwise, between two random orthonormal bases.
///
/// # Errors
/// What the device refuses.
pub fn with_singular_values<T: DeviceReal>(device: &Device, n: usize, sigma: &[f64]) -> Result<Matrix<T>, GpuError> {
    let basis = |seed| {
        let random = gaussian_matrix::<T>(device, n, sigma.len(), seed)?;
        Ok::<_, GpuError>(shifted_cholesky_qr3(random.as_ref())?.q)
    };
    let (left, right) = (basis(1)?, basis(2)?);
    let values: Vec<T> = sigma.iter().map(|&s| T::from_f64(s)).collect();
    let scaled = times_diagonal(left.as_ref(), &values, device)?;
    let mut a = Matrix::zeros(device, n, n)?;
    product(a.as_mut(), T::ONE, scaled.as_ref(), right.as_ref().t(), T::ZERO)?;
    Ok(a)
}

/// ‖A − UΣVᵀ‖_F.
///
/// # Errors
/// What the device refuses.
pub fn svd_error<T: DeviceReal>(a: MatrixRef<'_, T>, found: &DeviceRsvd<T>) -> Result<f64, GpuError> {
    let device = found.u.device();
    let scaled = times_diagonal(found.u.as_ref(), &found.s, device)?;
    let mut rest = Matrix::zeros(device, a.nrows(), a.ncols())?;
    rest.as_mut().copy_from(a)?;
    product(rest.as_mut(), -T::ONE, scaled.as_ref(), found.v.as_ref().t(), T::ONE)?;
    frobenius(rest.as_ref())
}

/// X·diag(d).
fn times_diagonal<T: DeviceReal>(x: MatrixRef<'_, T>, d: &[T], device: &Device) -> Result<Matrix<T>, GpuError> {
    let mut diagonal = faer::Mat::<T>::zeros(d.len(), d.len());
    for (i, d) in d.iter().enumerate() {
        diagonal[(i, i)] = *d;
    }
    let diagonal = Matrix::from_host(device, diagonal.as_ref())?;
    let mut scaled = Matrix::zeros(device, x.nrows(), d.len())?;
    product(scaled.as_mut(), T::ONE, x, diagonal.as_ref(), T::ZERO)?;
    Ok(scaled)
}

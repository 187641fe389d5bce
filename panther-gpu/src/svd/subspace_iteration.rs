//! Randomized subspace iteration, step for step as on the CPU.

use crate::qr::orthonormalize::{nearly_orthonormal, orthonormalize_against};
use crate::svd::projection::Projection;
use crate::{DeviceReal, GpuError};

/// Randomized subspace iteration (Halko, Martinsson and Tropp 2011, Algorithm 4.4) on what Q leaves of A.
pub(crate) fn subspace_iteration<T: DeviceReal>(
    projection: &mut Projection<'_, T>,
    columns: usize,
    power_iterations: usize,
) -> Result<(), GpuError> {
    // 1. Y = AΩ.
    let mut y = projection.sample(columns)?;
    for _ in 0..power_iterations {
        // 2. Y = (AAᵀ)Y, orthonormal between the products so that small singular values are not rounded away.
        let basis = if projection.q.ncols() == 0 {
            nearly_orthonormal(y, projection.tolerance)?
        } else {
            // What one pass leaves of Q would be enlarged.
            orthonormalize_against(projection.q.view(), y, projection.tolerance)?.q
        };
        let z = projection.apply_adjoint(basis.as_ref())?;
        let basis = nearly_orthonormal(z, projection.tolerance)?;
        y = projection.apply(basis.as_ref())?;
    }
    // 3. Q = orth(Y).
    projection.extend_q(y)?;
    projection.extend_w()?;
    Ok(())
}

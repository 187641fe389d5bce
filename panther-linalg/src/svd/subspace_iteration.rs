//! Randomized subspace iteration (Halko, Martinsson and Tropp 2011, Algorithm 4.4).

use panther_sketch::Real;

use crate::qr::orthonormalize::orthonormal_basis;
use crate::svd::projection::Projection;
use crate::{LinalgError, LinearOperator};

/// Extends the basis by `columns` directions of the part of A that Q leaves.
pub(crate) fn subspace_iteration<T: Real, A: LinearOperator<T> + ?Sized>(
    projection: &mut Projection<'_, T, A>,
    columns: usize,
    power_iterations: usize,
) -> Result<(), LinalgError> {
    // 1. Y = AΩ.
    let mut y = projection.sample(columns)?;
    for _ in 0..power_iterations {
        // 2. Y = (AAᵀ)Y, orthonormal between the products so that small singular values are not rounded away.
        let basis = projection.new_directions(y)?;
        let z = projection.apply_adjoint(basis.as_ref())?;
        let basis = orthonormal_basis(z, projection.tolerance, projection.seed, projection.par)?;
        y = projection.apply(basis.as_ref())?;
    }
    // 3. Q = orth(Y).
    projection.extend_q(y)?;
    projection.extend_w()?;
    Ok(())
}

//! Finding the range of A on a device: subspace iteration and block Krylov, step for step as on the CPU.

use std::ops::Range;

use panther_linalg::rules::{Plan, checked_for_shape};
use panther_linalg::{RangeFinder, RsvdOptions, Target};

use crate::basis::build_basis;
use crate::orthonormal::{nearly_orthonormal, orthonormalize_against};
use crate::projection::Projection;
use crate::{DeviceReal, GpuError, Matrix, MatrixRef};

/// An orthonormal basis Q, m×l, that nearly holds the range of the best rank-`rank` approximation of A: as
/// [`panther_linalg::range_finder`], in everything.
///
/// # Errors
/// As [`rsvd`](crate::rsvd()).
pub fn range_finder<T: DeviceReal>(
    a: MatrixRef<'_, T>,
    rank: usize,
    options: &RsvdOptions,
) -> Result<Matrix<T>, GpuError> {
    let target = checked_for_shape((a.nrows(), a.ncols()), Target::Rank(rank))?;
    build_basis(a, target, options, |basis| basis.projection.q.view().to_owned())
}

/// Extends the basis so that it holds `columns` more of the leading directions. A Krylov basis is returned as what its end
/// looks like, with `verification` columns of a fresh block in it.
pub(crate) fn extend<T: DeviceReal>(
    plan: &Plan,
    projection: &mut Projection<'_, T>,
    columns: usize,
    verification: usize,
) -> Result<Option<KrylovEnd<T>>, GpuError> {
    match plan.range_finder {
        RangeFinder::BlockKrylov => {
            block_krylov(projection, plan.block(columns), plan.power_iterations, verification).map(Some)
        }
        RangeFinder::SubspaceIteration => subspace_iteration(projection, columns, plan.power_iterations).map(|()| None),
    }
}

/// Randomized subspace iteration (Halko, Martinsson and Tropp 2011, Algorithm 4.4) on what Q leaves of A.
fn subspace_iteration<T: DeviceReal>(
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

/// The end of a Krylov basis, from which it can be deepened.
pub(crate) struct KrylovEnd<T> {
    /// Columns of Q that the last step added.
    pub(crate) last: Range<usize>,
    /// Columns of Q from a fresh random block, which tell whether the Krylov space has missed something.
    pub(crate) fresh: Range<usize>,
    /// What was new in AᵀQ.
    w: Matrix<T>,
}

impl<T: DeviceReal> KrylovEnd<T> {
    /// One more step; false if there is nothing more to be found.
    pub(crate) fn deepen(&mut self, projection: &mut Projection<'_, T>) -> Result<bool, GpuError> {
        if self.w.ncols() == 0 || projection.is_full() {
            return Ok(false);
        }
        let before = projection.q.ncols();
        let y = projection.apply(self.w.as_ref())?;
        projection.extend_q(y)?;
        self.w = projection.extend_w()?;
        self.last = before..projection.q.ncols();
        Ok(!self.last.is_empty())
    }
}

/// Randomized block Krylov (Musco and Musco 2015, Algorithm 2), by the block Golub–Kahan process with full
/// orthogonalisation: the new block is A times what is new in AᵀQ.
fn block_krylov<T: DeviceReal>(
    projection: &mut Projection<'_, T>,
    block: usize,
    power_iterations: usize,
    verification: usize,
) -> Result<KrylovEnd<T>, GpuError> {
    // 1. Y₀ = AΩ, and the block that is kept for verification.
    let (mut y, fresh_samples) = projection.sample_and_verification(block, verification)?;
    let mut step = 0;
    loop {
        // 2. Qᵢ = what is new in Yᵢ. A block smaller than the multiplicity of a singular value runs dry: what is missing
        // is drawn afresh.
        let (before, wanted) = (projection.q.ncols(), y.ncols());
        let found = projection.extend_q(y)?;
        if found < wanted && !projection.is_full() {
            let more = projection.sample(wanted - found)?;
            projection.extend_q(more)?;
        }
        let after = projection.q.ncols();
        let ends = step == power_iterations || after == before || projection.is_full();
        if ends {
            projection.extend_q(fresh_samples.try_clone()?)?;
        }
        // 3. Wᵢ = what is new in AᵀQᵢ, and the block of T.
        let w = projection.extend_w()?;
        if ends || w.ncols() == 0 {
            return Ok(KrylovEnd { last: before..after, fresh: after..projection.q.ncols(), w });
        }
        // 4. Yᵢ₊₁ = A·Wᵢ.
        y = projection.apply(w.as_ref())?;
        step += 1;
    }
}

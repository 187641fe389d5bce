//! Finding the range of A: subspace iteration and block Krylov.

use faer::prelude::*;
use panther_sketch::Real;

use crate::basis::{build_basis, checked};
use crate::orthonormal::orthonormal_basis;
use crate::projection::Projection;
use crate::{LinalgError, LinearOperator, RangeFinder, RsvdOptions, Target};

/// Columns of the fresh block that looks for what a Krylov basis has missed.
pub(crate) const VERIFICATION: usize = 8;

/// An orthonormal basis Q, m×l, that nearly holds the range of the best rank-`rank` approximation of A: the first half
/// of a randomized decomposition (Halko, Martinsson and Tropp 2011, section 4).
///
/// l is rank + p for subspace iteration, and (q+1)·⌈(rank + p)/2⌉ + 8 or somewhat less for block Krylov; never more than
/// min(m, n), and less where A has no more range. Cost: 2(q+1)·(rank + p) columns of products with A or Aᵀ for subspace
/// iteration, half of that for block Krylov, and O((m + n)·l²).
///
/// # Errors
/// As [`rsvd`](crate::rsvd()).
pub fn range_finder<T: Real, A: LinearOperator<T> + ?Sized>(
    a: &A,
    rank: usize,
    options: &RsvdOptions,
    par: Par,
) -> Result<Mat<T>, LinalgError> {
    Ok(build_basis(a, checked(a, Target::Rank(rank))?, options, par)?.projection.q)
}

/// What an extension of the basis by `columns` columns of rank costs and does.
#[derive(Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) range_finder: RangeFinder,
    /// q.
    pub(crate) power_iterations: usize,
}

impl Plan {
    pub(crate) fn new(options: &RsvdOptions) -> Self {
        let default = match options.range_finder {
            RangeFinder::BlockKrylov => 4,
            RangeFinder::SubspaceIteration => 2,
        };
        let power_iterations = options.power_iterations.unwrap_or(default);
        Self { range_finder: options.range_finder, power_iterations }
    }

    /// Columns of Ω for a basis that is to hold `columns` directions.
    fn block(&self, columns: usize) -> usize {
        match self.range_finder {
            RangeFinder::BlockKrylov if self.power_iterations > 0 => columns.div_ceil(2),
            _ => columns,
        }
    }

    /// Columns that the basis grows by.
    pub(crate) fn growth(&self, columns: usize) -> usize {
        match self.range_finder {
            RangeFinder::BlockKrylov => self.block(columns).saturating_mul(self.power_iterations + 1),
            RangeFinder::SubspaceIteration => columns,
        }
    }

    /// Extends the basis so that it holds `columns` more of the leading directions.
    pub(crate) fn extend<T: Real, A: LinearOperator<T> + ?Sized>(
        &self,
        projection: &mut Projection<'_, T, A>,
        columns: usize,
    ) -> Result<(), LinalgError> {
        match self.range_finder {
            RangeFinder::BlockKrylov => block_krylov(projection, self.block(columns), self.power_iterations),
            RangeFinder::SubspaceIteration => subspace_iteration(projection, columns, self.power_iterations),
        }
    }
}

/// Randomized subspace iteration (Halko, Martinsson and Tropp 2011, Algorithm 4.4) on what Q leaves of A.
fn subspace_iteration<T: Real, A: LinearOperator<T> + ?Sized>(
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
        let basis = orthonormal_basis(z, projection.tolerance, projection.par)?;
        y = projection.apply(basis.as_ref())?;
    }
    // 3. Q = orth(Y).
    projection.extend_q(y)?;
    projection.extend_w()?;
    Ok(())
}

/// Randomized block Krylov (Musco and Musco 2015, Algorithm 2), by the block Golub–Kahan process with full
/// orthogonalisation: the new block is A times what is new in AᵀQ.
fn block_krylov<T: Real, A: LinearOperator<T> + ?Sized>(
    projection: &mut Projection<'_, T, A>,
    block: usize,
    power_iterations: usize,
) -> Result<(), LinalgError> {
    // 1. Y₀ = AΩ.
    let mut y = projection.sample(block)?;
    for step in 0..=power_iterations {
        // 2. Qᵢ = what is new in Yᵢ. A block smaller than the multiplicity of a singular value runs dry: what is missing
        // is drawn afresh.
        let wanted = y.ncols();
        let found = projection.extend_q(y)?;
        if found < wanted && !projection.is_full() {
            let fresh = projection.sample(wanted - found)?;
            projection.extend_q(fresh)?;
        }
        // 3. Wᵢ = what is new in AᵀQᵢ, and the block of T.
        let w = projection.extend_w()?;
        if step == power_iterations || w.ncols() == 0 || projection.is_full() {
            break;
        }
        // 4. Yᵢ₊₁ = A·Wᵢ.
        y = projection.apply(w.as_ref())?;
    }
    Ok(())
}

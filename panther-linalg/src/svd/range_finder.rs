//! Finding the range of A: subspace iteration and block Krylov.

use std::ops::Range;

use faer::prelude::*;
use panther_sketch::Real;

use crate::qr::orthonormalize::orthonormal_basis;
use crate::svd::basis::{build_basis, checked};
use crate::svd::projection::Projection;
use crate::{LinalgError, LinearOperator, RangeFinder, RsvdOptions, Target};

/// Columns of the fresh block that looks for what a Krylov basis has missed.
pub const VERIFICATION: usize = 8;

/// An orthonormal basis Q, m×l, that nearly holds the range of the best rank-`rank` approximation of A: the first half
/// of a randomized decomposition (Halko, Martinsson and Tropp 2011, section 4).
///
/// l is rank + p for subspace iteration, and (q+1)·⌈(rank + p)/3⌉ + 8 or somewhat more for block Krylov (2(rank + p) + 8 at
/// its default q = 5); never more than min(m, n), and less where A has no more range. Cost: 2(q+1)·(rank + p) columns of
/// products with A or Aᵀ for subspace iteration, a third of that for block Krylov, and O((m + n)·l²).
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
pub struct Plan {
    /// Which subspace is searched.
    pub range_finder: RangeFinder,
    /// q.
    pub power_iterations: usize,
    /// q was not chosen by the caller, so a Krylov basis that has not converged may be deepened.
    pub adaptive: bool,
}

impl Plan {
    /// What the options ask for.
    pub fn new(options: &RsvdOptions) -> Self {
        let default = match options.range_finder {
            RangeFinder::BlockKrylov => 5,
            RangeFinder::SubspaceIteration => 2,
        };
        Self {
            range_finder: options.range_finder,
            power_iterations: options.power_iterations.unwrap_or(default),
            adaptive: options.power_iterations.is_none(),
        }
    }

    /// Columns of Ω for a basis that is to hold `columns` directions: a third of them where there are enough steps to
    /// make up for it, since higher powers gain more than wider blocks.
    pub fn block(&self, columns: usize) -> usize {
        match self.range_finder {
            RangeFinder::BlockKrylov => columns.div_ceil((self.power_iterations + 1).min(3)),
            RangeFinder::SubspaceIteration => columns,
        }
    }

    /// Columns that the basis grows by.
    pub fn growth(&self, columns: usize) -> usize {
        match self.range_finder {
            RangeFinder::BlockKrylov => self.block(columns).saturating_mul(self.power_iterations.saturating_add(1)),
            RangeFinder::SubspaceIteration => columns,
        }
    }

    /// Extends the basis so that it holds `columns` more of the leading directions. A Krylov basis is returned as what
    /// its end looks like, with `verification` columns of a fresh block in it.
    pub(crate) fn extend<T: Real, A: LinearOperator<T> + ?Sized>(
        &self,
        projection: &mut Projection<'_, T, A>,
        columns: usize,
        verification: usize,
    ) -> Result<Option<KrylovEnd<T>>, LinalgError> {
        match self.range_finder {
            RangeFinder::BlockKrylov => {
                block_krylov(projection, self.block(columns), self.power_iterations, verification).map(Some)
            }
            RangeFinder::SubspaceIteration => {
                subspace_iteration(projection, columns, self.power_iterations).map(|()| None)
            }
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

/// The end of a Krylov basis, from which it can be deepened.
pub(crate) struct KrylovEnd<T> {
    /// Columns of Q that the last step added.
    pub(crate) last: Range<usize>,
    /// Columns of Q from a fresh random block, which tell whether the Krylov space has missed something.
    pub(crate) fresh: Range<usize>,
    /// What was new in AᵀQ.
    w: Mat<T>,
}

impl<T: Real> KrylovEnd<T> {
    /// One more step; false if there is nothing more to be found.
    pub(crate) fn deepen<A: LinearOperator<T> + ?Sized>(
        &mut self,
        projection: &mut Projection<'_, T, A>,
    ) -> Result<bool, LinalgError> {
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
fn block_krylov<T: Real, A: LinearOperator<T> + ?Sized>(
    projection: &mut Projection<'_, T, A>,
    block: usize,
    power_iterations: usize,
    verification: usize,
) -> Result<KrylovEnd<T>, LinalgError> {
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
            projection.extend_q(fresh_samples.clone())?;
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

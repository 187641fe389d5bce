//! Randomized block Krylov (Musco and Musco 2015, Algorithm 2), by the block Golub–Kahan process with full
//! orthogonalization: the new block is A times the new directions of AᵀQ.

use std::ops::Range;

use faer::prelude::*;
use panther_sketch::Real;

use crate::qr::orthonormalize::append;
use crate::svd::projection::Projection;
use crate::{LinalgError, LinearOperator};

/// The end of a Krylov basis, from which it can be deepened.
pub(crate) struct KrylovEnd<T> {
    /// Columns of Q that the last step added.
    pub(crate) last: Range<usize>,
    /// Columns of Q from the fresh random block, which tell whether the Krylov space has missed directions.
    pub(crate) fresh: Range<usize>,
    /// The new directions of AᵀQ.
    w: Mat<T>,
}

impl<T: Real> KrylovEnd<T> {
    /// Whether another step can find anything.
    pub(crate) fn can_deepen(&self) -> bool {
        self.w.ncols() > 0
    }

    /// One more step.
    pub(crate) fn deepen<A: LinearOperator<T> + ?Sized>(
        &mut self,
        projection: &mut Projection<'_, T, A>,
    ) -> Result<(), LinalgError> {
        let before = projection.q.ncols();
        let y = projection.apply(self.w.as_ref())?;
        projection.extend_q(y)?;
        self.w = projection.extend_w()?;
        self.last = before..projection.q.ncols();
        Ok(())
    }
}

/// Extends the basis by `power_iterations` + 1 blocks of the given width and `verification` fresh columns.
pub(crate) fn block_krylov<T: Real, A: LinearOperator<T> + ?Sized>(
    projection: &mut Projection<'_, T, A>,
    block: usize,
    power_iterations: usize,
    verification: usize,
) -> Result<KrylovEnd<T>, LinalgError> {
    // 1. Y₀ = AΩ, and the fresh block.
    let (mut y, mut fresh) = projection.sample_and_verification(block, verification)?;
    let mut step = 0;
    loop {
        // 2. Qᵢ = the new directions of Yᵢ. A block smaller than the multiplicity of a singular value runs dry: the missing
        // columns are drawn afresh.
        let (before, wanted) = (projection.q.ncols(), y.ncols());
        let found = projection.extend_q(y)?;
        if found < wanted && !projection.is_full() {
            let more = projection.sample(wanted - found)?;
            projection.extend_q(more)?;
        }
        let after = projection.q.ncols();
        if step == power_iterations || after == before || projection.is_full() {
            projection.extend_q(fresh)?;
            let w = projection.extend_w()?;
            return Ok(KrylovEnd { last: before..after, fresh: after..projection.q.ncols(), w });
        }
        // 3. Wᵢ = the new directions of AᵀQᵢ, and the block of T. The fresh block takes one step of AAᵀ in the same passes:
        // among many small singular values it would hardly see the large ones that are missing.
        let (w, fresh_w) = if step == 0 {
            let directions = projection.new_directions(fresh)?;
            fresh = Mat::zeros(directions.nrows(), 0);
            projection.extend_w_beside(directions.as_ref())?
        } else {
            (projection.extend_w()?, Mat::zeros(projection.w.nrows(), 0))
        };
        if w.ncols() == 0 {
            return Ok(KrylovEnd { last: before..after, fresh: after..after, w });
        }
        // 4. Yᵢ₊₁ = A·Wᵢ.
        let mut both = w.clone();
        append(&mut both, fresh_w.as_ref());
        let image = projection.apply(both.as_ref())?;
        let (next, fresh_image) = image.as_ref().split_at_col(w.ncols());
        y = next.to_owned();
        if fresh_w.ncols() > 0 {
            fresh = fresh_image.to_owned();
        }
        step += 1;
    }
}

//! Randomized block Krylov, step for step as on the CPU.

use std::ops::Range;

use crate::svd::projection::{Projection, beside};
use crate::{DeviceReal, GpuError, Matrix};

/// The end of a Krylov basis, from which it can be deepened.
pub(crate) struct KrylovEnd<T> {
    /// Columns of Q that the last step added.
    pub(crate) last: Range<usize>,
    /// Columns of Q from the fresh random block, which tell whether the Krylov space has missed directions.
    pub(crate) fresh: Range<usize>,
    /// The new directions of AᵀQ.
    w: Matrix<T>,
}

impl<T: DeviceReal> KrylovEnd<T> {
    /// Whether another step can find anything.
    pub(crate) fn can_deepen(&self) -> bool {
        self.w.ncols() > 0
    }

    /// One more step.
    pub(crate) fn deepen(&mut self, projection: &mut Projection<'_, T>) -> Result<(), GpuError> {
        let before = projection.q.ncols();
        let y = projection.apply(self.w.as_ref())?;
        projection.extend_q(y)?;
        self.w = projection.extend_w()?;
        self.last = before..projection.q.ncols();
        Ok(())
    }
}

/// Randomized block Krylov (Musco and Musco 2015, Algorithm 2), by the block Golub–Kahan process with full
/// orthogonalization: the new block is A times the new directions of AᵀQ.
pub(crate) fn block_krylov<T: DeviceReal>(
    projection: &mut Projection<'_, T>,
    block: usize,
    power_iterations: usize,
    verification: usize,
) -> Result<KrylovEnd<T>, GpuError> {
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
        // 3. Wᵢ = the new directions of AᵀQᵢ, and the block of T. The fresh block takes one step of AAᵀ in the same passes.
        let (w, fresh_w) = if step == 0 && fresh.ncols() > 0 {
            let nothing = fresh.as_ref().subcols(0, 0).to_owned()?;
            let directions = projection.new_directions(std::mem::replace(&mut fresh, nothing))?;
            projection.extend_w_beside(Some(&directions))?
        } else {
            (projection.extend_w()?, None)
        };
        if w.ncols() == 0 {
            return Ok(KrylovEnd { last: before..after, fresh: after..after, w });
        }
        // 4. Yᵢ₊₁ = A·Wᵢ.
        y = match fresh_w {
            Some(fresh_w) => {
                let image = projection.apply(beside(w.as_ref(), fresh_w.as_ref())?.as_ref())?;
                fresh = image.as_ref().subcols(w.ncols(), fresh_w.ncols()).to_owned()?;
                image.as_ref().subcols(0, w.ncols()).to_owned()?
            }
            None => projection.apply(w.as_ref())?,
        };
        step += 1;
    }
}

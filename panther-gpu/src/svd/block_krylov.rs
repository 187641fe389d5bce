//! Randomized block Krylov, step for step as on the CPU.

use std::ops::Range;

use crate::svd::projection::Projection;
use crate::{DeviceReal, GpuError, Matrix};

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
/// orthogonalization: the new block is A times what is new in AᵀQ.
pub(crate) fn block_krylov<T: DeviceReal>(
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

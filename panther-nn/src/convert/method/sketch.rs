//! The plain sketch of the original package.

use faer::{Accum, Mat};
use panther_sketch::product;

use super::problem::{Pair, Problem};
use crate::layers::signs as sign_matrices;
use crate::{NnError, Scalar};

/// S1ᵢ = M·U1ᵢᵀ and S2ᵢ = U2ᵢᵀ·M.
pub(super) fn factors<T: Scalar>(problem: &Problem<'_, T>) -> Result<Pair<T>, NnError> {
    let (m, par, fixed) = (problem.weight.matrix(), problem.par, problem.frozen_up());
    let (mut down, mut up) = signs(problem)?;
    product(down.subcols_mut(0, fixed), Accum::Replace, m, up.subrows(0, fixed).transpose(), T::ONE, par);
    let others = 2 * problem.half - fixed;
    if others > 0 {
        let u2 = down.subcols(fixed, others).transpose();
        product(up.subrows_mut(fixed, others), Accum::Replace, u2, m, T::ONE, par);
    }
    Ok((down, up))
}

/// D and E with the fixed factors, signs ±1/√k, in place, and zeros for the trainable ones.
pub(super) fn signs<T: Scalar>(problem: &Problem<'_, T>) -> Result<Pair<T>, NnError> {
    let ((d_in, d_out), k) = (problem.weight.dimensions(), problem.low_rank);
    let (width, fixed) = (2 * problem.half, problem.frozen_up());
    let u1 = sign_matrices::<T>(fixed / k, k, d_out, problem.seed.wrapping_add(2))?;
    let u2 = sign_matrices::<T>((width - fixed) / k, k, d_in, problem.seed.wrapping_add(3))?;
    let down = Mat::from_fn(d_in, width, |i, j| if j < fixed { T::ZERO } else { u2[(j - fixed) * d_in + i] });
    let up = Mat::from_fn(width, d_out, |i, j| if i < fixed { u1[i * d_out + j] } else { T::ZERO });
    Ok((down, up))
}

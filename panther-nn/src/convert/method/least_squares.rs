//! Learned factors that are the best for fixed factors of random signs.

use faer::{Accum, Mat, MatRef, Par};
use panther_linalg::{Target, rsvd};
use panther_sketch::product;

use super::problem::{Pair, Problem};
use super::rsvd::{seeded, times};
use super::sketch::signs;
use crate::{NnError, Scalar};

/// S1 = 2T·M·U1⁺ takes all of M that lies in the rows of U1; of the rest, R, S2 = 2T·U2⁺·R takes all that lies in the columns
/// of U2, or with inputs S2 = 2T·(X·U2)⁺·X·R. No choice leaves less: the residual is M (or X·M) projected to the complements of both,
/// which those choices cannot touch.
pub(super) fn factors<T: Scalar>(problem: &Problem<'_, T>) -> Result<Pair<T>, NnError> {
    let (m, par, count) = (problem.weight.matrix(), problem.par, problem.count());
    let (mut down, mut up) = signs(problem)?;
    let fixed = problem.frozen_up();
    // 1. S1, and what it leaves of M.
    let inverse = pseudo_inverse(up.subrows(0, fixed), par)?;
    let s1 = times(m, inverse.as_ref(), par);
    let mut rest = m.to_owned();
    product(rest.as_mut(), Accum::Add, s1.as_ref(), up.subrows(0, fixed), -T::ONE, par);
    down.subcols_mut(0, fixed).copy_from(faer::Scale(count) * &s1);
    // 2. S2.
    let others = 2 * problem.half - fixed;
    if others > 0 {
        let u2 = down.subcols(fixed, others);
        let s2 = match problem.inputs {
            None => times(pseudo_inverse(u2, par)?.as_ref(), rest.as_ref(), par),
            Some(x) => {
                let inverse = pseudo_inverse(times(x, u2, par).as_ref(), par)?;
                times(inverse.as_ref(), times(x, rest.as_ref(), par).as_ref(), par)
            }
        };
        up.subrows_mut(fixed, others).copy_from(faer::Scale(count) * &s2);
    }
    Ok((down, up))
}

/// A⁺ by the exact SVD, singular values below max(m, n)·ε·σ₁ taken for zero.
fn pseudo_inverse<T: Scalar>(a: MatRef<'_, T>, par: Par) -> Result<Mat<T>, NnError> {
    let svd = rsvd(&a, Target::Rank(a.nrows().min(a.ncols())), &seeded(0), par)?;
    let scaled = Mat::from_fn(a.ncols(), svd.rank, |i, j| svd.v[(i, j)] / svd.s[j]);
    Ok(times(scaled.as_ref(), svd.u.subcols(0, svd.rank).transpose(), par))
}

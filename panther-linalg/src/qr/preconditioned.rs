//! QR of a tall matrix from a sketch of it: pivots and preconditioner from the sketch, Cholesky QR of the rest.

use faer::prelude::*;
use panther_sketch::{Input, Real};

use crate::kernels::{gather_columns, solve_on_the_right};
use crate::qr::cholesky::upper_product;
use crate::qr::dropped::{Dropped, project_out};
use crate::qr::fallbacks::{Orthonormalized, orthonormalize};
use crate::qr::reduction::{Reduced, reduce};
use crate::{LinalgError, PivotedQrOptions, QrFallback};

/// A good sketch leaves ‖A_pre‖_F at √k times a small constant. Above this multiple it has all but missed a direction,
/// and the rounding of A_pre·R_sk would show in the residual.
pub const DISTORTION: f64 = 100.0;

/// A sketch whose pivots are within this factor of each other shows A to be so well conditioned (κ of some tens at the
/// most, and ε·κ² is what Cholesky QR loses) that it needs no preconditioner.
pub const WELL_CONDITIONED: f64 = 8.0;

/// Where columns are cut off, relative to ‖A‖_F.
#[derive(Clone, Copy)]
pub(crate) struct Cut {
    /// Columns whose residual in the sketch is at most this are dropped,
    pub(crate) in_sketch: f64,
    /// and their residual in A must be at most this.
    pub(crate) in_matrix: f64,
}

pub(crate) struct Factors<T> {
    pub(crate) q: Mat<T>,
    pub(crate) r: Mat<T>,
    pub(crate) permutation: Vec<usize>,
    pub(crate) orthogonality: f64,
    pub(crate) fallback: QrFallback,
}

/// Algorithm 1 of arXiv 2311.08316, starting from the sketch, with one cut after the other; `None` if the sketch turns
/// out to have been unlucky with the last. The cuts descend.
pub(crate) fn factor<T: Real>(
    a: Input<'_, T>,
    norm: f64,
    cuts: &[Cut],
    sketch: Mat<T>,
    seed: u64,
    passes: &mut usize,
    par: Par,
) -> Result<Option<Factors<T>>, LinalgError> {
    // 1. Pivoted QR of the sketch: the permutation, the rank and the preconditioner.
    let lowest = cuts.last().map_or(0.0, |cut| cut.in_sketch * norm);
    let mut reduced = reduce(sketch, lowest, &PivotedQrOptions { seed, ..PivotedQrOptions::default() }, par)?;
    let ranks: Vec<usize> = cuts.iter().map(|cut| reduced.rank_within(cut.in_sketch * norm)).collect();
    for (i, cut) in cuts.iter().enumerate() {
        // A rank that the next cut has too is examined there, where more is allowed.
        if ranks[i] == 0 || ranks.get(i + 1) == Some(&ranks[i]) {
            continue;
        }
        reduced.rank = ranks[i];
        *passes += 1;
        if let Some(factors) = factor_with_rank(a, &reduced, cut.in_matrix * norm, seed, par)? {
            return Ok(Some(factors));
        }
    }
    Ok(None)
}

/// Steps 2 to 4 of the algorithm; `None` if the dropped columns have a residual above `allowed`, or Q·R is bound to be
/// inaccurate.
fn factor_with_rank<T: Real>(
    a: Input<'_, T>,
    reduced: &Reduced<T>,
    allowed: f64,
    seed: u64,
    par: Par,
) -> Result<Option<Factors<T>>, LinalgError> {
    let (k, n) = (reduced.rank, a.ncols());
    let (permutation, r_sk) = (&reduced.permutation, reduced.r());
    // 2. A_pre = A·P_k·R_k⁻¹, well conditioned where the sketch embeds the range of A.
    let mut q = gather_columns(a, &permutation[..k], par);
    let preconditioner = r_sk.as_ref().subcols(0, k);
    let (first, last) = (r_sk[(0, 0)].abs().to_f64(), r_sk[(k - 1, k - 1)].abs().to_f64());
    let is_well_conditioned = k == n && first <= WELL_CONDITIONED * last;
    if !is_well_conditioned {
        solve_on_the_right(q.as_mut(), preconditioner, par);
    }
    // 3. Cholesky QR of A_pre.
    let Orthonormalized { r: r_pre, orthogonality, fallback } = orthonormalize(&mut q, seed, par)?;
    let permutation = permutation.clone();
    if is_well_conditioned {
        return Ok(Some(Factors { q, r: r_pre, permutation, orthogonality, fallback }));
    }
    // NaN where a tolerance of zero let rounding errors into the preconditioner.
    let distortion = r_pre.norm_l2().to_f64();
    if distortion.is_nan() || distortion > DISTORTION * (k as f64).sqrt() {
        return Ok(None);
    }
    // 4. R = R_pre·R_sk; for the columns that were dropped their projection, which leaves the smallest residual.
    let mut r = Mat::zeros(k, n);
    r.as_mut().subcols_mut(0, k).copy_from(upper_product(r_pre.as_ref(), preconditioner, par));
    if k < n {
        let mut dropped = gather_columns(a, &permutation[k..], par);
        let Dropped { coefficients, residual } = project_out(q.as_ref(), &mut dropped, allowed, par);
        if residual > allowed {
            return Ok(None);
        }
        r.as_mut().subcols_mut(k, n - k).copy_from(coefficients);
    }
    Ok(Some(Factors { q, r, permutation, orthogonality, fallback }))
}

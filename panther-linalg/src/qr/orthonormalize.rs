//! Orthonormalization of a block against a basis, revealing what is new in it.

use faer::Accum;
use faer::prelude::*;
use panther_sketch::seed::{Purpose, derive};
use panther_sketch::{Real, product};

use crate::estimate::gaussian;
use crate::kernels::{distance_from_identity, gram, inner_product, solve_on_the_right};
use crate::qr::cholesky::cholesky;
use crate::qr::reduction::reduce;
use crate::{LinalgError, PivotedQrOptions};

/// Y = V·coefficients + Q·r, as [`orthonormalize_against`] leaves it.
pub(crate) struct NewDirections<T> {
    /// Orthonormal and orthogonal to V, as many columns as are new.
    pub(crate) q: Mat<T>,
    pub(crate) coefficients: Mat<T>,
    pub(crate) r: Mat<T>,
}

/// Passes after which orthogonality must have been reached: two do ("twice is enough", Giraud et al. 2005), unless the
/// first one left little but rounding errors of some columns.
const PASSES: usize = 6;

/// Writes the columns of `y` in the orthonormal basis `v` and new directions. The part of `y` outside both that is below
/// `tolerance` (absolute) is dropped, so there may be fewer new directions than columns, or none.
///
/// Block Gram–Schmidt, twice, with Cholesky QR inside the block and pivoted Householder QR where that would lose digits.
pub(crate) fn orthonormalize_against<T: Real>(
    v: MatRef<'_, T>,
    y: Mat<T>,
    tolerance: f64,
    seed: u64,
    par: Par,
) -> Result<NewDirections<T>, LinalgError> {
    let mut new =
        NewDirections { coefficients: Mat::zeros(v.ncols(), y.ncols()), r: Mat::identity(y.ncols(), y.ncols()), q: y };
    for pass in 0..PASSES {
        // 1. Take out what the basis spans.
        let inside = inner_product(v, new.q.as_ref(), par);
        product(new.q.as_mut(), Accum::Add, v, inside.as_ref(), -T::ONE, par);
        product(new.coefficients.as_mut(), Accum::Add, inside.as_ref(), new.r.as_ref(), T::ONE, par);
        // 2. Orthonormalize the rest. After the first pass columns have unit length, and one of rounding errors alone
        // would show as one that is far shorter.
        let left = if pass == 0 { tolerance } else { 0.01 };
        let (factor, defect) = orthonormalize_once(&mut new.q, left, seed, par)?;
        let mut r = Mat::zeros(factor.nrows(), new.r.ncols());
        product(r.as_mut(), Accum::Replace, factor.as_ref(), new.r.as_ref(), T::ONE, par);
        new.r = r;
        // 3. Done when this pass had next to nothing to do.
        if new.q.ncols() == 0 || (pass > 0 && defect <= 0.1 && inside.norm_l2().to_f64() <= 0.1) {
            break;
        }
    }
    Ok(new)
}

/// Makes `q` orthonormal to about ε·κ², dropping what is below `tolerance`. Returns the factor, and ‖YᵀY − I‖_F of what
/// there was before.
fn orthonormalize_once<T: Real>(
    q: &mut Mat<T>,
    tolerance: f64,
    seed: u64,
    par: Par,
) -> Result<(Mat<T>, f64), LinalgError> {
    let b = q.ncols();
    let g = gram(q.as_ref(), par);
    let defect = distance_from_identity(g.as_ref());
    if let Ok(lower) = cholesky(g, par) {
        let diagonal = (0..b).map(|j| lower[(j, j)].to_f64());
        let (least, greatest) = diagonal.fold((f64::INFINITY, 0.0), |(l, g): (f64, f64), x| (l.min(x), g.max(x)));
        // Half of the digits of the shortest column must survive the Gram matrix.
        if least > tolerance && least > greatest * T::EPSILON.to_f64().sqrt() * 16.0 {
            let r = lower.transpose().to_owned();
            solve_on_the_right(q.as_mut(), r.as_ref(), par);
            return Ok((r, defect));
        }
    }
    let work = std::mem::replace(q, Mat::new());
    let reduced = reduce(work, tolerance, &PivotedQrOptions { seed, ..PivotedQrOptions::default() }, par)?;
    *q = reduced.q(par);
    let mut factor = Mat::zeros(reduced.rank, b);
    let r = reduced.r();
    for (from, &to) in reduced.permutation.iter().enumerate() {
        factor.col_mut(to).copy_from(r.col(from));
    }
    // No claim of a defect: the next pass measures it.
    Ok((factor, f64::INFINITY))
}

/// Draws of random columns after which a basis must be complete: each one adds all the columns that are missing but for an
/// event of next to no probability.
const MAX_DRAWS: u64 = 16;

/// `q` with more orthonormal columns, until there are `columns`: any that are orthogonal to those there.
pub(crate) fn complete<T: Real>(q: Mat<T>, columns: usize, seed: u64, par: Par) -> Result<Mat<T>, LinalgError> {
    let mut q = q;
    for draw in 0..MAX_DRAWS {
        if q.ncols() >= columns {
            break;
        }
        let random = gaussian::<T>(q.nrows(), columns - q.ncols(), derive(seed, Purpose::Completion, draw))?;
        let new = orthonormalize_against(q.as_ref(), random, 1e-3, seed, par)?;
        append(&mut q, new.q.as_ref());
    }
    if q.ncols() < columns {
        return Err(LinalgError::NoConvergence { operation: "completing a basis", shape: (q.nrows(), columns) });
    }
    Ok(q)
}

/// Puts the columns of `new` behind those of `q`.
pub(crate) fn append<T: Real>(q: &mut Mat<T>, new: MatRef<'_, T>) {
    let old = q.ncols();
    q.resize_with(new.nrows(), old + new.ncols(), |_, _| T::ZERO);
    q.as_mut().subcols_mut(old, new.ncols()).copy_from(new);
}

/// Orthonormal columns that span those of `y`.
pub(crate) fn orthonormal_basis<T: Real>(
    y: Mat<T>,
    tolerance: f64,
    seed: u64,
    par: Par,
) -> Result<Mat<T>, LinalgError> {
    let nothing = Mat::zeros(y.nrows(), 0);
    Ok(orthonormalize_against(nothing.as_ref(), y, tolerance, seed, par)?.q)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ‖V·C + Q·R − Y‖_F and ‖\[V Q\]ᵀ\[V Q\] − I‖_F.
    fn defects(v: &Mat<f64>, y: &Mat<f64>, new: &NewDirections<f64>) -> (f64, f64) {
        let mut both = v.clone();
        append(&mut both, new.q.as_ref());
        let residual = v * &new.coefficients + &new.q * &new.r - y;
        (residual.norm_l2(), distance_from_identity(gram(both.as_ref(), Par::Seq).as_ref()))
    }

    #[test]
    fn graded_blocks_are_written_in_orthonormal_directions() {
        for (m, k, b, decay) in [(100, 0, 8, 0.8), (100, 0, 40, 0.5), (200, 30, 40, 0.4), (300, 50, 100, 0.7)] {
            let v = orthonormal_basis(gaussian::<f64>(m, k.max(1), 1).unwrap(), 1e-10, 0, Par::Seq).unwrap();
            let v = v.subcols(0, k).to_owned();
            let scale = Mat::from_fn(b, b, |i, j| if i == j { f64::powi(decay, i as i32) } else { 0.0 });
            let mix = gaussian::<f64>(b, b, 3).unwrap();
            let y = gaussian::<f64>(m, b, 2).unwrap() * scale * mix;
            let new = orthonormalize_against(v.as_ref(), y.clone(), 1e-12, 0, Par::Seq).unwrap();
            let (residual, orthogonality) = defects(&v, &y, &new);
            assert!(residual < 1e-12 * (m as f64) * y.norm_l2(), "{m} {k} {b}: residual {residual}");
            assert!(orthogonality < 1e-14 * (m as f64), "{m} {k} {b}: orthogonality {orthogonality}");
        }
    }

    #[test]
    fn what_the_basis_spans_is_not_new() {
        let v = orthonormal_basis(gaussian::<f64>(80, 20, 1).unwrap(), 1e-10, 0, Par::Seq).unwrap();
        let y = &v * gaussian::<f64>(20, 7, 2).unwrap();
        let new = orthonormalize_against(v.as_ref(), y, 1e-12, 0, Par::Seq).unwrap();
        assert_eq!(new.q.ncols(), 0);
    }
}

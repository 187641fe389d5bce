//! Orthonormalising a block against a basis, revealing what is new in it.

use panther_linalg::rules::derive_seed;

use crate::column_pivoting::column_pivoted_qr;
use crate::small::{Report, scatter_columns};
use crate::solver::{cholesky, householder_qr, solve_on_the_right};
use crate::{Buffer, DeviceReal, GpuError, Matrix, MatrixRef, product};

/// Y = V·coefficients + Q·r, as [`orthonormalize_against`] leaves it.
pub(crate) struct NewDirections<T> {
    /// Orthonormal and orthogonal to V, as many columns as are new.
    pub(crate) q: Matrix<T>,
    pub(crate) coefficients: Matrix<T>,
    pub(crate) r: Matrix<T>,
}

/// Passes after which orthogonality must have been reached, as on the CPU.
const PASSES: usize = 6;

/// α·A·B as a matrix of its own.
pub(crate) fn multiplied<T: DeviceReal>(
    alpha: T,
    a: MatrixRef<'_, T>,
    b: MatrixRef<'_, T>,
) -> Result<Matrix<T>, GpuError> {
    let mut out = Matrix::uninitialized(a.device, a.nrows(), b.ncols())?;
    product(out.as_mut(), alpha, a, b, T::ZERO)?;
    Ok(out)
}

/// Writes the columns of `y` in the orthonormal basis `v` and new directions. What is left of `y` below `tolerance`
/// (absolute) is dropped, so there may be fewer new directions than columns, or none.
///
/// Block Gram–Schmidt, twice, with Cholesky QR inside the block and pivoted Householder QR where that would lose digits. The
/// host waits once a pass.
pub(crate) fn orthonormalize_against<T: DeviceReal>(
    v: MatrixRef<'_, T>,
    y: Matrix<T>,
    tolerance: f64,
) -> Result<NewDirections<T>, GpuError> {
    let device = y.device().clone();
    let mut new = NewDirections {
        coefficients: Matrix::zeros(&device, v.ncols(), y.ncols())?,
        r: crate::small::identity(&device, y.ncols())?,
        q: y,
    };
    for pass in 0..PASSES {
        if new.q.ncols() == 0 {
            break;
        }
        // 1. Take out what the basis spans.
        let report = Report::new(&device)?;
        if v.ncols() > 0 {
            let inside = multiplied(T::ONE, v.t(), new.q.as_ref())?;
            product(new.q.as_mut(), -T::ONE, v, inside.as_ref(), T::ONE)?;
            product(new.coefficients.as_mut(), T::ONE, inside.as_ref(), new.r.as_ref(), T::ONE)?;
            report.squares(inside.as_ref())?;
        }
        // 2. Orthonormalise the rest. After the first pass columns have unit length, and one of rounding errors alone
        // would show as one that is far shorter.
        let left = if pass == 0 { tolerance } else { 0.01 };
        let Step { factor, defect, inside } = orthonormalize_once(&mut new.q, left, &report)?;
        new.r = multiplied(T::ONE, factor.as_ref(), new.r.as_ref())?;
        // 3. Done when this pass had next to nothing to do.
        if pass > 0 && defect <= 0.1 && inside <= 0.1 {
            break;
        }
    }
    Ok(new)
}

struct Step<T> {
    factor: Matrix<T>,
    /// ‖YᵀY − I‖_F of what there was before.
    defect: f64,
    /// The norm that was put into the report before.
    inside: f64,
}

/// Makes `q` orthonormal to about ε·κ², dropping what is below `tolerance`.
fn orthonormalize_once<T: DeviceReal>(q: &mut Matrix<T>, tolerance: f64, report: &Report) -> Result<Step<T>, GpuError> {
    let b = q.ncols();
    let code = Buffer::<i32>::zeros(q.device(), 1)?;
    let mut g = multiplied(T::ONE, q.as_ref().t(), q.as_ref())?;
    report.defect(g.as_ref())?;
    cholesky(g.as_mut(), &code)?;
    report.factor(g.as_ref(), &code)?;
    let seen = report.read()?;
    let inside = seen.squares.sqrt();
    // The Gram matrix must tell the shortest column from rounding errors; what the pass leaves the next one mends. On the CPU
    // half of the digits must survive, since Householder QR costs less there.
    let sound = seen.code == 0.0 && seen.least > seen.greatest * T::EPSILON.to_f64().sqrt() * 4.0;
    if sound && seen.least > tolerance {
        let factor = crate::small::upper_triangle(g.as_ref())?;
        solve_on_the_right(q.as_mut(), factor.as_ref())?;
        return Ok(Step { factor, defect: seen.defect, inside });
    }
    let nothing = Matrix::zeros(q.device(), 0, 0)?;
    let (new, factor) = revealing_qr(std::mem::replace(q, nothing), tolerance)?;
    *q = new;
    debug_assert_eq!(factor.ncols(), b);
    // No claim of a defect: the next pass measures it.
    Ok(Step { factor, defect: f64::INFINITY, inside })
}

/// Y = Q·F with orthonormal Q, dropping what is below `tolerance`: Householder QR, then pivoted QR of its R.
fn revealing_qr<T: DeviceReal>(y: Matrix<T>, tolerance: f64) -> Result<(Matrix<T>, Matrix<T>), GpuError> {
    let (m, b) = (y.nrows(), y.ncols());
    let (q, r) = if m >= b { householder_qr(y)? } else { (crate::small::identity(y.device(), m)?, y) };
    let (small, factor) = pivoted_factors(r, tolerance)?;
    Ok((multiplied(T::ONE, q.as_ref(), small.as_ref())?, factor))
}

/// R = Q·F by pivoted QR, with F's columns in the order of R's.
fn pivoted_factors<T: DeviceReal>(r: Matrix<T>, tolerance: f64) -> Result<(Matrix<T>, Matrix<T>), GpuError> {
    let device = r.device().clone();
    let (m, b) = (r.nrows(), r.ncols());
    let pivoted = column_pivoted_qr(r.as_ref(), b, tolerance)?;
    let Some(pivoted) = pivoted else {
        // Too large for shared memory: the pivots that the general algorithm finds.
        let reduced = crate::pivoted_qr::reduce(r, tolerance, &panther_linalg::PivotedQrOptions::default())?;
        let factor = scatter_columns(&reduced.r()?, &reduced.permutation)?;
        return Ok((reduced.q()?, factor));
    };
    let k = pivoted.rank;
    if k == 0 {
        return Ok((Matrix::zeros(&device, m, 0)?, Matrix::zeros(&device, 0, b)?));
    }
    let factor = scatter_columns(&pivoted.r.as_ref().subrows(0, k).to_owned()?, &pivoted.permutation)?;
    Ok((pivoted.q()?.truncated(k), factor))
}

/// `q` with more orthonormal columns, until there are `columns`: any that are orthogonal to those there.
pub(crate) fn complete<T: DeviceReal>(q: Matrix<T>, columns: usize, seed: u64) -> Result<Matrix<T>, GpuError> {
    if q.ncols() >= columns {
        return Ok(q);
    }
    let device = q.device().clone();
    let mut grown = crate::growing::Growing::new(&device, q.nrows(), columns)?;
    grown.append(q.as_ref())?;
    let mut draw = 0;
    while grown.ncols() < columns {
        let random =
            crate::sketch::gaussian_matrix::<T>(&device, q.nrows(), columns - grown.ncols(), derive_seed(seed, draw))?;
        let new = orthonormalize_against(grown.view(), random, 1e-3)?;
        grown.append(new.q.as_ref())?;
        draw += 1;
    }
    grown.view().to_owned()
}

/// Orthonormal columns that span those of `y`.
pub(crate) fn orthonormal_basis<T: DeviceReal>(y: Matrix<T>, tolerance: f64) -> Result<Matrix<T>, GpuError> {
    let nothing = Matrix::zeros(y.device(), y.nrows(), 0)?;
    Ok(orthonormalize_against(nothing.as_ref(), y, tolerance)?.q)
}

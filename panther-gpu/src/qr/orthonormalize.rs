//! Orthonormalising a block against a basis, revealing what is new in it.

use panther_linalg::LinalgError;
use panther_sketch::seed::{Purpose, derive};

use crate::gaussian_matrix;
use crate::gemm::product::multiplied;
use crate::matrix::entries::identity;
use crate::matrix::growing::Growing;
use crate::matrix::permute::scatter_columns;
use crate::matrix::report::Report;
use crate::qr::cholesky::{Standard, judged_factor};
use crate::qr::column_pivoting::column_pivoted_qr;
use crate::qr::householder::householder_qr;
use crate::qr::pivoted_reduction::reduce;
use crate::qr::triangular::solve_on_the_right;
use crate::{DeviceReal, GpuError, Matrix, MatrixRef, product};

/// Y = V·coefficients + Q·r, as [`orthonormalize_against`] leaves it.
pub(crate) struct NewDirections<T> {
    /// Orthonormal and orthogonal to V, as many columns as are new.
    pub(crate) q: Matrix<T>,
    pub(crate) coefficients: Matrix<T>,
    pub(crate) r: Matrix<T>,
}

/// Rounds of two passes after which orthogonality must have been reached, as on the CPU.
const ROUNDS: usize = 3;

/// Draws of random columns after which a basis must be complete, as on the CPU.
const MAX_DRAWS: u64 = 16;

/// After the first pass columns have unit length, and one of rounding errors alone would show as one that is far shorter.
const LEFT_OF_ONE: f64 = 0.01;

/// Writes the columns of `y` in the orthonormal basis `v` and new directions. What is left of `y` below `tolerance`
/// (absolute) is dropped, so there may be fewer new directions than columns, or none.
///
/// Block Gram–Schmidt, twice, with Cholesky QR inside the block and pivoted Householder QR where that would lose digits. The
/// host waits once for both passes: a factor that must not be used changes nothing.
pub(crate) fn orthonormalize_against<T: DeviceReal>(
    v: MatrixRef<'_, T>,
    y: Matrix<T>,
    tolerance: f64,
) -> Result<NewDirections<T>, GpuError> {
    let device = y.device().clone();
    let mut new = Unfinished { v, coefficients: None, r: None, q: y };
    let mut left = tolerance;
    for _ in 0..ROUNDS {
        if new.q.ncols() == 0 {
            break;
        }
        let [first, second] = Report::several(&device)?;
        new.pass(left, None, &first)?;
        new.pass(LEFT_OF_ONE, Some(&first), &second)?;
        let [first, second] = Report::read_all([first, second])?;
        if !first.sound {
            new.reveal(left)?;
        } else if !second.sound {
            new.reveal(LEFT_OF_ONE)?;
        } else if second.defect <= 0.1 && second.squares.sqrt() <= 0.1 {
            // The second pass had next to nothing to do.
            break;
        }
        left = LEFT_OF_ONE;
    }
    new.finish()
}

/// A nearly orthonormal basis of the columns of `y`: after one pass, which is enough where only their span is wanted.
pub(crate) fn nearly_orthonormal<T: DeviceReal>(mut y: Matrix<T>, tolerance: f64) -> Result<Matrix<T>, GpuError> {
    let report = Report::new(y.device())?;
    let (factor, report) = (orthonormalize_once(&mut y, tolerance, None, &report)?, report.read()?);
    drop(factor);
    if report.sound {
        return Ok(y);
    }
    let (q, _) = revealing_qr(y, tolerance)?;
    Ok(q)
}

/// Q = Q·R⁻¹ with the Cholesky factor of QᵀQ, if that can tell the shortest column from rounding errors and from `tolerance`.
/// What a pass leaves the next one mends; on the CPU half of the digits must survive, since Householder QR costs less there.
fn orthonormalize_once<T: DeviceReal>(
    q: &mut Matrix<T>,
    tolerance: f64,
    before: Option<&Report>,
    report: &Report,
) -> Result<Matrix<T>, GpuError> {
    let g = multiplied(T::ONE, q.as_ref().t(), q.as_ref())?;
    let standard = Standard { tolerance, ratio: 4.0 * T::EPSILON.to_f64().sqrt() };
    let factor = judged_factor(g, standard, before, report)?;
    solve_on_the_right(q.as_mut(), factor.as_ref())?;
    Ok(factor)
}

/// Y = V·coefficients + Q·r at any time, with Q on its way to be orthonormal and orthogonal to V.
struct Unfinished<'a, T> {
    v: MatrixRef<'a, T>,
    q: Matrix<T>,
    /// None is zero.
    coefficients: Option<Matrix<T>>,
    /// None is the identity.
    r: Option<Matrix<T>>,
}

impl<T: DeviceReal> Unfinished<'_, T> {
    /// One pass of block Gram–Schmidt and Cholesky QR, or of the former alone where the latter would lose digits.
    fn pass(&mut self, tolerance: f64, before: Option<&Report>, report: &Report) -> Result<(), GpuError> {
        // 1. Take out what the basis spans.
        if self.v.ncols() > 0 {
            let inside = multiplied(T::ONE, self.v.t(), self.q.as_ref())?;
            product(self.q.as_mut(), -T::ONE, self.v, inside.as_ref(), T::ONE)?;
            report.squares(inside.as_ref())?;
            self.add_to_coefficients(inside)?;
        }
        // 2. Orthonormalise the rest.
        let factor = orthonormalize_once(&mut self.q, tolerance, before, report)?;
        self.multiply_r(factor)
    }

    /// Householder and pivoted QR, dropping what is below `tolerance`.
    fn reveal(&mut self, tolerance: f64) -> Result<(), GpuError> {
        let nothing = Matrix::zeros(self.q.device(), 0, 0)?;
        let (new, factor) = revealing_qr(std::mem::replace(&mut self.q, nothing), tolerance)?;
        self.q = new;
        self.multiply_r(factor)
    }

    fn add_to_coefficients(&mut self, inside: Matrix<T>) -> Result<(), GpuError> {
        match (&mut self.coefficients, &self.r) {
            (Some(before), Some(r)) => product(before.as_mut(), T::ONE, inside.as_ref(), r.as_ref(), T::ONE),
            // The first pass.
            _ => {
                self.coefficients = Some(inside);
                Ok(())
            }
        }
    }

    fn multiply_r(&mut self, factor: Matrix<T>) -> Result<(), GpuError> {
        self.r = Some(match &self.r {
            None => factor,
            Some(r) => multiplied(T::ONE, factor.as_ref(), r.as_ref())?,
        });
        Ok(())
    }

    fn finish(self) -> Result<NewDirections<T>, GpuError> {
        let columns = self.q.ncols();
        let r = self.r.map_or_else(|| identity(self.q.device(), columns), Ok)?;
        let coefficients =
            self.coefficients.map_or_else(|| Matrix::zeros(self.q.device(), self.v.ncols(), r.ncols()), Ok)?;
        Ok(NewDirections { q: self.q, coefficients, r })
    }
}

/// Y = Q·F with orthonormal Q, dropping what is below `tolerance`: Householder QR, then pivoted QR of its R.
fn revealing_qr<T: DeviceReal>(y: Matrix<T>, tolerance: f64) -> Result<(Matrix<T>, Matrix<T>), GpuError> {
    let (m, b) = (y.nrows(), y.ncols());
    let (q, r) = if m >= b { householder_qr(y)? } else { (identity(y.device(), m)?, y) };
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
        let reduced = reduce(r, tolerance, &panther_linalg::PivotedQrOptions::default())?;
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
    let mut grown = Growing::new(&device, q.nrows(), columns)?;
    grown.append(q.as_ref())?;
    for draw in 0..MAX_DRAWS {
        if grown.ncols() >= columns {
            break;
        }
        let missing = columns - grown.ncols();
        let random = gaussian_matrix::<T>(&device, q.nrows(), missing, derive(seed, Purpose::Completion, draw))?;
        let new = orthonormalize_against(grown.view(), random, 1e-3)?;
        grown.append(new.q.as_ref())?;
    }
    if grown.ncols() < columns {
        let shape = (q.nrows(), columns);
        return Err(LinalgError::NoConvergence { operation: "completing a basis", shape }.into());
    }
    grown.view().to_owned()
}

//! A seen through two orthonormal bases that grow block by block: AᵀQ = W·T, as in panther-linalg.

use panther_linalg::rules::clamped_to_shape;
use panther_sketch::Distribution;
use panther_sketch::seed::{Purpose, derive};

use crate::gemm::product::multiplied;
use crate::matrix::growing::Growing;
use crate::qr::orthonormalize::orthonormalize_against;
use crate::{DeviceReal, DeviceSketch, GpuError, Matrix, MatrixRef};

/// A of about unit size, its bases and the count of what they cost.
pub(crate) struct Projection<'a, T> {
    pub(crate) a: MatrixRef<'a, T>,
    /// m×K.
    pub(crate) q: Growing<T>,
    /// n×L, L ≤ K.
    pub(crate) w: Growing<T>,
    /// L×K.
    pub(crate) t: Matrix<T>,
    /// Length below which a direction is rounding errors.
    pub(crate) tolerance: f64,
    pub(crate) passes: usize,
    pub(crate) product_columns: usize,
    distribution: Distribution,
    pub(crate) seed: u64,
    draws: u64,
}

impl<'a, T: DeviceReal> Projection<'a, T> {
    /// Empty bases, with room for `capacity` columns.
    pub(crate) fn new(
        a: MatrixRef<'a, T>,
        frobenius: f64,
        capacity: usize,
        distribution: Distribution,
        seed: u64,
    ) -> Result<Self, GpuError> {
        let (m, n) = (a.nrows(), a.ncols());
        Ok(Self {
            q: Growing::new(a.device, m, capacity)?,
            w: Growing::new(a.device, n, capacity)?,
            t: Matrix::zeros(a.device, 0, 0)?,
            a,
            tolerance: 4.0 * (m.max(n) as f64).sqrt() * T::EPSILON.to_f64() * frobenius,
            passes: 0,
            product_columns: 0,
            distribution,
            seed,
            draws: 0,
        })
    }

    /// A·Ωᵀ for a fresh Ω of `columns` rows.
    pub(crate) fn sample(&mut self, columns: usize) -> Result<Matrix<T>, GpuError> {
        self.sample_from(self.distribution, columns)
    }

    /// A·Ωᵀ for a fresh Ω, and for a Gaussian one of `verification` rows, whatever the family of Ω.
    pub(crate) fn sample_and_verification(
        &mut self,
        columns: usize,
        verification: usize,
    ) -> Result<(Matrix<T>, Matrix<T>), GpuError> {
        if verification == 0 {
            return Ok((self.sample(columns)?, Matrix::zeros(self.a.device, self.a.nrows(), 0)?));
        }
        if self.distribution == Distribution::Gaussian {
            // One pass serves both.
            let both = self.sample(columns + verification)?;
            let samples = both.as_ref().subcols(0, columns).to_owned()?;
            return Ok((samples, both.as_ref().subcols(columns, verification).to_owned()?));
        }
        Ok((self.sample(columns)?, self.sample_from(Distribution::Gaussian, verification)?))
    }

    fn sample_from(&mut self, distribution: Distribution, columns: usize) -> Result<Matrix<T>, GpuError> {
        let seed = derive(self.seed, Purpose::Sample, self.draws);
        self.draws += 1;
        let n = self.a.ncols();
        let omega =
            DeviceSketch::<T>::new(self.a.device, clamped_to_shape(distribution, columns, n), columns, n, seed)?;
        self.count(columns);
        omega.right(self.a)
    }

    /// A·X.
    pub(crate) fn apply(&mut self, x: MatrixRef<'_, T>) -> Result<Matrix<T>, GpuError> {
        self.count(x.ncols());
        multiplied(T::ONE, self.a, x)
    }

    /// Aᵀ·X.
    pub(crate) fn apply_adjoint(&mut self, x: MatrixRef<'_, T>) -> Result<Matrix<T>, GpuError> {
        self.count(x.ncols());
        multiplied(T::ONE, self.a.t(), x)
    }

    /// Counts one pass over A with so many vectors.
    pub(crate) fn count(&mut self, columns: usize) {
        self.passes += 1;
        self.product_columns += columns;
    }

    /// The bases without columns, for a fresh start with the same draws; counts go on.
    pub(crate) fn restart(&mut self, capacity: usize) -> Result<(), GpuError> {
        let device = self.a.device;
        self.q = Growing::new(device, self.a.nrows(), capacity)?;
        self.w = Growing::new(device, self.a.ncols(), capacity)?;
        self.t = Matrix::zeros(device, 0, 0)?;
        self.draws = 0;
        Ok(())
    }

    /// An orthonormal basis of the part of `y`, in the range of A, that is orthogonal to Q.
    pub(crate) fn new_directions(&self, y: Matrix<T>) -> Result<Matrix<T>, GpuError> {
        Ok(orthonormalize_against(self.q.view(), y, self.tolerance)?.q)
    }

    /// Adds the new directions of `y` to Q; returns their number.
    pub(crate) fn extend_q(&mut self, y: Matrix<T>) -> Result<usize, GpuError> {
        let new = self.new_directions(y)?;
        self.q.append(new.as_ref())?;
        Ok(new.ncols())
    }

    /// Brings W and T up to date with Q; returns the columns that are new in W.
    pub(crate) fn extend_w(&mut self) -> Result<Matrix<T>, GpuError> {
        Ok(self.extend_w_beside(None)?.0)
    }

    /// As [`extend_w`](Self::extend_w), with Aᵀ·`companion` from the same pass, orthonormalized against W.
    pub(crate) fn extend_w_beside(
        &mut self,
        companion: Option<&Matrix<T>>,
    ) -> Result<(Matrix<T>, Option<Matrix<T>>), GpuError> {
        let (k, l) = (self.q.ncols(), self.t.ncols());
        let image = {
            let fresh = self.q.view().subcols(l, k - l);
            let both = match companion {
                Some(companion) => beside(fresh, companion.as_ref())?,
                None => fresh.to_owned()?,
            };
            self.apply_adjoint(both.as_ref())?
        };
        let z = image.as_ref().subcols(0, k - l).to_owned()?;
        let new = orthonormalize_against(self.w.view(), z, self.tolerance)?;
        let (rows, added) = (self.w.ncols(), new.q.ncols());
        self.w.append(new.q.as_ref())?;
        let mut t = Matrix::zeros(self.a.device, rows + added, k)?;
        t.as_mut().subcols(0, l).subrows(0, self.t.nrows()).copy_from(self.t.as_ref())?;
        t.as_mut().subcols(l, k - l).subrows(0, rows).copy_from(new.coefficients.as_ref())?;
        t.as_mut().subcols(l, k - l).subrows(rows, added).copy_from(new.r.as_ref())?;
        self.t = t;
        if companion.is_none() {
            return Ok((new.q, None));
        }
        let companion = image.as_ref().subcols(k - l, image.ncols() - (k - l)).to_owned()?;
        let companion = orthonormalize_against(self.w.view(), companion, self.tolerance)?.q;
        Ok((new.q, Some(companion)))
    }

    /// No more than min(m, n) directions can be had.
    pub(crate) fn is_full(&self) -> bool {
        self.q.ncols() >= self.q.nrows().min(self.w.nrows())
    }
}

/// \[A B\].
pub(crate) fn beside<T: DeviceReal>(a: MatrixRef<'_, T>, b: MatrixRef<'_, T>) -> Result<Matrix<T>, GpuError> {
    let mut both = Matrix::uninitialized(a.device, a.nrows(), a.ncols() + b.ncols())?;
    both.as_mut().subcols(0, a.ncols()).copy_from(a)?;
    both.as_mut().subcols(a.ncols(), b.ncols()).copy_from(b)?;
    Ok(both)
}

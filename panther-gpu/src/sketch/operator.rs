//! A sketch operator of any family.

use std::marker::PhantomData;

use panther_sketch::Distribution;

use super::{dense, less_uniform, sparse_sign, srht};
use crate::{Device, DeviceReal, GpuError, Matrix, MatrixMut, MatrixRef};

/// A d×n sketch operator on a device, drawn from a [`Distribution`]: entry (i, j) is that of the CPU's operator of the same family,
/// shape and seed, bit for bit. Products are summed in an order of their own, the same in every repetition.
///
/// | family | S·A, A n×p | memory of the device beside the result |
/// |---|---|---|
/// | Gaussian, Rademacher, Uniform | 2dnp flops; S is drawn in blocks of columns | at most 2²⁴ numbers, or 32·d |
/// | SparseSign | ζ·n·p additions, A read once for every 1024 rows of the result | at most 2²⁴ partial sums, and 64 MiB of lists unless those of 512 coordinates take more |
/// | LessUniform | d·ζ·p additions, only the sampled rows of A read | 2²² draws |
/// | SRHT | 10·n·p additions for every 2560 rows of the result, which read A once, and d·n·p/1024 | n bits, 12 bytes a row of S, at most 2²⁴ partial sums |
///
/// Rows of a reading of A are those of Hopper devices; fewer where blocks have less shared memory. Of an
/// SRHT n is rounded up to a multiple of 1024.
#[derive(Debug)]
pub struct DeviceSketch<T> {
    device: Device,
    d: usize,
    n: usize,
    family: Family,
    numbers: PhantomData<T>,
}

#[derive(Debug)]
enum Family {
    Dense(dense::Dense),
    SparseSign(sparse_sign::SparseSign),
    LessUniform(less_uniform::LessUniform),
    Srht(srht::Srht),
}

impl<T: DeviceReal> DeviceSketch<T> {
    /// The d×n operator of this family that belongs to `seed`.
    ///
    /// # Errors
    /// [`GpuError::Sketch`] as [`Distribution::operator`]; [`GpuError::TooLarge`] where indices of a sparse family, or the rows of an
    /// SRHT, do not fit into 31 bits; [`GpuError::NotRecordable`] for an SRHT, whose rows the host draws; [`GpuError::OutOfMemory`],
    /// [`GpuError::Call`].
    pub fn new(device: &Device, distribution: Distribution, d: usize, n: usize, seed: u64) -> Result<Self, GpuError> {
        let family = match distribution {
            Distribution::Srht => Family::Srht(srht::Srht::new::<T>(device, d, n, seed)?),
            other => {
                // For its refusals.
                other.operator::<T>(d, n, seed)?;
                match other {
                    Distribution::SparseSign { vec_nnz } => {
                        Family::SparseSign(sparse_sign::SparseSign::new(d, n, vec_nnz, seed)?)
                    }
                    Distribution::LessUniform { vec_nnz } => {
                        Family::LessUniform(less_uniform::LessUniform::new(d, n, vec_nnz, seed)?)
                    }
                    dense => Family::Dense(dense::Dense::new(dense, d, n, seed)?),
                }
            }
        };
        Ok(Self { device: device.clone(), d, n, family, numbers: PhantomData })
    }

    /// d, the number of rows of S.
    #[must_use]
    pub const fn nrows(&self) -> usize {
        self.d
    }

    /// n, the number of columns of S.
    #[must_use]
    pub const fn ncols(&self) -> usize {
        self.n
    }

    /// S·A, d×p, for A n×p.
    ///
    /// # Errors
    /// [`GpuError::Shape`] if A does not have n rows, [`GpuError::OutOfMemory`], [`GpuError::Call`].
    pub fn left(&self, a: MatrixRef<'_, T>) -> Result<Matrix<T>, GpuError> {
        let mut out = Matrix::uninitialized(&self.device, self.d, a.ncols())?;
        self.left_into(out.as_mut(), a)?;
        Ok(out)
    }

    /// A·Sᵀ, m×d, for A m×n: the left product of the transposed views.
    ///
    /// # Errors
    /// As [`left`](Self::left), if A does not have n columns.
    pub fn right(&self, a: MatrixRef<'_, T>) -> Result<Matrix<T>, GpuError> {
        let mut out = Matrix::uninitialized(&self.device, a.nrows(), self.d)?;
        self.left_into(out.as_mut().t(), a.t())?;
        Ok(out)
    }

    /// Sᵀ·X, n×p, for X d×p.
    ///
    /// # Errors
    /// As [`left`](Self::left), if X does not have d rows.
    pub fn adjoint(&self, x: MatrixRef<'_, T>) -> Result<Matrix<T>, GpuError> {
        let mut out = Matrix::uninitialized(&self.device, self.n, x.ncols())?;
        self.adjoint_into(out.as_mut(), x)?;
        Ok(out)
    }

    /// out = S·A, with `out` d×p and A n×p. What `out` held does not matter.
    ///
    /// # Errors
    /// [`GpuError::Shape`], [`GpuError::OutOfMemory`], [`GpuError::Call`].
    pub fn left_into(&self, out: MatrixMut<'_, T>, a: MatrixRef<'_, T>) -> Result<(), GpuError> {
        let p = a.ncols();
        fits("S·A", "a", (self.n, p), (a.nrows(), p))?;
        fits("S·A", "out", (self.d, p), (out.nrows(), out.ncols()))?;
        if p == 0 {
            return Ok(());
        }
        match &self.family {
            Family::Dense(dense) => dense.left(out, a),
            Family::SparseSign(sparse) => sparse.left(out, a),
            Family::LessUniform(sparse) => sparse.left(out, a),
            Family::Srht(srht) => srht.left(out, a),
        }
    }

    /// out = Sᵀ·X, with `out` n×p and X d×p. What `out` held does not matter.
    ///
    /// # Errors
    /// As [`left_into`](Self::left_into).
    pub fn adjoint_into(&self, out: MatrixMut<'_, T>, x: MatrixRef<'_, T>) -> Result<(), GpuError> {
        let p = x.ncols();
        fits("Sᵀ·X", "x", (self.d, p), (x.nrows(), p))?;
        fits("Sᵀ·X", "out", (self.n, p), (out.nrows(), out.ncols()))?;
        if p == 0 {
            return Ok(());
        }
        match &self.family {
            Family::Dense(dense) => dense.adjoint(out, x),
            Family::SparseSign(sparse) => sparse.adjoint(out, x),
            Family::LessUniform(sparse) => sparse.adjoint(out, x),
            Family::Srht(srht) => srht.adjoint(out, x),
        }
    }

    /// S itself, d×n: for tests and for looking at; no product needs it.
    ///
    /// # Errors
    /// [`GpuError::OutOfMemory`], [`GpuError::Call`].
    pub fn to_dense(&self) -> Result<Matrix<T>, GpuError> {
        let mut s = Matrix::zeros(&self.device, self.d, self.n)?;
        match &self.family {
            Family::Dense(dense) => dense.put(s.as_mut())?,
            Family::SparseSign(sparse) => sparse.put(s.as_mut())?,
            Family::LessUniform(sparse) => sparse.put(s.as_mut())?,
            Family::Srht(srht) => srht.put(s.as_mut())?,
        }
        Ok(s)
    }
}

fn fits(
    operation: &'static str,
    argument: &'static str,
    expected: (usize, usize),
    got: (usize, usize),
) -> Result<(), GpuError> {
    if expected == got {
        return Ok(());
    }
    let text = |(rows, columns): (usize, usize)| format!("{rows}×{columns}");
    Err(GpuError::shape(operation, argument, text(expected), text(got)))
}

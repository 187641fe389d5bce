//! Views of matrices of a device.

use std::marker::PhantomData;
use std::sync::Arc;

use crate::matrix::raw::Place;
use crate::runtime::kernel::{KernelFile, kernel_file};
use crate::runtime::launch::{grid_over, launch};
use crate::runtime::pool::Memory;
use crate::{Device, DeviceReal, GpuError};

pub(crate) const KERNELS: KernelFile = kernel_file!("matrix/view");

/// A part of a matrix that is only read, column-major or, transposed, row-major.
#[derive(Clone, Copy, Debug)]
pub struct MatrixRef<'a, T> {
    pub(crate) device: &'a Device,
    pub(crate) memory: &'a Arc<Memory>,
    pub(crate) at: Place,
    pub(crate) numbers: PhantomData<&'a T>,
}

/// A part of a matrix that is written.
#[derive(Debug)]
pub struct MatrixMut<'a, T> {
    pub(crate) device: &'a Device,
    pub(crate) memory: &'a Arc<Memory>,
    pub(crate) at: Place,
    pub(crate) numbers: PhantomData<&'a mut T>,
}

impl<'a, T: DeviceReal> MatrixRef<'a, T> {
    /// Where it lies, for work that a graph may record.
    pub(crate) fn place(&self) -> Place {
        self.device.keep_memory(self.memory);
        self.at
    }

    /// Number of rows.
    #[must_use]
    pub const fn nrows(&self) -> usize {
        self.at.rows
    }

    /// Number of columns.
    #[must_use]
    pub const fn ncols(&self) -> usize {
        self.at.columns
    }

    /// The transposed matrix.
    #[must_use]
    pub const fn t(self) -> Self {
        Self { at: self.at.t(), ..self }
    }

    /// The block of `rows`×`columns` entries whose first is at (`row`, `column`).
    ///
    /// # Errors
    /// [`GpuError::Shape`] where it leaves the matrix.
    pub fn block(self, row: usize, column: usize, rows: usize, columns: usize) -> Result<Self, GpuError> {
        self.at.check_block(row, column, rows, columns)?;
        Ok(Self { at: self.at.block::<T>(row, column, rows, columns), ..self })
    }

    /// `count` rows from row `start` on.
    pub(crate) fn subrows(self, start: usize, count: usize) -> Self {
        Self { at: self.at.block::<T>(start, 0, count, self.at.columns), ..self }
    }

    /// `count` columns from column `start` on.
    pub(crate) fn subcols(self, start: usize, count: usize) -> Self {
        Self { at: self.at.block::<T>(0, start, self.at.rows, count), ..self }
    }
}

impl<'a, T: DeviceReal> MatrixMut<'a, T> {
    /// Where it lies, for work that a graph may record.
    pub(crate) fn place(&self) -> Place {
        self.device.keep_memory(self.memory);
        self.at
    }

    /// The same, for a shorter time.
    #[must_use]
    pub fn rb_mut(&mut self) -> MatrixMut<'_, T> {
        MatrixMut { device: self.device, memory: self.memory, at: self.at, numbers: PhantomData }
    }

    /// To be read.
    #[must_use]
    pub const fn rb(&self) -> MatrixRef<'_, T> {
        MatrixRef { device: self.device, memory: self.memory, at: self.at, numbers: PhantomData }
    }

    /// Number of rows.
    #[must_use]
    pub const fn nrows(&self) -> usize {
        self.at.rows
    }

    /// Number of columns.
    #[must_use]
    pub const fn ncols(&self) -> usize {
        self.at.columns
    }

    /// The transposed matrix.
    #[must_use]
    pub fn t(self) -> Self {
        Self { at: self.at.t(), ..self }
    }

    /// The block of `rows`×`columns` entries whose first is at (`row`, `column`).
    ///
    /// # Errors
    /// [`GpuError::Shape`] where it leaves the matrix.
    pub fn block(self, row: usize, column: usize, rows: usize, columns: usize) -> Result<Self, GpuError> {
        self.at.check_block(row, column, rows, columns)?;
        Ok(Self { at: self.at.block::<T>(row, column, rows, columns), ..self })
    }

    /// `count` rows from row `start` on.
    pub(crate) fn subrows(self, start: usize, count: usize) -> Self {
        Self { at: self.at.block::<T>(start, 0, count, self.at.columns), ..self }
    }

    /// `count` columns from column `start` on.
    pub(crate) fn subcols(self, start: usize, count: usize) -> Self {
        Self { at: self.at.block::<T>(0, start, self.at.rows, count), ..self }
    }

    /// The first `count` columns, and the others.
    pub(crate) fn split_at_column(self, count: usize) -> (Self, Self) {
        let of = |at| MatrixMut { device: self.device, memory: self.memory, at, numbers: PhantomData };
        let Place { rows, columns, .. } = self.at;
        (of(self.at.block::<T>(0, 0, rows, count)), of(self.at.block::<T>(0, count, rows, columns - count)))
    }

    /// Takes over the numbers of a matrix of this shape.
    ///
    /// # Errors
    /// [`GpuError::Shape`], [`GpuError::Call`].
    pub fn copy_from(&mut self, from: MatrixRef<'_, T>) -> Result<(), GpuError> {
        let (rows, columns) = (self.nrows(), self.ncols());
        if (from.nrows(), from.ncols()) != (rows, columns) {
            let got = format!("{}×{}", from.nrows(), from.ncols());
            return Err(GpuError::shape("copy_from", "from", format!("{rows}×{columns}"), got));
        }
        if rows * columns == 0 {
            return Ok(());
        }
        let ((to_down, to_right), (from_down, from_right)) = (self.place().strides(), from.place().strides());
        launch!(
            self.device,
            T,
            KERNELS.kernel("copy"),
            grid_over(rows * columns, 256),
            self.place().pointer,
            to_down as u64,
            to_right as u64,
            from.place().pointer,
            from_down as u64,
            from_right as u64,
            rows as u64,
            columns as u64,
        )
    }

    /// Every number times α.
    pub(crate) fn scale(&mut self, alpha: T) -> Result<(), GpuError> {
        let (rows, columns) = (self.nrows(), self.ncols());
        if rows * columns == 0 {
            return Ok(());
        }
        let (down, right) = self.place().strides();
        launch!(
            self.device,
            T,
            KERNELS.kernel("scale"),
            grid_over(rows * columns, 256),
            self.place().pointer,
            down as u64,
            right as u64,
            rows as u64,
            columns as u64,
            alpha,
        )
    }
}

//! Matrices of a device.

use std::marker::PhantomData;

use faer::{Mat, MatRef};

use crate::device::unwritten::Unwritten;
use crate::matrix::raw::Place;
use crate::{Buffer, Device, DeviceReal, GpuError, MatrixMut, MatrixRef};

/// A column-major matrix in the memory of a device, its columns one behind the other.
#[derive(Debug)]
pub struct Matrix<T> {
    buffer: Buffer<T>,
    rows: usize,
    columns: usize,
}

impl<T: DeviceReal> Matrix<T> {
    /// Room for a matrix, which must be written before it is read.
    pub(crate) fn uninitialized(device: &Device, rows: usize, columns: usize) -> Result<Self, GpuError> {
        let buffer = Buffer::uninitialized(device, rows.saturating_mul(columns))?;
        Ok(Self { buffer, rows, columns })
    }

    /// A matrix of zeros.
    ///
    /// # Errors
    /// [`GpuError::OutOfMemory`], [`GpuError::Call`].
    pub fn zeros(device: &Device, rows: usize, columns: usize) -> Result<Self, GpuError> {
        Ok(Self { buffer: Buffer::zeros(device, rows.saturating_mul(columns))?, rows, columns })
    }

    /// A copy of a matrix of the host, of any layout: by columns or by rows as fast as the copy goes, by rows with
    /// 16 MiB more for the time (a row, if that is more).
    ///
    /// # Errors
    /// As [`zeros`](Self::zeros).
    pub fn from_host(device: &Device, a: MatRef<'_, T>) -> Result<Self, GpuError> {
        if a.col_stride() == 1 && a.row_stride() != 1 {
            return Self::from_rows(device, a);
        }
        let (rows, columns) = a.shape();
        let matrix = Self::uninitialized(device, rows, columns)?;
        matrix.buffer.fill_from_host(|start, numbers| read_columns(a, start, numbers))?;
        Ok(matrix)
    }

    /// As many rows at a time as are worth a copy of their own, which the device transposes.
    fn from_rows(device: &Device, a: MatRef<'_, T>) -> Result<Self, GpuError> {
        const BYTES: usize = 16 << 20;
        let (rows, columns) = a.shape();
        let mut matrix = Self::uninitialized(device, rows, columns)?;
        let at_a_time = (BYTES / size_of::<T>() / columns.max(1)).max(1);
        for start in (0..rows).step_by(at_a_time) {
            let count = at_a_time.min(rows - start);
            let lines = Self::from_host(device, a.subrows(start, count).transpose())?;
            matrix.as_mut().subrows(start, count).copy_from(lines.as_ref().t())?;
        }
        Ok(matrix)
    }

    /// A copy on the host, once everything asked for before is done.
    ///
    /// # Errors
    /// [`GpuError::Call`] with whatever went wrong before.
    pub fn to_host(&self) -> Result<Mat<T>, GpuError> {
        let (rows, columns) = (self.rows, self.columns);
        let mut matrix = Mat::with_capacity(rows, columns);
        let stride = matrix.col_stride() as usize;
        let to = Unwritten::new(matrix.as_ptr_mut(), rows, stride);
        // SAFETY: there is room for all, each piece is written once, and then all were.
        self.buffer.hand_over(0, rows * columns, |at, piece| unsafe { to.write(at, piece) })?;
        unsafe { matrix.set_dims(rows, columns) };
        Ok(matrix)
    }

    /// A copy on the device.
    ///
    /// # Errors
    /// As [`zeros`](Self::zeros).
    pub fn try_clone(&self) -> Result<Self, GpuError> {
        Ok(Self { buffer: self.buffer.try_clone()?, rows: self.rows, columns: self.columns })
    }

    /// Number of rows.
    #[must_use]
    pub const fn nrows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    #[must_use]
    pub const fn ncols(&self) -> usize {
        self.columns
    }

    /// The device it is of.
    #[must_use]
    pub const fn device(&self) -> &Device {
        self.buffer.device()
    }

    fn place(&self) -> Place {
        let (rows, columns) = (self.rows, self.columns);
        Place { pointer: self.buffer.pointer(), rows, columns, stride: rows.max(1), row_major: false }
    }

    /// All of it, to be read.
    #[must_use]
    pub fn as_ref(&self) -> MatrixRef<'_, T> {
        MatrixRef { device: self.device(), memory: self.buffer.memory(), at: self.place(), numbers: PhantomData }
    }

    /// All of it, to be written.
    #[must_use]
    pub fn as_mut(&mut self) -> MatrixMut<'_, T> {
        MatrixMut { device: self.device(), memory: self.buffer.memory(), at: self.place(), numbers: PhantomData }
    }

    /// The first `columns` columns, without a copy.
    pub(crate) fn truncated(mut self, columns: usize) -> Self {
        assert!(columns <= self.columns, "no more columns than there are");
        self.columns = columns;
        self
    }
}

impl<T: DeviceReal> MatrixRef<'_, T> {
    /// A column-major copy.
    pub(crate) fn to_owned(self) -> Result<Matrix<T>, GpuError> {
        let mut copy = Matrix::uninitialized(self.device, self.nrows(), self.ncols())?;
        copy.as_mut().copy_from(self)?;
        Ok(copy)
    }
}

/// The numbers of the columns of `a`, one column behind the other, from number `start` on.
fn read_columns<T: DeviceReal>(a: MatRef<'_, T>, start: usize, mut numbers: &mut [T]) {
    let rows = a.nrows();
    let (mut i, mut j) = (start % rows, start / rows);
    while !numbers.is_empty() {
        let (now, later) = numbers.split_at_mut(numbers.len().min(rows - i));
        let column = a.col(j).subrows(i, now.len());
        match column.try_as_col_major() {
            Some(column) => now.copy_from_slice(column.as_slice()),
            None => now.iter_mut().zip(column.iter()).for_each(|(to, from)| *to = *from),
        }
        numbers = later;
        (i, j) = (0, j + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_read_from_anywhere_on() {
        let a = Mat::from_fn(5, 4, |i, j| (10 * i + j) as f64);
        for view in [a.as_ref(), a.as_ref().transpose(), a.as_ref().submatrix(1, 1, 3, 2), a.as_ref().reverse_rows()] {
            let all: Vec<f64> = view.col_iter().flat_map(|column| column.iter().copied()).collect();
            for start in 0..all.len() {
                for end in start..=all.len() {
                    let mut numbers = vec![0.0; end - start];
                    read_columns(view, start, &mut numbers);
                    assert_eq!(numbers, all[start..end]);
                }
            }
        }
    }
}

//! A matrix that columns are added to.

use crate::{Device, DeviceReal, GpuError, Matrix, MatrixRef};

/// Columns with room for more.
pub(crate) struct Growing<T> {
    room: Matrix<T>,
    columns: usize,
}

impl<T: DeviceReal> Growing<T> {
    /// No columns yet, and room for `capacity`.
    pub(crate) fn new(device: &Device, rows: usize, capacity: usize) -> Result<Self, GpuError> {
        Ok(Self { room: Matrix::uninitialized(device, rows, capacity)?, columns: 0 })
    }

    pub(crate) fn view(&self) -> MatrixRef<'_, T> {
        self.room.as_ref().subcols(0, self.columns)
    }

    pub(crate) fn nrows(&self) -> usize {
        self.room.nrows()
    }

    pub(crate) fn ncols(&self) -> usize {
        self.columns
    }

    /// Puts columns behind those there are.
    pub(crate) fn append(&mut self, new: MatrixRef<'_, T>) -> Result<(), GpuError> {
        let needed = self.columns + new.ncols();
        if needed > self.room.ncols() {
            let capacity = needed.max(self.room.ncols() + self.room.ncols() / 2);
            let mut room = Matrix::uninitialized(self.room.device(), self.nrows(), capacity)?;
            room.as_mut().subcols(0, self.columns).copy_from(self.view())?;
            self.room = room;
        }
        self.room.as_mut().subcols(self.columns, new.ncols()).copy_from(new)?;
        self.columns = needed;
        Ok(())
    }
}

//! Where a matrix lies in the memory of a device.

use crate::GpuError;
use crate::runtime::pool::Pointer;

/// Where a matrix lies: its entry (i, j) is `stride`·j + i numbers behind `pointer`, or `stride`·i + j where it is row-major.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) pointer: Pointer,
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) stride: usize,
    pub(crate) row_major: bool,
}

impl Place {
    pub(crate) const fn t(self) -> Self {
        Self { rows: self.columns, columns: self.rows, row_major: !self.row_major, ..self }
    }

    /// Numbers from one row to the next, and from one column to the next.
    pub(crate) const fn strides(&self) -> (usize, usize) {
        if self.row_major { (self.stride, 1) } else { (1, self.stride) }
    }

    pub(crate) fn check_block(&self, row: usize, column: usize, rows: usize, columns: usize) -> Result<(), GpuError> {
        let within =
            |start: usize, count: usize, extent: usize| start.checked_add(count).is_some_and(|end| end <= extent);
        if within(row, rows, self.rows) && within(column, columns, self.columns) {
            return Ok(());
        }
        let got = format!("{rows}×{columns} from ({row}, {column}) on");
        Err(GpuError::shape("block", "extents", format!("within {}×{}", self.rows, self.columns), got))
    }

    pub(crate) fn block<T>(self, row: usize, column: usize, rows: usize, columns: usize) -> Self {
        assert!(row + rows <= self.rows && column + columns <= self.columns, "a block within the matrix");
        let (down, right) = self.strides();
        let offset = (row * down + column * right) * size_of::<T>();
        Self { pointer: self.pointer + offset as Pointer, rows, columns, ..self }
    }
}

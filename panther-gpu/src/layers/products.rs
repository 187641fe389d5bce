//! Products of matrices that lie within tensors.

use crate::gemm::operands::Operands;
use crate::gemm::product::gemm;
use crate::matrix::raw::RawMatrix;
use crate::{Buffer, DeviceReal, GpuError, Precision};

/// Where a matrix, or a batch of them in two levels, lies within a buffer. One of the two strides of the matrix is 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Values before the first.
    pub offset: usize,
    /// Rows.
    pub rows: usize,
    /// Columns.
    pub columns: usize,
    /// Values from one row to the next.
    pub row_stride: usize,
    /// Values from one column to the next.
    pub column_stride: usize,
    /// How many matrices: outer and inner count.
    pub batch: [usize; 2],
    /// Values from one matrix to the next: outer and inner.
    pub batch_strides: [usize; 2],
}

impl Layout {
    /// Values that the buffer must hold at the least.
    fn end(&self) -> Option<usize> {
        let extents = [
            (self.rows, self.row_stride),
            (self.columns, self.column_stride),
            (self.batch[0], self.batch_strides[0]),
            (self.batch[1], self.batch_strides[1]),
        ];
        if extents.iter().any(|&(count, _)| count == 0) {
            return Some(0);
        }
        let last = extents
            .iter()
            .try_fold(self.offset, |sum, &(count, stride)| sum.checked_add((count - 1).checked_mul(stride)?));
        last?.checked_add(1)
    }

    /// Where it lies, the matrices of the batch left out. A single row or column may have any distance to the next.
    fn place<T: DeviceReal>(&self, buffer: &Buffer<T>) -> Option<RawMatrix> {
        let row_major = self.column_stride == 1 && (self.rows <= 1 || self.row_stride >= self.columns);
        let (extent, count, stride) = if row_major {
            (self.columns, self.rows, self.row_stride)
        } else {
            (self.rows, self.columns, self.column_stride)
        };
        let is_dense = row_major || self.row_stride == 1;
        let stride = if count <= 1 { stride.max(extent) } else { stride }.max(1);
        let place =
            RawMatrix { pointer: buffer.at(self.offset), rows: self.rows, columns: self.columns, stride, row_major };
        (is_dense && stride >= extent).then_some(place)
    }

    /// Values from one matrix to the next, where one distance says it for all of the batch.
    const fn single_stride(&self) -> Option<usize> {
        let ([outer, inner], [outer_stride, inner_stride]) = (self.batch, self.batch_strides);
        if inner == 1 {
            Some(outer_stride)
        } else if outer == 1 || outer_stride == inner * inner_stride {
            Some(inner_stride)
        } else {
            None
        }
    }
}

/// α·A·B for each matrix of the batch, one behind the other by rows.
///
/// # Errors
/// Those of this module's parent.
pub fn new_product<T: DeviceReal>(
    precision: Precision,
    alpha: T,
    a: (&Buffer<T>, Layout),
    b: (&Buffer<T>, Layout),
) -> Result<Buffer<T>, GpuError> {
    let (rows, columns, batch) = (a.1.rows, b.1.columns, a.1.batch);
    let batch_strides = [batch[1] * rows * columns, rows * columns];
    let at = Layout { offset: 0, rows, columns, row_stride: columns, column_stride: 1, batch, batch_strides };
    let mut c = Buffer::uninitialized(a.0.device(), batch[0] * batch_strides[0])?;
    batched_product(precision, alpha, a, b, T::ZERO, (&mut c, at))?;
    Ok(c)
}

/// C = α·A·B + β·C for each matrix of the batch. β = 0 overwrites C whatever it holds. The matrices of C must not overlap.
///
/// At once where one distance leads from each matrix to the next, and else in as many steps as the level with the fewer has.
///
/// # Errors
/// Those of this module's parent.
pub fn batched_product<T: DeviceReal>(
    precision: Precision,
    alpha: T,
    (a, a_at): (&Buffer<T>, Layout),
    (b, b_at): (&Buffer<T>, Layout),
    beta: T,
    (c, c_at): (&mut Buffer<T>, Layout),
) -> Result<(), GpuError> {
    let mut places = [RawMatrix { pointer: 0, rows: 0, columns: 0, stride: 1, row_major: false }; 3];
    let operands = [("a", a, a_at), ("b", b, b_at), ("c", &*c, c_at)];
    for ((argument, buffer, at), to) in operands.into_iter().zip(&mut places) {
        let fits = at.end().is_some_and(|end| end <= buffer.len()) && at.batch == c_at.batch;
        *to = at.place(buffer).filter(|_| fits).ok_or_else(|| {
            GpuError::shape("product", argument, format!("a buffer that holds {at:?}"), buffer.len().to_string())
        })?;
    }
    if c_at.end() == Some(0) {
        return Ok(());
    }
    let [a_place, b_place, c_place] = places;
    let (layouts, device) = ([a_at, b_at, c_at], a.device().clone());
    let call = |offsets: [usize; 3], count: usize, strides: [usize; 3]| {
        let moved = |place: RawMatrix, offset: usize| RawMatrix {
            pointer: place.pointer + (offset * size_of::<T>()) as u64,
            ..place
        };
        let (a, b, c) = (moved(a_place, offsets[0]), moved(b_place, offsets[1]), moved(c_place, offsets[2]));
        gemm(&device, precision, alpha, Operands { a, b, c, count, strides }, beta)
    };
    let [outer, inner] = c_at.batch;
    if let [Some(a), Some(b), Some(c)] = layouts.map(|at| at.single_stride()) {
        return call([0; 3], outer * inner, [a, b, c]);
    }
    let (looped, other) = if outer <= inner { (0, 1) } else { (1, 0) };
    for index in 0..c_at.batch[looped] {
        let offsets = layouts.map(|at| index * at.batch_strides[looped]);
        call(offsets, c_at.batch[other], layouts.map(|at| at.batch_strides[other]))?;
    }
    Ok(())
}

//! Products of matrices that lie within tensors.

use crate::backend::{Storage, count};
use crate::{NnError, Scalar};

/// Where a matrix, or a batch of them in two levels, lies within a tensor. One of the two strides of the matrix is 1.
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
    /// A whole row-major matrix.
    #[must_use]
    pub const fn matrix(rows: usize, columns: usize) -> Self {
        Self { offset: 0, rows, columns, row_stride: columns, column_stride: 1, batch: [1, 1], batch_strides: [0, 0] }
    }

    /// The transposed matrix.
    #[must_use]
    pub const fn t(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }

    /// `count` rows from row `start` on.
    #[must_use]
    pub const fn rows(self, start: usize, count: usize) -> Self {
        Self { offset: self.offset + start * self.row_stride, rows: count, ..self }
    }

    /// `count` columns from column `start` on.
    #[must_use]
    pub const fn columns(self, start: usize, count: usize) -> Self {
        Self { offset: self.offset + start * self.column_stride, columns: count, ..self }
    }

    /// A batch of such matrices, outer and inner, with the distances between them.
    #[must_use]
    pub const fn batched(self, batch: [usize; 2], batch_strides: [usize; 2]) -> Self {
        Self { batch, batch_strides, ..self }
    }

    /// Values that the tensor must hold at the least.
    #[must_use]
    pub const fn end(&self) -> usize {
        if self.rows == 0 || self.columns == 0 || self.batch[0] == 0 || self.batch[1] == 0 {
            return 0;
        }
        self.offset
            + (self.rows - 1) * self.row_stride
            + (self.columns - 1) * self.column_stride
            + (self.batch[0] - 1) * self.batch_strides[0]
            + (self.batch[1] - 1) * self.batch_strides[1]
            + 1
    }
}

/// Matrix products.
pub trait Products: Storage {
    /// C = α·A·B + β·C for each matrix of the batch. β = 0 overwrites C whatever it holds. The matrices of C must not
    /// overlap.
    ///
    /// # Errors
    /// [`NnError::Shape`] where the shapes do not fit or a layout ends behind its tensor.
    fn gemm<T: Scalar>(
        &self,
        alpha: T,
        a: (&Self::Tensor<T>, Layout),
        b: (&Self::Tensor<T>, Layout),
        beta: T,
        c: (&mut Self::Tensor<T>, Layout),
    ) -> Result<(), NnError>;

    /// α·A·B for each matrix of the batch, one behind the other by rows, as a tensor of this shape.
    ///
    /// # Errors
    /// As [`gemm`](Self::gemm), and where the shape holds another count of values.
    fn product<T: Scalar>(
        &self,
        shape: &[usize],
        alpha: T,
        a: (&Self::Tensor<T>, Layout),
        b: (&Self::Tensor<T>, Layout),
    ) -> Result<Self::Tensor<T>, NnError> {
        let mut c = self.zeros(shape)?;
        let at = product_layout(shape, a.1, b.1)?;
        self.gemm(alpha, a, b, T::ZERO, (&mut c, at))?;
        Ok(c)
    }
}

/// Where a new product lies in a tensor of this shape.
pub(crate) fn product_layout(shape: &[usize], a: Layout, b: Layout) -> Result<Layout, NnError> {
    let (rows, columns, [outer, inner]) = (a.rows, b.columns, a.batch);
    if count(shape) != outer * inner * rows * columns {
        return Err(NnError::shape(
            "product",
            "shape",
            format!("one of {outer}·{inner}·{rows}·{columns} values"),
            shape,
        ));
    }
    Ok(Layout::matrix(rows, columns).batched(a.batch, [inner * rows * columns, rows * columns]))
}

/// An error where the matrices of a product do not fit to each other, or into tensors of so many values: a, b and c.
pub(crate) fn check_product([a_at, b_at, c_at]: [Layout; 3], held: [usize; 3]) -> Result<(), NnError> {
    if a_at.rows != c_at.rows || a_at.columns != b_at.rows || b_at.columns != c_at.columns {
        let expected = format!("{}×{}", a_at.columns, c_at.columns);
        return Err(NnError::shape("gemm", "b", expected, &[b_at.rows, b_at.columns]));
    }
    for (argument, at, held) in [("a", a_at, held[0]), ("b", b_at, held[1]), ("c", c_at, held[2])] {
        let has_unit_stride = at.row_stride == 1 || at.column_stride == 1;
        if at.end() > held || !has_unit_stride || at.batch != c_at.batch {
            return Err(NnError::shape("gemm", argument, format!("a tensor that holds {at:?}"), &[held]));
        }
    }
    Ok(())
}

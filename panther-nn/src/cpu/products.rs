//! Products through faer.

use faer::prelude::*;
use faer::{Accum, MatMut, MatRef};
use panther_sketch::product;

use crate::backend::{Layout, Products, check_product};
use crate::cpu::{Cpu, CpuTensor};
use crate::{NnError, Scalar};

impl Products for Cpu {
    fn gemm<T: Scalar>(
        &self,
        alpha: T,
        (a, a_at): (&CpuTensor<T>, Layout),
        (b, b_at): (&CpuTensor<T>, Layout),
        beta: T,
        (c, c_at): (&mut CpuTensor<T>, Layout),
    ) -> Result<(), NnError> {
        let held = [a.as_slice().len(), b.as_slice().len(), c.as_slice().len()];
        check_product([a_at, b_at, c_at], held)?;
        if c_at.end() == 0 {
            return Ok(());
        }
        let (a, b, c) = (a.as_slice(), b.as_slice(), c.as_mut_slice());
        for outer in 0..c_at.batch[0] {
            for inner in 0..c_at.batch[1] {
                let place = |at: Layout| Layout {
                    offset: at.offset + outer * at.batch_strides[0] + inner * at.batch_strides[1],
                    batch: [1, 1],
                    ..at
                };
                let mut c = matrix_mut(c, place(c_at));
                // A sum of nothing leaves β·C, which a product that replaces would not write.
                let is_empty = a_at.columns == 0;
                let replaces = beta == T::ZERO && !is_empty;
                if !replaces {
                    scale(beta, c.rb_mut());
                }
                if !is_empty {
                    let accum = if replaces { Accum::Replace } else { Accum::Add };
                    product(c, accum, matrix(a, place(a_at)), matrix(b, place(b_at)), alpha, self.par);
                }
            }
        }
        Ok(())
    }
}

/// c = β·c; zero where β is, whatever c holds.
fn scale<T: Scalar>(beta: T, c: MatMut<'_, T>) {
    if beta == T::ONE {
        return;
    }
    let c = if c.col_stride() == 1 { c.transpose_mut() } else { c };
    for column in c.col_iter_mut() {
        for x in column.iter_mut() {
            *x = if beta == T::ZERO { T::ZERO } else { beta * *x };
        }
    }
}

/// The matrix at a place that is known to lie within the values.
pub(crate) fn matrix<T: Scalar>(values: &[T], at: Layout) -> MatRef<'_, T> {
    if at.end() == 0 {
        return MatRef::from_row_major_slice(&[], 0, 0).submatrix(0, 0, 0, 0);
    }
    let values = &values[at.offset..at.end()];
    if at.column_stride == 1 {
        MatRef::from_row_major_slice_with_stride(
            values,
            at.rows,
            at.columns,
            stride(at.rows, at.row_stride, at.columns),
        )
    } else {
        let stride = stride(at.columns, at.column_stride, at.rows);
        MatRef::from_column_major_slice_with_stride(values, at.rows, at.columns, stride)
    }
}

/// As [`matrix`], to be written.
pub(crate) fn matrix_mut<T: Scalar>(values: &mut [T], at: Layout) -> MatMut<'_, T> {
    let values = &mut values[at.offset..at.end()];
    if at.column_stride == 1 {
        // faer 0.24's constructor by rows exchanges its two strides.
        let stride = stride(at.rows, at.row_stride, at.columns);
        MatMut::from_column_major_slice_with_stride_mut(values, at.columns, at.rows, stride).transpose_mut()
    } else {
        let stride = stride(at.columns, at.column_stride, at.rows);
        MatMut::from_column_major_slice_with_stride_mut(values, at.rows, at.columns, stride)
    }
}

/// The distance between `count` rows or columns of `extent` values, as faer wants it: of one alone the distance means nothing, but
/// must not be below its extent.
fn stride(count: usize, given: usize, extent: usize) -> usize {
    if count <= 1 { given.max(extent) } else { given }
}

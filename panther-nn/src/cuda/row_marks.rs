//! Marks of rows.

use panther_gpu::layers::row_marks;

use crate::backend::{
    Dependence, Marked, RowMarks, check_mask, dependent_rows, marked_rows, rows_of_marks, same_count,
};
use crate::cuda::{Cuda, CudaTensor};
use crate::{NnError, Scalar};

impl RowMarks for Cuda {
    fn mark_rows<T: Scalar>(
        &self,
        x: &CudaTensor<T>,
        mask: Option<&[bool]>,
        only_non_finite: bool,
    ) -> Result<CudaTensor<T>, NnError> {
        let [rows, _] = marked_rows("mark_rows", x.shape())?;
        check_mask("mark_rows", mask, rows)?;
        Ok(CudaTensor::new(&[rows], row_marks::mark_rows(x.buffer(), rows, mask, only_non_finite)?))
    }

    fn marks_of_dependents<T: Scalar>(
        &self,
        from: &CudaTensor<T>,
        batch: usize,
        rows: usize,
        dependence: Dependence,
    ) -> Result<CudaTensor<T>, NnError> {
        let length = dependent_rows(from.shape(), batch, rows, dependence)?;
        let dependence = match dependence {
            Dependence::All => row_marks::Dependence::All,
            Dependence::Past => row_marks::Dependence::Past,
            Dependence::Future => row_marks::Dependence::Future,
        };
        let marks = row_marks::marks_of_dependents(from.buffer(), [batch, length, rows], dependence)?;
        Ok(CudaTensor::new(&[batch, rows], marks))
    }

    fn join_marks<T: Scalar>(&self, others: &CudaTensor<T>, marks: &mut CudaTensor<T>) -> Result<(), NnError> {
        same_count("join_marks", "marks", others.shape(), marks.shape())?;
        Ok(row_marks::join_marks(others.buffer(), marks.buffer_mut()?)?)
    }

    fn marks_of_gradient<T: Scalar>(
        &self,
        outputs: &CudaTensor<T>,
        dy: &CudaTensor<T>,
    ) -> Result<CudaTensor<T>, NnError> {
        let [rows, _] = rows_of_marks("marks_of_gradient", outputs.shape(), dy.shape())?;
        Ok(CudaTensor::new(&[rows], row_marks::marks_of_gradient(outputs.buffer(), dy.buffer())?))
    }

    fn fill_marked<T: Scalar>(
        &self,
        marks: &CudaTensor<T>,
        which: Marked,
        value: T,
        x: &mut CudaTensor<T>,
    ) -> Result<(), NnError> {
        rows_of_marks("fill_marked", marks.shape(), x.shape())?;
        let range = which.range().map(T::from_f64);
        Ok(row_marks::fill_marked(marks.buffer(), range, value, x.buffer_mut()?)?)
    }
}

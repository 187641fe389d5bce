//! Marks of rows. Where no row is marked, nothing is copied.

use panther_sketch::simd::{self, vectorized};

use crate::backend::{
    Dependence, HIDDEN, Marked, RowMarks, Storage, TAINTED, check_mask, dependent_rows, marked_rows, rows_of_marks,
};
use crate::cpu::elementwise::same_count;
use crate::cpu::parallel::{PIECE, on_pieces};
use crate::cpu::{Cpu, CpuTensor};
use crate::{NnError, Scalar};

impl RowMarks for Cpu {
    fn mark_rows<T: Scalar>(
        &self,
        x: &CpuTensor<T>,
        mask: Option<&[bool]>,
        only_non_finite: bool,
    ) -> Result<CpuTensor<T>, NnError> {
        let [rows, width] = marked_rows("mark_rows", x.shape())?;
        check_mask("mark_rows", mask, rows)?;
        self.mark_each(x, [rows, width], |row, values| {
            let is_hidden = mask.is_some_and(|mask| !mask[row]);
            match (is_hidden, is_finite(values)) {
                (true, is_finite) if !(only_non_finite && is_finite) => HIDDEN,
                (false, false) => TAINTED,
                _ => 0.0,
            }
        })
    }

    fn marks_of_dependents<T: Scalar>(
        &self,
        from: &CpuTensor<T>,
        batch: usize,
        rows: usize,
        dependence: Dependence,
    ) -> Result<CpuTensor<T>, NnError> {
        let length = dependent_rows(from.shape(), batch, rows, dependence)?;
        let mut marks = self.zeros(&[batch, rows])?;
        let sequences = from.as_slice().chunks(length.max(1)).zip(marks.as_mut_slice().chunks_mut(rows.max(1)));
        for (from, marks) in sequences {
            let is_tainted = |mark: &T| *mark == T::from_f64(TAINTED);
            let dependents = match dependence {
                Dependence::All => from.iter().any(is_tainted).then_some(0..rows),
                Dependence::Past => from.iter().position(is_tainted).map(|first| first..rows),
                Dependence::Future => from.iter().rposition(is_tainted).map(|last| 0..last + 1),
            };
            marks[dependents.unwrap_or(0..0)].fill(T::from_f64(TAINTED));
        }
        Ok(marks)
    }

    fn join_marks<T: Scalar>(&self, others: &CpuTensor<T>, marks: &mut CpuTensor<T>) -> Result<(), NnError> {
        same_count("join_marks", "marks", others, marks)?;
        let pairs = marks.as_mut_slice().iter_mut().zip(others.as_slice());
        pairs.for_each(|(mark, other)| *mark = mark.larger(*other));
        Ok(())
    }

    fn marks_of_gradient<T: Scalar>(&self, outputs: &CpuTensor<T>, dy: &CpuTensor<T>) -> Result<CpuTensor<T>, NnError> {
        let sizes = rows_of_marks("marks_of_gradient", outputs.shape(), dy.shape())?;
        let outputs = outputs.as_slice();
        self.mark_each(dy, sizes, |row, values| {
            let is_spoilt = outputs[row] == T::from_f64(TAINTED) && values.iter().any(|dy| *dy != T::ZERO);
            if is_spoilt || !is_finite(values) { TAINTED } else { 0.0 }
        })
    }

    fn fill_marked<T: Scalar>(
        &self,
        marks: &CpuTensor<T>,
        which: Marked,
        value: T,
        x: &mut CpuTensor<T>,
    ) -> Result<(), NnError> {
        let [_, width] = rows_of_marks("fill_marked", marks.shape(), x.shape())?;
        let [least, greatest] = which.range().map(T::from_f64);
        let is_meant = |mark: &T| *mark >= least && *mark <= greatest;
        // Writing copies what a clone shares.
        if marks.as_slice().iter().any(is_meant) {
            let rows = x.as_mut_slice().chunks_mut(width.max(1)).zip(marks.as_slice());
            rows.filter(|(_, mark)| is_meant(mark)).for_each(|(row, _)| row.fill(value));
        }
        Ok(())
    }
}

impl Cpu {
    /// A mark for each row of x.
    fn mark_each<T: Scalar>(
        &self,
        x: &CpuTensor<T>,
        [rows, width]: [usize; 2],
        mark: impl Fn(usize, &[T]) -> f64 + Send + Sync,
    ) -> Result<CpuTensor<T>, NnError> {
        let mut marks = self.zeros(&[rows])?;
        let (x, piece) = (x.as_slice(), (PIECE / width.max(1)).max(1));
        on_pieces(self.par, piece, marks.as_mut_slice(), |index, marks| {
            for (row, marked) in (index * piece..).zip(marks) {
                *marked = T::from_f64(mark(row, &x[row * width..][..width]));
            }
        });
        Ok(marks)
    }
}

/// Whether no value is NaN or infinite: x·0 is 0 then, and NaN otherwise.
fn is_finite<T: Scalar>(x: &[T]) -> bool {
    vectorized(|| simd::sum(x, |x| x * T::ZERO)) == T::ZERO
}

//! Rows by their index.

use crate::backend::{Gather, scattered_width, table_width};
use crate::cpu::{Cpu, CpuTensor};
use crate::{NnError, Scalar};

impl Gather for Cpu {
    fn gather_rows<T: Scalar>(&self, table: &CpuTensor<T>, indices: &[usize]) -> Result<CpuTensor<T>, NnError> {
        let width = table_width("gather_rows", table.shape(), indices)?;
        let table = table.as_slice();
        let mut rows = Vec::with_capacity(indices.len() * width);
        for index in indices {
            rows.extend_from_slice(&table[index * width..][..width]);
        }
        CpuTensor::new(&[indices.len(), width], rows)
    }

    fn scatter_add_rows<T: Scalar>(
        &self,
        x: &CpuTensor<T>,
        indices: &[usize],
        table: &mut CpuTensor<T>,
    ) -> Result<(), NnError> {
        let width = scattered_width("scatter_add_rows", table.shape(), indices, x.shape())?;
        let (x, table) = (x.as_slice(), table.as_mut_slice());
        for (position, index) in indices.iter().enumerate() {
            let row = &mut table[index * width..][..width];
            row.iter_mut().zip(&x[position * width..]).for_each(|(sum, x)| *sum += *x);
        }
        Ok(())
    }
}

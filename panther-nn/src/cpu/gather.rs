//! Rows by their index.

use crate::backend::Gather;
use crate::cpu::{Cpu, CpuTensor};
use crate::{NnError, Scalar};

impl Gather for Cpu {
    fn gather_rows<T: Scalar>(&self, table: &CpuTensor<T>, indices: &[usize]) -> Result<CpuTensor<T>, NnError> {
        let width = check("gather_rows", table, indices)?;
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
        let width = check("scatter_add_rows", table, indices)?;
        if x.as_slice().len() != indices.len() * width {
            return Err(NnError::shape("scatter_add_rows", "x", format!("[{}, {width}]", indices.len()), x.shape()));
        }
        let (x, table) = (x.as_slice(), table.as_mut_slice());
        for (position, index) in indices.iter().enumerate() {
            let row = &mut table[index * width..][..width];
            row.iter_mut().zip(&x[position * width..]).for_each(|(sum, x)| *sum += *x);
        }
        Ok(())
    }
}

/// The length of the rows, where every index is one of the table.
fn check<T: Scalar>(operation: &'static str, table: &CpuTensor<T>, indices: &[usize]) -> Result<usize, NnError> {
    let &[count, width] = table.shape() else {
        return Err(NnError::shape(operation, "table", "rows×columns", table.shape()));
    };
    match indices.iter().position(|&index| index >= count) {
        Some(position) => Err(NnError::IndexOutOfRange { operation, position, index: indices[position], count }),
        None => Ok(width),
    }
}

//! Rows by their index.

use panther_gpu::layers::gather;

use crate::backend::{Gather, scattered_width, table_width};
use crate::cuda::{Cuda, CudaTensor};
use crate::{NnError, Scalar};

impl Gather for Cuda {
    fn gather_rows<T: Scalar>(&self, table: &CudaTensor<T>, indices: &[usize]) -> Result<CudaTensor<T>, NnError> {
        let width = table_width("gather_rows", table.shape(), indices)?;
        let rows = gather::gather_rows(table.buffer(), [table.shape()[0], width], indices)?;
        Ok(CudaTensor::new(&[indices.len(), width], rows))
    }

    fn scatter_add_rows<T: Scalar>(
        &self,
        x: &CudaTensor<T>,
        indices: &[usize],
        table: &mut CudaTensor<T>,
    ) -> Result<(), NnError> {
        let width = scattered_width("scatter_add_rows", table.shape(), indices, x.shape())?;
        let shape = [table.shape()[0], width];
        Ok(gather::scatter_add_rows(x.buffer(), indices, table.buffer_mut()?, shape)?)
    }
}

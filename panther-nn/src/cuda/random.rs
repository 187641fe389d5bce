//! Random fill, equal to that of the CPU.

use panther_gpu::{Buffer, dropout, fill_normal, fill_uniform};

use crate::backend::{Random, count};
use crate::cuda::{Cuda, CudaTensor};
use crate::{NnError, Scalar};

impl Random for Cuda {
    fn uniform<T: Scalar>(&self, shape: &[usize], limit: f64, seed: u64) -> Result<CudaTensor<T>, NnError> {
        let mut values = Buffer::zeros(&self.device, count(shape))?;
        fill_uniform(&mut values, limit, seed)?;
        Ok(CudaTensor::new(shape, values))
    }

    fn normal<T: Scalar>(&self, shape: &[usize], deviation: f64, seed: u64) -> Result<CudaTensor<T>, NnError> {
        let mut values = Buffer::zeros(&self.device, count(shape))?;
        fill_normal(&mut values, deviation, seed)?;
        Ok(CudaTensor::new(shape, values))
    }

    fn dropout<T: Scalar>(&self, rate: f64, seed: u64, x: &mut CudaTensor<T>) -> Result<(), NnError> {
        Ok(dropout(x.buffer_mut()?, rate, seed)?)
    }
}

//! Sums in a fixed order.

use panther_sketch::simd::vectorized;

use crate::backend::{Reductions, rows_as_long_as};
use crate::cpu::{Cpu, CpuTensor};
use crate::{NnError, Scalar};

impl Reductions for Cpu {
    fn sum_rows<T: Scalar>(&self, x: &CpuTensor<T>, sum: &mut CpuTensor<T>) -> Result<(), NnError> {
        rows_as_long_as("sum_rows", sum.shape(), x.shape())?;
        let length = sum.as_slice().len();
        let (x, sum) = (x.as_slice(), sum.as_mut_slice());
        vectorized(|| {
            for row in x.chunks(length) {
                sum.iter_mut().zip(row).for_each(|(sum, x)| *sum += *x);
            }
        });
        Ok(())
    }

    fn sum_of_squares<T: Scalar>(&self, x: &CpuTensor<T>) -> Result<f64, NnError> {
        Ok(x.as_slice().iter().map(|x| x.to_f64() * x.to_f64()).sum())
    }
}

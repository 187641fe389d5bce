//! Tensors in the memory of the host.

use ndarray::{ArcArray, ArrayD, ArrayViewD, IxDyn};

use crate::backend::Storage;
use crate::cpu::Cpu;
use crate::{NnError, Scalar};

/// A row-major ndarray, shared by its clones until one of them is written.
#[derive(Clone, Debug, PartialEq)]
pub struct CpuTensor<T>(ArcArray<T, IxDyn>);

impl<T: Scalar> CpuTensor<T> {
    /// As a view of ndarray.
    #[must_use]
    pub fn view(&self) -> ArrayViewD<'_, T> {
        self.0.view()
    }

    /// The values in row-major order.
    #[must_use]
    pub fn as_slice(&self) -> &[T] {
        // Every constructor makes a contiguous array, and none of the operations changes that.
        self.0.as_slice().unwrap_or(&[])
    }

    /// The values in row-major order, copied first where a clone shares them.
    pub fn as_mut_slice(&mut self) -> &mut [T] {
        self.0.as_slice_mut().unwrap_or(&mut [])
    }

    /// The extents.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        self.0.shape()
    }

    /// A tensor of values that are known to be as many as the shape asks for.
    pub(crate) fn new(shape: &[usize], values: Vec<T>) -> Result<Self, NnError> {
        let got = values.len();
        ArcArray::from_shape_vec(IxDyn(shape), values)
            .map(Self)
            .map_err(|_| NnError::shape("tensor", "values", format!("as many as {shape:?} holds"), &[got]))
    }
}

impl<T: Scalar> From<ArrayD<T>> for CpuTensor<T> {
    /// Copies only where the array is not in row-major order.
    fn from(array: ArrayD<T>) -> Self {
        if array.is_standard_layout() {
            Self(array.into_shared())
        } else {
            Self(array.as_standard_layout().into_owned().into_shared())
        }
    }
}

impl Storage for Cpu {
    type Tensor<T: Scalar> = CpuTensor<T>;

    fn shape<T: Scalar>(x: &CpuTensor<T>) -> &[usize] {
        x.shape()
    }

    fn zeros<T: Scalar>(&self, shape: &[usize]) -> Result<CpuTensor<T>, NnError> {
        Ok(CpuTensor(ArcArray::from_elem(IxDyn(shape), T::ZERO)))
    }

    fn upload<T: Scalar>(&self, shape: &[usize], values: Vec<T>) -> Result<CpuTensor<T>, NnError> {
        CpuTensor::new(shape, values)
    }

    fn download<T: Scalar>(&self, x: &CpuTensor<T>) -> Result<Vec<T>, NnError> {
        Ok(x.as_slice().to_vec())
    }

    fn reshape<T: Scalar>(&self, x: &CpuTensor<T>, shape: &[usize]) -> Result<CpuTensor<T>, NnError> {
        x.0.clone()
            .into_shape_with_order(IxDyn(shape))
            .map(CpuTensor)
            .map_err(|_| NnError::shape("reshape", "x", format!("as many values as {shape:?}"), x.shape()))
    }
}

//! Loops over elements.

use panther_sketch::simd::vectorized;

use crate::backend::{Activation, Elementwise, rows_as_long_as};
use crate::cpu::parallel::{PIECE, on_pairs, on_pieces};
use crate::cpu::{Cpu, CpuTensor};
use crate::{NnError, Scalar};

impl Elementwise for Cpu {
    fn activate<T: Scalar>(&self, f: Activation, x: &CpuTensor<T>) -> Result<CpuTensor<T>, NnError> {
        let mut y = x.clone();
        on_pieces(self.par, PIECE, y.as_mut_slice(), |_, y| match f {
            Activation::Relu => y.iter_mut().for_each(|y| *y = y.relu()),
            Activation::Gelu => y.iter_mut().for_each(|y| *y = *y * normal_cdf(*y)),
        });
        Ok(y)
    }

    fn activate_backward<T: Scalar>(
        &self,
        f: Activation,
        x: &CpuTensor<T>,
        dy: &CpuTensor<T>,
    ) -> Result<CpuTensor<T>, NnError> {
        same_count("activate_backward", "dy", x, dy)?;
        let mut dx = dy.clone();
        on_pairs(self.par, x.as_slice(), dx.as_mut_slice(), |x, dx| {
            for (x, dx) in x.iter().zip(dx) {
                let slope = match f {
                    Activation::Relu => relu_slope(*x),
                    Activation::Gelu => normal_cdf(*x) + *x * normal_density(*x),
                };
                *dx *= slope;
            }
        });
        Ok(dx)
    }

    fn add_scaled<T: Scalar>(&self, alpha: T, x: &CpuTensor<T>, y: &mut CpuTensor<T>) -> Result<(), NnError> {
        same_count("add_scaled", "x", y, x)?;
        on_pairs(self.par, x.as_slice(), y.as_mut_slice(), |x, y| {
            vectorized(|| x.iter().zip(&mut *y).for_each(|(x, y)| *y = alpha.mul_add(*x, *y)));
        });
        Ok(())
    }

    fn scale<T: Scalar>(&self, alpha: T, x: &mut CpuTensor<T>) -> Result<(), NnError> {
        on_pieces(self.par, PIECE, x.as_mut_slice(), |_, x| x.iter_mut().for_each(|x| *x *= alpha));
        Ok(())
    }

    fn add_rows<T: Scalar>(&self, bias: &CpuTensor<T>, x: &mut CpuTensor<T>) -> Result<(), NnError> {
        rows_as_long_as("add_rows", bias.shape(), x.shape())?;
        let bias = bias.as_slice();
        let rows = (PIECE / bias.len()).max(1);
        on_pieces(self.par, rows * bias.len(), x.as_mut_slice(), |_, x| {
            for row in x.chunks_mut(bias.len()) {
                row.iter_mut().zip(bias).for_each(|(x, b)| *x += *b);
            }
        });
        Ok(())
    }
}

/// An error where two tensors do not have as many values.
pub(crate) fn same_count<T: Scalar>(
    operation: &'static str,
    argument: &'static str,
    expected: &CpuTensor<T>,
    got: &CpuTensor<T>,
) -> Result<(), NnError> {
    crate::backend::same_count(operation, argument, expected.shape(), got.shape())
}

/// The derivative of max(x, 0), 0 at 0, and NaN where x is.
fn relu_slope<T: Scalar>(x: T) -> T {
    if x > T::ZERO {
        T::ONE
    } else if x <= T::ZERO {
        T::ZERO
    } else {
        x
    }
}

/// Φ(x).
fn normal_cdf<T: Scalar>(x: T) -> T {
    let half = T::from_f64(0.5);
    half + half * (x * T::from_f64(std::f64::consts::FRAC_1_SQRT_2)).erf()
}

/// e^(−x²/2)/√(2π).
fn normal_density<T: Scalar>(x: T) -> T {
    const INVERSE_ROOT_TWO_PI: f64 = 0.398_942_280_401_432_7;
    (T::from_f64(-0.5) * x * x).exp() * T::from_f64(INVERSE_ROOT_TWO_PI)
}

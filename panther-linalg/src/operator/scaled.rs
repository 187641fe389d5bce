//! An operator seen through a power of two, so that nothing that is squared later over- or underflows.

use faer::prelude::*;
use panther_sketch::{Input, Real, SketchOperator};

use crate::kernels::scale_matrix;
use crate::operator::{power_of_two, scaled_norm};
use crate::{LinalgError, LinearOperator};

/// A·2^−exponent, with A read in place: the power is put on the vectors before the product, on the result after it, or
/// half on each.
pub(crate) struct Scaled<'a, A: ?Sized> {
    pub(crate) operator: &'a A,
    pub(crate) exponent: i32,
    before: i32,
}

impl<'a, A: ?Sized> Scaled<'a, A> {
    pub(crate) fn new<T: Real>(operator: &'a A, exponent: i32) -> Self
    where
        A: LinearOperator<T>,
    {
        // A quarter of the exponents on either side leaves room for the product of A and the vectors.
        let roomy = T::MIN_POSITIVE.to_f64().log2().abs() as i32 / 2;
        let before = if exponent.abs() <= roomy { 0 } else { -exponent / 2 };
        Self { operator, exponent, before }
    }

    /// A·2^−exponent·X.
    pub(crate) fn apply<T: Real>(
        &self,
        argument: &'static str,
        x: MatRef<'_, T>,
        par: Par,
    ) -> Result<Mat<T>, LinalgError>
    where
        A: LinearOperator<T>,
    {
        let mut out = Mat::zeros(self.operator.nrows(), x.ncols());
        self.with_scaled(x, |x| self.operator.apply(out.as_mut(), x, par))?;
        self.finish(argument, out, par)
    }

    /// (A·2^−exponent)ᵀ·X.
    pub(crate) fn apply_adjoint<T: Real>(
        &self,
        argument: &'static str,
        x: MatRef<'_, T>,
        par: Par,
    ) -> Result<Mat<T>, LinalgError>
    where
        A: LinearOperator<T>,
    {
        let mut out = Mat::zeros(self.operator.ncols(), x.ncols());
        self.with_scaled(x, |x| self.operator.apply_adjoint(out.as_mut(), x, par))?;
        self.finish(argument, out, par)
    }

    /// A·2^−exponent·Sᵀ.
    pub(crate) fn sketch<T: Real>(
        &self,
        argument: &'static str,
        s: &dyn SketchOperator<T>,
        par: Par,
    ) -> Result<Mat<T>, LinalgError>
    where
        A: LinearOperator<T>,
    {
        if self.before == 0 {
            let out = self.operator.sketch(s, par)?;
            self.finish(argument, out, par)
        } else {
            self.apply(argument, s.to_dense()?.transpose(), par)
        }
    }

    /// Calls `product` with X·2^before, stored by columns, unless X has no columns.
    fn with_scaled<T: Real>(
        &self,
        x: MatRef<'_, T>,
        product: impl FnOnce(MatRef<'_, T>) -> Result<(), LinalgError>,
    ) -> Result<(), LinalgError> {
        if x.ncols() == 0 {
            return Ok(());
        }
        if self.before == 0 && x.row_stride() == 1 {
            return product(x);
        }
        let mut copy = Mat::zeros(x.nrows(), x.ncols());
        copy.copy_from(x);
        scale_all(copy.as_mut(), self.before);
        product(copy.as_ref())
    }

    /// The rest of the power, and a check: closures may return anything.
    fn finish<T: Real>(&self, argument: &'static str, mut out: Mat<T>, par: Par) -> Result<Mat<T>, LinalgError> {
        scale_all(out.as_mut(), -self.exponent - self.before);
        scaled_norm(argument, Input::Dense(out.as_ref()), par)?;
        Ok(out)
    }
}

fn scale_all<T: Real>(a: MatMut<'_, T>, exponent: i32) {
    if exponent != 0 {
        scale_matrix(T::from_f64(power_of_two(exponent)), a);
    }
}

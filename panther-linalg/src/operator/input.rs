//! Dense and sparse matrices as operators.

use faer::MatMut;
use faer::prelude::*;
use panther_sketch::{Input, Real, SketchOperator};

use crate::kernels::{self, gather_product, narrow_product, scatter_product};
use crate::operator::linear_operator::check_product;
use crate::operator::scaled_norm;
use crate::{LinalgError, LinearOperator, ScaledNorm};

impl<T: Real> LinearOperator<T> for Input<'_, T> {
    fn nrows(&self) -> usize {
        Input::nrows(self)
    }

    fn ncols(&self) -> usize {
        Input::ncols(self)
    }

    fn apply(&self, out: MatMut<'_, T>, x: MatRef<'_, T>, par: Par) -> Result<(), LinalgError> {
        check_product("A·X", (Input::nrows(self), Input::ncols(self)), &out, x)?;
        match *self {
            Self::Dense(a) => narrow_product(out, a, x, par),
            Self::Csc(a) => scatter_product(out, a, x, par),
            Self::Csr(a) => gather_product(out, a.transpose(), x, par),
        }
        Ok(())
    }

    fn apply_adjoint(&self, out: MatMut<'_, T>, x: MatRef<'_, T>, par: Par) -> Result<(), LinalgError> {
        check_product("Aᵀ·X", (Input::ncols(self), Input::nrows(self)), &out, x)?;
        match *self {
            Self::Dense(a) => narrow_product(out, a.transpose(), x, par),
            Self::Csc(a) => gather_product(out, a, x, par),
            Self::Csr(a) => scatter_product(out, a.transpose(), x, par),
        }
        Ok(())
    }

    fn sketch(&self, s: &dyn SketchOperator<T>, par: Par) -> Result<Mat<T>, LinalgError> {
        Ok(s.right(*self, par)?)
    }

    fn scaled_norm(&self, par: Par) -> Result<Option<ScaledNorm>, LinalgError> {
        scaled_norm("a", *self, par).map(Some)
    }

    fn to_dense(&self, _: Par) -> Option<Mat<T>> {
        Some(kernels::to_dense(*self))
    }

    fn has_entries(&self) -> bool {
        true
    }
}

/// The matrix types of faer, each through its view as an [`Input`].
macro_rules! as_input {
    ($($matrix:ty => $view:expr;)*) => {$(
        impl<T: Real> LinearOperator<T> for $matrix {
            fn nrows(&self) -> usize {
                Input::from($view(self)).nrows()
            }

            fn ncols(&self) -> usize {
                Input::from($view(self)).ncols()
            }

            fn apply(&self, out: MatMut<'_, T>, x: MatRef<'_, T>, par: Par) -> Result<(), LinalgError> {
                Input::from($view(self)).apply(out, x, par)
            }

            fn apply_adjoint(&self, out: MatMut<'_, T>, x: MatRef<'_, T>, par: Par) -> Result<(), LinalgError> {
                Input::from($view(self)).apply_adjoint(out, x, par)
            }

            fn sketch(&self, s: &dyn SketchOperator<T>, par: Par) -> Result<Mat<T>, LinalgError> {
                Input::from($view(self)).sketch(s, par)
            }

            fn scaled_norm(&self, par: Par) -> Result<Option<ScaledNorm>, LinalgError> {
                LinearOperator::scaled_norm(&Input::from($view(self)), par)
            }

            fn to_dense(&self, par: Par) -> Option<Mat<T>> {
                LinearOperator::to_dense(&Input::from($view(self)), par)
            }

            fn has_entries(&self) -> bool {
                true
            }
        }
    )*};
}

as_input! {
    MatRef<'_, T> => |a: &Self| *a;
    Mat<T> => Mat::as_ref;
    SparseColMatRef<'_, usize, T> => |a: &Self| *a;
    SparseColMat<usize, T> => SparseColMat::as_ref;
    SparseRowMatRef<'_, usize, T> => |a: &Self| *a;
    SparseRowMat<usize, T> => SparseRowMat::as_ref;
}

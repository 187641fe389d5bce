//! Dense and sparse matrices as operators.

use faer::MatMut;
use faer::prelude::*;
use panther_sketch::{Input, Real, SketchOperator};

use crate::kernels::narrow_product;
use crate::kernels::{gather_product, scatter_product};
use crate::operator::scaled_norm;
use crate::{LinalgError, LinearOperator, ScaledNorm};

impl<T: Real> LinearOperator<T> for Input<'_, T> {
    fn nrows(&self) -> usize {
        Input::nrows(self)
    }

    fn ncols(&self) -> usize {
        Input::ncols(self)
    }

    fn apply(&self, out: MatMut<'_, T>, x: MatRef<'_, T>, par: Par) {
        match *self {
            Self::Dense(a) => narrow_product(out, a, x, par),
            Self::SparseColumns(a) => scatter_product(out, a, x, par),
            Self::SparseRows(a) => gather_product(out, a.transpose(), x, par),
        }
    }

    fn apply_adjoint(&self, out: MatMut<'_, T>, x: MatRef<'_, T>, par: Par) {
        match *self {
            Self::Dense(a) => narrow_product(out, a.transpose(), x, par),
            Self::SparseColumns(a) => gather_product(out, a, x, par),
            Self::SparseRows(a) => scatter_product(out, a.transpose(), x, par),
        }
    }

    fn sketch(&self, s: &dyn SketchOperator<T>, par: Par) -> Result<Mat<T>, LinalgError> {
        Ok(s.right(*self, par)?)
    }

    fn scaled_norm(&self, par: Par) -> Result<Option<ScaledNorm>, LinalgError> {
        scaled_norm("a", *self, par).map(Some)
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

            fn apply(&self, out: MatMut<'_, T>, x: MatRef<'_, T>, par: Par) {
                Input::from($view(self)).apply(out, x, par);
            }

            fn apply_adjoint(&self, out: MatMut<'_, T>, x: MatRef<'_, T>, par: Par) {
                Input::from($view(self)).apply_adjoint(out, x, par);
            }

            fn sketch(&self, s: &dyn SketchOperator<T>, par: Par) -> Result<Mat<T>, LinalgError> {
                Input::from($view(self)).sketch(s, par)
            }

            fn scaled_norm(&self, par: Par) -> Result<Option<ScaledNorm>, LinalgError> {
                Input::from($view(self)).scaled_norm(par)
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

//! A matrix that is known only by its products.

use faer::prelude::*;
use panther_sketch::Real;

use crate::operator::linear_operator::check_product;
use crate::{LinalgError, LinearOperator, ScaledNorm};

/// A matrix-free operator m×n from two closures: `apply(out, x, par)` sets out = A·X and `apply_adjoint(out, x, par)`
/// sets out = Aᵀ·X, for X and out stored by columns, each column contiguous, and at least one of them.
///
/// [`rsvd`](crate::rsvd()) and its stages check the two products and the norm, if it is given, against each other:
/// [`LinalgError::InconsistentAdjoint`] and [`LinalgError::InconsistentNorm`] if they belong to different matrices.
///
/// ```
/// use faer::prelude::*;
/// use panther_linalg::{FnOperator, RsvdOptions, Target, rsvd};
/// // The diagonal matrix 1, 1/2, 1/3, …, never stored.
/// let times = |mut out: MatMut<'_, f64>, x: MatRef<'_, f64>, _: Par| {
///     for j in 0..x.ncols() {
///         for i in 0..x.nrows() {
///             out[(i, j)] = x[(i, j)] / (i + 1) as f64;
///         }
///     }
/// };
/// let a = FnOperator::new(1000, 1000, times, times);
/// let svd = rsvd(&a, Target::Rank(5), &RsvdOptions::default(), Par::Seq)?;
/// assert!((svd.s[1] - 0.5).abs() < 1e-6);
/// # Ok::<(), panther_linalg::LinalgError>(())
/// ```
pub struct FnOperator<F, G> {
    shape: (usize, usize),
    apply: F,
    apply_adjoint: G,
    frobenius_norm: Option<f64>,
}

impl<F, G> FnOperator<F, G> {
    /// An operator of m rows and n columns. Its norm is estimated where it is needed, unless
    /// [`with_frobenius_norm`](Self::with_frobenius_norm) tells it.
    pub fn new(m: usize, n: usize, apply: F, apply_adjoint: G) -> Self {
        Self { shape: (m, n), apply, apply_adjoint, frobenius_norm: None }
    }

    /// Gives ‖A‖_F, finite and at least 0.
    #[must_use]
    pub fn with_frobenius_norm(mut self, norm: f64) -> Self {
        self.frobenius_norm = Some(norm);
        self
    }
}

impl<T, F, G> LinearOperator<T> for FnOperator<F, G>
where
    T: Real,
    F: Fn(MatMut<'_, T>, MatRef<'_, T>, Par) + Sync,
    G: Fn(MatMut<'_, T>, MatRef<'_, T>, Par) + Sync,
{
    fn nrows(&self) -> usize {
        self.shape.0
    }

    fn ncols(&self) -> usize {
        self.shape.1
    }

    fn apply(&self, out: MatMut<'_, T>, x: MatRef<'_, T>, par: Par) -> Result<(), LinalgError> {
        let (m, n) = self.shape;
        check_product("A·X", (m, n), &out, x)?;
        (self.apply)(out, x, par);
        Ok(())
    }

    fn apply_adjoint(&self, out: MatMut<'_, T>, x: MatRef<'_, T>, par: Par) -> Result<(), LinalgError> {
        let (m, n) = self.shape;
        check_product("Aᵀ·X", (n, m), &out, x)?;
        (self.apply_adjoint)(out, x, par);
        Ok(())
    }

    fn scaled_norm(&self, _: Par) -> Result<Option<ScaledNorm>, LinalgError> {
        let Some(norm) = self.frobenius_norm else { return Ok(None) };
        // No nonzero matrix has a norm outside of the range of its entries.
        let smallest = T::MIN_POSITIVE.to_f64() * T::EPSILON.to_f64();
        let largest = 1.0 / T::MIN_POSITIVE.to_f64();
        if norm == 0.0 || (smallest..=largest).contains(&norm) {
            return Ok(Some(ScaledNorm::of_norm(norm)));
        }
        let requirement = "0 or a positive number within the range of the scalar type";
        Err(LinalgError::InvalidNumber { argument: "frobenius_norm", requirement, got: norm })
    }
}

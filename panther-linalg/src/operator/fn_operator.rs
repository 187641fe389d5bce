//! A matrix that is known only by its products.

use faer::prelude::*;
use panther_sketch::Real;

use crate::{LinalgError, LinearOperator, ScaledNorm};

/// A matrix-free operator m×n from two closures: `apply(out, x, par)` sets out = A·X and `apply_adjoint(out, x, par)`
/// sets out = Aᵀ·X, for column-major X of any number of columns.
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

    /// Tells ‖A‖_F.
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

    fn apply(&self, out: MatMut<'_, T>, x: MatRef<'_, T>, par: Par) {
        (self.apply)(out, x, par);
    }

    fn apply_adjoint(&self, out: MatMut<'_, T>, x: MatRef<'_, T>, par: Par) {
        (self.apply_adjoint)(out, x, par);
    }

    fn scaled_norm(&self, _: Par) -> Result<Option<ScaledNorm>, LinalgError> {
        match self.frobenius_norm {
            None => Ok(None),
            Some(norm) if norm >= 0.0 && norm.is_finite() => Ok(Some(ScaledNorm::of_norm(norm))),
            Some(got) => Err(LinalgError::InvalidNumber {
                argument: "frobenius_norm",
                requirement: "finite and at least 0",
                got,
            }),
        }
    }
}

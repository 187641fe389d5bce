//! The exact SVD of a small or of a tall matrix, the small one on one thread: faer's is not the same bytes on two.

use faer::Accum;
use faer::diag::Diag;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::svd::{ComputeSvdVectors, SvdParams, svd, svd_scratch};
use faer::prelude::*;
use faer::{Auto, Spec};
use panther_sketch::{Real, product};

use crate::LinalgError;
use crate::kernels::distance_from_identity;
use crate::kernels::gram;
use crate::qr::householder::householder_qr;

/// U m×r, σ descending, V n×r with r = min(m, n).
pub(crate) struct Svd<T> {
    pub(crate) u: Mat<T>,
    pub(crate) s: Vec<T>,
    pub(crate) v: Mat<T>,
}

/// Rows for each column from which a QR and the SVD of R are cheaper than the SVD of A (Chan 1982).
const TALL: usize = 2;

/// The thin SVD of A, A scaled to about one.
pub(crate) fn thin_svd<T: Real>(operation: &'static str, a: MatRef<'_, T>, par: Par) -> Result<Svd<T>, LinalgError> {
    let (m, n) = a.shape();
    if m < TALL * n {
        return checked_svd(operation, a);
    }
    // faer's own QR for tall matrices drops columns below 16·m·ε, which moves σ that count for the rank.
    let (q, r) = householder_qr(a.to_owned(), par);
    let small = checked_svd(operation, r.as_ref())?;
    let mut u = Mat::zeros(m, n);
    product(u.as_mut(), Accum::Replace, q.as_ref(), small.u.as_ref(), T::ONE, par);
    Ok(Svd { u, ..small })
}

/// Divide and conquer now and then goes wrong without saying so where A is graded over the whole range of the type: σ out
/// of order, or vectors that are not orthonormal. Its result is therefore checked, and QR iteration, which is slower,
/// takes over.
fn checked_svd<T: Real>(operation: &'static str, a: MatRef<'_, T>) -> Result<Svd<T>, LinalgError> {
    let fast = SvdParams { qr_ratio_threshold: f64::INFINITY, ..<SvdParams as Auto<T>>::auto() };
    match attempt(a, fast) {
        Some(svd) if svd.is_sound(40.0) => return Ok(svd),
        _ => {}
    }
    attempt(a, SvdParams { recursion_threshold: usize::MAX, ..fast })
        .filter(|svd| svd.is_sound(1000.0))
        .ok_or(LinalgError::NoConvergence { operation, shape: a.shape() })
}

fn attempt<T: Real>(a: MatRef<'_, T>, params: SvdParams) -> Option<Svd<T>> {
    let (m, n) = a.shape();
    let r = m.min(n);
    let (mut u, mut v, mut s) = (Mat::zeros(m, r), Mat::zeros(n, r), Diag::zeros(r));
    let (vectors, params) = (ComputeSvdVectors::Thin, Spec::new(params));
    let mut memory = MemBuffer::new(svd_scratch::<T>(m, n, vectors, vectors, Par::Seq, params));
    let stack = MemStack::new(&mut memory);
    svd(a, s.as_mut(), Some(u.as_mut()), Some(v.as_mut()), Par::Seq, stack, params).ok()?;
    Some(Svd { u, s: s.column_vector().iter().copied().collect(), v })
}

impl<T: Real> Svd<T> {
    /// σ finite and descending, U and V orthonormal to `factor`·r·ε.
    fn is_sound(&self, factor: f64) -> bool {
        let allowed = factor * self.s.len() as f64 * T::EPSILON.to_f64();
        let orthonormal = |q: &Mat<T>| distance_from_identity(gram(q.as_ref(), Par::Seq).as_ref()) <= allowed;
        let ordered = self.s.iter().all(|s| s.is_finite()) && self.s.is_sorted_by(|a, b| a >= b);
        ordered && orthonormal(&self.u) && orthonormal(&self.v)
    }
}

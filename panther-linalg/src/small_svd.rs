//! The exact SVD of a small or of a tall matrix, on one thread: faer's is not the same bytes on two.

use faer::Spec;
use faer::diag::Diag;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::svd::{ComputeSvdVectors, svd, svd_scratch};
use faer::prelude::*;
use panther_sketch::Real;

use crate::LinalgError;

/// U m×r, σ descending, V n×r with r = min(m, n).
pub(crate) struct Svd<T> {
    pub(crate) u: Mat<T>,
    pub(crate) s: Vec<T>,
    pub(crate) v: Mat<T>,
}

/// The thin SVD of A.
pub(crate) fn thin_svd<T: Real>(operation: &'static str, a: MatRef<'_, T>) -> Result<Svd<T>, LinalgError> {
    let (m, n) = a.shape();
    let r = m.min(n);
    let (mut u, mut v, mut s) = (Mat::zeros(m, r), Mat::zeros(n, r), Diag::zeros(r));
    let vectors = ComputeSvdVectors::Thin;
    let mut memory = MemBuffer::new(svd_scratch::<T>(m, n, vectors, vectors, Par::Seq, Spec::default()));
    svd(a, s.as_mut(), Some(u.as_mut()), Some(v.as_mut()), Par::Seq, MemStack::new(&mut memory), Spec::default())
        .map_err(|_| LinalgError::NoConvergence { operation, shape: (m, n) })?;
    Ok(Svd { u, s: s.column_vector().iter().copied().collect(), v })
}

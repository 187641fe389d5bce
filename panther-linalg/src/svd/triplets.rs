//! Singular triplets of A from its basis.

use faer::Accum;
use faer::prelude::*;
use panther_sketch::{Real, product};

use crate::qr::orthonormalize::complete;
use crate::svd::basis::Basis;
use crate::svd::small_svd::Svd;
use crate::{LinalgError, LinearOperator, RsvdPath};

impl<T: Real, A: LinearOperator<T> + ?Sized> Basis<'_, T, A> {
    /// The leading k triplets of A scaled, U = Q·Û and V = W·V̂, completed by zeros where there are fewer.
    pub(crate) fn triplets(&self, k: usize, seed: u64, par: Par) -> Result<Svd<T>, LinalgError> {
        let found = k.min(self.svd.s.len());
        let side = |basis: &Mat<T>, small: &Mat<T>| {
            let mut out = Mat::zeros(basis.nrows(), found);
            if self.path == RsvdPath::Exact {
                out.copy_from(basis.as_ref().subcols(0, found));
            } else {
                product(out.as_mut(), Accum::Replace, basis.as_ref(), small.as_ref().subcols(0, found), T::ONE, par);
            }
            out
        };
        let mut u = complete(side(&self.projection.q, &self.svd.u), k, seed, par)?;
        let mut v = complete(side(&self.projection.w, &self.svd.v), k, seed, par)?;
        fix_signs(&mut u, &mut v);
        let mut s = self.svd.s[..found].to_vec();
        s.resize(k, T::ZERO);
        Ok(Svd { u, s, v })
    }
}

/// In each column of U the entry of largest magnitude, the first of equals, becomes positive.
fn fix_signs<T: Real>(u: &mut Mat<T>, v: &mut Mat<T>) {
    for j in 0..u.ncols() {
        let largest = u.col(j).iter().fold(T::ZERO, |best, x| if x.abs() > best.abs() { *x } else { best });
        if largest < T::ZERO {
            for x in u.col_mut(j).iter_mut().chain(v.col_mut(j).iter_mut()) {
                *x = -*x;
            }
        }
    }
}

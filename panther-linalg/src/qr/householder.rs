//! Householder reflectors, one at a time and in blocks (compact WY: Schreiber and Van Loan 1989).
//!
//! A panel of b columns is reduced by H₁…H_b = I − V T Vᵀ with V unit lower trapezoidal and T upper triangular; the
//! matrix to its right is then updated by three products.

use faer::Accum;
use faer::prelude::*;
use panther_sketch::{Real, product};

use crate::kernels::{axpy, column, column_mut, dot, gram, inner_product, scale, sum_of_squares, vectorized};

/// Columns that are reduced one by one before the rest is updated by products.
pub(crate) const PANEL: usize = 32;

/// Makes the reflector I − τvvᵀ that maps `x` to (β, 0, …, 0); `x` becomes β followed by v without its leading one.
/// Returns τ, which is 0 where there is nothing to annihilate.
#[inline(always)]
pub(crate) fn make_reflector<T: Real>(x: &mut [T]) -> T {
    let Some((head, tail)) = x.split_first_mut() else { return T::ZERO };
    // In double precision, so that the squares of f32 neither underflow nor lose digits in long columns.
    let tail_squared = sum_of_squares(1.0, tail);
    if tail_squared.sqrt() < least_norm::<T>() {
        // The matrix has been scaled to about one: far less than rounding is dropped.
        tail.fill(T::ZERO);
        return T::ZERO;
    }
    let alpha = head.to_f64();
    let norm = alpha.mul_add(alpha, tail_squared).sqrt();
    let beta = if alpha > 0.0 { -norm } else { norm };
    scale(T::from_f64(1.0 / (alpha - beta)), tail);
    *head = T::from_f64(beta);
    T::from_f64((beta - alpha) / beta)
}

/// The least norm whose square keeps its digits in double precision, and whose reciprocal T can hold.
#[inline(always)]
fn least_norm<T: Real>() -> f64 {
    let of_square = (f64::MIN_POSITIVE / f64::EPSILON).sqrt();
    of_square.max(T::MIN_POSITIVE.to_f64() / T::EPSILON.to_f64())
}

/// c −= τ·v·(vᵀc), v = (1, `tail`).
#[inline(always)]
pub(crate) fn apply_reflector<T: Real>(tau: T, tail: &[T], c: &mut [T]) {
    let Some((head, rest)) = c.split_first_mut() else { return };
    let w = tau * (*head + dot(tail, rest));
    *head -= w;
    axpy(-w, tail, rest);
}

/// Reduces the columns of `a` one by one, without pivoting; returns the τ. R stands on and above the diagonal, V
/// below.
fn factor_panel<T: Real>(mut a: MatMut<'_, T>) -> Vec<T> {
    vectorized(
        #[inline(always)]
        || {
            let mut taus = Vec::with_capacity(a.ncols());
            for j in 0..a.nrows().min(a.ncols()) {
                let (left, mut right) = a.rb_mut().split_at_col_mut(j + 1);
                let pivot = &mut column_mut(left, j)[j..];
                let tau = make_reflector(pivot);
                for k in 0..right.ncols() {
                    apply_reflector(tau, &pivot[1..], &mut column_mut(right.rb_mut(), k)[j..]);
                }
                taus.push(tau);
            }
            taus
        },
    )
}

/// A block of reflectors I − V T Vᵀ.
pub(crate) struct BlockReflector<T> {
    v: Mat<T>,
    t: Mat<T>,
}

impl<T: Real> BlockReflector<T> {
    /// From a panel that holds V below its diagonal, and its τ.
    pub(crate) fn new(panel: MatRef<'_, T>, taus: &[T], par: Par) -> Self {
        let b = taus.len();
        let mut v = Mat::zeros(panel.nrows(), b);
        for j in 0..b {
            let to = column_mut(v.as_mut(), j);
            to[j] = T::ONE;
            to[j + 1..].copy_from_slice(&column(panel, j)[j + 1..]);
        }
        let gram = gram(v.as_ref(), par);
        // T grows by a column per reflector: t = −τ T (Vᵀv).
        let mut t = Mat::<T>::zeros(b, b);
        for j in 0..b {
            for i in 0..j {
                let sum = (i..j).fold(T::ZERO, |sum, k| t[(i, k)].mul_add(gram[(j, k)], sum));
                t[(i, j)] = -taus[j] * sum;
            }
            t[(j, j)] = taus[j];
        }
        Self { v, t }
    }

    /// a = (I − V Tᵀ Vᵀ)·a: the reflectors in the order in which the panel was reduced.
    pub(crate) fn apply_transpose(&self, a: MatMut<'_, T>, par: Par) {
        self.update(a, self.t.transpose(), par);
    }

    /// a = (I − V T Vᵀ)·a: the reflectors in reverse, as Q is formed.
    pub(crate) fn apply(&self, a: MatMut<'_, T>, par: Par) {
        self.update(a, self.t.as_ref(), par);
    }

    fn update(&self, mut a: MatMut<'_, T>, t: MatRef<'_, T>, par: Par) {
        if a.ncols() == 0 {
            return;
        }
        let w = inner_product(self.v.as_ref(), a.rb(), par);
        let mut tw = Mat::zeros(self.v.ncols(), a.ncols());
        product(tw.as_mut(), Accum::Replace, t, w.as_ref(), T::ONE, par);
        product(a.rb_mut(), Accum::Add, self.v.as_ref(), tw.as_ref(), -T::ONE, par);
    }
}

/// The first `columns` columns of Q = H₁H₂…, from the blocks of reflectors, each with the row and column it starts at.
pub(crate) fn form_q<T: Real>(blocks: &[(usize, BlockReflector<T>)], m: usize, columns: usize, par: Par) -> Mat<T> {
    let mut q = Mat::identity(m, columns);
    for (start, block) in blocks.iter().rev() {
        if *start < columns {
            block.apply(q.as_mut().submatrix_mut(*start, *start, m - start, columns - start), par);
        }
    }
    q
}

/// A = Q R without pivoting, thin Q. A is overwritten. Unconditionally stable: ‖QᵀQ − I‖ = O(n·ε) for any A.
pub(crate) fn householder_qr<T: Real>(mut a: Mat<T>, par: Par) -> (Mat<T>, Mat<T>) {
    let (m, n) = a.shape();
    let k = m.min(n);
    let mut blocks = Vec::new();
    for start in (0..k).step_by(PANEL) {
        let width = PANEL.min(k - start);
        let (left, right) = a.as_mut().split_at_col_mut(start + width);
        let mut panel = left.submatrix_mut(start, start, m - start, width);
        let taus = factor_panel(panel.rb_mut());
        let block = BlockReflector::new(panel.rb(), &taus, par);
        block.apply_transpose(right.subrows_mut(start, m - start), par);
        blocks.push((start, block));
    }
    let r = Mat::from_fn(k, n, |i, j| if i <= j { a[(i, j)] } else { T::ZERO });
    (form_q(&blocks, m, k, par), r)
}

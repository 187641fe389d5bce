//! Classical column pivoting (Businger and Golub 1965), with the norm downdating of Drmač and Bujanović (2008).
//!
//! Every step touches the whole matrix, so it runs at the speed of memory: this is for matrices of a few hundred columns
//! and for sketches. [`pivoted_qr`](crate::pivoted_qr()) builds the blocked algorithm from it.

use faer::MatMut;
use faer::prelude::*;
use panther_sketch::Real;

use crate::kernels::{column, column_mut, sum_of_squares, vectorized};
use crate::qr::householder::{apply_reflector, make_reflector};

/// The swaps and the τ of [`column_pivoted_qr`], one of each per step taken.
pub(crate) struct Pivoted<T> {
    pub(crate) swaps: Vec<usize>,
    pub(crate) taus: Vec<T>,
}

/// Reduces `a` in place, at most `steps` columns, always taking the column of largest residual norm (the first of
/// equals) next. Whole columns change places: step j swaps column j with column `swaps[j]`. Stops early where all
/// residuals are zero.
pub(crate) fn column_pivoted_qr<T: Real>(mut a: MatMut<'_, T>, steps: usize) -> Pivoted<T> {
    vectorized(
        #[inline(always)]
        || {
            let (m, n) = a.shape();
            let (mut swaps, mut taus) = (Vec::with_capacity(steps), Vec::with_capacity(steps));
            // In double precision: squares of f32 underflow below 10⁻¹⁹ of the largest column.
            let mut norms = vec![0.0; n];
            for (j, length) in norms.iter_mut().enumerate() {
                *length = norm(column(a.rb(), j));
            }
            // The norms when they were last summed: they tell when downdating has canceled too many digits.
            let mut reference = norms.clone();
            for step in 0..steps.min(m).min(n) {
                let pivot = first_largest(&norms, step);
                if norms[pivot] == 0.0 {
                    break;
                }
                swap_columns(a.rb_mut(), step, pivot);
                norms.swap(step, pivot);
                reference.swap(step, pivot);
                swaps.push(pivot);
                let (left, mut right) = a.rb_mut().split_at_col_mut(step + 1);
                let v = &mut column_mut(left, step)[step..];
                let tau = make_reflector(v);
                for k in 0..right.ncols() {
                    let c = &mut column_mut(right.rb_mut(), k)[step..];
                    apply_reflector(tau, &v[1..], c);
                    let j = step + 1 + k;
                    norms[j] = downdate(norms[j], &mut reference[j], c);
                }
                taus.push(tau);
            }
            Pivoted { swaps, taus }
        },
    )
}

/// The norm of the column without its first entry, from the norm with it; summed anew where the difference would have
/// lost half of the digits.
#[inline(always)]
fn downdate<T: Real>(old: f64, reference: &mut f64, c: &[T]) -> f64 {
    if old == 0.0 {
        return 0.0;
    }
    let ratio = c[0].to_f64().abs() / old;
    let kept = ((1.0 - ratio) * (1.0 + ratio)).max(0.0);
    let drift = old / *reference;
    if kept * drift * drift <= T::EPSILON.to_f64().sqrt() {
        let fresh = norm(&c[1..]);
        *reference = fresh;
        fresh
    } else {
        old * kept.sqrt()
    }
}

#[inline(always)]
fn norm<T: Real>(x: &[T]) -> f64 {
    sum_of_squares(1.0, x).sqrt()
}

fn first_largest(norms: &[f64], from: usize) -> usize {
    (from..norms.len()).fold(from, |best, j| if norms[j] > norms[best] { j } else { best })
}

/// Swaps columns j and `swaps[j]` in turn.
pub(crate) fn apply_swaps<T: Real>(mut a: MatMut<'_, T>, swaps: &[usize]) {
    for (j, &other) in swaps.iter().enumerate() {
        swap_columns(a.rb_mut(), j, other);
    }
}

fn swap_columns<T: Real>(a: MatMut<'_, T>, i: usize, j: usize) {
    if i == j {
        return;
    }
    let (low, high) = (i.min(j), i.max(j));
    let (left, right) = a.split_at_col_mut(high);
    column_mut(left, low).swap_with_slice(column_mut(right, 0));
}

//! A·X for a dense A and a few columns X: the product that range finders spend their time in.

use faer::prelude::*;
use faer::{Accum, MatMut};
use panther_sketch::{Real, product};

use crate::kernels::inner_product;

/// Columns of X for which (XᵀAᵀ)ᵀ is the faster way where A is stored by columns, and where it is stored by rows.
const BY_COLUMNS: std::ops::RangeInclusive<usize> = 8..=48;
const BY_ROWS: std::ops::RangeInclusive<usize> = 8..=512;

/// Terms of a sum from which they are added in panels, so that rounding errors do not grow with their number.
const LONG: usize = 1 << 16;

/// out = A·X.
///
/// A product of matrices packs its left operand, which costs as much as some tens of columns. Written as Xᵀ·Aᵀ, the
/// small matrix is the one that is packed.
pub(crate) fn narrow_product<T: Real>(mut out: MatMut<'_, T>, a: MatRef<'_, T>, x: MatRef<'_, T>, par: Par) {
    if a.ncols() > LONG {
        out.copy_from(inner_product(a.transpose(), x, par));
        return;
    }
    let is_by_rows = a.row_stride().unsigned_abs() > a.col_stride().unsigned_abs();
    let widths = if is_by_rows { BY_ROWS } else { BY_COLUMNS };
    if widths.contains(&x.ncols()) {
        let mut transposed = Mat::zeros(x.ncols(), a.nrows());
        product(transposed.as_mut(), Accum::Replace, x.transpose(), a.transpose(), T::ONE, par);
        out.copy_from(transposed.transpose());
    } else {
        product(out, Accum::Replace, a, x, T::ONE, par);
    }
}

//! A·R⁻¹ in place, a panel of rows at a time so that each panel stays in cache.

use faer::linalg::triangular_solve::solve_lower_triangular_in_place;
use faer::prelude::*;
use panther_sketch::Real;

/// Rows of a panel: fixed, so that the bytes do not depend on the number of threads. 128 rows of 1024 columns of f64
/// are 1 MiB.
const ROWS: usize = 128;

/// a = a·R⁻¹, R upper triangular: m·n² operations. R stored by columns is faster than by rows.
pub(crate) fn solve_on_the_right<T: Real>(mut a: MatMut<'_, T>, r: MatRef<'_, T>, par: Par) {
    let m = a.nrows();
    if m > ROWS && !matches!(par, Par::Seq) {
        let half = (m / ROWS).div_ceil(2) * ROWS;
        let (top, bottom) = a.split_at_row_mut(half);
        rayon::join(|| solve_on_the_right(top, r, par), || solve_on_the_right(bottom, r, par));
        return;
    }
    for start in (0..m).step_by(ROWS) {
        let panel = a.rb_mut().subrows_mut(start, ROWS.min(m - start));
        // X·R = A is Rᵀ·Xᵀ = Aᵀ.
        solve_lower_triangular_in_place(r.transpose(), panel.transpose_mut(), Par::Seq);
    }
}

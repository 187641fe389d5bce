//! Columns of a matrix, written out densely.

use faer::prelude::*;
use panther_sketch::{Input, Real};
use rayon::prelude::*;

use crate::kernels::column_mut;

/// A\[:, columns\], stored by columns.
pub(crate) fn gather_columns<T: Real>(a: Input<'_, T>, columns: &[usize], par: Par) -> Mat<T> {
    let mut out = Mat::zeros(a.nrows(), columns.len());
    match a {
        Input::Dense(a) => copy_columns(out.as_mut(), a, columns, par),
        Input::Csc(a) => {
            for (to, &from) in columns.iter().enumerate() {
                let out = column_mut(out.as_mut(), to);
                for (i, x) in a.row_idx_of_col(from).zip(a.val_of_col(from)) {
                    out[i] += *x;
                }
            }
        }
        Input::Csr(a) => {
            let mut place = vec![None; a.ncols()];
            for (to, &from) in columns.iter().enumerate() {
                place[from] = Some(to);
            }
            for i in 0..a.nrows() {
                for (j, x) in a.col_idx_of_row(i).zip(a.val_of_row(i)) {
                    if let Some(to) = place[j] {
                        out[(i, to)] += *x;
                    }
                }
            }
        }
    }
    out
}

/// A, stored by columns.
pub(crate) fn to_dense<T: Real>(a: Input<'_, T>) -> Mat<T> {
    let all: Vec<usize> = (0..a.ncols()).collect();
    gather_columns(a, &all, Par::Seq)
}

fn copy_columns<T: Real>(out: MatMut<'_, T>, a: MatRef<'_, T>, columns: &[usize], par: Par) {
    let (m, n) = a.shape();
    if a.row_stride() != 1 && m > 0 && n > 0 {
        copy_by_rows(out, a, columns);
        return;
    }
    let copy = |(mut to, &from): (ColMut<'_, T>, &usize)| to.copy_from(a.col(from));
    match par {
        Par::Seq => out.col_iter_mut().zip(columns).for_each(copy),
        Par::Rayon(_) => out.par_col_iter_mut().zip(columns).for_each(copy),
    }
}

/// A few rows at a time, so that a row-major A is read by cache lines.
fn copy_by_rows<T: Real>(mut out: MatMut<'_, T>, a: MatRef<'_, T>, columns: &[usize]) {
    const ROWS: usize = 16;
    for start in (0..a.nrows()).step_by(ROWS) {
        let rows = ROWS.min(a.nrows() - start);
        for (to, &from) in columns.iter().enumerate() {
            out.rb_mut().col_mut(to).subrows_mut(start, rows).copy_from(a.col(from).subrows(start, rows));
        }
    }
}

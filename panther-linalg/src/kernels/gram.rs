//! Inner products of columns, AᵀB and AᵀA, with an error that does not grow with the length of the columns.
//!
//! A dot product that is added up term by term loses m·ε/4 of the sum of m equal entries, which in f32 exceeds all
//! that orthogonality and error bounds allow from m ≈ 10⁴ on; faer's matrix products add up blocks of 512 rows one after
//! the other, which loses (128 + m/2048)·ε. Here panels of a fixed number of rows are multiplied, and their products are
//! added up pairwise in double precision.
//!
//! **Error.** |computed − exact|ᵢⱼ ≤ (c·ε + log₂(m/P)·2⁻⁵³)·Σₖ|aₖᵢ||bₖⱼ|, P the rows of a panel; c is what one panel and
//! the rounding of the result lose. In the worst case c = (512 + P/512)/2 for products of panels (about 40 for equal
//! entries, and a small constant where roundings are independent); c = ½ where panels of f32 are multiplied in double
//! precision (up to 16 columns), and 20 where f64 is summed in 32 parts (up to 8 columns).

use std::ops::Range;

use faer::Accum;
use faer::linalg::matmul::triangular::{self, BlockStructure};
use faer::prelude::*;
use panther_sketch::{Real, product};

use crate::kernels::{column, column_mut, dot, pairwise_sum, vectorized};

/// Columns on both sides up to which a product is bound by reading them.
const FEW: usize = 8;

/// Columns of f32 up to which a product in double precision costs little beside reading and converting them.
const WIDENED: usize = 16;

/// Rows of a panel in double precision: those of 16 columns are 128 KiB.
const WIDENED_ROWS: usize = 1024;

/// Panels in double precision that one task adds up.
const WIDENED_PANELS: usize = 8;

/// Entries of a result up to which threads share the panels; larger ones are parallel within each product.
const SMALL: usize = 64 * 64;

/// Rows of a panel with a small and with a large result: the products of panels must cost more than adding them up.
const ROWS_OF_SMALL: usize = 4096;
const ROWS_OF_LARGE: usize = 16384;

/// Rows of a panel with a vector on one side, whose product faer does not cut into blocks.
const ROWS_OF_VECTOR: usize = 512;

/// AᵀB, with the error bound of the [module](self). A is m×n, B m×l, the result n×l.
pub(crate) fn inner_product<T: Real>(a: MatRef<'_, T>, b: MatRef<'_, T>, par: Par) -> Mat<T> {
    assert_eq!(a.nrows(), b.nrows(), "inner product of columns of different lengths");
    // A product packs its left operand, which costs as much as some tens of columns: the narrower one goes there.
    if b.ncols() < a.ncols() {
        return sum_of_panels(Factors { a: b, b: a, is_gram: false }, par).transpose().to_owned();
    }
    sum_of_panels(Factors { a, b, is_gram: false }, par)
}

/// The lower triangle of AᵀA, with the error bound of the [module](self); what is above it is zero.
pub(crate) fn gram<T: Real>(a: MatRef<'_, T>, par: Par) -> Mat<T> {
    sum_of_panels(Factors { a, b: a, is_gram: true }, par)
}

/// ‖QᵀQ − I‖_F.
pub(crate) fn orthogonality<T: Real>(q: MatRef<'_, T>, par: Par) -> f64 {
    distance_from_identity(gram(q, par).as_ref())
}

/// ‖G − I‖_F from the lower triangle of G.
pub(crate) fn distance_from_identity<T: Real>(lower: MatRef<'_, T>) -> f64 {
    let mut sum = 0.0;
    for j in 0..lower.ncols() {
        sum += (lower[(j, j)].to_f64() - 1.0).powi(2);
        for i in j + 1..lower.nrows() {
            sum += 2.0 * lower[(i, j)].to_f64().powi(2);
        }
    }
    sum.sqrt()
}

/// The factors of AᵀB; a Gram matrix is needed in its lower triangle alone.
#[derive(Clone, Copy)]
struct Factors<'a, T> {
    a: MatRef<'a, T>,
    b: MatRef<'a, T>,
    is_gram: bool,
}

impl<'a, T: Real> Factors<'a, T> {
    fn rows(&self, rows: Range<usize>) -> Self {
        let a = self.a.subrows(rows.start, rows.len());
        Self { a, b: self.b.subrows(rows.start, rows.len()), ..*self }
    }

    fn shape(&self) -> (usize, usize) {
        (self.a.ncols(), self.b.ncols())
    }
}

fn sum_of_panels<T: Real>(factors: Factors<'_, T>, par: Par) -> Mat<T> {
    let (n, l) = factors.shape();
    let (rows, columns) = (0..factors.a.nrows(), n.max(l));
    if columns <= FEW || (columns <= WIDENED && size_of::<T>() < size_of::<f64>()) {
        let panels = WIDENED_PANELS * WIDENED_ROWS;
        return rounded(pairwise_sum(rows, panels, par, &|rows| widened_panels(factors.rows(rows))).as_ref());
    }
    let is_small = n * l <= SMALL;
    let panel_rows = match n.min(l) {
        1 => ROWS_OF_VECTOR,
        _ if is_small => ROWS_OF_SMALL,
        _ => ROWS_OF_LARGE,
    };
    let panel = |rows, par| {
        let mut term = Mat::zeros(n, l);
        multiply(term.as_mut(), factors.rows(rows), Accum::Replace, par);
        term
    };
    if rows.len() <= panel_rows {
        return panel(rows, par);
    }
    let (outer, inner) = if is_small { (par, Par::Seq) } else { (Par::Seq, par) };
    rounded(pairwise_sum(rows, panel_rows, outer, &|rows| widened(panel(rows, inner).as_ref())).as_ref())
}

fn rounded<T: Real>(sum: MatRef<'_, f64>) -> Mat<T> {
    Mat::from_fn(sum.nrows(), sum.ncols(), |i, j| T::from_f64(sum[(i, j)]))
}

fn multiply<T: Real>(out: MatMut<'_, T>, factors: Factors<'_, T>, accum: Accum, par: Par) {
    let Factors { a, b, is_gram } = factors;
    if is_gram {
        let (lower, full) = (BlockStructure::TriangularLower, BlockStructure::Rectangular);
        triangular::matmul(out, lower, accum, a.transpose(), full, b, full, T::ONE, par);
    } else {
        product(out, accum, a.transpose(), b, T::ONE, par);
    }
}

/// AᵀB by products of panels in double precision, added up one after the other.
fn widened_panels<T: Real>(factors: Factors<'_, T>) -> Mat<f64> {
    let (n, l) = factors.shape();
    let mut sum = Mat::zeros(n, l);
    for start in (0..factors.a.nrows()).step_by(WIDENED_ROWS) {
        let panel = factors.rows(start..factors.a.nrows().min(start + WIDENED_ROWS));
        let a = widened(panel.a);
        let b = if panel.is_gram { None } else { Some(widened(panel.b)) };
        let panel = Factors { a: a.as_ref(), b: b.as_ref().unwrap_or(&a).as_ref(), is_gram: panel.is_gram };
        if n.max(l) <= FEW {
            add_dot_products(sum.as_mut(), panel);
        } else {
            multiply(sum.as_mut(), panel, Accum::Add, Par::Seq);
        }
    }
    sum
}

/// A in double precision, stored by columns.
fn widened<T: Real>(a: MatRef<'_, T>) -> Mat<f64> {
    let mut out = Mat::zeros(a.nrows(), a.ncols());
    for j in 0..a.ncols() {
        let to = column_mut(out.as_mut(), j);
        match a.col(j).try_as_col_major() {
            Some(from) => widen(to, from.as_slice()),
            None => to.iter_mut().zip(a.col(j).iter()).for_each(|(to, from)| *to = from.to_f64()),
        }
    }
    out
}

fn widen<T: Real>(to: &mut [f64], from: &[T]) {
    vectorized(
        #[inline(always)]
        || {
            for (to, from) in to.iter_mut().zip(from) {
                *to = from.to_f64();
            }
        },
    );
}

/// sum += AᵀB by dot products.
fn add_dot_products(mut sum: MatMut<'_, f64>, factors: Factors<'_, f64>) {
    let Factors { a, b, is_gram } = factors;
    for j in 0..b.ncols() {
        for i in if is_gram { j } else { 0 }..a.ncols() {
            sum[(i, j)] += dot_product(column(a, i), column(b, j));
        }
    }
}

fn dot_product<T: Real>(x: &[T], y: &[T]) -> T {
    vectorized(
        #[inline(always)]
        || dot(x, y),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Error of both products of equal entries, relative to the exact one, in units of ε.
    fn error_of_equal_entries<T: Real>(m: usize, n: usize, l: usize, by_rows: bool) -> f64 {
        let x = T::from_f64(0.1);
        let a = if by_rows { Mat::from_fn(n, m, |_, _| x) } else { Mat::from_fn(m, n, |_, _| x) };
        let a = if by_rows { a.transpose() } else { a.as_ref() };
        let b = Mat::from_fn(m, l, |_, _| x);
        // The rounding of 0.1 is part of the input. In f64 the product of 53 + 53 + 20 bits needs two doubles.
        let square = x.to_f64() * x.to_f64();
        let rest = x.to_f64().mul_add(x.to_f64(), -square);
        let error = |found: T| ((found.to_f64() - square * m as f64) - rest * m as f64).abs() / (square * m as f64);
        let product = inner_product(a, b.as_ref(), Par::rayon(2));
        let lower = gram(a, Par::rayon(2));
        let worst = product.col_iter().flat_map(|c| c.iter().map(|x| error(*x)).collect::<Vec<_>>());
        worst.chain((0..n).map(|j| error(lower[(j, j)]))).fold(0.0, f64::max) / T::EPSILON.to_f64()
    }

    #[test]
    fn long_sums_of_equal_entries_lose_no_more_than_short_ones() {
        for (n, l) in [(1, 1), (2, 2), (8, 3), (9, 1), (1, 40), (13, 13), (33, 8), (65, 65), (80, 2)] {
            for m in [1000, 300_000] {
                for by_rows in [false, true] {
                    if m * n.max(l) > 4_000_000 {
                        continue;
                    }
                    let (single, double) = (
                        error_of_equal_entries::<f32>(m, n, l, by_rows),
                        error_of_equal_entries::<f64>(m, n, l, by_rows),
                    );
                    assert!(single <= 64.0, "f32 {m}×{n}, {l} columns, by rows {by_rows}: {single} ε");
                    assert!(double <= 64.0, "f64 {m}×{n}, {l} columns, by rows {by_rows}: {double} ε");
                }
            }
        }
    }

    #[test]
    fn inner_products_are_the_same_bytes_for_any_number_of_threads() {
        for (m, n, l) in [(20_000, 3, 2), (20_000, 20, 70), (20_000, 70, 70), (40_000, 40, 1)] {
            let a = Mat::<f32>::from_fn(m, n, |i, j| ((i * 7 + j * 13) % 101) as f32 - 49.7);
            let b = Mat::<f32>::from_fn(m, l, |i, j| ((i * 3 + j * 5) % 89) as f32 - 44.1);
            let of = |par| (inner_product(a.as_ref(), b.as_ref(), par), gram(a.as_ref(), par));
            assert_eq!(of(Par::Seq), of(Par::rayon(2)), "{m}×{n}, {l} columns");
        }
    }

    #[test]
    fn inner_products_are_those_of_plain_products() {
        for (m, n, l) in [(0, 2, 3), (1, 1, 1), (5000, 8, 8), (3000, 33, 5), (3000, 5, 33), (17_000, 70, 66)] {
            let a = Mat::<f64>::from_fn(m, n, |i, j| ((i * 7 + j * 13) % 101) as f64 - 50.0);
            let b = Mat::<f64>::from_fn(m, l, |i, j| ((i * 3 + j * 5) % 89) as f64 - 44.0);
            // Integers: every sum is exact.
            assert_eq!(inner_product(a.as_ref(), b.as_ref(), Par::Seq), a.transpose() * &b, "{m}×{n}, {l} columns");
            let lower = Mat::from_fn(n, n, |i, j| if i >= j { (a.transpose() * &a)[(i, j)] } else { 0.0 });
            assert_eq!(gram(a.as_ref(), Par::Seq), lower, "{m}×{n}");
        }
    }
}

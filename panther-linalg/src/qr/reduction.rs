//! Reduction of a matrix by blocked randomized pivoting: the working part of [`pivoted_qr`](crate::pivoted_qr()).

use faer::Accum;
use faer::linalg::triangular_solve::solve_upper_triangular_in_place;
use faer::prelude::*;
use panther_sketch::seed::{Purpose, derive};
use panther_sketch::{Distribution, Input, Real, product};

use crate::kernels::squared_norm;
use crate::qr::column_pivoting::{apply_swaps, column_pivoted_qr};
use crate::qr::householder::{BlockReflector, PANEL, form_q};
use crate::{LinalgError, PivotedQrOptions};

/// A matrix after reduction: R on and above the diagonal of `work`, the reflectors in `blocks`.
pub(crate) struct Reduced<T> {
    work: Mat<T>,
    blocks: Vec<(usize, BlockReflector<T>)>,
    pub(crate) permutation: Vec<usize>,
    /// Columns reduced, of which the first `rank` count.
    steps: usize,
    pub(crate) rank: usize,
    pub(crate) sketches: usize,
}

impl<T: Real> Reduced<T> {
    /// The smallest k with ‖R\[k.., k..\]‖_F ≤ `tolerance`.
    pub(crate) fn rank_within(&self, tolerance: f64) -> usize {
        let n = self.work.ncols();
        let mut left = residual(&self.work, self.steps).powi(2);
        for k in (0..self.steps).rev() {
            left += (k..n).map(|j| self.work[(k, j)].to_f64().powi(2)).sum::<f64>();
            if left.sqrt() > tolerance {
                return k + 1;
            }
        }
        0
    }

    /// R, rank×n.
    pub(crate) fn r(&self) -> Mat<T> {
        Mat::from_fn(self.rank, self.work.ncols(), |i, j| if i <= j { self.work[(i, j)] } else { T::ZERO })
    }

    /// Q, m×rank.
    pub(crate) fn q(&self, par: Par) -> Mat<T> {
        form_q(&self.blocks, self.work.nrows(), self.rank, par)
    }
}

/// Reduces `work`, whose entries are about one or smaller, until what is left is at most `tolerance`.
pub(crate) fn reduce<T: Real>(
    work: Mat<T>,
    tolerance: f64,
    options: &PivotedQrOptions,
    par: Par,
) -> Result<Reduced<T>, LinalgError> {
    let mut state = Reduction { permutation: (0..work.ncols()).collect(), work, blocks: Vec::new(), steps: 0 };
    let mut sketches = 0;
    let mut sketch = None;
    while residual(&state.work, state.steps) > tolerance {
        let (rows, columns) = (state.work.nrows() - state.steps, state.work.ncols() - state.steps);
        let width = options.block_size.min(rows);
        let sketch_rows = width.saturating_add(options.oversampling);
        if columns <= options.block_size.saturating_mul(2) || rows <= sketch_rows {
            // So little is left that a sketch of it would be no smaller.
            state.reduce_panel(columns, par);
            break;
        }
        // 1. A sketch of what is left: updated from the last block, or drawn.
        let mut y = match sketch.take() {
            Some(y) => y,
            None => {
                sketches += 1;
                let seed = derive(options.seed, Purpose::Pivots, sketches as u64);
                state.draw_sketch(sketch_rows, seed, par)?
            }
        };
        // 2. Its pivots go first.
        let pivoted = column_pivoted_qr(y.as_mut(), width);
        let pivots = pivoted.swaps.len();
        state.swap(&pivoted.swaps);
        // 3. Householder QR of the panel, pivoted once more within itself, applied to the rest.
        let start = state.steps;
        let local = state.reduce_panel_and_update(pivots, par);
        if local.is_empty() {
            // The sketch saw nothing, or its pivots have nothing left: no sketch helps.
            state.reduce_panel(columns, par);
            break;
        }
        if local.len() < pivots {
            // The panel is deficient where the sketch was not.
            continue;
        }
        // 4. The sketch of what is left from the sketch of what there was.
        sketch = state.downdated_sketch(y, start, &local, par);
    }
    let Reduction { work, permutation, blocks, steps } = state;
    let mut reduced = Reduced { work, blocks, permutation, steps, rank: steps, sketches };
    reduced.rank = reduced.rank_within(tolerance);
    Ok(reduced)
}

/// ‖A\[steps.., steps..\]‖_F.
fn residual<T: Real>(work: &Mat<T>, steps: usize) -> f64 {
    squared_norm(work.as_ref().submatrix(steps, steps, work.nrows() - steps, work.ncols() - steps)).sqrt()
}

struct Reduction<T> {
    work: Mat<T>,
    permutation: Vec<usize>,
    blocks: Vec<(usize, BlockReflector<T>)>,
    /// Columns reduced so far.
    steps: usize,
}

impl<T: Real> Reduction<T> {
    fn draw_sketch(&self, d: usize, seed: u64, par: Par) -> Result<Mat<T>, LinalgError> {
        let s = self.steps;
        let (rows, columns) = (self.work.nrows() - s, self.work.ncols() - s);
        let rest = self.work.as_ref().submatrix(s, s, rows, columns);
        Ok(Distribution::Gaussian.operator::<T>(d, rows, seed)?.left(Input::Dense(rest), par)?)
    }

    /// Swaps columns `steps + j` and `steps + swaps[j]` in turn, R's rows above included.
    fn swap(&mut self, swaps: &[usize]) {
        let rest = self.work.ncols() - self.steps;
        apply_swaps(self.work.as_mut().subcols_mut(self.steps, rest), swaps);
        for (j, &other) in swaps.iter().enumerate() {
            self.permutation.swap(self.steps + j, self.steps + other);
        }
    }

    /// Classical pivoting on the next `width` columns; returns the swaps.
    fn reduce_panel(&mut self, width: usize, par: Par) -> Vec<usize> {
        let start = self.steps;
        let (above, below) = self.work.as_mut().subcols_mut(start, width).split_at_row_mut(start);
        let pivoted = column_pivoted_qr(below, width);
        apply_swaps(above, &pivoted.swaps);
        for (j, &other) in pivoted.swaps.iter().enumerate() {
            self.permutation.swap(start + j, start + other);
        }
        for (i, taus) in pivoted.taus.chunks(PANEL).enumerate() {
            let at = start + i * PANEL;
            let panel = self.work.as_ref().submatrix(at, at, self.work.nrows() - at, taus.len());
            self.blocks.push((at, BlockReflector::new(panel, taus, par)));
        }
        self.steps += pivoted.taus.len();
        pivoted.swaps
    }

    /// As [`reduce_panel`](Self::reduce_panel), and the columns to the right of the panel are updated.
    fn reduce_panel_and_update(&mut self, width: usize, par: Par) -> Vec<usize> {
        let (first_block, right) = (self.blocks.len(), self.steps + width);
        let swaps = self.reduce_panel(width, par);
        for (start, block) in &self.blocks[first_block..] {
            let (rows, columns) = (self.work.nrows() - start, self.work.ncols() - right);
            block.apply_transpose(self.work.as_mut().submatrix_mut(*start, right, rows, columns), par);
        }
        swaps
    }

    /// With the pivoted QR of the sketch in `y`, S = \[S₁₁ S₁₂; 0 S₂₂\], and R of the block at `start`, the sketch of the
    /// rest is \[S₁₂ − S₁₁R₁₁⁻¹R₁₂; S₂₂\]. `None` where R₁₁ is too ill-conditioned for that to be trusted.
    fn downdated_sketch(&self, mut y: Mat<T>, start: usize, local: &[usize], par: Par) -> Option<Mat<T>> {
        let (b, rest) = (local.len(), self.work.ncols() - self.steps);
        let r11 = self.work.as_ref().submatrix(start, start, b, b);
        if r11[(b - 1, b - 1)].abs() <= T::EPSILON.sqrt() * r11[(0, 0)].abs() {
            return None;
        }
        let mut x = self.work.as_ref().submatrix(start, start + b, b, rest).to_owned();
        solve_upper_triangular_in_place(r11, x.as_mut(), par);
        // Below its diagonal y still holds the reflectors of its own reduction.
        let mut s11 = Mat::from_fn(b, b, |i, j| if i <= j { y[(i, j)] } else { T::ZERO });
        apply_swaps(s11.as_mut(), local);
        product(y.as_mut().submatrix_mut(0, b, b, rest), Accum::Add, s11.as_ref(), x.as_ref(), -T::ONE, par);
        Some(y.as_ref().subcols(b, rest).to_owned())
    }
}

//! ‖A‖_F without overflow, and the power of two that brings A near one.

use faer::{MatRef, Par};
use panther_sketch::{Input, Real};
use rayon::prelude::*;

use crate::LinalgError;
use crate::kernels::{max_abs, sum_of_squares, vectorized};
use crate::operator::{exponent_of, power_of_two, scaled_back};

/// ‖A‖_F as mantissa·2^exponent, so that it can be told even where it leaves the range of the type.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScaledNorm {
    /// ‖A·2^−exponent‖_F, 0 for the zero matrix.
    pub frobenius: f64,
    /// Exponent of a power of two near the largest |aᵢⱼ| (or near ‖A‖_F).
    pub exponent: i32,
}

impl ScaledNorm {
    /// The magnitude that belongs to ‖A‖_F = `norm`.
    pub fn of_norm(norm: f64) -> Self {
        if norm == 0.0 {
            return Self { frobenius: 0.0, exponent: 0 };
        }
        let exponent = exponent_of(norm);
        Self { frobenius: norm / 2f64.powi(exponent), exponent }
    }

    /// ‖A‖_F, the largest double where it is more.
    pub fn norm(&self) -> f64 {
        scaled_back(self.frobenius, self.exponent)
    }
}

/// Columns that one task reads: fixed, so that the sums do not depend on the number of threads.
const COLUMNS: usize = 16;

/// ‖A‖_F of a dense or sparse matrix, checking every entry.
pub(crate) fn scaled_norm<T: Real>(
    argument: &'static str,
    a: Input<'_, T>,
    par: Par,
) -> Result<ScaledNorm, LinalgError> {
    let slices = stored_slices(a);
    // One pass, if the squares stay within the range of a double, and they do but for the most extreme matrices.
    let groups = in_groups(&slices, par, |group| survey(group));
    if groups.iter().any(|group| !group.finite) {
        return Err(locate_non_finite(argument, a));
    }
    let max = groups.iter().map(|group| group.max.to_f64()).fold(0.0, f64::max);
    if max == 0.0 {
        return Ok(ScaledNorm { frobenius: 0.0, exponent: 0 });
    }
    let exponent = exponent_of(max);
    let scale_back = power_of_two(-exponent);
    if exponent.abs() <= SQUARABLE {
        let squares: f64 = groups.iter().map(|group| group.squares).sum();
        return Ok(ScaledNorm { frobenius: squares.sqrt() * scale_back, exponent });
    }
    // 2^−exponent overflows for the subnormal numbers of f64 alone: they are brought into its range first.
    let lift = if exponent < -1000 { 128 } else { 0 };
    let squares = in_groups(&slices, par, |group| squares(power_of_two(-exponent - lift), group));
    let frobenius = squares.iter().sum::<f64>().sqrt() * power_of_two(lift);
    Ok(ScaledNorm { frobenius, exponent })
}

/// Largest |exponent| of the entries for which their squares can be summed unscaled in double precision.
const SQUARABLE: i32 = 400;

/// What one reading of a group tells.
struct Survey<T> {
    max: T,
    finite: bool,
    squares: f64,
}

vectorized! {
    fn survey<'a, T: Real>(slices: &'a [&'a [T]]) -> Survey<T> {
        let mut all = Survey { max: T::ZERO, finite: true, squares: 0.0 };
        for slice in slices {
            // A stretch at a time, so that the second loop finds it in the cache.
            for slice in slice.chunks(1024) {
                let (max, finite) = max_abs(slice);
                all.max = if max > all.max { max } else { all.max };
                all.finite &= finite;
                all.squares += sum_of_squares(1.0, slice);
            }
        }
        all
    }
}

vectorized! {
    fn squares<'a, T: Real>(factor: f64, slices: &'a [&'a [T]]) -> f64 {
        let mut sum = 0.0;
        for slice in slices {
            sum += sum_of_squares(factor, slice);
        }
        sum
    }
}

/// The entries of A as contiguous slices of the storage, or one by one where the strides leave no other way.
fn stored_slices<T: Real>(a: Input<'_, T>) -> Vec<&[T]> {
    match a {
        Input::Dense(a) => dense_slices(a),
        Input::SparseColumns(a) => (0..a.ncols()).map(|j| a.val_of_col(j)).collect(),
        Input::SparseRows(a) => (0..a.nrows()).map(|i| a.val_of_row(i)).collect(),
    }
}

fn dense_slices<T: Real>(a: MatRef<'_, T>) -> Vec<&[T]> {
    if let Some(a) = a.try_as_col_major() {
        a.col_iter().map(|c| c.as_slice()).collect()
    } else if let Some(a) = a.transpose().try_as_col_major() {
        a.col_iter().map(|c| c.as_slice()).collect()
    } else {
        a.col_iter().flat_map(|c| c.iter().map(std::slice::from_ref)).collect()
    }
}

fn in_groups<T: Real, R: Send>(slices: &[&[T]], par: Par, f: impl Fn(&[&[T]]) -> R + Sync + Send) -> Vec<R> {
    match par {
        Par::Seq => slices.chunks(COLUMNS).map(f).collect(),
        Par::Rayon(_) => slices.par_chunks(COLUMNS).map(f).collect(),
    }
}

fn locate_non_finite<T: Real>(argument: &'static str, a: Input<'_, T>) -> LinalgError {
    let error = |row, column, value: T| LinalgError::NonFinite { argument, row, column, value: value.to_f64() };
    let found = match a {
        Input::Dense(a) => {
            (0..a.ncols()).flat_map(|j| (0..a.nrows()).map(move |i| (i, j, a[(i, j)]))).find(|(_, _, x)| !x.is_finite())
        }
        Input::SparseColumns(a) => (0..a.ncols())
            .flat_map(|j| a.row_idx_of_col(j).zip(a.val_of_col(j)).map(move |(i, x)| (i, j, *x)))
            .find(|(_, _, x)| !x.is_finite()),
        Input::SparseRows(a) => (0..a.nrows())
            .flat_map(|i| a.col_idx_of_row(i).zip(a.val_of_row(i)).map(move |(j, x)| (i, j, *x)))
            .find(|(_, _, x)| !x.is_finite()),
    };
    // The caller saw such an entry; the fallback names the corner rather than panicking.
    let (row, column, value) = found.unwrap_or((0, 0, T::from_f64(f64::NAN)));
    error(row, column, value)
}

//! ‖A‖_F without overflow, and the power of two that brings A near one.

use faer::{MatRef, Par};
use panther_sketch::{Input, Real, parallel};

use crate::LinalgError;
use crate::kernels::{max_abs, sum_of_squares, vectorized};
use crate::operator::repeated_entries::repeated_entries;
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
    /// The norm of the zero matrix.
    pub const ZERO: Self = Self { frobenius: 0.0, exponent: 0 };

    /// ‖A‖_F = `norm`, which is finite and at least 0.
    pub fn of_norm(norm: f64) -> Self {
        if norm == 0.0 {
            return Self::ZERO;
        }
        let exponent = exponent_of(norm);
        Self { frobenius: scaled_back(norm, -exponent), exponent }
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
    let groups = in_groups(&slices, par, |group| scan(group));
    if groups.iter().any(|group| !group.finite) {
        return Err(locate_non_finite(argument, a));
    }
    if let Some(sums) = repeated_entries(argument, a)? {
        return scaled_norm(argument, Input::Dense(MatRef::from_column_major_slice(&sums, sums.len(), 1)), par);
    }
    let max = groups.iter().map(|group| group.max.to_f64()).fold(0.0, f64::max);
    if max == 0.0 {
        return Ok(ScaledNorm::ZERO);
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

/// Maximum, finiteness and squared norm of a group of slices.
struct Scan<T> {
    max: T,
    finite: bool,
    squares: f64,
}

fn scan<T: Real>(slices: &[&[T]]) -> Scan<T> {
    vectorized(
        #[inline(always)]
        || {
            let mut all = Scan { max: T::ZERO, finite: true, squares: 0.0 };
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
        },
    )
}

fn squares<T: Real>(factor: f64, slices: &[&[T]]) -> f64 {
    vectorized(
        #[inline(always)]
        || {
            let mut sum = 0.0;
            for slice in slices {
                sum += sum_of_squares(factor, slice);
            }
            sum
        },
    )
}

/// The entries of A as contiguous slices of the storage, or one by one where the strides leave no other way.
fn stored_slices<T: Real>(a: Input<'_, T>) -> Vec<&[T]> {
    match a {
        Input::Dense(a) => dense_slices(a),
        Input::Csc(a) => (0..a.ncols()).map(|j| a.val_of_col(j)).collect(),
        Input::Csr(a) => (0..a.nrows()).map(|i| a.val_of_row(i)).collect(),
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
    parallel::map(par, slices.chunks(COLUMNS), f)
}

fn locate_non_finite<T: Real>(argument: &'static str, a: Input<'_, T>) -> LinalgError {
    let error = |row, column, value: T| LinalgError::NonFinite { argument, row, column, value: value.to_f64() };
    let found = match a {
        Input::Dense(a) => {
            (0..a.ncols()).flat_map(|j| (0..a.nrows()).map(move |i| (i, j, a[(i, j)]))).find(|(_, _, x)| !x.is_finite())
        }
        Input::Csc(a) => (0..a.ncols())
            .flat_map(|j| a.row_idx_of_col(j).zip(a.val_of_col(j)).map(move |(i, x)| (i, j, *x)))
            .find(|(_, _, x)| !x.is_finite()),
        Input::Csr(a) => (0..a.nrows())
            .flat_map(|i| a.col_idx_of_row(i).zip(a.val_of_row(i)).map(move |(j, x)| (i, j, *x)))
            .find(|(_, _, x)| !x.is_finite()),
    };
    // The caller saw such an entry; the fallback names the corner rather than panicking.
    let (row, column, value) = found.unwrap_or((0, 0, T::from_f64(f64::NAN)));
    error(row, column, value)
}

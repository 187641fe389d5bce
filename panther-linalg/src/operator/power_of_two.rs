//! Scaling by powers of two, which is exact unless the result leaves the range of the type.

use faer::{Mat, MatRef};
use panther_sketch::Real;

use crate::LinalgError;
use crate::kernels::scale_matrix;

/// 2^exponent, also where that is subnormal.
pub fn power_of_two(exponent: i32) -> f64 {
    2f64.powi(exponent / 2) * 2f64.powi(exponent - exponent / 2)
}

/// ⌊log₂ x⌋ for finite x > 0.
pub fn exponent_of(x: f64) -> i32 {
    let e = (x.log2().floor() as i32).clamp(-1074, 1023);
    if power_of_two(e) > x { e - 1 } else { e }
}

/// x·2^exponent, the largest double where that is more.
pub fn scaled_back(x: f64, exponent: i32) -> f64 {
    (x * power_of_two(exponent / 2) * power_of_two(exponent - exponent / 2)).min(f64::MAX)
}

/// A·2^exponent, stored by columns.
pub(crate) fn scaled_copy<T: Real>(a: MatRef<'_, T>, exponent: i32) -> Mat<T> {
    // Two factors, since 2^exponent alone may leave the range of the type.
    let (first, second) = (T::from_f64(power_of_two(exponent / 2)), T::from_f64(power_of_two(exponent - exponent / 2)));
    let mut out = Mat::zeros(a.nrows(), a.ncols());
    out.copy_from(a);
    if exponent != 0 {
        scale_matrix(first, out.as_mut());
        scale_matrix(second, out.as_mut());
    }
    out
}

/// R·2^exponent, if the type can hold it.
pub(crate) fn rescaled<T: Real>(quantity: &'static str, mut r: Mat<T>, exponent: i32) -> Result<Mat<T>, LinalgError> {
    let (first, second) = (T::from_f64(power_of_two(exponent / 2)), T::from_f64(power_of_two(exponent - exponent / 2)));
    let largest = r.norm_max().to_f64();
    for j in 0..r.ncols() {
        for x in r.col_mut(j).iter_mut() {
            *x = *x * first * second;
        }
    }
    if !r.norm_max().is_finite() {
        let exponent = exponent + exponent_of(largest);
        return Err(LinalgError::Overflow { quantity, exponent, scalar: T::NAME });
    }
    Ok(r)
}

/// σ·2^exponent, if the type can hold it.
pub(crate) fn scale_values<T: Real>(s: &mut [T], exponent: i32) -> Result<(), LinalgError> {
    let (first, second) = (T::from_f64(power_of_two(exponent / 2)), T::from_f64(power_of_two(exponent - exponent / 2)));
    let largest = s.first().map_or(0.0, |s| s.to_f64());
    for s in &mut *s {
        *s = *s * first * second;
    }
    match s.first() {
        Some(first) if !first.is_finite() => Err(LinalgError::Overflow {
            quantity: "the largest singular value",
            exponent: exponent + exponent_of(largest),
            scalar: T::NAME,
        }),
        _ => Ok(()),
    }
}

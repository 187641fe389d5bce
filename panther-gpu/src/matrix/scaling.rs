//! Powers of two that bring a matrix near one, and back.

use panther_linalg::rules::{exponent_of, power_of_two};
use panther_linalg::{LinalgError, ScaledNorm};

use crate::matrix::norms::survey;
use crate::{DeviceReal, GpuError, Matrix, MatrixMut, MatrixRef};

/// Two factors whose product is 2^exponent, which alone may leave the range of the type.
fn factors<T: DeviceReal>(exponent: i32) -> [T; 2] {
    [exponent / 2, exponent - exponent / 2].map(|half| T::from_f64(power_of_two(half)))
}

/// x·2^exponent in place.
pub(crate) fn scale_by_power<T: DeviceReal>(mut x: MatrixMut<'_, T>, exponent: i32) -> Result<(), GpuError> {
    if exponent == 0 {
        return Ok(());
    }
    factors(exponent).into_iter().try_for_each(|factor| x.scale(factor))
}

/// Numbers of the host times 2^exponent in place.
pub(crate) fn scale_values_by_power<T: DeviceReal>(x: &mut [T], exponent: i32) {
    let [first, second] = factors::<T>(exponent);
    x.iter_mut().for_each(|x| *x = *x * first * second);
}

/// A·2^exponent.
pub(crate) fn scaled_copy<T: DeviceReal>(a: MatrixRef<'_, T>, exponent: i32) -> Result<Matrix<T>, GpuError> {
    let mut copy = a.to_owned()?;
    scale_by_power(copy.as_mut(), exponent)?;
    Ok(copy)
}

/// A, or a copy of about unit size where its squares would leave the range of the type.
pub(crate) enum NearOne<'a, T> {
    /// As it is.
    Itself(MatrixRef<'a, T>),
    /// A·2^−exponent.
    Copy(Matrix<T>, i32),
}

impl<'a, T: DeviceReal> NearOne<'a, T> {
    pub(crate) fn new(a: MatrixRef<'a, T>, size: &ScaledNorm) -> Result<Self, GpuError> {
        // A quarter of the exponents on either side leaves room for squares.
        if size.exponent.abs() <= T::MIN_POSITIVE.to_f64().log2().abs() as i32 / 4 {
            return Ok(Self::Itself(a));
        }
        Ok(Self::Copy(scaled_copy(a, -size.exponent)?, size.exponent))
    }

    pub(crate) fn view(&self) -> MatrixRef<'_, T> {
        match self {
            Self::Itself(a) => *a,
            Self::Copy(a, _) => a.as_ref(),
        }
    }

    /// The power of two that was taken out.
    pub(crate) fn exponent(&self) -> i32 {
        match self {
            Self::Itself(_) => 0,
            Self::Copy(_, exponent) => *exponent,
        }
    }

    /// ‖A·2^−exponent‖_F.
    pub(crate) fn frobenius(&self, size: &ScaledNorm) -> f64 {
        match self {
            Self::Itself(_) => size.norm(),
            Self::Copy(..) => size.frobenius,
        }
    }
}

/// R·2^exponent in place, if the type can hold it.
pub(crate) fn rescale<T: DeviceReal>(
    quantity: &'static str,
    mut r: MatrixMut<'_, T>,
    exponent: i32,
) -> Result<(), GpuError> {
    if exponent == 0 {
        return Ok(());
    }
    let largest = survey(r.rb(), 1.0)?.largest;
    scale_by_power(r.rb_mut(), exponent)?;
    let highest = (T::from_f64(2.0) - T::EPSILON).to_f64() * power_of_two(-exponent_of(T::MIN_POSITIVE.to_f64()) + 1);
    if largest > highest * power_of_two(-exponent / 2) * power_of_two(-(exponent - exponent / 2)) {
        let exponent = exponent + exponent_of(largest);
        return Err(LinalgError::Overflow { quantity, exponent, scalar: T::NAME }.into());
    }
    Ok(())
}

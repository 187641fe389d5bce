//! The scalar types of tensors.

#[cfg(feature = "cuda")]
use panther_gpu::DeviceReal as Real;
#[cfg(not(feature = "cuda"))]
use panther_sketch::Real;

use crate::exponential::{exp_f32, exp_f64};

/// `f32` or `f64` with the functions that layers need beside arithmetic.
pub trait Scalar: Real {
    /// The most negative finite number.
    const LOWEST: Self;
    /// e^x to 2 ulp, 0 where it lies below four times the smallest normal number. Loops of it become vector code.
    fn exp(self) -> Self;
    /// ln x.
    fn ln(self) -> Self;
    /// tanh x.
    fn tanh(self) -> Self;
    /// The error function.
    fn erf(self) -> Self;
    /// sin x.
    fn sin(self) -> Self;
    /// cos x.
    fn cos(self) -> Self;
    /// The larger of two values; `other` where one of them is NaN.
    fn larger(self, other: Self) -> Self;
    /// max(x, 0), and NaN where x is.
    fn relu(self) -> Self;
}

macro_rules! scalar {
    ($t:ty, $exp:path, $erf:path) => {
        impl Scalar for $t {
            const LOWEST: Self = <$t>::MIN;
            #[inline(always)]
            fn exp(self) -> Self {
                $exp(self)
            }
            #[inline(always)]
            fn ln(self) -> Self {
                <$t>::ln(self)
            }
            #[inline(always)]
            fn tanh(self) -> Self {
                <$t>::tanh(self)
            }
            #[inline(always)]
            fn erf(self) -> Self {
                $erf(self)
            }
            #[inline(always)]
            fn sin(self) -> Self {
                <$t>::sin(self)
            }
            #[inline(always)]
            fn cos(self) -> Self {
                <$t>::cos(self)
            }
            #[inline(always)]
            fn larger(self, other: Self) -> Self {
                if self > other { self } else { other }
            }
            #[inline(always)]
            fn relu(self) -> Self {
                // No comparison holds for a NaN.
                if self <= 0.0 { 0.0 } else { self }
            }
        }
    };
}

scalar!(f32, exp_f32, libm::erff);
scalar!(f64, exp_f64, libm::erf);

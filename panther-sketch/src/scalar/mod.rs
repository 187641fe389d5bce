//! The two scalar types that everything is written for.

mod box_muller;

use faer::traits::RealField;

use box_muller::{box_muller_f32, box_muller_f64};

pub(crate) mod sealed {
    /// What the kernels need of a scalar beside arithmetic. Every function is branch-free, so that
    /// a loop over lanes becomes vector code.
    pub trait Sealed: Sized {
        /// The two Gaussian values of one word, times `scale`.
        fn box_muller(hi: u32, lo: u32, scale: Self) -> (Self, Self);
        /// (2(w+½)2⁻³² − 1)·`scale`.
        fn uniform(w: u32, scale: Self) -> Self;
        /// −self if bit 0 of `sign` is set, otherwise self.
        fn with_sign(self, sign: u32) -> Self;
    }
}

/// `f32` or `f64`: faer's real field with the conversions that the sketches need.
pub trait Real: RealField + Copy + Send + Sync + sealed::Sealed + 'static {
    /// Spacing of the type at one: 2⁻²³ or 2⁻⁵².
    const EPSILON: Self;
    /// 0.
    const ZERO: Self;
    /// 1.
    const ONE: Self;
    /// The smallest positive normal value.
    const MIN_POSITIVE: Self;
    /// `"f32"` or `"f64"`, the name that numpy gives the type too.
    const NAME: &'static str;

    /// The nearest value of this type.
    fn from_f64(x: f64) -> Self;
    /// The same value in double precision.
    fn to_f64(self) -> f64;
    /// √x.
    fn sqrt(self) -> Self;
    /// |x|.
    fn abs(self) -> Self;
    /// self·a + b, rounded once.
    fn mul_add(self, a: Self, b: Self) -> Self;
    /// Neither infinite nor NaN.
    fn is_finite(self) -> bool;
}

macro_rules! real {
    ($t:ty, $bits:ty, $name:literal, $box_muller:ident) => {
        impl sealed::Sealed for $t {
            #[inline(always)]
            fn box_muller(hi: u32, lo: u32, scale: Self) -> (Self, Self) {
                $box_muller(hi, lo, scale)
            }
            #[inline(always)]
            fn uniform(w: u32, scale: Self) -> Self {
                // 2(w+½)2⁻³² − 1 = (s+½)2⁻³¹ for the signed integer s = w − 2³¹, which is w with
                // its top bit flipped.
                let s = (w ^ 0x8000_0000).cast_signed();
                (s as $t + 0.5) * (scale * (1.0 / 2_147_483_648.0))
            }
            #[inline(always)]
            fn with_sign(self, sign: u32) -> Self {
                <$t>::from_bits(self.to_bits() ^ (<$bits>::from(sign) << (<$bits>::BITS - 1)))
            }
        }

        impl Real for $t {
            const EPSILON: Self = <$t>::EPSILON;
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            const MIN_POSITIVE: Self = <$t>::MIN_POSITIVE;
            const NAME: &'static str = $name;

            #[inline(always)]
            fn from_f64(x: f64) -> Self {
                x as $t
            }
            #[inline(always)]
            fn to_f64(self) -> f64 {
                f64::from(self)
            }
            #[inline(always)]
            fn sqrt(self) -> Self {
                <$t>::sqrt(self)
            }
            #[inline(always)]
            fn abs(self) -> Self {
                <$t>::abs(self)
            }
            #[inline(always)]
            fn mul_add(self, a: Self, b: Self) -> Self {
                <$t>::mul_add(self, a, b)
            }
            #[inline(always)]
            fn is_finite(self) -> bool {
                <$t>::is_finite(self)
            }
        }
    };
}

real!(f32, u32, "f32", box_muller_f32);
real!(f64, u64, "f64", box_muller_f64);

//! The floating-point types of files.

use half::{bf16, f16};
use safetensors::Dtype;

use crate::Scalar;

/// A type that values are read from and written as, little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FloatType {
    /// IEEE half precision.
    F16,
    /// The upper half of single precision.
    Bf16,
    /// Single precision.
    F32,
    /// Double precision.
    F64,
}

impl FloatType {
    /// The type that safetensors calls so, if it is one of these.
    #[must_use]
    pub const fn from_dtype(dtype: Dtype) -> Option<Self> {
        match dtype {
            Dtype::F16 => Some(Self::F16),
            Dtype::BF16 => Some(Self::Bf16),
            Dtype::F32 => Some(Self::F32),
            Dtype::F64 => Some(Self::F64),
            _ => None,
        }
    }

    /// What safetensors calls it.
    #[must_use]
    pub const fn dtype(self) -> Dtype {
        match self {
            Self::F16 => Dtype::F16,
            Self::Bf16 => Dtype::BF16,
            Self::F32 => Dtype::F32,
            Self::F64 => Dtype::F64,
        }
    }

    /// Its name in files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::F16 => "F16",
            Self::Bf16 => "BF16",
            Self::F32 => "F32",
            Self::F64 => "F64",
        }
    }

    /// Bytes of a number.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Self::F16 | Self::Bf16 => 2,
            Self::F32 => 4,
            Self::F64 => 8,
        }
    }

    /// The type of the values that are computed with.
    #[must_use]
    pub fn of<T: Scalar>() -> Self {
        if size_of::<T>() == Self::F32.bytes() { Self::F32 } else { Self::F64 }
    }

    /// The nearest number of this type.
    #[must_use]
    pub fn rounded<T: Scalar>(self, x: T) -> T {
        let x = x.to_f64();
        T::from_f64(match self {
            Self::F16 => f16::from_f64(x).to_f64(),
            Self::Bf16 => bf16::from_f64(x).to_f64(),
            Self::F32 => f64::from(x as f32),
            Self::F64 => x,
        })
    }

    /// The values that these bytes stand for, rounded to T.
    pub(crate) fn decode<T: Scalar>(self, bytes: &[u8]) -> Vec<T> {
        match self {
            Self::F16 => values(bytes, |b| f16::from_le_bytes(b).to_f64()),
            Self::Bf16 => values(bytes, |b| bf16::from_le_bytes(b).to_f64()),
            Self::F32 => values(bytes, |b| f64::from(f32::from_le_bytes(b))),
            Self::F64 => values(bytes, f64::from_le_bytes),
        }
    }

    /// The bytes that stand for these values, each rounded once.
    pub(crate) fn encode<T: Scalar>(self, values: &[T]) -> Vec<u8> {
        let values = values.iter().map(|x| x.to_f64());
        match self {
            Self::F16 => values.flat_map(|x| f16::from_f64(x).to_le_bytes()).collect(),
            Self::Bf16 => values.flat_map(|x| bf16::from_f64(x).to_le_bytes()).collect(),
            Self::F32 => values.flat_map(|x| (x as f32).to_le_bytes()).collect(),
            Self::F64 => values.flat_map(f64::to_le_bytes).collect(),
        }
    }
}

fn values<T: Scalar, const N: usize>(bytes: &[u8], number: impl Fn([u8; N]) -> f64) -> Vec<T> {
    bytes.as_chunks().0.iter().map(|b| T::from_f64(number(*b))).collect()
}

//! What the sparse families share.

use crate::GpuError;

/// Nonzeros of a sparse operator that are held at a time where no lists are made of them, unless one coordinate or row has more.
pub(super) const WINDOW: usize = 1 << 22;

/// Indices that kernels keep in 32 bits, one of them for a sign.
pub(super) fn below_2_31(argument: &'static str, got: usize) -> Result<(), GpuError> {
    if got < 1 << 31 { Ok(()) } else { Err(GpuError::shape("sketch", argument, "below 2³¹", got.to_string())) }
}

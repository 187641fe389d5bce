//! Sizes that libraries and kernels count in 31 bits, checked before any work.

use crate::GpuError;

/// The largest number that an `int` of C holds.
const MOST: usize = i32::MAX as usize;

/// Blocks of a launch in its second and in its third direction.
const MOST_BLOCKS_ACROSS: usize = 65535;

fn at_most(limit: usize, operation: &'static str, argument: &'static str, got: usize) -> Result<u32, GpuError> {
    if got <= limit { Ok(got as u32) } else { Err(GpuError::TooLarge { operation, argument, limit, got }) }
}

/// An extent of a matrix as LAPACK's interface takes it.
pub(crate) fn int(operation: &'static str, argument: &'static str, got: usize) -> Result<i32, GpuError> {
    at_most(MOST, operation, argument, got).map(|got| got as i32)
}

/// An extent that kernels keep in 32 bits, one of them for a sign.
pub(crate) fn index(operation: &'static str, argument: &'static str, got: usize) -> Result<(), GpuError> {
    at_most(MOST, operation, argument, got).map(drop)
}

/// Blocks of a launch in its first direction; `argument` is what there are so many blocks for.
pub(crate) fn blocks(operation: &'static str, argument: &'static str, got: usize) -> Result<u32, GpuError> {
    at_most(MOST, operation, argument, got)
}

/// Blocks of a launch in its second or third direction, each of which takes `each` of what there are `got` of.
pub(crate) fn blocks_across(
    operation: &'static str,
    argument: &'static str,
    got: usize,
    each: usize,
) -> Result<u32, GpuError> {
    at_most(MOST_BLOCKS_ACROSS * each, operation, argument, got).map(|_| got.div_ceil(each) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_beyond_31_bits_are_refused_by_name() {
        assert_eq!(int("qr", "rows of a", MOST), Ok(i32::MAX));
        assert_eq!(blocks_across("qr", "rows of a", 2 * 65535, 2), Ok(65535));
        let error = int("qr", "rows of a", MOST + 1).unwrap_err();
        assert_eq!(error.to_string(), "qr: rows of a must be at most 2147483647, got 2147483648");
        assert!(blocks_across("qr", "rows of a", 2 * 65535 + 1, 2).is_err());
    }
}

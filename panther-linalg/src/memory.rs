//! Whether memory suffices, asked before the work.

use crate::LinalgError;

/// An error unless `elements` values of type T can be had at once. Nothing stays allocated.
///
/// The system grants an allocation that exceeds its limits or all of its memory to nobody, so a trial tells; what other
/// programs take later cannot be known.
pub(crate) fn check_memory<T>(operation: &'static str, elements: f64) -> Result<(), LinalgError> {
    let bytes = elements * size_of::<T>() as f64;
    let fits = bytes < isize::MAX as f64 && Vec::<u8>::new().try_reserve_exact(bytes as usize).is_ok();
    if fits { Ok(()) } else { Err(LinalgError::OutOfMemory { operation, bytes: bytes as u128 }) }
}

//! Copies of results on the host.

use crate::GpuError;

/// A result whose matrices are on a device.
pub trait ToHost {
    /// The same result with matrices on the host.
    type Host;

    /// A copy on the host.
    ///
    /// # Errors
    /// [`GpuError::Call`].
    fn to_host(&self) -> Result<Self::Host, GpuError>;
}

//! Page-locked memory of the host, which a device reads and writes by itself.

use std::ffi::c_void;
use std::ptr;
use std::slice;

use cudarc::driver::result::{free_host, malloc_host};
use cudarc::driver::{CudaEvent, CudaStream};

use crate::error::{Named, allocated};
use crate::{DeviceNumber, GpuError};

/// Bytes of a piece: its copy takes much longer than asking for it.
pub(crate) const PIECE: usize = 8 << 20;

/// Two pieces, used in turn.
pub(crate) struct Staging {
    pub(crate) pieces: [Piece; 2],
}

pub(crate) struct Piece {
    /// `PIECE` bytes that are never moved.
    memory: *mut c_void,
    /// Behind the last copy from it or to it.
    pub(crate) copied: CudaEvent,
}

// SAFETY: page-locked memory may be used by any thread.
unsafe impl Send for Piece {}

impl Piece {
    pub(crate) fn new(stream: &CudaStream) -> Result<Self, GpuError> {
        let copied = stream.context().new_event(None).named("cuEventCreate")?;
        // SAFETY: freed when the piece is dropped, and zeroed before it is seen as numbers.
        let memory = allocated(unsafe { malloc_host(PIECE, 0) }, PIECE)?;
        // SAFETY: so many bytes were just allocated.
        unsafe { ptr::write_bytes(memory.cast::<u8>(), 0, PIECE) };
        Ok(Self { memory, copied })
    }

    /// Its first `len` numbers, once nothing is copied any more.
    pub(crate) fn numbers<T: DeviceNumber>(&mut self, len: usize) -> Result<&mut [T], GpuError> {
        assert!(len <= PIECE / size_of::<T>(), "a piece holds so many");
        self.copied.synchronize().named("cuEventSynchronize")?;
        // SAFETY: they fit, pages are aligned for any number, all bytes were written, and nobody else uses them.
        Ok(unsafe { slice::from_raw_parts_mut(self.memory.cast(), len) })
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        // What is still copied must not be freed. Errors belong to work that has reported them, or never will.
        let _ = self.copied.synchronize();
        // SAFETY: allocated by `new`, and not used any more.
        let _ = unsafe { free_host(self.memory) };
    }
}

//! Memory for buffers, which a graph that is being recorded owns too.

use std::sync::Arc;

use crate::error::allocated;
use crate::runtime::pool::Memory;
use crate::{Device, GpuError};

impl Device {
    /// Allocates this number of bytes, at least one, so that an empty buffer has an address too.
    pub(crate) fn take_memory(&self, bytes: usize) -> Result<Arc<Memory>, GpuError> {
        self.check_turn()?;
        if let Some(recording) = &mut *self.recording() {
            return recording.take(self.stream(), bytes);
        }
        // SAFETY: only kernels and copies of this crate read it, after another has written it.
        allocated(unsafe { self.stream().alloc(bytes) }, bytes).map(Arc::new)
    }

    /// While a graph is recorded, makes it an owner of this memory.
    pub(crate) fn keep_memory(&self, memory: &Arc<Memory>) {
        if let Some(recording) = &mut *self.recording() {
            recording.keep(self.stream(), memory);
        }
    }

    /// While a graph is recorded, leaves memory that a buffer no longer needs to the buffers to come.
    pub(crate) fn leave_memory(&self, memory: &Arc<Memory>) {
        if let Some(recording) = &mut *self.recording() {
            let address = recording.keep(self.stream(), memory);
            // Owned by the buffer that goes and by the recording, and by no other graph.
            if recording.made.contains(&address) && Arc::strong_count(memory) == 2 {
                recording.free.entry(memory.len()).or_default().push(Arc::clone(memory));
            }
        }
    }
}

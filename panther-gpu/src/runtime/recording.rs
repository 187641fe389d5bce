//! What is known of memory while a graph is recorded.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::thread::ThreadId;

use cudarc::driver::result::{malloc_async, malloc_sync};
use cudarc::driver::{CudaStream, DevicePtr};

use crate::GpuError;
use crate::error::{Named, allocated};
use crate::runtime::pool::{Memory, Pointer};

/// What a recording knows of memory.
pub(crate) struct Recording {
    pub(crate) thread: ThreadId,
    /// Allocates: what the stream that is recorded allocates would be the graph's alone.
    pub(crate) side: Arc<CudaStream>,
    /// What the recorded work reads or writes, by its address.
    pub(crate) kept: HashMap<Pointer, Arc<Memory>>,
    /// What was allocated meanwhile, by its address. Other memory holds numbers that each launch is to find again.
    pub(crate) made: HashSet<Pointer>,
    /// What of it is free again, by its size in bytes.
    pub(crate) free: HashMap<usize, Vec<Arc<Memory>>>,
}

impl Recording {
    pub(crate) fn take(&mut self, stream: &Arc<CudaStream>, bytes: usize) -> Result<Arc<Memory>, GpuError> {
        if let Some(memory) = self.free.get_mut(&bytes).and_then(Vec::pop) {
            return Ok(memory);
        }
        let context = stream.context();
        context.bind_to_thread().named("cuCtxSetCurrent")?;
        // SAFETY: as for any other buffer; `end` waits until the memory is there.
        let address = unsafe {
            if context.has_async_alloc() { malloc_async(self.side.cu_stream(), bytes) } else { malloc_sync(bytes) }
        };
        let address = allocated(address, bytes)?;
        self.made.insert(address);
        // SAFETY: the memory was just allocated and has no other owner.
        Ok(Arc::new(unsafe { stream.upgrade_device_ptr(address, bytes) }))
    }

    pub(crate) fn keep(&mut self, stream: &Arc<CudaStream>, memory: &Arc<Memory>) -> Pointer {
        let (address, _) = memory.device_ptr(stream);
        self.kept.entry(address).or_insert_with(|| Arc::clone(memory));
        address
    }
}

//! How much memory of a device there is, and how much is in use.

use cudarc::driver::CudaContext;
use cudarc::driver::sys::{
    CUmemPool_attribute, CUmemoryPool, cuDeviceGetDefaultMemPool, cuMemPoolGetAttribute, cuMemPoolSetAttribute,
    cuMemPoolTrimTo,
};

use crate::error::Named;
use crate::{Device, GpuError};

impl Device {
    /// Free and total memory of the device in bytes. What this process has freed and keeps for later counts as used.
    ///
    /// # Errors
    /// [`GpuError::Call`].
    pub fn memory(&self) -> Result<(usize, usize), GpuError> {
        self.stream().context().mem_get_info().named("cuMemGetInfo")
    }

    /// Gives memory that was freed back to the system; it is otherwise kept for the next allocation.
    ///
    /// # Errors
    /// [`GpuError::Call`].
    pub fn release_memory(&self) -> Result<(), GpuError> {
        self.synchronize()?;
        let Some(pool) = pool(self.stream().context())? else { return Ok(()) };
        // SAFETY: the pool belongs to the device.
        unsafe { cuMemPoolTrimTo(pool, 0) }.result().named("cuMemPoolTrimTo")
    }

    /// Bytes of the device that this process has allocated and not freed, by whichever handle of the device; waits for it.
    ///
    /// # Errors
    /// [`GpuError::Call`].
    pub fn used_memory(&self) -> Result<usize, GpuError> {
        self.synchronize()?;
        match pool(self.stream().context())? {
            Some(pool) => attribute(pool, CUmemPool_attribute::CU_MEMPOOL_ATTR_USED_MEM_CURRENT),
            None => self.memory().map(|(free, total)| total - free),
        }
    }

    /// The most bytes that are allocated at a time while `work` runs, by whichever handle of the device, beyond those that were before it.
    /// What a library takes for itself on first use does not count. Where the driver has no memory pools, what is held afterwards.
    ///
    /// The mark is the process's: one within another, or on two threads at a time, is not told apart.
    ///
    /// # Errors
    /// What `work` returns, and [`GpuError::Call`].
    pub fn peak_memory_of<E: From<GpuError>>(&self, work: impl FnOnce() -> Result<(), E>) -> Result<usize, E> {
        const PEAK: CUmemPool_attribute = CUmemPool_attribute::CU_MEMPOOL_ATTR_USED_MEM_HIGH;
        let before = self.used_memory()?;
        let pool = pool(self.stream().context())?;
        if let Some(pool) = pool {
            set_attribute(pool, PEAK, 0)?;
        }
        work()?;
        let peak = match pool {
            Some(pool) => attribute(pool, PEAK)?,
            None => self.used_memory()?,
        };
        Ok(peak.saturating_sub(before))
    }
}

/// Where memory is allocated from; `None` where the driver has no pools for this device.
fn pool(context: &CudaContext) -> Result<Option<CUmemoryPool>, GpuError> {
    if !context.has_async_alloc() {
        return Ok(None);
    }
    let mut pool = std::ptr::null_mut();
    // SAFETY: the out-pointer lives through the call.
    unsafe { cuDeviceGetDefaultMemPool(&raw mut pool, context.cu_device()) }
        .result()
        .named("cuDeviceGetDefaultMemPool")?;
    Ok(Some(pool))
}

/// Freed memory stays with the process, so that the next allocation does not wait for the system.
pub(crate) fn keep_freed_memory(context: &CudaContext) -> Result<(), GpuError> {
    match pool(context)? {
        Some(pool) => set_attribute(pool, CUmemPool_attribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, u64::MAX),
        None => Ok(()),
    }
}

/// A number of bytes.
fn attribute(pool: CUmemoryPool, name: CUmemPool_attribute) -> Result<usize, GpuError> {
    let mut bytes = 0_u64;
    // SAFETY: the out-pointer lives through the call, and attributes of bytes are 64-bit numbers.
    unsafe { cuMemPoolGetAttribute(pool, name, (&raw mut bytes).cast()) }.result().named("cuMemPoolGetAttribute")?;
    Ok(bytes as usize)
}

fn set_attribute(pool: CUmemoryPool, name: CUmemPool_attribute, mut bytes: u64) -> Result<(), GpuError> {
    // SAFETY: the pointer lives through the call, and attributes of bytes are 64-bit numbers.
    unsafe { cuMemPoolSetAttribute(pool, name, (&raw mut bytes).cast()) }.result().named("cuMemPoolSetAttribute")
}

//! How much memory of a device there is, and how much is in use.

use cudarc::driver::sys::{CUmemPool_attribute, cuMemPoolTrimTo};

use crate::error::Named;
use crate::runtime::pool::{attribute, pool, set_attribute};
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

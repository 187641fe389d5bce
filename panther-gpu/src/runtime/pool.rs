//! The memory pool that a device's allocations come from.

use cudarc::driver::sys::{
    CUmemPool_attribute, CUmemoryPool, cuDeviceGetDefaultMemPool, cuMemPoolGetAttribute, cuMemPoolSetAttribute,
};
use cudarc::driver::{CudaContext, CudaSlice};

use crate::GpuError;
use crate::error::Named;

/// What a buffer lies in. The graphs that work with it own it too.
pub(crate) type Memory = CudaSlice<u8>;

/// An address in the memory of a device, as kernels take it.
pub(crate) type Pointer = u64;

/// Where memory is allocated from; `None` where the driver has no pools for this device.
pub(crate) fn pool(context: &CudaContext) -> Result<Option<CUmemoryPool>, GpuError> {
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
pub(crate) fn attribute(pool: CUmemoryPool, name: CUmemPool_attribute) -> Result<usize, GpuError> {
    let mut bytes = 0_u64;
    // SAFETY: the out-pointer lives through the call, and attributes of bytes are 64-bit numbers.
    unsafe { cuMemPoolGetAttribute(pool, name, (&raw mut bytes).cast()) }.result().named("cuMemPoolGetAttribute")?;
    Ok(bytes as usize)
}

pub(crate) fn set_attribute(pool: CUmemoryPool, name: CUmemPool_attribute, mut bytes: u64) -> Result<(), GpuError> {
    // SAFETY: the pointer lives through the call, and attributes of bytes are 64-bit numbers.
    unsafe { cuMemPoolSetAttribute(pool, name, (&raw mut bytes).cast()) }.result().named("cuMemPoolSetAttribute")
}

//! Memory of a device.

use cudarc::driver::{CudaSlice, CudaView, DevicePtr, DeviceRepr, ValidAsZeroBits};

use crate::error::{Named, allocated};
use crate::{Device, GpuError};

/// Numbers in the memory of a device, freed in the order of its stream.
#[derive(Debug)]
pub struct Buffer<T> {
    device: Device,
    slice: CudaSlice<T>,
    len: usize,
}

/// An address in the memory of a device, as kernels take it.
pub(crate) type Pointer = u64;

impl<T: DeviceRepr + ValidAsZeroBits> Buffer<T> {
    /// Room for `len` numbers, which must be written before they are read.
    pub(crate) fn uninitialized(device: &Device, len: usize) -> Result<Self, GpuError> {
        // An empty buffer has an address too.
        let room = len.max(1);
        let bytes = room.saturating_mul(size_of::<T>());
        if isize::try_from(bytes).is_err() {
            return Err(GpuError::OutOfMemory { bytes });
        }
        // SAFETY: only kernels and copies of this crate read it, after another has written it.
        let slice = allocated(unsafe { device.stream().alloc(room) }, bytes)?;
        Ok(Self { device: device.clone(), slice, len })
    }

    /// `len` zeros.
    ///
    /// # Errors
    /// [`GpuError::OutOfMemory`], [`GpuError::Call`].
    pub fn zeros(device: &Device, len: usize) -> Result<Self, GpuError> {
        let mut buffer = Self::uninitialized(device, len)?;
        device.stream().memset_zeros(&mut buffer.slice).named("cuMemsetD8Async")?;
        Ok(buffer)
    }

    /// A copy of numbers of the host.
    ///
    /// # Errors
    /// As [`zeros`](Self::zeros).
    pub fn from_host(device: &Device, numbers: &[T]) -> Result<Self, GpuError> {
        let mut buffer = Self::uninitialized(device, numbers.len())?;
        if !numbers.is_empty() {
            device.stream().memcpy_htod(numbers, &mut buffer.slice).named("cuMemcpyHtoDAsync")?;
        }
        Ok(buffer)
    }

    /// The numbers, once everything asked for before is done.
    ///
    /// # Errors
    /// [`GpuError::Call`] with whatever went wrong before.
    pub fn to_host(&self) -> Result<Vec<T>, GpuError> {
        self.part_to_host(0, self.len)
    }

    /// `count` numbers from number `start` on, as [`to_host`](Self::to_host).
    pub(crate) fn part_to_host(&self, start: usize, count: usize) -> Result<Vec<T>, GpuError> {
        if count == 0 {
            return Ok(Vec::new());
        }
        let part = self.slice.try_slice(start..start + count).ok_or_else(|| {
            GpuError::shape("to_host", "range", format!("within {}", self.len), format!("{start}+{count}"))
        })?;
        let numbers = self.device.stream().clone_dtoh(&part).named("cuMemcpyDtoHAsync")?;
        self.device.synchronize()?;
        Ok(numbers)
    }

    /// A copy on the device.
    ///
    /// # Errors
    /// As [`zeros`](Self::zeros).
    pub fn try_clone(&self) -> Result<Self, GpuError> {
        let mut copy = Self::uninitialized(&self.device, self.len)?;
        self.device.stream().memcpy_dtod(&self.slice, &mut copy.slice).named("cuMemcpyDtoDAsync")?;
        Ok(copy)
    }

    /// How many numbers there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The device it is of.
    #[must_use]
    pub const fn device(&self) -> &Device {
        &self.device
    }

    /// The address of number `index`.
    pub(crate) fn at(&self, index: usize) -> Pointer {
        let view: CudaView<'_, T> = self.slice.as_view();
        let (address, _) = view.device_ptr(self.device.stream());
        address + (index * size_of::<T>()) as Pointer
    }

    /// The address of the first number.
    pub(crate) fn pointer(&self) -> Pointer {
        self.at(0)
    }
}

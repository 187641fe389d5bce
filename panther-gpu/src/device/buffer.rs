//! Memory of a device.

use std::marker::PhantomData;
use std::sync::Arc;

use cudarc::driver::DevicePtr;
use cudarc::driver::result::{memcpy_dtod_async, memcpy_htod_async, memset_d8_async};

use crate::device::unwritten::Unwritten;
use crate::error::Named;
use crate::runtime::pool::{Memory, Pointer};
use crate::{Device, DeviceNumber, GpuError};

/// Numbers in the memory of a device, freed in the order of its stream.
#[derive(Debug)]
pub struct Buffer<T> {
    device: Device,
    memory: Arc<Memory>,
    len: usize,
    numbers: PhantomData<T>,
}

/// Bytes from which on a copy from the host goes through page-locked memory. A shorter one the driver takes over at once, without
/// waiting for the one before.
const STAGED_BYTES: usize = 1 << 20;

impl<T: DeviceNumber> Buffer<T> {
    /// Room for `len` numbers, which must be written before they are read.
    pub(crate) fn uninitialized(device: &Device, len: usize) -> Result<Self, GpuError> {
        // An empty buffer has an address too.
        let bytes = len.max(1).saturating_mul(size_of::<T>());
        if isize::try_from(bytes).is_err() {
            return Err(GpuError::OutOfMemory { bytes });
        }
        Ok(Self { device: device.clone(), memory: device.take_memory(bytes)?, len, numbers: PhantomData })
    }

    /// `len` zeros.
    ///
    /// # Errors
    /// [`GpuError::OutOfMemory`], [`GpuError::Call`].
    pub fn zeros(device: &Device, len: usize) -> Result<Self, GpuError> {
        let buffer = Self::uninitialized(device, len)?;
        if len > 0 {
            let stream = device.raw_stream()?;
            // SAFETY: the memory is as long, and is freed behind this in the stream.
            unsafe { memset_d8_async(buffer.pointer(), 0, buffer.bytes(), stream) }.named("cuMemsetD8Async")?;
        }
        Ok(buffer)
    }

    /// A copy of numbers of the host.
    ///
    /// # Errors
    /// As [`zeros`](Self::zeros).
    pub fn from_host(device: &Device, numbers: &[T]) -> Result<Self, GpuError> {
        let buffer = Self::uninitialized(device, numbers.len())?;
        buffer.copy_from_host(numbers)?;
        Ok(buffer)
    }

    /// Takes over numbers of the host, in place: what a [`Graph`](crate::Graph) reads next time.
    ///
    /// # Errors
    /// [`GpuError::Shape`] where there are not as many, [`GpuError::NotRecordable`], [`GpuError::Call`].
    pub fn copy_from_host(&self, numbers: &[T]) -> Result<(), GpuError> {
        self.check_len("copy_from_host", numbers.len())?;
        if self.bytes() >= STAGED_BYTES {
            return self.fill_from_host(|start, part| part.copy_from_slice(&numbers[start..][..part.len()]));
        }
        self.refuse_copy_from_host()?;
        if self.len == 0 {
            return Ok(());
        }
        let stream = self.device.raw_stream()?;
        // SAFETY: the memory is as long; the driver has read pageable memory of the host when it returns.
        unsafe { memcpy_htod_async(self.pointer(), numbers, stream) }.named("cuMemcpyHtoDAsync")
    }

    /// Takes over what `fill` writes: it is told a range of the numbers by the first one's index, and may run on any thread.
    pub(crate) fn fill_from_host(&self, fill: impl Fn(usize, &mut [T]) + Sync) -> Result<(), GpuError> {
        self.refuse_copy_from_host()?;
        self.device.upload(self.pointer(), self.len, fill)
    }

    fn refuse_copy_from_host(&self) -> Result<(), GpuError> {
        self.device.refuse_recording("a copy from the host", "the graph would read the host's memory when it runs")
    }

    /// Takes over the numbers of another buffer, in place.
    ///
    /// # Errors
    /// [`GpuError::Shape`] where there are not as many, [`GpuError::Call`].
    pub fn copy_from(&self, other: &Self) -> Result<(), GpuError> {
        self.check_len("copy_from", other.len)?;
        if self.len == 0 {
            return Ok(());
        }
        let stream = self.device.raw_stream()?;
        // SAFETY: both are as long, and are freed behind this in the stream.
        unsafe { memcpy_dtod_async(self.pointer(), other.pointer(), self.bytes(), stream) }.named("cuMemcpyDtoDAsync")
    }

    fn check_len(&self, operation: &'static str, got: usize) -> Result<(), GpuError> {
        if got == self.len {
            return Ok(());
        }
        Err(GpuError::shape(operation, "numbers", format!("{} numbers", self.len), got.to_string()))
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
        let mut numbers = Vec::with_capacity(count);
        let to = Unwritten::new(numbers.as_mut_ptr(), count, count);
        // SAFETY: there is room for all, each piece is written once, and then all were.
        self.hand_over(start, count, |at, piece| unsafe { to.write(at, piece) })?;
        unsafe { numbers.set_len(count) };
        Ok(numbers)
    }

    /// Waits for `count` elements starting at `start`; `take` reads them by ranges, given the first index of each.
    pub(crate) fn hand_over(
        &self,
        start: usize,
        count: usize,
        take: impl Fn(usize, &[T]) + Sync,
    ) -> Result<(), GpuError> {
        if start.checked_add(count).is_none_or(|end| end > self.len) {
            let got = format!("{count} from number {start} on");
            return Err(GpuError::shape("to_host", "range", format!("within {} numbers", self.len), got));
        }
        if count == 0 {
            return Ok(());
        }
        self.device.refuse_recording("a copy to the host", "it waits for the device")?;
        self.device.download(self.at(start), count, take)
    }

    /// A copy on the device.
    ///
    /// # Errors
    /// As [`zeros`](Self::zeros).
    pub fn try_clone(&self) -> Result<Self, GpuError> {
        let copy = Self::uninitialized(&self.device, self.len)?;
        copy.copy_from(self)?;
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

    const fn bytes(&self) -> usize {
        self.len * size_of::<T>()
    }

    /// The address of number `index`, for work that a graph may record.
    pub(crate) fn at(&self, index: usize) -> Pointer {
        self.device.keep_memory(&self.memory);
        let (address, _) = self.memory.device_ptr(self.device.stream());
        address + (index * size_of::<T>()) as Pointer
    }

    pub(crate) const fn memory(&self) -> &Arc<Memory> {
        &self.memory
    }

    /// The address of the first number.
    pub(crate) fn pointer(&self) -> Pointer {
        self.at(0)
    }
}

impl<T> Drop for Buffer<T> {
    fn drop(&mut self) {
        self.device.leave_memory(&self.memory);
    }
}

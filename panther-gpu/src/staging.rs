//! Copies between the host and a device through page-locked memory, which the device reads and writes by itself: while one piece is
//! copied, the host fills or empties the other.

use std::ffi::c_void;
use std::ptr;
use std::slice;

use cudarc::driver::result::{free_host, malloc_host, memcpy_dtoh_async, memcpy_htod_async};
use cudarc::driver::{CudaEvent, CudaStream};
use rayon::prelude::*;

use crate::buffer::{DeviceNumber, Pointer};
use crate::error::Named;
use crate::{Device, GpuError};

/// Bytes of a piece: its copy takes much longer than asking for it.
const PIECE: usize = 8 << 20;

/// Numbers that a thread copies at a time.
const PART: usize = 1 << 16;

/// Two pieces, used in turn.
pub(crate) struct Staging {
    pieces: [Piece; 2],
}

struct Piece {
    /// `PIECE` bytes that are never moved.
    memory: *mut c_void,
    /// Behind the last copy from it or to it.
    copied: CudaEvent,
}

// SAFETY: page-locked memory may be used by any thread.
unsafe impl Send for Piece {}

impl Piece {
    fn new(stream: &CudaStream) -> Result<Self, GpuError> {
        let copied = stream.context().new_event(None).named("cuEventCreate")?;
        // SAFETY: freed when the piece is dropped, and zeroed before it is seen as numbers.
        let memory = unsafe { malloc_host(PIECE, 0) }.named("cuMemHostAlloc")?;
        // SAFETY: so many bytes were just allocated.
        unsafe { ptr::write_bytes(memory.cast::<u8>(), 0, PIECE) };
        Ok(Self { memory, copied })
    }

    /// Its first `len` numbers, once nothing is copied any more.
    fn numbers<T: DeviceNumber>(&mut self, len: usize) -> Result<&mut [T], GpuError> {
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

impl Device {
    /// Copies `len` numbers to `to`: `fill` is told a range by its first number, and writes it, on any thread. What it wrote was
    /// read when this returns, or will be from memory of the device's own.
    pub(crate) fn upload<T: DeviceNumber>(
        &self,
        to: Pointer,
        len: usize,
        fill: impl Fn(usize, &mut [T]) + Sync,
    ) -> Result<(), GpuError> {
        let stream = self.raw_stream()?;
        let mut staging = self.take_staging()?;
        let whole = PIECE / size_of::<T>();
        for (turn, start) in (0..len).step_by(whole).enumerate() {
            let piece = &mut staging.pieces[turn % 2];
            let numbers = piece.numbers(whole.min(len - start))?;
            numbers.par_chunks_mut(PART).enumerate().for_each(|(part, numbers)| fill(start + part * PART, numbers));
            let at = to + (start * size_of::<T>()) as Pointer;
            // SAFETY: the caller's memory is as long, and the piece is not touched before the event behind this.
            unsafe { memcpy_htod_async(at, numbers, stream) }.named("cuMemcpyHtoDAsync")?;
            piece.copied.record(self.stream()).named("cuEventRecord")?;
        }
        self.leave_staging(staging);
        Ok(())
    }

    /// Copies `len` numbers from `from`, once everything asked for before is done: `take` is told a range by its first number, and reads it,
    /// on any thread.
    pub(crate) fn download<T: DeviceNumber>(
        &self,
        from: Pointer,
        len: usize,
        take: impl Fn(usize, &[T]) + Sync,
    ) -> Result<(), GpuError> {
        let stream = self.raw_stream()?;
        let mut staging = self.take_staging()?;
        let whole = PIECE / size_of::<T>();
        let turns = len.div_ceil(whole);
        let count = |turn: usize| whole.min(len - turn * whole);
        for turn in 0..=turns {
            // The next one is copied while the last is emptied.
            if turn < turns {
                let piece = &mut staging.pieces[turn % 2];
                let at = from + (turn * whole * size_of::<T>()) as Pointer;
                // SAFETY: the caller's memory is as long, and the piece is not touched before the event behind this.
                unsafe { memcpy_dtoh_async(piece.numbers::<T>(count(turn))?, at, stream) }
                    .named("cuMemcpyDtoHAsync")?;
                piece.copied.record(self.stream()).named("cuEventRecord")?;
            }
            if let Some(last) = turn.checked_sub(1) {
                let numbers: &[T] = staging.pieces[last % 2].numbers(count(last))?;
                let parts = numbers.par_chunks(PART).enumerate();
                parts.for_each(|(part, numbers)| take(last * whole + part * PART, numbers));
            }
        }
        self.leave_staging(staging);
        Ok(())
    }

    /// One that nobody uses. No lock is held meanwhile: a thread that waits for others may do their work, which may copy too.
    fn take_staging(&self) -> Result<Staging, GpuError> {
        let free = self.staging().pop();
        match free {
            Some(staging) => Ok(staging),
            None => Ok(Staging { pieces: [Piece::new(self.stream())?, Piece::new(self.stream())?] }),
        }
    }

    fn leave_staging(&self, staging: Staging) {
        self.staging().push(staging);
    }
}

/// Memory of the host for the columns of a matrix, which threads write and so touch for the first time.
pub(crate) struct Unwritten<T> {
    first: *mut T,
    rows: usize,
    stride: usize,
}

// SAFETY: who writes promises that nobody else writes the same.
unsafe impl<T: Send> Sync for Unwritten<T> {}

impl<T: Copy> Unwritten<T> {
    /// Columns of `rows` numbers, one at least, that begin at `first` and then `stride` numbers apart.
    pub(crate) const fn new(first: *mut T, rows: usize, stride: usize) -> Self {
        Self { first, rows, stride }
    }

    /// Numbers in the order of the columns, from number `start` on.
    ///
    /// # Safety
    /// There is memory for them, and no other thread has to do with it.
    pub(crate) unsafe fn write(&self, start: usize, mut numbers: &[T]) {
        let (mut row, mut column) = (start % self.rows, start / self.rows);
        while !numbers.is_empty() {
            let (now, later) = numbers.split_at(numbers.len().min(self.rows - row));
            // SAFETY: the caller's promise.
            unsafe { ptr::copy_nonoverlapping(now.as_ptr(), self.first.add(column * self.stride + row), now.len()) };
            numbers = later;
            (row, column) = (0, column + 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Unwritten;

    #[test]
    fn columns_are_written_from_anywhere_on() {
        let all: Vec<u32> = (0..12).collect();
        for rows in [1, 3, 4, 12] {
            let stride = rows + 2;
            let expected: Vec<u32> =
                all.chunks(rows).flat_map(|column| column.iter().copied().chain([u32::MAX; 2])).collect();
            for middle in 0..12 {
                let mut memory = vec![u32::MAX; expected.len()];
                let columns = Unwritten::new(memory.as_mut_ptr(), rows, stride);
                for (start, part) in [(middle, &all[middle..]), (0, &all[..middle])] {
                    // SAFETY: there is memory for all.
                    unsafe { columns.write(start, part) };
                }
                assert_eq!(memory, expected, "{rows} rows, from {middle} on");
            }
        }
    }
}

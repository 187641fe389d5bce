//! Copies between the host and a device through page-locked memory, which the device reads and writes by itself: while one piece is
//! copied, the host fills or empties the other.

use cudarc::driver::result::{memcpy_dtoh_async, memcpy_htod_async};
use rayon::prelude::*;

use crate::error::Named;
use crate::runtime::pinned::{PIECE, Piece, Staging};
use crate::runtime::pool::Pointer;
use crate::{Device, DeviceNumber, GpuError};

/// Numbers that a thread copies at a time.
const PART: usize = 1 << 16;

impl Device {
    /// Copies `len` elements to `to`: `fill` gets the first index of a range and writes it, on any thread. What it wrote was
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

    /// Copies `len` elements from `from`, once all earlier work is done: `take` gets the first index of a range and reads it,
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

    /// A buffer that is not in use. No lock is held meanwhile: a thread that waits for others may run their work, which may copy too.
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

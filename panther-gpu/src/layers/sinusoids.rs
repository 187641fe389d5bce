//! Columns times sinusoids of the position.

use std::ops::Range;

use crate::layers::reductions::add_shares;
use crate::layers::{THREADS, holds};
use crate::runtime::kernel::{KernelFile, kernel_file};
use crate::runtime::launch::{grid_over, launch};
use crate::runtime::pool::Pointer;
use crate::{Buffer, DeviceReal, GpuError};

pub(crate) const KERNELS: KernelFile = kernel_file!("layers/sinusoids");

/// Rows whose share of the gradients by the sinusoids is summed before the shares are.
const GRADIENT_ROWS: usize = 32;

/// `waves` sinusoids for each column, columns×waves each: λ·cos(2πf·m + θ) and λ·sin(2πf·m + θ) at position m.
#[derive(Clone, Copy, Debug)]
pub struct Waves<'a, T> {
    /// f, periods a position.
    pub frequencies: &'a Buffer<T>,
    /// θ; 0 where there is none.
    pub phases: Option<&'a Buffer<T>>,
    /// λ.
    pub gains: &'a Buffer<T>,
    /// Columns, and sinusoids of each.
    pub shape: [usize; 2],
}

/// The gradients by them.
#[derive(Debug)]
pub struct WaveGradients<'a, T> {
    /// By f.
    pub frequencies: &'a mut Buffer<T>,
    /// By θ.
    pub phases: Option<&'a mut Buffer<T>>,
    /// By λ.
    pub gains: &'a mut Buffer<T>,
}

impl<T: DeviceReal> Waves<'_, T> {
    fn places(&self) -> usize {
        self.shape[0] * self.shape[1]
    }

    fn check(&self, operation: &'static str, x: &Buffer<T>, rows: &Range<usize>) -> Result<(), GpuError> {
        holds(operation, "frequencies", self.frequencies, self.places())?;
        holds(operation, "gains", self.gains, self.places())?;
        if let Some(phases) = self.phases {
            holds(operation, "phases", phases, self.places())?;
        }
        if rows.start > rows.end || rows.end.saturating_mul(self.shape[0]) > x.len() || self.places() == 0 {
            let expected = format!("rows {rows:?} of {}", self.shape[0]);
            return Err(GpuError::shape(operation, "x", expected, x.len().to_string()));
        }
        Ok(())
    }

    /// The phases' address, and whether there are any.
    fn phases(&self) -> (Pointer, u32) {
        self.phases.map_or((0, 0), |phases| (phases.pointer(), 1))
    }
}

/// x·λ·cos and x·λ·sin of each column and sinusoid, rows×columns×waves×2, for some rows of x. Row i stands at position i mod `length`.
///
/// # Errors
/// Those of this module's parent.
pub fn modulate<T: DeviceReal>(
    x: &Buffer<T>,
    rows: &Range<usize>,
    length: usize,
    waves: Waves<'_, T>,
) -> Result<Buffer<T>, GpuError> {
    waves.check("modulate", x, rows)?;
    let (device, count) = (x.device(), rows.len() * waves.places());
    let y = Buffer::uninitialized(device, 2 * count)?;
    if count == 0 {
        return Ok(y);
    }
    let (phases, has_phases) = waves.phases();
    launch!(
        device,
        T,
        KERNELS.kernel("modulate"),
        grid_over(count, THREADS),
        x.pointer(),
        rows.start as u64,
        length.max(1) as u64,
        waves.shape[0] as u64,
        waves.shape[1] as u64,
        waves.frequencies.pointer(),
        phases,
        has_phases,
        waves.gains.pointer(),
        y.pointer(),
        count as u64,
    )?;
    Ok(y)
}

/// Writes the rows of dx from the gradient by what [`modulate`] gave for them, and adds the gradients by the sinusoids to theirs.
///
/// # Errors
/// Those of this module's parent.
pub fn modulate_backward<T: DeviceReal>(
    x: &Buffer<T>,
    rows: &Range<usize>,
    length: usize,
    waves: Waves<'_, T>,
    dy: &Buffer<T>,
    dx: &mut Buffer<T>,
    gradients: WaveGradients<'_, T>,
) -> Result<(), GpuError> {
    const NAME: &str = "modulate_backward";
    waves.check(NAME, x, rows)?;
    let ([columns, per_column], places) = (waves.shape, waves.places());
    holds(NAME, "dx", dx, x.len())?;
    holds(NAME, "dy", dy, 2 * rows.len() * places)?;
    holds(NAME, "gradients", gradients.frequencies, places)?;
    holds(NAME, "gradients", gradients.gains, places)?;
    if rows.is_empty() {
        return Ok(());
    }
    let (device, (phases, has_phases)) = (x.device(), waves.phases());
    let count = rows.len() * columns;
    launch!(
        device,
        T,
        KERNELS.kernel("modulate_backward"),
        grid_over(count, THREADS),
        rows.start as u64,
        length.max(1) as u64,
        columns as u64,
        per_column as u64,
        waves.frequencies.pointer(),
        phases,
        has_phases,
        waves.gains.pointer(),
        dy.pointer(),
        dx.pointer(),
        count as u64,
    )?;
    let splits = rows.len().div_ceil(GRADIENT_ROWS);
    let shares = Buffer::<T>::uninitialized(device, splits * 3 * places)?;
    let count = splits * places;
    launch!(
        device,
        T,
        KERNELS.kernel("modulate_gradients"),
        grid_over(count, THREADS),
        x.pointer(),
        rows.start as u64,
        rows.len() as u64,
        length.max(1) as u64,
        columns as u64,
        per_column as u64,
        waves.frequencies.pointer(),
        phases,
        has_phases,
        waves.gains.pointer(),
        dy.pointer(),
        GRADIENT_ROWS as u64,
        shares.pointer(),
        count as u64,
    )?;
    add_shares(&shares, 0, splits, 3 * places, gradients.frequencies)?;
    if let Some(phases) = gradients.phases {
        holds(NAME, "gradients", phases, places)?;
        add_shares(&shares, places, splits, 3 * places, phases)?;
    }
    add_shares(&shares, 2 * places, splits, 3 * places, gradients.gains)
}

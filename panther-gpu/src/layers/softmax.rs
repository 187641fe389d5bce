//! The softmax of attention scores.

use crate::layers::{block_a_row, holds};
use crate::runtime::kernel::{KernelFile, kernel_file};
use crate::runtime::launch::launch;
use crate::{Buffer, DeviceReal, GpuError};

pub(crate) const KERNELS: KernelFile = kernel_file!("layers/softmax");

/// Threads for a row.
const THREADS: u32 = 128;

/// Turns scores, batch×heads×rows×keys, into probabilities: e^s over the sum of those of the keys that the row sees, 0 for the
/// others; all 0 for a row that sees none. Row r sees the first `first_sees` + r + 1 keys, or all; `penalty`, batch×width with
/// at least as many columns as there are keys, is added first. Scores that overflowed count as the largest finite number.
///
/// # Errors
/// Those of this module's parent.
pub fn softmax<T: DeviceReal>(
    scores: &mut Buffer<T>,
    [batch, heads, rows, keys]: [usize; 4],
    first_sees: Option<usize>,
    penalty: Option<(&Buffer<T>, usize)>,
) -> Result<(), GpuError> {
    let total = batch * heads * rows;
    holds("softmax", "scores", scores, total * keys)?;
    if let Some((penalty, width)) = penalty {
        holds("softmax", "penalty", penalty, batch * width)?;
        if width < keys {
            return Err(GpuError::shape("softmax", "penalty", format!("at least {keys} columns"), width.to_string()));
        }
    }
    if total * keys == 0 {
        return Ok(());
    }
    // Beyond the last key nothing changes.
    let first_sees = first_sees.map_or(-1, |first| first.min(keys) as i64);
    let (has_penalty, pointer, width) = match penalty {
        Some((penalty, width)) => (1u32, penalty.pointer(), width),
        None => (0, 0, 0),
    };
    launch!(
        scores.device(),
        T,
        KERNELS.kernel("softmax"),
        block_a_row(total, THREADS),
        scores.pointer(),
        total as u64,
        heads as u64,
        rows as u64,
        keys as u64,
        first_sees,
        has_penalty,
        pointer,
        width as u64,
    )
}

/// Turns the gradient by the probabilities p, rows of `keys`, into that by the scores: p·(g − Σ p·g).
///
/// # Errors
/// Those of this module's parent.
pub fn softmax_backward<T: DeviceReal>(p: &Buffer<T>, gradient: &mut Buffer<T>, keys: usize) -> Result<(), GpuError> {
    holds("softmax_backward", "gradient", gradient, p.len())?;
    if keys == 0 || p.is_empty() {
        return Ok(());
    }
    let rows = p.len() / keys;
    holds("softmax_backward", "probabilities", p, rows * keys)?;
    let (kernel, config) = (KERNELS.kernel("softmax_backward"), block_a_row(rows, THREADS));
    launch!(p.device(), T, kernel, config, p.pointer(), gradient.pointer(), rows as u64, keys as u64)
}

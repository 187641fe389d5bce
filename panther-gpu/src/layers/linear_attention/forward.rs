//! The output, and what the backward pass needs.

use super::{Attention, CAUSAL_SCAN, CONSTANTS, Call, Saved, TILE, blocks, scan_over};
use crate::runtime::kernel::{KernelFile, kernel_file};
use crate::runtime::launch::launch;
use crate::runtime::pool::Pointer;
use crate::{Buffer, DeviceReal, GpuError};

pub(crate) const OUTPUTS: KernelFile =
    kernel_file!("layers/linear_attention/forward", "layers/linear_attention/features.cuh").with(&CONSTANTS);

/// y, batch×queries×(heads·dv), and what the backward pass needs.
///
/// # Errors
/// Those of this module's parent.
pub fn attend<T: DeviceReal>(inputs: &Attention<'_, T>) -> Result<(Buffer<T>, Saved<T>), GpuError> {
    let call = Call::new("attend", inputs)?;
    let shape = inputs.shape;
    let (device, positions) = (&call.device, call.all() * shape.queries);
    let tops = Buffer::<T>::uninitialized(device, positions)?;
    let denominators = Buffer::<T>::uninitialized(device, positions)?;
    if inputs.query.is_empty() || inputs.key.is_empty() {
        let bases = Buffer::zeros(device, 0)?;
        return Ok((Buffer::zeros(device, shape.output_len())?, Saved { bases, tops, denominators, state: None }));
    }
    let y = Buffer::<T>::uninitialized(device, shape.output_len())?;
    let bases = Buffer::<T>::uninitialized(device, call.bases_len())?;
    let mut saved = Saved { bases, tops, denominators, state: None };
    if shape.causal {
        let carry = Buffer::<T>::uninitialized(device, call.state_len())?;
        for (first, chunks) in call.segments() {
            let sums = call.key_states(first, chunks, TILE)?;
            call.running_bases(&sums[1], (first, chunks), &saved.bases)?;
            call.scan_keys(&sums, &saved.bases, (first, chunks), &carry)?;
            call.outputs(&saved, sums[0].pointer(), first, chunks, &y)?;
        }
    } else {
        let (splits, share) = call.splits(shape.keys);
        let [states, maxima] = call.key_states(0, splits, share)?;
        let state = call.join(states, splits, Some((&maxima, &saved.bases)))?;
        call.outputs(&saved, state.pointer(), 0, shape.queries.div_ceil(TILE), &y)?;
        saved.state = Some(state);
    }
    Ok((y, saved))
}

impl<T: DeviceReal> Call<T> {
    /// Values of the bases of all chunks, and what comes behind the last.
    pub(super) fn bases_len(&self) -> usize {
        if self.shape.causal { (self.shape.keys.div_ceil(TILE) + 1) * self.base_len() } else { self.base_len() }
    }

    /// What the chunks of a segment stand to, from the maxima of each.
    fn running_bases(
        &self,
        maxima: &Buffer<T>,
        (first, chunks): (usize, usize),
        bases: &Buffer<T>,
    ) -> Result<(), GpuError> {
        launch!(
            self.device,
            T,
            CAUSAL_SCAN.kernel("running_bases"),
            scan_over(self.base_len()),
            maxima.pointer(),
            first as u64,
            chunks as u64,
            self.base_len() as u64,
            self.sizes.start,
            bases.pointer(),
        )
    }

    /// y of so many tiles of queries, with their tops and denominators.
    fn outputs(
        &self,
        saved: &Saved<T>,
        states: Pointer,
        first: usize,
        tiles: usize,
        y: &Buffer<T>,
    ) -> Result<(), GpuError> {
        launch!(
            self.device,
            T,
            OUTPUTS.kernel(self.either("outputs_causal", "outputs_full")),
            blocks::<T>([tiles * self.all(), self.tiles()[2], 1], self.shape.causal),
            self.arguments(),
            self.sums(&saved.bases, states, first),
            saved.tops.pointer(),
            saved.denominators.pointer(),
            y.pointer(),
        )
    }
}

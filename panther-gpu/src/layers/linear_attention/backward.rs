//! The backward pass, which makes the features again.

use std::sync::Arc;

use cudarc::driver::{DeviceRepr, LaunchConfig};

use super::{Attention, CAUSAL_SCAN, CONSTANTS, Call, STATES, Saved, Shape, TILE, blocks, scan_over};
use crate::layers::{THREADS, holds};
use crate::runtime::kernel::{KernelFile, kernel_file};
use crate::runtime::launch::launch;
use crate::runtime::pool::Pointer;
use crate::{Buffer, DeviceReal, GpuError};

pub(crate) const GRADIENTS: KernelFile =
    kernel_file!("layers/linear_attention/backward", "layers/linear_attention/features.cuh").with(&CONSTANTS);

/// The gradients by query, key and value from that by y. Each tensor that nobody else holds is freed when it was read for the last time,
/// so that without causality five tensors of the length are held at most, and seven with it. `marks` are those of the rows of y and dy,
/// batch×queries: rows with a mark are not read and pass nothing back.
///
/// # Errors
/// Those of this module's parent.
pub fn attend_backward<T: DeviceReal>(
    inputs: Attention<'_, T>,
    y: Arc<Buffer<T>>,
    saved: &Saved<T>,
    dy: Arc<Buffer<T>>,
    marks: [&Buffer<T>; 2],
) -> Result<[Buffer<T>; 3], GpuError> {
    const NAME: &str = "attend_backward";
    let call = Call::new(NAME, &inputs)?;
    let shape = call.shape;
    holds(NAME, "y", &y, shape.output_len())?;
    holds(NAME, "dy", &dy, shape.output_len())?;
    holds(NAME, "saved", &saved.tops, call.all() * shape.queries)?;
    for marks in marks {
        holds(NAME, "marks", marks, shape.batch * shape.queries)?;
    }
    if inputs.query.is_empty() || inputs.key.is_empty() {
        let zeros = |like: &Buffer<T>| Buffer::zeros(&call.device, like.len());
        return Ok([zeros(&inputs.query)?, zeros(&inputs.key)?, zeros(&inputs.value)?]);
    }
    call.check_saved(NAME, saved)?;
    let quotients = call.quotients(saved, [&y, &dy], marks)?;
    drop(y);
    let [inverses, by_denominators] = quotients.each_ref().map(Buffer::pointer);
    let slopes = Slopes { dy: dy.pointer(), tops: saved.tops.pointer(), inverses, by_denominators };
    let back = Back { call: &call, bases: &saved.bases, slopes };
    match &saved.state {
        Some(state) => {
            let (dq, states) = back.of_queries(state)?;
            // Launches to come read keys and values alone.
            drop((inputs.query, dy));
            let [dk, dv] = back.of_keys(&states)?;
            Ok([dq, dk, dv])
        }
        None => back.causal(),
    }
}

/// What goes back into the sums of each query: dy, its top, 1/denominator and dy·y/denominator.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(super) struct Slopes {
    dy: Pointer,
    tops: Pointer,
    inverses: Pointer,
    by_denominators: Pointer,
}

// SAFETY: pointers in the order of the kernels' struct.
unsafe impl DeviceRepr for Slopes {}

impl<T: DeviceReal> Call<T> {
    fn check_saved(&self, name: &'static str, saved: &Saved<T>) -> Result<(), GpuError> {
        holds(name, "saved", &saved.denominators, self.all() * self.shape.queries)?;
        holds(name, "saved", &saved.bases, self.bases_len())?;
        let state_len = saved.state.as_ref().map_or(0, Buffer::len);
        if state_len != if self.shape.causal { 0 } else { self.state_len() } {
            return Err(GpuError::shape(name, "saved", "that of this attention", "that of another"));
        }
        Ok(())
    }

    /// 1/denominator and dy·y/denominator of each query.
    fn quotients(
        &self,
        saved: &Saved<T>,
        [y, dy]: [&Buffer<T>; 2],
        [of_y, of_dy]: [&Buffer<T>; 2],
    ) -> Result<[Buffer<T>; 2], GpuError> {
        /// Queries of a block, 16 threads each.
        const ROWS: usize = THREADS as usize / 16;
        let count = self.all() * self.shape.queries;
        let inverses = Buffer::<T>::uninitialized(&self.device, count)?;
        let by_denominators = Buffer::<T>::uninitialized(&self.device, count)?;
        let grid_dim = (count.div_ceil(ROWS) as u32, 1, 1);
        launch!(
            self.device,
            T,
            GRADIENTS.kernel("quotients"),
            LaunchConfig { grid_dim, block_dim: (THREADS, 1, 1), shared_mem_bytes: 0 },
            self.arguments(),
            y.pointer(),
            dy.pointer(),
            of_y.pointer(),
            of_dy.pointer(),
            saved.denominators.pointer(),
            inverses.pointer(),
            by_denominators.pointer(),
            count as i64,
        )?;
        Ok([inverses, by_denominators])
    }
}

/// The backward pass.
struct Back<'a, T> {
    call: &'a Call<T>,
    bases: &'a Buffer<T>,
    slopes: Slopes,
}

impl<T: DeviceReal> Back<'_, T> {
    /// Where all keys are seen: dq from the sums over them, and the sums over all queries.
    fn of_queries(&self, state: &Buffer<T>) -> Result<(Buffer<T>, Buffer<T>), GpuError> {
        let queries = self.call.shape.queries;
        let dq = self.like_queries()?;
        self.query_gradients(state, 0, queries.div_ceil(TILE), &dq)?;
        let (splits, share) = self.call.splits(queries);
        Ok((dq, self.call.join(self.query_states(0, splits, share)?, splits, None)?))
    }

    /// dk and dv from the sums over all queries.
    fn of_keys(&self, states: &Buffer<T>) -> Result<[Buffer<T>; 2], GpuError> {
        let [dk, dv] = self.like_keys()?;
        self.key_gradients(states, 0, self.call.shape.keys.div_ceil(TILE), &dk, &dv)?;
        Ok([dk, dv])
    }

    fn like_queries(&self) -> Result<Buffer<T>, GpuError> {
        let Shape { batch, queries, heads, head_dimension, .. } = self.call.shape;
        Buffer::uninitialized(&self.call.device, batch * queries * heads * head_dimension)
    }

    fn like_keys(&self) -> Result<[Buffer<T>; 2], GpuError> {
        let Shape { batch, keys, heads, head_dimension, value_dimension, .. } = self.call.shape;
        let of = |columns| Buffer::uninitialized(&self.call.device, batch * keys * heads * columns);
        Ok([of(head_dimension)?, of(value_dimension)?])
    }

    fn causal(&self) -> Result<[Buffer<T>; 3], GpuError> {
        let (call, segments) = (self.call, self.call.segments());
        let (dq, [dk, dv]) = (self.like_queries()?, self.like_keys()?);
        let carry = Buffer::<T>::uninitialized(&call.device, call.state_len())?;
        // 1. Queries, with the sums over the keys before.
        for &(first, chunks) in &segments {
            let sums = call.key_states(first, chunks, TILE)?;
            call.scan_keys(&sums, self.bases, (first, chunks), &carry)?;
            self.query_gradients(&sums[0], first, chunks, &dq)?;
        }
        // 2. Keys and values, with the sums over the queries behind.
        for (index, &(first, chunks)) in segments.iter().enumerate().rev() {
            let states = self.query_states(first, chunks, TILE)?;
            let carries = index + 1 < segments.len();
            self.scan_queries(&states, (first, chunks), carries, &carry)?;
            self.key_gradients(&states, first, chunks, &dk, &dv)?;
        }
        Ok([dq, dk, dv])
    }

    /// The sums over the queries of each split from `first` on.
    fn query_states(&self, first: usize, splits: usize, share: usize) -> Result<Buffer<T>, GpuError> {
        let (call, [features, _, columns]) = (self.call, self.call.tiles());
        let states = Buffer::<T>::uninitialized(&call.device, splits * call.state_len())?;
        launch!(
            call.device,
            T,
            STATES.kernel("query_states"),
            blocks::<T>([splits * call.all(), features, columns], false),
            call.arguments(),
            call.sums(self.bases, states.pointer(), first),
            self.slopes,
            share as i64,
            states.pointer(),
        )?;
        Ok(states)
    }

    /// From the sums over the queries of each chunk of a segment to those over the queries behind it.
    fn scan_queries(
        &self,
        states: &Buffer<T>,
        (first, chunks): (usize, usize),
        carries: bool,
        carry: &Buffer<T>,
    ) -> Result<(), GpuError> {
        let call = self.call;
        launch!(
            call.device,
            T,
            CAUSAL_SCAN.kernel("scan_queries"),
            scan_over(call.state_len()),
            states.pointer(),
            self.bases.at(first * call.base_len()),
            chunks as u64,
            call.shape.features as u64,
            call.shape.value_dimension as u64,
            call.base_len() as u64,
            call.state_len() as u64,
            u32::from(carries),
            carry.pointer(),
        )
    }

    fn query_gradients(&self, states: &Buffer<T>, first: usize, tiles: usize, dq: &Buffer<T>) -> Result<(), GpuError> {
        let (call, [_, columns, _]) = (self.call, self.call.tiles());
        launch!(
            call.device,
            T,
            GRADIENTS.kernel(call.either("query_gradients_causal", "query_gradients_full")),
            blocks::<T>([tiles * call.all(), columns, 1], call.shape.causal),
            call.arguments(),
            call.sums(self.bases, states.pointer(), first),
            self.slopes,
            dq.pointer(),
        )
    }

    fn key_gradients(
        &self,
        states: &Buffer<T>,
        first: usize,
        tiles: usize,
        dk: &Buffer<T>,
        dv: &Buffer<T>,
    ) -> Result<(), GpuError> {
        let (call, [_, columns, columns_of_values]) = (self.call, self.call.tiles());
        launch!(
            call.device,
            T,
            GRADIENTS.kernel(call.either("key_gradients_causal", "key_gradients_full")),
            blocks::<T>([tiles * call.all(), columns.max(columns_of_values), 1], call.shape.causal),
            call.arguments(),
            call.sums(self.bases, states.pointer(), first),
            self.slopes,
            dk.pointer(),
            dv.pointer(),
        )
    }
}

//! Linear attention on the CPU: each head of each sequence is a task for one thread, which goes over its positions chunk by chunk.
//!
//! A head's part of a tensor is seen as a d×length matrix, a column for each position; features are m×chunk, so that one
//! position's values lie side by side everywhere.

mod causal_scan;
mod favor_features;
mod full_sums;
mod quotient;
mod state;

use faer::{MatMut, MatRef, Par};
use favor_features::FeatureMap;
use rayon::prelude::*;
use state::State;

use crate::backend::{AttentionInputs, AttentionMarks, LinearAttention, Marked, RowMarks, Storage};
use crate::cpu::{Cpu, CpuTensor};
use crate::{NnError, Scalar};

/// Positions of a chunk.
const CHUNK: usize = 64;

/// What each head keeps for the backward pass: its sums over all keys, or, where causal, its denominators and where its chunks began.
#[derive(Debug)]
pub struct SavedAttention<T: Scalar> {
    heads: Vec<SavedHead<T>>,
    marks: AttentionMarks<T, Cpu>,
}

#[derive(Debug)]
enum SavedHead<T: Scalar> {
    Full(State<T>),
    Causal(causal_scan::Course<T>),
}

/// The inputs of one head of one sequence.
struct Head<'a, T> {
    query: MatRef<'a, T>,
    key: MatRef<'a, T>,
    value: MatRef<'a, T>,
    mask: Option<&'a [bool]>,
}

impl<T> Head<'_, T> {
    /// Whether a key is attended.
    #[inline(always)]
    fn attends(&self, key: usize) -> bool {
        self.mask.is_none_or(|mask| mask[key])
    }
}

/// What a head's way back starts from.
struct Output<'a, T> {
    y: MatRef<'a, T>,
    dy: MatRef<'a, T>,
}

/// The gradients that it writes.
struct Gradients<'a, T> {
    query: MatMut<'a, T>,
    key: MatMut<'a, T>,
    value: MatMut<'a, T>,
}

impl LinearAttention for Cpu {
    type SavedAttention<T: Scalar> = SavedAttention<T>;

    fn linear_attention<T: Scalar>(
        &self,
        inputs: &AttentionInputs<'_, CpuTensor<T>>,
    ) -> Result<(CpuTensor<T>, SavedAttention<T>), NnError> {
        let sizes = inputs.sizes::<T, Self>()?;
        let (marks, mut inputs) = (inputs.marks(self, &sizes)?, inputs.clone());
        marks.clear(self, [&mut inputs.query, &mut inputs.key, &mut inputs.value])?;
        let map = FeatureMap::new(&inputs, &sizes);
        let mut output = self.zeros(&sizes.output())?;
        let tasks: Vec<_> = heads(&inputs).into_iter().zip(split(&mut output, inputs.heads)).collect();
        let saved = in_order(self.par, tasks, |(head, out)| match inputs.causal {
            true => SavedHead::Causal(causal_scan::forward(&map, &head, out)),
            false => SavedHead::Full(full_sums::forward(&map, &head, out)),
        });
        self.fill_marked(&marks.output, Marked::Tainted, T::from_f64(f64::NAN), &mut output)?;
        Ok((output, SavedAttention { heads: saved, marks }))
    }

    fn linear_attention_backward<T: Scalar>(
        &self,
        mut inputs: AttentionInputs<'_, CpuTensor<T>>,
        mut output: CpuTensor<T>,
        SavedAttention { heads: saved, marks }: SavedAttention<T>,
        mut dy: CpuTensor<T>,
    ) -> Result<[CpuTensor<T>; 3], NnError> {
        const NAME: &str = "linear_attention_backward";
        let sizes = inputs.sizes_backward::<T, Self>(&output, &dy)?;
        // Without a query or a key there is nothing to do.
        let heads_in_use = if sizes.queries.min(sizes.keys) > 0 { sizes.batch * sizes.heads } else { 0 };
        if saved.len() != heads_in_use {
            let expected = format!("of {heads_in_use} heads");
            return Err(NnError::shape(NAME, "saved", expected, &[saved.len()]));
        }
        let spoilt = marks.of_gradients(self, sizes.positions(inputs.causal), &dy)?;
        marks.clear(self, [&mut inputs.query, &mut inputs.key, &mut inputs.value])?;
        self.fill_marked(&marks.output, Marked::Tainted, T::ZERO, &mut output)?;
        self.fill_marked(&spoilt.query, Marked::Tainted, T::ZERO, &mut dy)?;
        let map = FeatureMap::new(&inputs, &sizes);
        let (mut dq, mut dk, mut dv) =
            (self.zeros(inputs.query.shape())?, self.zeros(inputs.key.shape())?, self.zeros(inputs.value.shape())?);
        let written = split(&mut dq, inputs.heads).into_iter().zip(split(&mut dk, inputs.heads));
        let gradients =
            written.zip(split(&mut dv, inputs.heads)).map(|((query, key), value)| Gradients { query, key, value });
        let outputs = columns(&output, inputs.heads).into_iter().zip(columns(&dy, inputs.heads));
        let outputs = outputs.map(|(y, dy)| Output { y, dy });
        let tasks: Vec<_> = heads(&inputs).into_iter().zip(&saved).zip(outputs.zip(gradients)).collect();
        in_order(self.par, tasks, |((head, saved), (output, gradients))| match saved {
            SavedHead::Full(state) => full_sums::backward(&map, &head, state, &output, gradients),
            SavedHead::Causal(course) => causal_scan::backward(&map, &head, course, &output, gradients),
        });
        marks.spoil_gradients(self, &spoilt, [&mut dq, &mut dk, &mut dv])?;
        Ok([dq, dk, dv])
    }
}

/// Each head of each sequence.
fn heads<'a, T: Scalar>(inputs: &'a AttentionInputs<'_, CpuTensor<T>>) -> Vec<Head<'a, T>> {
    let keys = inputs.key.shape()[1];
    let parts = |tensor: &'a CpuTensor<T>| columns(tensor, inputs.heads);
    let (query, key, value) = (parts(&inputs.query), parts(&inputs.key), parts(&inputs.value));
    let all = query.into_iter().zip(key).zip(value).enumerate();
    all.map(|(index, ((query, key), value))| {
        let sequence = index / inputs.heads;
        Head { query, key, value, mask: inputs.mask.map(|mask| &mask[sequence * keys..][..keys]) }
    })
    .collect()
}

/// A tensor batch×length×(heads·d) as one d×length matrix for each head of each sequence.
fn columns<T: Scalar>(tensor: &CpuTensor<T>, heads: usize) -> Vec<MatRef<'_, T>> {
    let &[_, length, width] = tensor.shape() else { return Vec::new() };
    let d = width / heads;
    let sequences = tensor.as_slice().chunks_exact((length * width).max(1));
    sequences
        .map(|sequence| MatRef::from_column_major_slice(sequence, width, length))
        .flat_map(|sequence| (0..heads).map(move |head| sequence.subrows(head * d, d)))
        .collect()
}

/// As [`columns`], to be written.
fn split<T: Scalar>(tensor: &mut CpuTensor<T>, heads: usize) -> Vec<MatMut<'_, T>> {
    let &[_, length, width] = tensor.shape() else { return Vec::new() };
    let d = width / heads;
    let mut parts = Vec::new();
    for sequence in tensor.as_mut_slice().chunks_exact_mut((length * width).max(1)) {
        let mut rest = MatMut::from_column_major_slice_mut(sequence, width, length);
        for _ in 0..heads {
            let (head, others) = rest.split_at_row_mut(d);
            parts.push(head);
            rest = others;
        }
    }
    parts
}

/// The results of all tasks, on as many threads as there are.
fn in_order<X: Send, Y: Send>(par: Par, tasks: Vec<X>, work: impl Fn(X) -> Y + Send + Sync) -> Vec<Y> {
    match par {
        Par::Rayon(_) => tasks.into_par_iter().map(work).collect(),
        Par::Seq => tasks.into_iter().map(work).collect(),
    }
}

/// First position and length of each chunk.
fn chunks(length: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..length).step_by(CHUNK).map(move |start| (start, CHUNK.min(length - start)))
}

/// A column of a matrix whose columns are contiguous.
fn column<'a, T: Scalar>(matrix: MatRef<'a, T>, j: usize) -> &'a [T] {
    matrix.col(j).try_as_col_major().map_or(&[], |column| column.as_slice())
}

/// As [`column`], to be written.
fn column_mut<'a, T: Scalar>(matrix: MatMut<'a, T>, j: usize) -> &'a mut [T] {
    matrix.col_mut(j).try_as_col_major_mut().map_or(&mut [], |column| column.as_slice_mut())
}

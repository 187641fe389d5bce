//! Batches in random order.

use panther_sketch::stream;

use crate::NnError;
use crate::layers::in_range;
use crate::train::require;

/// Tag of the streams that examples are shuffled by.
const SHUFFLE: u64 = 0xcbbb_9d5d_c105_9ed8;

/// Examples 0..count in batches, in another order each epoch; the order is a function of the seed and of the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batches {
    count: usize,
    size: usize,
    seed: u64,
}

impl Batches {
    /// Batches of `size`; the last of an epoch is smaller where `size` does not divide `count`.
    ///
    /// # Errors
    /// [`NnError::OutOfRange`] where `size` is 0.
    pub fn new(count: usize, size: usize, seed: u64) -> Result<Self, NnError> {
        in_range("batch size", size, 1, usize::MAX)?;
        Ok(Self { count, size, seed })
    }

    /// Batches of an epoch.
    #[must_use]
    pub const fn per_epoch(&self) -> usize {
        self.count.div_ceil(self.size)
    }

    /// The examples of each batch.
    pub fn epoch(&self, epoch: usize) -> impl Iterator<Item = Vec<usize>> + use<> {
        let order = permutation(self.count, self.seed, epoch);
        let (count, size) = (self.count, self.size);
        (0..count).step_by(size).map(move |start| order[start..count.min(start.saturating_add(size))].to_vec())
    }
}

/// The given rows, each of `length` values, one after the other.
///
/// # Errors
/// [`NnError::OutOfRange`] where there is no such row.
pub fn rows<T: Copy>(values: &[T], length: usize, rows: &[usize]) -> Result<Vec<T>, NnError> {
    let held = values.len().checked_div(length).unwrap_or(usize::MAX);
    let mut taken = Vec::with_capacity(rows.len() * length);
    for row in rows {
        if *row >= held {
            return Err(NnError::OutOfRange { argument: "row", low: 0, high: held.saturating_sub(1), got: *row });
        }
        taken.extend_from_slice(&values[row * length..][..length]);
    }
    Ok(taken)
}

/// A random split of examples into two parts, the first with `fraction` of each class (rounded), each in ascending order.
///
/// # Errors
/// [`NnError::InvalidNumber`] where `fraction` is not in \[0, 1\].
pub fn stratified_split(targets: &[usize], fraction: f64, seed: u64) -> Result<(Vec<usize>, Vec<usize>), NnError> {
    require((0.0..=1.0).contains(&fraction), "fraction", "in [0, 1]", fraction)?;
    // In random order, and within that by class.
    let mut order = permutation(targets.len(), seed, 0);
    order.sort_by_key(|example| targets[*example]);
    let (mut first, mut second) = (Vec::new(), Vec::new());
    for class in order.chunk_by(|a, b| targets[*a] == targets[*b]) {
        let (to_first, to_second) = class.split_at((fraction * class.len() as f64).round() as usize);
        first.extend_from_slice(to_first);
        second.extend_from_slice(to_second);
    }
    first.sort_unstable();
    second.sort_unstable();
    Ok((first, second))
}

/// A random order of 0..n (Fisher and Yates).
fn permutation(n: usize, seed: u64, draw: usize) -> Vec<usize> {
    let mut words = stream::coordinate(stream::family_key(seed, SHUFFLE), draw);
    let mut order: Vec<usize> = (0..n).collect();
    for last in (1..n).rev() {
        let (chosen, _) = stream::signed_index(&mut words, last as u64 + 1);
        order.swap(last, chosen);
    }
    order
}

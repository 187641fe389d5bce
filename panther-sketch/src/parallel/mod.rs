//! Loops over independent pieces of work on at most the threads that `Par` names: a building block
//! of all crates of Panther.
//!
//! Results do not depend on the number of threads as long as the pieces do not: callers cut their
//! work by fixed sizes, or where the cut cannot change an entry.
//!
//! ```
//! use faer::Par;
//! use panther_sketch::parallel;
//!
//! let x: Vec<u64> = (0..100_000).collect();
//! let sums = parallel::map(Par::rayon(2), x.chunks(1 << 12), |part| part.iter().sum::<u64>());
//! assert_eq!(sums.iter().sum::<u64>(), 4_999_950_000);
//! ```

mod split;

pub use split::{split_columns, split_rows};

use std::sync::{Mutex, PoisonError};

use faer::Par;
use rayon::prelude::*;

/// Number of threads that `par` asks for and rayon's pool has, at least 1.
#[must_use]
pub fn threads(par: Par) -> usize {
    match par {
        Par::Seq => 1,
        Par::Rayon(threads) => threads.get().min(rayon::current_num_threads()),
    }
}

/// Runs `work` on every item, on at most the threads of `par`; a thread that is done with one takes
/// the next, so items may differ in size. Their order is not fixed.
pub fn for_each<I>(par: Par, items: I, work: impl Fn(I::Item) + Send + Sync)
where
    I: IntoIterator<IntoIter: Send>,
{
    // Units take no memory, however many there are.
    for_each_with(&mut vec![(); threads(par)], items, |(), item| work(item));
}

/// As [`for_each`], on one thread per element of `memory`, which that thread's items share.
///
/// The caller allocates the memory, so that a lack of it is an error before any work starts.
///
/// # Panics
/// If `memory` is empty.
pub fn for_each_with<I, S>(memory: &mut [S], items: I, work: impl Fn(&mut S, I::Item) + Send + Sync)
where
    I: IntoIterator<IntoIter: Send>,
    S: Send,
{
    let items = items.into_iter();
    let workers = items.size_hint().1.unwrap_or(usize::MAX).clamp(1, memory.len());
    if workers == 1 {
        items.for_each(|item| work(&mut memory[0], item));
        return;
    }
    let queue = Mutex::new(items);
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    memory[..workers].par_iter_mut().with_max_len(1).for_each(|memory| {
        while let Some(item) = next() {
            work(memory, item);
        }
    });
}

/// `work` of every item in the order of the items, on at most the threads of `par`.
pub fn map<I, R>(par: Par, items: I, work: impl Fn(I::Item) -> R + Send + Sync) -> Vec<R>
where
    I: IntoIterator<Item: Send>,
    R: Send,
{
    let mut slots: Vec<_> = items.into_iter().map(|item| (Some(item), None)).collect();
    for_each(par, &mut slots, |(item, result)| *result = item.take().map(&work));
    slots.into_iter().filter_map(|(_, result)| result).collect()
}

//! The parallel loops use the threads they are given, no more, and lose no item.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Barrier, Mutex};
use std::thread::ThreadId;
use std::time::Duration;

use faer::{Mat, Par};
use panther_sketch::parallel::{for_each, for_each_with, map, split_columns, split_rows};

fn in_pool<R: Send>(threads: usize, work: impl FnOnce() -> R + Send) -> R {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(work)
}

#[test]
fn par_of_two_threads_uses_two_of_a_pool_of_eight() {
    let (running, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let seen = Mutex::new(HashSet::<ThreadId>::new());
    in_pool(8, || {
        for_each(Par::rayon(2), 0..100, |_| {
            most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            seen.lock().unwrap().insert(std::thread::current().id());
            std::thread::sleep(Duration::from_millis(1));
            running.fetch_sub(1, Ordering::SeqCst);
        });
    });
    assert!(most.into_inner() <= 2);
    assert!(seen.into_inner().unwrap().len() <= 2);
}

/// Each item waits for the other, so they run at once or never end.
#[test]
fn as_many_items_as_threads_run_at_once() {
    for threads in [2, 3] {
        let barrier = Barrier::new(threads);
        in_pool(threads, || for_each(Par::rayon(threads), 0..threads, |_| _ = barrier.wait()));
    }
}

/// Five items on four threads: halving the list until pieces hold two would use two threads.
#[test]
fn items_that_do_not_divide_evenly_use_all_threads() {
    let barrier = Barrier::new(4);
    in_pool(4, || {
        for_each(Par::rayon(4), 0..5, |k| {
            if k < 4 {
                barrier.wait();
            }
        });
    });
}

#[test]
fn every_item_is_taken_once_for_any_number_of_threads() {
    for par in [Par::Seq, Par::rayon(1), Par::rayon(2), Par::rayon(0), Par::rayon(1000)] {
        for count in [0, 1, 2, 7, 1000] {
            let taken: Vec<_> = (0..count).map(|_| AtomicUsize::new(0)).collect();
            for_each(par, 0..count, |k| _ = taken[k].fetch_add(1, Ordering::Relaxed));
            assert!(taken.into_iter().all(|taken| taken.into_inner() == 1), "{par:?}, {count}");
            assert_eq!(map(par, 0..count, |k| 3 * k), (0..count).map(|k| 3 * k).collect::<Vec<_>>());
        }
    }
}

#[test]
fn memory_is_shared_by_the_items_of_a_thread_alone() {
    let mut sums = vec![0_u64; 3];
    for_each_with(&mut sums, 0..1000_u64, |sum, k| *sum += k);
    assert_eq!(sums.iter().sum::<u64>(), 499_500);
}

#[test]
fn pieces_cover_every_column_and_row() {
    for width in [0, 1, 3, 7, 8, usize::MAX] {
        let mut a = Mat::<f64>::zeros(2, 7);
        for (columns, mut piece) in split_columns(a.as_mut(), width) {
            assert_eq!(piece.ncols(), columns.len());
            for (k, j) in columns.enumerate() {
                piece[(1, k)] += j as f64 + 1.0;
            }
        }
        for (rows, mut piece) in split_rows(a.as_mut(), width) {
            assert_eq!((piece.nrows(), piece.ncols()), (rows.len(), 7));
            if rows.contains(&1) {
                piece[(1 - rows.start, 0)] += 10.0;
            }
        }
        assert_eq!(a, Mat::from_fn(2, 7, |i, j| i as f64 * (j as f64 + if j == 0 { 11.0 } else { 1.0 })));
    }
    assert_eq!(split_columns(Mat::<f64>::zeros(3, 0).as_mut(), 2).count(), 0);
}

//! CSR beside CSC: A·Sᵀ, S·A and `rsvd` of a 200,000² sparse matrix with 10 entries per row, on one and two threads.
//!
//! `cargo bench -p panther-bench --bench sparse -- [FILTER]` prints the median time of each format and their ratio.
//! Runs of the two formats alternate, so that a load that comes and goes slows both.

use std::hint::black_box;
use std::time::Instant;

use faer::Par;
use faer::sparse::{SparseColMat, SparseRowMat, Triplet};
use panther_linalg::{Input, RsvdOptions, Target, rsvd};
use panther_sketch::{Distribution, stream};
use rand_xoshiro::rand_core::Rng;

const SIZE: usize = 200_000;
const PER_ROW: usize = 10;
/// Rows of S, those of `rsvd` at rank 10.
const SAMPLES: usize = 20;
const RUNS: usize = 5;

const FAMILIES: [(&str, Distribution); 3] = [
    ("Gaussian", Distribution::Gaussian),
    ("SparseSign 8", Distribution::SparseSign { vec_nnz: 8 }),
    ("CountSketch", Distribution::COUNT_SKETCH),
];

fn main() {
    let filter = std::env::args().skip(1).find(|argument| !argument.starts_with('-')).unwrap_or_default();
    let entries = entries();
    let csr = SparseRowMat::try_new_from_triplets(SIZE, SIZE, &entries).expect("indices in range");
    let csc = SparseColMat::try_new_from_triplets(SIZE, SIZE, &entries).expect("indices in range");
    let inputs = [Input::from(csr.as_ref()), Input::from(csc.as_ref())];
    println!("{:36}{:>12}{:>12}{:>10}", "median of 5 runs, f64", "CSR", "CSC", "CSR ÷ CSC");
    for (threads, par) in [("one thread", Par::Seq), ("two threads", Par::rayon(2))] {
        for (name, family) in FAMILIES {
            let s = family.operator::<f64>(SAMPLES, SIZE, 1).expect("a valid sketch");
            compare(&filter, &format!("A·Sᵀ {name}, {threads}"), inputs, |a| {
                black_box(s.right(a, par).expect("shapes fit"));
            });
            compare(&filter, &format!("S·A {name}, {threads}"), inputs, |a| {
                black_box(s.left(a, par).expect("shapes fit"));
            });
        }
        // A fixed depth: both formats do the same products.
        let options = RsvdOptions { power_iterations: Some(2), ..RsvdOptions::default() };
        compare(&filter, &format!("rsvd rank 10, {threads}"), inputs, |a| {
            let svd = match a {
                Input::Csr(a) => rsvd(&a, Target::Rank(10), &options, par),
                Input::Csc(a) => rsvd(&a, Target::Rank(10), &options, par),
                Input::Dense(_) => unreachable!("both inputs are sparse"),
            };
            black_box(svd.expect("valid input"));
        });
    }
}

/// Ten entries per row, at random columns, with values in [−1, 1).
fn entries() -> Vec<Triplet<usize, usize, f64>> {
    let mut words = stream::coordinate(1, 0);
    let value = |word: u64| word as f64 / 2.0_f64.powi(63) - 1.0;
    let of_row = |row: usize| std::iter::repeat_n(row, PER_ROW);
    let mut entry = |row| Triplet::new(row, words.next_u64() as usize % SIZE, value(words.next_u64()));
    (0..SIZE).flat_map(of_row).map(&mut entry).collect()
}

/// Prints the median times of both formats, after one run of each that is not timed.
fn compare(filter: &str, name: &str, inputs: [Input<'_, f64>; 2], work: impl Fn(Input<'_, f64>)) {
    if !name.contains(filter) {
        return;
    }
    inputs.into_iter().for_each(&work);
    let mut seconds = [const { Vec::new() }; 2];
    for _ in 0..RUNS {
        for (input, seconds) in inputs.into_iter().zip(&mut seconds) {
            let start = Instant::now();
            work(input);
            seconds.push(start.elapsed().as_secs_f64());
        }
    }
    let [csr, csc] = seconds.map(|mut seconds| {
        seconds.sort_by(f64::total_cmp);
        seconds[RUNS / 2]
    });
    println!("{name:36}{:>9.1} ms{:>9.1} ms{:>10.2}", 1e3 * csr, 1e3 * csc, csr / csc);
}

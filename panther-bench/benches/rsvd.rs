//! Randomized SVD of σᵢ = 1/i at the shapes of the project's tables, beside the products it cannot do without and, on a
//! size where that is bearable, beside faer's exact SVD.

use criterion::{Criterion, criterion_group, criterion_main};
use faer::{Mat, Par};
use panther_bench::{distance, group, parallelisms, product};
use panther_linalg::{Real, Rsvd, RsvdOptions, Target, rsvd};
use panther_tests::matrices::{Spectrum, with_singular_values};

const HARMONIC: Spectrum = Spectrum::Polynomial(1.0);

fn harmonic(n: usize) -> Mat<f64> {
    with_singular_values(n, n, &HARMONIC.values(n), 1)
}

fn rounded(a: &Mat<f64>) -> Mat<f32> {
    Mat::from_fn(a.nrows(), a.ncols(), |i, j| a[(i, j)] as f32)
}

fn decompose<T: Real>(a: &Mat<T>, k: usize, par: Par) -> Rsvd<T> {
    rsvd(a, Target::Rank(k), &RsvdOptions::default(), par).expect("valid input")
}

/// Alternately A·X and Aᵀ·Y, as a range finder multiplies, until `columns` vectors are done, at most `width` at a time.
fn products<T: Real>(a: &Mat<T>, x: &Mat<T>, columns: usize, par: Par) {
    let width = x.ncols();
    let mut left = columns;
    let mut forward = true;
    while left > 0 {
        let x = x.subcols(0, width.min(left));
        let side = if forward { a.as_ref() } else { a.transpose() };
        std::hint::black_box(product(side, x, par));
        left -= x.ncols();
        forward = !forward;
    }
}

/// Error over the best possible and what was spent on it.
fn report<T: Real>(what: &str, a: &Mat<T>, found: &Rsvd<T>) {
    let k = found.s.len();
    let scaled = Mat::from_fn(a.nrows(), k, |i, j| found.u[(i, j)] * found.s[j]);
    let error = distance(a.as_ref(), scaled.as_ref(), found.v.transpose(), Par::rayon(0));
    let best = HARMONIC.values(a.ncols())[k..].iter().rev().map(|s| s * s).sum::<f64>().sqrt();
    println!(
        "{what}: error/best {:.5}, estimate/error {:.3}, {} passes, {} product columns, orthogonality {:.1e}",
        error / best,
        found.error_estimate / error,
        found.passes,
        found.product_columns,
        found.orthogonality
    );
}

fn case<T: Real>(criterion: &mut Criterion, a: &Mat<T>, k: usize) {
    let n = a.ncols();
    let what = format!("rsvd {n}² k {k} {}", T::NAME);
    let found = decompose(a, k, Par::rayon(0));
    report(&what, a, &found);
    // The width and number of the products of subspace iteration, the floor of the project's table.
    let width = k + (k / 10).max(10);
    let x = Mat::from_fn(n, width, |i, j| T::from_f64(((i * 31 + j * 17) % 61) as f64 - 30.0));
    let block = x.subcols(0, k / 2).to_owned();
    let mut group = group(criterion, &what);
    for (threads, par) in parallelisms() {
        group.bench_function(format!("rsvd, {threads}"), |b| b.iter(|| decompose(a, k, par)));
        group.bench_function(format!("its products alone, {threads}"), |b| {
            b.iter(|| products(a, &block, found.product_columns, par));
        });
        group.bench_function(format!("6 passes of {width} columns, {threads}"), |b| {
            b.iter(|| products(a, &x, 6 * width, par));
        });
    }
    group.finish();
}

fn exact(criterion: &mut Criterion) {
    let a = harmonic(1000);
    report("rsvd 1000² k 50 f64", &a, &decompose(&a, 50, Par::rayon(0)));
    let mut group = group(criterion, "rsvd 1000² k 50 f64");
    for (threads, par) in parallelisms() {
        group.bench_function(format!("rsvd, {threads}"), |b| b.iter(|| decompose(&a, 50, par)));
        faer::set_global_parallelism(par);
        group.bench_function(format!("faer thin SVD, {threads}"), |b| b.iter(|| a.thin_svd().expect("converges")));
    }
    group.finish();
}

fn tables(criterion: &mut Criterion) {
    case(criterion, &rounded(&harmonic(2048)), 100);
    let a = harmonic(4096);
    case(criterion, &rounded(&a), 100);
    case(criterion, &a, 100);
    case(criterion, &a, 200);
}

criterion_group!(benches, exact, tables);
criterion_main!(benches);

//! CQRRPT and blocked pivoted QR of Gaussian matrices at the shapes of the project's tables, beside faer's QR and beside
//! a product of as many flops.

use criterion::{Criterion, criterion_group, criterion_main};
use faer::{Mat, Par};
use panther_bench::{distance, frobenius, group, orthogonality, parallelisms, product};
use panther_linalg::{CqrrptOptions, PivotedQr, PivotedQrOptions, Real, cqrrpt, pivoted_qr};
use panther_tests::matrices::Family;

/// Residual in units of max(m, n)·ε·‖A‖_F, orthogonality in units of n·ε, and the way taken.
fn report<T: Real>(what: &str, a: &Mat<T>, found: &PivotedQr<T>) {
    let par = Par::rayon(0);
    let permuted = Mat::from_fn(a.nrows(), a.ncols(), |i, j| a[(i, found.permutation[j])]);
    let residual = distance(permuted.as_ref(), found.q.as_ref(), found.r.as_ref(), par) / frobenius(a.as_ref());
    let orthogonality = orthogonality(found.q.as_ref(), par);
    println!(
        "{what}: rank {}, ‖AP−QR‖/‖A‖ {residual:.1e} ({:.1e} max(m,n)·ε), ‖QᵀQ−I‖ {orthogonality:.1e} ({:.1e} n·ε), fallback {}",
        found.rank,
        residual / (a.nrows() as f64 * T::EPSILON.to_f64()),
        orthogonality / (a.ncols() as f64 * T::EPSILON.to_f64()),
        found.fallback
    );
}

fn by_cqrrpt<T: Real>(a: &Mat<T>, par: Par) -> PivotedQr<T> {
    cqrrpt(a.as_ref(), &CqrrptOptions::default(), par).expect("valid input")
}

fn by_pivoted_qr<T: Real>(a: &Mat<T>, par: Par) -> PivotedQr<T> {
    pivoted_qr(a.as_ref(), &PivotedQrOptions::default(), par).expect("valid input")
}

fn tall<T: Real>(criterion: &mut Criterion, m: usize, n: usize) {
    let a = Family::Gaussian.matrix::<T>(m, n, 1);
    let what = format!("cqrrpt {m}×{n} {}", T::NAME);
    report(&what, &a, &by_cqrrpt(&a, Par::rayon(0)));
    // 2·m·n·(3n/2) flops, those of the Cholesky QR of A and its preconditioning.
    let right = Mat::from_fn(n, 3 * n / 2, |i, j| T::from_f64(((i * 31 + j * 17) % 61) as f64 - 30.0));
    let mut group = group(criterion, &what);
    for (threads, par) in parallelisms() {
        group.bench_function(format!("cqrrpt with Q, {threads}"), |b| b.iter(|| by_cqrrpt(&a, par)));
        group.bench_function(format!("product of 3mn² flops, {threads}"), |b| {
            b.iter(|| product(a.as_ref(), right.as_ref(), par));
        });
        faer::set_global_parallelism(par);
        group.bench_function(format!("faer unpivoted QR with thin Q, {threads}"), |b| {
            b.iter(|| a.qr().compute_thin_Q());
        });
    }
    group.finish();
}

fn any_shape(criterion: &mut Criterion, m: usize, n: usize) {
    let a = Family::Gaussian.matrix::<f64>(m, n, 1);
    let what = format!("pivoted_qr {m}×{n} f64");
    report(&what, &a, &by_pivoted_qr(&a, Par::rayon(0)));
    let mut group = group(criterion, &what);
    for (threads, par) in parallelisms() {
        group.bench_function(format!("pivoted_qr with Q, {threads}"), |b| b.iter(|| by_pivoted_qr(&a, par)));
        faer::set_global_parallelism(par);
        group.bench_function(format!("faer pivoted QR with thin Q, {threads}"), |b| {
            b.iter(|| a.col_piv_qr().compute_thin_Q());
        });
    }
    group.finish();
}

fn tables(criterion: &mut Criterion) {
    for m in [8192, 16384] {
        for n in [256, 512, 1024] {
            tall::<f64>(criterion, m, n);
            tall::<f32>(criterion, m, n);
        }
    }
    for (m, n) in [(1024, 1024), (2048, 2048), (4096, 512)] {
        any_shape(criterion, m, n);
    }
}

criterion_group!(benches, tables);
criterion_main!(benches);

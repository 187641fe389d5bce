//! The bytes of results on the CPU, as stored: moves and refactorings change none (`panther_tests::snapshots` says how to
//! renew rows).
//!
//! Draws of sketches are the same bytes on every machine. Products are not: faer chooses its kernels and blocks by the
//! processor, so those rows are compared where the stored row of plain products, `machine`, is that of this one.

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, Par};
use panther_linalg::{
    CqrrptOptions, Distribution, PivotedQr, PivotedQrOptions, RangeFinder, Real, Rsvd, RsvdOptions, Target,
    cholesky_qr2, cqrrpt, pivoted_qr, qb, range_finder, rsvd, shifted_cholesky_qr3,
};
use panther_nn::Scalar;
use panther_nn::cpu::Cpu;
use panther_tests::fingerprint::Fingerprint;
use panther_tests::layer_work::layers;
use panther_tests::layouts::{LAYOUTS, with_input, with_operator};
use panther_tests::matrices::{Family, Spectrum};
use panther_tests::snapshots::Table;

const DRAWN: &str = "draw: ";
const COMPUTED: &str = "computed: ";
const MACHINE: &str = "machine";

const DISTRIBUTIONS: [Distribution; 7] = [
    Distribution::Gaussian,
    Distribution::Rademacher,
    Distribution::Uniform,
    Distribution::SparseSign { vec_nnz: 4 },
    Distribution::COUNT_SKETCH,
    Distribution::LessUniform { vec_nnz: 3 },
    Distribution::Srht,
];

fn of<T: Real>(matrices: &[&Mat<T>]) -> Fingerprint {
    let mut fingerprint = Fingerprint::default();
    matrices.iter().for_each(|a| fingerprint.matrix(a));
    fingerprint
}

/// A product of faer, large enough to be cut into its blocks, and an SVD.
fn machine() -> u64 {
    fn product<T: Real>() -> u64 {
        let a = Family::Gaussian.matrix::<T>(700, 900, 1);
        let mut out = Mat::zeros(700, 700);
        matmul(out.as_mut(), Accum::Replace, a.as_ref(), a.transpose(), T::ONE, Par::Seq);
        let u = a.get(..100, ..60).thin_svd().expect("a random matrix").U().to_owned();
        of(&[&out, &u]).0
    }
    product::<f32>() ^ product::<f64>().rotate_left(1)
}

fn draws<T: Real>(table: &mut Table) {
    for (d, n) in [(20, 300), (150, 2000), (2100, 2500)] {
        for distribution in DISTRIBUTIONS {
            let s = distribution.operator::<T>(d, n, 5).unwrap().to_dense().unwrap();
            table.add(format!("{DRAWN}{distribution:?} {d}×{n} {}", T::NAME), of(&[&s]).0);
        }
    }
}

fn sketches<T: Real>(table: &mut Table) {
    let (d, n, p) = (150, 2000, 19);
    let a = Family::Gaussian.matrix::<T>(n, p, 3);
    for distribution in DISTRIBUTIONS {
        let s = distribution.operator::<T>(d, n, 5).unwrap();
        for &layout in LAYOUTS {
            let left = with_input(&a, layout, |a| s.left(a, Par::Seq)).unwrap();
            let right = with_input(&a, layout, |a| s.right(a.transpose(), Par::Seq)).unwrap();
            let name = format!("{COMPUTED}sketch {distribution:?} {layout:?} {}", T::NAME);
            table.add(name, of(&[&left, &right]).0);
        }
        let x = Family::Gaussian.matrix::<T>(d, p, 4);
        let back = s.adjoint(x.as_ref(), Par::Seq).unwrap();
        table.add(format!("{COMPUTED}sketch adjoint {distribution:?} {}", T::NAME), of(&[&back]).0);
    }
}

/// The factors in one row, the diagnostics in another.
fn add_svd<T: Real>(table: &mut Table, name: &str, found: &Rsvd<T>) {
    let mut factors = of(&[&found.u, &found.v]);
    factors.values(&found.s);
    table.add(format!("{COMPUTED}rsvd {name}"), factors.0);
    let mut report = Fingerprint::default();
    report.values(&[found.error_estimate, found.failure_probability, found.norm, found.orthogonality]);
    [found.rank, found.passes, found.product_columns].into_iter().for_each(|x| report.word(x as u64));
    table.add(format!("{COMPUTED}report of rsvd {name}"), report.0);
}

fn svds<T: Real>(table: &mut Table) {
    let families = [
        Family::Spectrum(Spectrum::Polynomial(1.0)),
        Family::Spectrum(Spectrum::Clusters { size: 60, ratio: 1e-3 }),
        Family::LowRank(12),
        Family::GradedRows,
    ];
    for (family, (m, n)) in families.into_iter().zip([(700, 300), (250, 900), (400, 400), (900, 60)]) {
        let a = family.matrix::<T>(m, n, 3);
        for finder in [RangeFinder::BlockKrylov, RangeFinder::SubspaceIteration] {
            let options = RsvdOptions { range_finder: finder, seed: 5, ..RsvdOptions::default() };
            let what = format!("{family:?} {m}×{n} {finder:?} {}", T::NAME);
            for target in [Target::Rank(30), Target::Tolerance { relative: 0.05, max_rank: Some(50) }] {
                let found = rsvd(&a, target, &options, Par::Seq).unwrap();
                add_svd(table, &format!("{target:?} {what}"), &found);
            }
            let found = qb(&a, Target::Rank(30), &options, Par::Seq).unwrap();
            let range = range_finder(&a, 30, &options, Par::Seq).unwrap();
            table.add(format!("{COMPUTED}qb and range_finder {what}"), of(&[&found.q, &found.b, &range]).0);
        }
    }
    let a = Family::Spectrum(Spectrum::Exponential(0.9)).matrix::<T>(500, 200, 3);
    for &layout in LAYOUTS {
        let found = with_operator(&a, layout, |a| rsvd(a, Target::Rank(20), &RsvdOptions::default(), Par::Seq));
        add_svd(table, &format!("{layout:?} {}", T::NAME), &found.unwrap());
    }
    for distribution in DISTRIBUTIONS {
        let options = RsvdOptions { distribution, ..RsvdOptions::default() };
        let found = rsvd(&a, Target::Rank(20), &options, Par::Seq).unwrap();
        add_svd(table, &format!("{distribution:?} {}", T::NAME), &found);
    }
}

fn add_qr<T: Real>(table: &mut Table, name: &str, found: &PivotedQr<T>) {
    let mut factors = of(&[&found.q, &found.r]);
    found.permutation.iter().for_each(|&j| factors.word(j as u64));
    table.add(format!("{COMPUTED}{name}"), factors.0);
    let mut report = Fingerprint::default();
    report.values(&[found.error_estimate, found.failure_probability, found.norm, found.orthogonality]);
    [found.rank, found.sketches, found.passes].into_iter().for_each(|x| report.word(x as u64));
    table.add(format!("{COMPUTED}report of {name}"), report.0);
}

fn qrs<T: Real>(table: &mut Table) {
    let families = [Family::Gaussian, Family::Spectrum(Spectrum::Condition(1e5)), Family::LowRank(40), Family::Kahan];
    for (family, (m, n)) in families.into_iter().zip([(1500, 120), (1200, 300), (1500, 129), (900, 64)]) {
        let a = family.matrix::<T>(m, n, 7);
        for &layout in LAYOUTS {
            let found = with_input(&a, layout, |a| cqrrpt(a, &CqrrptOptions::default(), Par::Seq)).unwrap();
            add_qr(table, &format!("cqrrpt {family:?} {m}×{n} {layout:?} {}", T::NAME), &found);
        }
        for rows in [40, 400] {
            let top = a.subrows(0, rows);
            let found = pivoted_qr(top, &PivotedQrOptions::default(), Par::Seq).unwrap();
            add_qr(table, &format!("pivoted_qr {family:?} {rows}×{n} {}", T::NAME), &found);
        }
    }
    let a = Family::Gaussian.matrix::<T>(3000, 200, 3);
    let plain = cholesky_qr2(a.as_ref(), Par::Seq).unwrap();
    let shifted = shifted_cholesky_qr3(a.as_ref(), Par::Seq).unwrap();
    table.add(format!("{COMPUTED}cholesky_qr2 {}", T::NAME), of(&[&plain.q, &plain.r]).0);
    table.add(format!("{COMPUTED}shifted_cholesky_qr3 {}", T::NAME), of(&[&shifted.q, &shifted.r]).0);
}

fn networks<T: Scalar>(table: &mut Table) {
    for work in layers::<T, Cpu>(&Cpu::new(Par::Seq)) {
        table.add(format!("{COMPUTED}{} {}", work.name, T::NAME), (work.run)().unwrap());
    }
}

fn add_all<T: Scalar>(table: &mut Table) {
    draws::<T>(table);
    sketches::<T>(table);
    svds::<T>(table);
    qrs::<T>(table);
    networks::<T>(table);
}

#[test]
fn results_have_the_stored_bytes() {
    let stored = Table::parse(include_str!("../snapshots/cpu.txt"));
    let mut table = Table::default();
    table.add(MACHINE, machine());
    add_all::<f32>(&mut table);
    add_all::<f64>(&mut table);
    let writing = std::env::var_os("PANTHER_SNAPSHOTS").is_some();
    let outcome = if writing || table.0.get(MACHINE) == stored.0.get(MACHINE) {
        table.compare(&stored)
    } else {
        println!("products of this machine are others than those of the stored bytes: draws are compared alone");
        table.starting_with(DRAWN).compare(&stored.starting_with(DRAWN))
    };
    assert!(outcome.is_ok(), "{}", outcome.unwrap_err());
}

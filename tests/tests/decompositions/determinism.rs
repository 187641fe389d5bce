//! The same bytes for any number of threads and in every run.

use faer::{Mat, Par};
use panther_linalg::{
    CqrrptOptions, Distribution, PivotedQr, PivotedQrOptions, Qb, RangeFinder, Real, Rsvd, RsvdOptions, Target,
    cholesky_qr2, cqrrpt, pivoted_qr, qb, range_finder, rsvd, shifted_cholesky_qr3,
};
use panther_tests::checks::bits;
use panther_tests::layouts::{LAYOUTS, with_input, with_operator};
use panther_tests::matrices::{Family, Spectrum};

/// Sequential first: the others are compared with it. It comes twice, as a second run must not differ either.
fn parallelisms() -> [Par; 5] {
    [Par::Seq, Par::Seq, Par::rayon(1), Par::rayon(2), Par::rayon(3)]
}

/// Runs `f` with each parallelism and asserts that all results are the same bytes.
fn assert_same(what: &str, f: impl Fn(Par) -> Vec<u64>) {
    let [first, others @ ..] = parallelisms();
    let expected = f(first);
    assert!(expected.len() > 1, "{what}: nothing to compare");
    for par in others {
        assert!(f(par) == expected, "{what}: {par:?} differs from the first sequential run");
    }
}

fn rsvd_bits<T: Real>(found: &Rsvd<T>) -> Vec<u64> {
    let mut all = [bits(&found.u), bits(&found.v)].concat();
    all.extend(found.s.iter().map(|s| s.to_f64().to_bits()));
    let reported = [found.error_estimate, found.failure_probability, found.norm, found.orthogonality];
    all.extend(reported.map(f64::to_bits));
    all.extend([found.rank, found.passes, found.product_columns].map(|x| x as u64));
    all
}

fn qb_bits<T: Real>(found: &Qb<Mat<T>>) -> Vec<u64> {
    let mut all = [bits(&found.q), bits(&found.b)].concat();
    all.extend([found.error_estimate, found.norm].map(f64::to_bits));
    all
}

fn qr_bits<T: Real>(found: &PivotedQr<T>) -> Vec<u64> {
    let mut all = [bits(&found.q), bits(&found.r)].concat();
    all.extend(found.permutation.iter().map(|&p| p as u64));
    all.extend([found.error_estimate, found.norm, found.orthogonality].map(f64::to_bits));
    all.extend([found.rank, found.sketches, found.passes].map(|x| x as u64));
    all
}

const FAMILIES: [Family; 4] = [
    Family::Spectrum(Spectrum::Polynomial(1.0)),
    Family::Spectrum(Spectrum::Clusters { size: 60, ratio: 1e-3 }),
    Family::LowRank(12),
    Family::GradedRows,
];

fn rsvd_does_not_depend_on_threads<T: Real>() {
    // Wide, tall and square, large enough for products, blocks and streams to be split among threads.
    for (family, (m, n)) in FAMILIES.into_iter().zip([(700, 300), (250, 900), (400, 400), (1500, 60)]) {
        let a = family.matrix::<T>(m, n, 3);
        for finder in [RangeFinder::BlockKrylov, RangeFinder::SubspaceIteration] {
            let options = RsvdOptions { range_finder: finder, seed: 5, ..RsvdOptions::default() };
            let what = format!("{family:?} {m}×{n} {} {finder:?}", T::NAME);
            let by_rank = Target::Rank(30);
            let by_tolerance = Target::Tolerance { relative: 0.05, max_rank: Some(50) };
            for target in [by_rank, by_tolerance] {
                assert_same(&format!("rsvd {target:?} {what}"), |par| {
                    rsvd_bits(&rsvd(&a, target, &options, par).unwrap())
                });
            }
            assert_same(&format!("qb {what}"), |par| qb_bits(&qb(&a, by_rank, &options, par).unwrap()));
            assert_same(&format!("range_finder {what}"), |par| bits(&range_finder(&a, 30, &options, par).unwrap()));
        }
    }
}

#[test]
fn rsvd_does_not_depend_on_threads_in_single_precision() {
    rsvd_does_not_depend_on_threads::<f32>();
}

#[test]
fn rsvd_does_not_depend_on_threads_in_double_precision() {
    rsvd_does_not_depend_on_threads::<f64>();
}

/// Where the rank is exhausted within a block, blocks of a few columns and of a single one follow, whose products take
/// other ways through faer.
fn narrow_blocks_do_not_depend_on_threads<T: Real>() {
    for (family, (m, n)) in [
        (Family::LowRank(40), (600, 400)),
        (Family::LowRank(4), (100, 1000)),
        (Family::Spectrum(Spectrum::Exponential(0.8)), (400, 250)),
        (Family::Spectrum(Spectrum::Clusters { size: 60, ratio: 1e-3 }), (257, 256)),
    ] {
        let a = family.matrix::<T>(m, n, 3);
        for k in (1..82).step_by(4).filter(|&k| k <= m.min(n) / 3) {
            assert_same(&format!("rsvd {family:?} {m}×{n} k {k} {}", T::NAME), |par| {
                rsvd_bits(&rsvd(&a, Target::Rank(k), &RsvdOptions::default(), par).unwrap())
            });
        }
        let single = a.subcols(0, 1).to_owned();
        for distribution in [Distribution::Gaussian, Distribution::Srht, Distribution::SparseSign { vec_nnz: 8 }] {
            let s = distribution.operator::<T>(m.min(n), m, 1).unwrap();
            let t = distribution.operator::<T>(m.min(n), n, 1).unwrap();
            let row = a.subrows(0, 1).to_owned();
            assert_same(&format!("{distribution:?} of one column"), |par| {
                bits(&s.left(single.as_ref().into(), par).unwrap())
            });
            assert_same(&format!("{distribution:?} of one row"), |par| {
                bits(&t.right(row.as_ref().into(), par).unwrap())
            });
        }
    }
}

#[test]
fn narrow_blocks_do_not_depend_on_threads_in_any_precision() {
    narrow_blocks_do_not_depend_on_threads::<f32>();
    narrow_blocks_do_not_depend_on_threads::<f64>();
}

#[test]
fn rsvd_of_any_layout_and_sketch_does_not_depend_on_threads() {
    let a = Family::Spectrum(Spectrum::Exponential(0.9)).matrix::<f32>(500, 200, 3);
    for &layout in LAYOUTS {
        assert_same(&format!("{layout:?}"), |par| {
            with_operator(&a, layout, |a| rsvd_bits(&rsvd(a, Target::Rank(20), &RsvdOptions::default(), par).unwrap()))
        });
    }
    for distribution in [
        Distribution::Rademacher,
        Distribution::Uniform,
        Distribution::COUNT_SKETCH,
        Distribution::SparseSign { vec_nnz: 4 },
        Distribution::LessUniform { vec_nnz: 4 },
        Distribution::Srht,
    ] {
        let options = RsvdOptions { distribution, ..RsvdOptions::default() };
        assert_same(&format!("{distribution:?}"), |par| rsvd_bits(&rsvd(&a, Target::Rank(20), &options, par).unwrap()));
    }
}

fn qr_does_not_depend_on_threads<T: Real>() {
    for (family, (m, n)) in FAMILIES.into_iter().zip([(2000, 150), (1200, 300), (1500, 129), (2500, 64)]) {
        let a = family.matrix::<T>(m, n, 3);
        let what = format!("{family:?} {m}×{n} {}", T::NAME);
        for &layout in LAYOUTS {
            assert_same(&format!("cqrrpt {layout:?} {what}"), |par| {
                with_input(&a, layout, |a| qr_bits(&cqrrpt(a, &CqrrptOptions::default(), par).unwrap()))
            });
        }
        let top = a.subrows(0, 400).to_owned();
        assert_same(&format!("pivoted_qr {what}"), |par| {
            qr_bits(&pivoted_qr(top.as_ref(), &PivotedQrOptions::default(), par).unwrap())
        });
    }
    let a = Family::Gaussian.matrix::<T>(3000, 200, 3);
    assert_same("cholesky_qr2", |par| {
        let qr = cholesky_qr2(a.as_ref(), par).unwrap();
        [bits(&qr.q), bits(&qr.r)].concat()
    });
    assert_same("shifted_cholesky_qr3", |par| {
        let qr = shifted_cholesky_qr3(a.as_ref(), par).unwrap();
        [bits(&qr.q), bits(&qr.r)].concat()
    });
}

#[test]
fn qr_does_not_depend_on_threads_in_single_precision() {
    qr_does_not_depend_on_threads::<f32>();
}

#[test]
fn qr_does_not_depend_on_threads_in_double_precision() {
    qr_does_not_depend_on_threads::<f64>();
}

#[test]
fn fallbacks_do_not_depend_on_threads() {
    // Unit vectors, which CountSketch to few rows cannot tell apart.
    let a =
        Mat::<f64>::from_fn(1500, 120, |i, j| f64::from(u8::from(i == 11 * j)) + 1e-9 * f64::from(u8::from(i == j)));
    for (gamma, vec_nnz) in [(1.0, 1), (1.0, 2)] {
        for seed in 0..3 {
            let options = CqrrptOptions { gamma, vec_nnz, seed, ..CqrrptOptions::default() };
            assert_same(&format!("{options:?}"), |par| qr_bits(&cqrrpt(a.as_ref(), &options, par).unwrap()));
        }
    }
}

#[test]
fn another_seed_gives_other_bytes() {
    // So that the comparisons above compare something that is drawn.
    let a = Family::Spectrum(Spectrum::Polynomial(0.5)).matrix::<f64>(300, 200, 3);
    let svd = |seed| {
        let options = RsvdOptions { seed, ..RsvdOptions::default() };
        rsvd_bits(&rsvd(&a, Target::Rank(10), &options, Par::Seq).unwrap())
    };
    assert!(svd(1) != svd(2));
    let qr = |seed| {
        let options = CqrrptOptions { seed, ..CqrrptOptions::default() };
        qr_bits(&cqrrpt(a.get(.., 0..100), &options, Par::Seq).unwrap())
    };
    assert!(qr(1) != qr(2));
}

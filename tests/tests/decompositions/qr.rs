//! CQRRPT and pivoted QR.

use faer::{Mat, Par};
use panther_linalg::{CqrrptOptions, PivotedQr, PivotedQrOptions, QrFallback, Real, cqrrpt, pivoted_qr};
use panther_tests::cases::{config, families, shapes, tall_shapes};
use panther_tests::checks::{self, Check, slack};
use panther_tests::layouts::{LAYOUTS, Layout, with_input};
use panther_tests::matrices::{Alphabet, Family, Spectrum};
use panther_tests::measure::{Reference, integer_rank};
use proptest::prelude::*;
use proptest::sample::select;

use crate::case;

#[derive(Clone, Copy, Debug)]
struct Case {
    family: Family,
    shape: (usize, usize),
    layout: Layout,
    seed: u64,
}

impl Case {
    fn matrix<T: Real>(&self) -> Mat<T> {
        self.family.matrix(self.shape.0, self.shape.1, self.seed)
    }

    fn cqrrpt<T: Real>(&self, a: &Mat<T>, options: &CqrrptOptions) -> Result<PivotedQr<T>, String> {
        with_input(a, self.layout, |a| cqrrpt(a, options, Par::Seq)).map_err(|e| e.to_string())
    }
}

fn cases(shapes: impl Strategy<Value = (usize, usize)>) -> impl Strategy<Value = Case> {
    (families(), shapes, select(LAYOUTS), 0..1_000_000u64).prop_map(|(family, shape, layout, seed)| Case {
        family,
        shape,
        layout,
        seed,
    })
}

/// What holds at the default rank tolerance: nothing is lost but rounding, and a rank beyond doubt is found. No residual
/// of a column is below the smallest singular value, so that full rank shows in any family.
fn lossless<T: Real>(family: Family, a: &Mat<T>, found: &PivotedQr<T>) -> Check {
    let reference = Reference::new(a.as_ref());
    checks::pivoted_qr(&reference, found, slack(&reference))?;
    let full = a.nrows().min(a.ncols());
    match reference.clear_rank() {
        Some(exact) if found.rank != exact && (exact == full || family.lacks_rank_exactly()) => {
            Err(format!("rank {} of a matrix of rank {exact}", found.rank))
        }
        _ => Ok(()),
    }
}

fn by_cqrrpt<T: Real>(c: &Case, options: &CqrrptOptions) -> Check {
    let a = c.matrix::<T>();
    lossless(c.family, &a, &c.cqrrpt(&a, options)?)
}

fn by_pivoted_qr<T: Real>(c: &Case, options: &PivotedQrOptions) -> Check {
    let a = c.matrix::<T>();
    let found = with_input(&a, c.layout, |a| match a {
        panther_linalg::Input::Dense(a) => pivoted_qr(a, options, Par::Seq),
        _ => unreachable!("dense layouts only"),
    });
    lossless(c.family, &a, &found.map_err(|e| e.to_string())?)
}

fn dense(layout: Layout) -> Layout {
    match layout {
        Layout::Columns | Layout::Rows | Layout::Window => layout,
        _ => Layout::Columns,
    }
}

proptest! {
    #![proptest_config(config(250))]

    #[test]
    fn cqrrpt_is_a_pivoted_qr_of_tall_matrices(
        c in cases(tall_shapes()),
        gamma in prop_oneof![2 => Just(1.25), 1 => Just(1.0), 1 => 1.0..4.0f64],
        vec_nnz in prop_oneof![2 => Just(4), 1 => 1..=8usize],
    ) {
        let options = CqrrptOptions { gamma, vec_nnz, seed: c.seed ^ 77, ..CqrrptOptions::default() };
        case(by_cqrrpt::<f32>(&c, &options))?;
        case(by_cqrrpt::<f64>(&c, &options))?;
    }

    #[test]
    fn cqrrpt_is_a_pivoted_qr_of_any_shape(c in cases(shapes())) {
        case(by_cqrrpt::<f32>(&c, &CqrrptOptions::default()))?;
        case(by_cqrrpt::<f64>(&c, &CqrrptOptions::default()))?;
    }

    #[test]
    fn pivoted_qr_is_one_for_any_block(
        c in cases(shapes()),
        block_size in prop_oneof![2 => Just(64), 1 => 1..=8usize, 1 => 9..200usize],
        oversampling in prop_oneof![2 => Just(8), 1 => 0..20usize],
    ) {
        let c = Case { layout: dense(c.layout), ..c };
        let options =
            PivotedQrOptions { block_size, oversampling, seed: c.seed ^ 77, ..PivotedQrOptions::default() };
        case(by_pivoted_qr::<f32>(&c, &options))?;
        case(by_pivoted_qr::<f64>(&c, &options))?;
    }
}

/// Both routines at their defaults on one matrix, whose rank is beyond doubt.
fn rank_is_exact<T: Real>(family: Family, (m, n): (usize, usize), layout: Layout, seed: u64) {
    let c = Case { family, shape: (m, n), layout, seed };
    let a = c.matrix::<T>();
    let rank = Reference::new(a.as_ref()).clear_rank();
    assert!(rank.is_some(), "families of low rank leave no doubt: {c:?}");
    let options = CqrrptOptions { seed, ..CqrrptOptions::default() };
    assert_eq!(by_cqrrpt::<T>(&c, &options), Ok(()), "cqrrpt {} {c:?}", T::NAME);
    let c = Case { layout: dense(layout), ..c };
    let options = PivotedQrOptions { seed, ..PivotedQrOptions::default() };
    assert_eq!(by_pivoted_qr::<T>(&c, &options), Ok(()), "pivoted_qr {} {c:?}", T::NAME);
}

#[test]
fn rank_of_low_rank_input_is_exact_over_a_hundred_seeds() {
    for seed in 0..100 {
        let shape = [(200, 40), (90, 90), (60, 150), (300, 65), (150, 128)][seed as usize % 5];
        let layout = LAYOUTS[seed as usize % LAYOUTS.len()];
        for family in
            [Family::LowRank(1), Family::LowRank(17), Family::RankOne, Family::DuplicatedColumns, Family::Zero]
        {
            rank_is_exact::<f32>(family, shape, layout, seed);
            rank_is_exact::<f64>(family, shape, layout, seed);
        }
    }
}

/// The unlucky sketches: with few columns and few distinct entries a SparseSign sketch of full-rank columns is often
/// singular, which neither the Cholesky factor nor the orthogonality of Q shows.
#[test]
fn small_matrices_with_few_distinct_entries_have_their_rank() {
    fn check<T: Real>(alphabet: Alphabet, m: usize, n: usize, seed: u64, options: &CqrrptOptions) {
        let a = Family::FewDistinct(alphabet).matrix::<T>(m, n, seed);
        let found = cqrrpt(a.as_ref(), options, Par::Seq).unwrap();
        let what = format!("{alphabet:?} {} {m}×{n} seed {seed} {options:?}", T::NAME);
        assert_eq!(found.rank, integer_rank(a.as_ref()), "{what}");
        assert_eq!(lossless(Family::FewDistinct(alphabet), &a, &found), Ok(()), "{what}");
    }
    for alphabet in [Alphabet::Bits, Alphabet::Signs, Alphabet::Ternary] {
        for seed in 0..300 {
            let (m, n) = (12 + seed as usize % 150, 1 + seed as usize % 11);
            for (gamma, vec_nnz) in [(1.25, 4), (1.0, 1), (2.0, 2)] {
                let options = CqrrptOptions { gamma, vec_nnz, seed, ..CqrrptOptions::default() };
                check::<f32>(alphabet, m, n, seed, &options);
                check::<f64>(alphabet, m, n, seed, &options);
            }
        }
    }
}

/// Rows that no sketch can embed well: the columns of A are unit vectors, so that S·A is a few columns of S itself.
#[test]
fn coherent_columns_are_all_found() {
    for seed in 0..100 {
        for n in [2, 5, 30, 64] {
            let a = Mat::<f64>::from_fn(40 * n, n, |i, j| f64::from(u8::from(i == 7 * j)));
            for (gamma, vec_nnz) in [(1.25, 4), (1.0, 1), (1.0, 2)] {
                let options = CqrrptOptions { gamma, vec_nnz, seed, ..CqrrptOptions::default() };
                let found = cqrrpt(a.as_ref(), &options, Par::Seq).unwrap();
                assert_eq!(found.rank, n, "n {n} {options:?}");
                assert_eq!(lossless(Family::Coordinates, &a, &found), Ok(()), "n {n} {options:?}");
            }
        }
    }
}

#[test]
fn an_unlucky_sketch_is_noticed() {
    // CountSketch of n unit vectors to 1.0·n ≥ 32 rows: some of 40 columns share a row in all but 40!/40⁴⁰ ≈ 10⁻¹⁶ of draws.
    let a = Mat::<f64>::from_fn(400, 40, |i, j| f64::from(u8::from(i == 7 * j)));
    for seed in 0..20 {
        let options = CqrrptOptions { gamma: 1.0, vec_nnz: 1, seed, ..CqrrptOptions::default() };
        let found = cqrrpt(a.as_ref(), &options, Par::Seq).unwrap();
        assert!(found.sketches > 1, "seed {seed}: {} sketches", found.sketches);
        assert_eq!(found.rank, 40);
    }
}

#[test]
fn wide_square_and_barely_tall_matrices_get_the_general_pivoted_qr() {
    for (m, n) in [(1, 1), (30, 30), (20, 50), (32, 5), (100, 80), (125, 100)] {
        let a = Family::Gaussian.matrix::<f64>(m, n, 1);
        let found = cqrrpt(a.as_ref(), &CqrrptOptions::default(), Par::Seq).unwrap();
        assert_eq!(found.fallback, QrFallback::PivotedQr, "{m}×{n}");
    }
}

#[test]
fn well_embedded_matrices_need_no_fallback() {
    // What the sketch is for: whatever the condition of A, that of A·R⁻¹ is a small constant.
    for condition in [1.0, 1e6, 1e10] {
        for seed in 0..20 {
            let a = Family::Spectrum(Spectrum::Condition(condition)).matrix::<f64>(1000, 40, seed);
            let options = CqrrptOptions { gamma: 2.0, vec_nnz: 8, seed, ..CqrrptOptions::default() };
            let found = cqrrpt(a.as_ref(), &options, Par::Seq).unwrap();
            let healthy = found.fallback <= QrFallback::CholeskyQr2 && found.rank == 40;
            assert!(healthy, "condition {condition:e} seed {seed}: {} rank {}", found.fallback, found.rank);
        }
    }
}

#[test]
fn a_second_cholesky_pass_repairs_poor_embeddings() {
    // A square sketch embeds 40 columns badly, and rounding of its small pivots adds to that: one draw in seven leaves
    // more than one pass can repair.
    let (mut seen, family) = (0, Family::Spectrum(Spectrum::Exponential(0.7)));
    for seed in 0..100 {
        let a = family.matrix::<f64>(400, 40, seed);
        let options = CqrrptOptions { gamma: 1.0, seed, ..CqrrptOptions::default() };
        let found = cqrrpt(a.as_ref(), &options, Par::Seq).unwrap();
        seen += u32::from(found.fallback == QrFallback::CholeskyQr2);
        assert_eq!(lossless(family, &a, &found), Ok(()), "seed {seed}, fallback {}", found.fallback);
    }
    assert!(seen > 0);
}

#[test]
fn where_no_larger_sketch_fits_the_general_pivoted_qr_takes_over() {
    // 40 unit vectors of length 60: CountSketch to 40 rows is singular, and the next sketch would have 80 rows.
    let a = Mat::<f64>::from_fn(60, 40, |i, j| f64::from(u8::from(i == j)));
    for seed in 0..20 {
        let options = CqrrptOptions { gamma: 1.0, vec_nnz: 1, seed, ..CqrrptOptions::default() };
        let found = cqrrpt(a.as_ref(), &options, Par::Seq).unwrap();
        assert_eq!((found.fallback, found.rank), (QrFallback::PivotedQr, 40), "seed {seed}");
        assert_eq!(lossless(Family::Coordinates, &a, &found), Ok(()), "seed {seed}");
    }
}

/// With no column dropped for being small, the preconditioner of a deficient matrix is as ill-conditioned as can be.
#[test]
fn a_rank_tolerance_of_zero_still_gives_a_qr() {
    fn check<T: Real>(family: Family, (m, n): (usize, usize), seed: u64) {
        let a = family.matrix::<T>(m, n, seed);
        let reference = Reference::new(a.as_ref());
        for (gamma, vec_nnz) in [(1.25, 4), (1.0, 2)] {
            let options = CqrrptOptions { gamma, vec_nnz, rank_tolerance: Some(0.0), seed };
            let found = cqrrpt(a.as_ref(), &options, Par::Seq).unwrap();
            let check = checks::pivoted_qr(&reference, &found, slack(&reference));
            assert_eq!(check, Ok(()), "cqrrpt {family:?} {m}×{n} {} {options:?} fallback {}", T::NAME, found.fallback);
        }
        let options = PivotedQrOptions { rank_tolerance: Some(0.0), seed, ..PivotedQrOptions::default() };
        let found = pivoted_qr(a.as_ref(), &options, Par::Seq).unwrap();
        let check = checks::pivoted_qr(&reference, &found, slack(&reference));
        assert_eq!(check, Ok(()), "pivoted_qr {family:?} {m}×{n} {} {options:?}", T::NAME);
    }
    for family in [Family::LowRank(5), Family::DuplicatedColumns, Family::Kahan, Family::GradedRows, Family::Lauchli] {
        for shape in [(300, 10), (400, 40), (1000, 100)] {
            for seed in 0..5 {
                check::<f32>(family, shape, seed);
                check::<f64>(family, shape, seed);
            }
        }
    }
}

/// |Rᵢᵢ|, scaled as the reference is.
fn pivots<T: Real>(reference: &Reference, found: &PivotedQr<T>) -> Vec<f64> {
    (0..found.rank).map(|i| reference.scale(found.r[(i, i)].to_f64().abs())).collect()
}

/// How far max ‖residual of a column‖/|Rₖₖ| goes above 1, its value for classical pivoting, over all steps k.
fn greed<T: Real>(found: &PivotedQr<T>) -> f64 {
    let (rank, n) = found.r.shape();
    let mut remaining = vec![0.0; n];
    let mut worst: f64 = 0.0;
    for k in (0..rank).rev() {
        for (j, remaining) in remaining.iter_mut().enumerate() {
            *remaining += found.r[(k, j)].to_f64().powi(2);
        }
        let largest = remaining[k..].iter().fold(0.0f64, |x, &y| x.max(y)).sqrt();
        worst = worst.max(largest / found.r[(k, k)].to_f64().abs());
    }
    worst
}

const SPECTRA: [Spectrum; 5] = [
    Spectrum::Polynomial(1.0),
    Spectrum::Polynomial(3.0),
    Spectrum::Exponential(0.9),
    Spectrum::Step { rank: 30, tail: 1e-6 },
    Spectrum::Condition(1e9),
];

#[test]
fn pivots_are_nearly_as_greedy_as_classical_ones() {
    for spectrum in SPECTRA {
        for seed in 0..5 {
            let family = Family::Spectrum(spectrum);
            // A sketch of d = 1.25·n rows distorts lengths in the range of A by at most (1 + √(n/d))/(1 − √(n/d)) ≈ 18
            // as n grows (Marchenko–Pastur), so that a column it prefers is at least that close to the longest one;
            // SparseSign is taken to be half again as bad.
            let tall = family.matrix::<f64>(1500, 100, seed);
            let found = cqrrpt(tall.as_ref(), &CqrrptOptions { seed, ..CqrrptOptions::default() }, Par::Seq).unwrap();
            let factor = greed(&found);
            assert!(factor <= 27.0, "cqrrpt {spectrum:?} seed {seed}: {factor}");
            // At the end of a block 9 of its 72 sketch rows are left. A tenth of the longest column is then mistaken
            // for it with a probability P(F₉,₉ > 100) ≈ 10⁻⁷ for each of 150 columns.
            let square = family.matrix::<f64>(150, 150, seed);
            let options = PivotedQrOptions { seed, ..PivotedQrOptions::default() };
            let factor = greed(&pivoted_qr(square.as_ref(), &options, Par::Seq).unwrap());
            assert!(factor <= 10.0, "pivoted_qr {spectrum:?} seed {seed}: {factor}");
        }
    }
}

#[test]
fn pivots_follow_the_singular_values_and_the_classical_pivots() {
    for spectrum in SPECTRA {
        for seed in 0..5 {
            let tall = Family::Spectrum(spectrum).matrix::<f64>(600, 100, seed);
            let reference = Reference::new(tall.as_ref());
            let by_sketch =
                cqrrpt(tall.as_ref(), &CqrrptOptions { seed, ..CqrrptOptions::default() }, Par::Seq).unwrap();
            let options = PivotedQrOptions { seed, ..PivotedQrOptions::default() };
            let by_blocks = pivoted_qr(tall.as_ref(), &options, Par::Seq).unwrap();
            for (name, found) in [("cqrrpt", &by_sketch), ("pivoted_qr", &by_blocks)] {
                let what = format!("{name} {spectrum:?} seed {seed}");
                assert_eq!(found.rank, 100, "{what}");
                follows(&what, &pivots(&reference, found), reference.singular_values(), &reference.classical_pivots());
            }
        }
    }
}

/// Classical pivots stay within a factor of 10 of the singular values on matrices whose singular vectors are random
/// (Kahan's show how much worse it can be otherwise); randomized pivots may be off by another factor of 3 at any step,
/// and by 10 % on the geometric mean over all steps.
fn follows(what: &str, pivots: &[f64], sigma: &[f64], classical: &[f64]) {
    let mut log_ratio = 0.0;
    for (i, ((&pivot, &sigma), &classical)) in pivots.iter().zip(sigma).zip(classical).enumerate() {
        let (to_sigma, to_classical) = (pivot / sigma, pivot / classical);
        assert!((0.1..=10.0).contains(&to_sigma), "{what}: |R[{i},{i}]| is {to_sigma} of σ");
        assert!(
            (1.0 / 3.0..=3.0).contains(&to_classical),
            "{what}: |R[{i},{i}]| is {to_classical} of the classical one"
        );
        log_ratio += to_classical.ln();
    }
    let mean = (log_ratio / pivots.len() as f64).exp();
    assert!((1.0 / 1.1..=1.1).contains(&mean), "{what}: the mean ratio to classical pivots is {mean}");
}

#[test]
fn a_rank_tolerance_bounds_what_is_dropped() {
    for tolerance in [0.0, 1e-10, 1e-6, 1e-3, 0.1] {
        for seed in 0..10 {
            for spectrum in
                [Spectrum::Exponential(0.8), Spectrum::Polynomial(2.0), Spectrum::Step { rank: 9, tail: 1e-5 }]
            {
                let a = Family::Spectrum(spectrum).matrix::<f64>(400, 50, seed);
                let reference = Reference::new(a.as_ref());
                let what = format!("{spectrum:?} tolerance {tolerance:e} seed {seed}");
                let options = CqrrptOptions { rank_tolerance: Some(tolerance), seed, ..CqrrptOptions::default() };
                let by_sketch = cqrrpt(a.as_ref(), &options, Par::Seq).unwrap();
                let options = PivotedQrOptions { rank_tolerance: Some(tolerance), seed, ..PivotedQrOptions::default() };
                let by_blocks = pivoted_qr(a.as_ref(), &options, Par::Seq).unwrap();
                // What is left out is at most the tolerance where it is known, four times that where a sketch told.
                for (name, found, factor) in [("cqrrpt", &by_sketch, 4.0), ("pivoted_qr", &by_blocks, 1.0)] {
                    let dropped = factor * tolerance * reference.norm();
                    let check = checks::pivoted_qr(&reference, found, dropped + slack(&reference));
                    assert_eq!(check, Ok(()), "{name} {what}");
                    // And nothing is kept that is far below it: no pivot under a 30th, the distortion of a sketch.
                    let last = pivots(&reference, found).last().copied().unwrap_or(f64::INFINITY);
                    assert!(last >= tolerance * reference.norm() / 30.0, "{name} {what}: last pivot {last:e}");
                }
            }
        }
    }
}

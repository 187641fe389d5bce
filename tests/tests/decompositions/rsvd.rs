//! Truncated SVD, QB and range finder.

use faer::{Mat, Par};
use panther_linalg::{
    Distribution, LinearOperator, RangeFinder, Real, Rsvd, RsvdOptions, RsvdPath, Target, qb, range_finder, rsvd,
};
use panther_tests::cases::{config, families, large_shapes_and_ranks, shapes, up_to};
use panther_tests::checks::{self, Check, default_error, slack};
use panther_tests::layouts::{LAYOUTS, Layout, with_operator};
use panther_tests::matrices::{Alphabet, Family, Spectrum};
use panther_tests::measure::Reference;
use proptest::prelude::*;
use proptest::sample::select;

use crate::case;

const DISTRIBUTIONS: &[Distribution] = &[
    Distribution::Gaussian,
    Distribution::Rademacher,
    Distribution::Uniform,
    Distribution::COUNT_SKETCH,
    Distribution::SparseSign { vec_nnz: 8 },
    Distribution::LessUniform { vec_nnz: 8 },
    Distribution::Srht,
];

/// One matrix and how much of it is asked for.
#[derive(Clone, Copy, Debug)]
struct Case {
    family: Family,
    shape: (usize, usize),
    rank: usize,
    layout: Layout,
    seed: u64,
}

impl Case {
    fn matrix<T: Real>(&self) -> Mat<T> {
        self.family.matrix(self.shape.0, self.shape.1, self.seed)
    }

    fn options(&self) -> RsvdOptions {
        RsvdOptions { seed: self.seed.wrapping_mul(3), ..RsvdOptions::default() }
    }

    fn rsvd<T: Real>(&self, a: &Mat<T>, target: Target, options: &RsvdOptions) -> Result<Rsvd<T>, String> {
        with_operator(a, self.layout, |a| rsvd(a, target, options, Par::Seq)).map_err(|e| e.to_string())
    }
}

fn cases() -> impl Strategy<Value = Case> {
    sized(shapes().prop_flat_map(|shape| (Just(shape), up_to(shape.0.min(shape.1)))))
}

fn large_cases() -> impl Strategy<Value = Case> {
    sized(large_shapes_and_ranks())
}

fn sized(shapes: impl Strategy<Value = ((usize, usize), usize)>) -> impl Strategy<Value = Case> {
    (families(), shapes, select(LAYOUTS), 0..1_000_000u64).prop_map(|(family, (shape, rank), layout, seed)| Case {
        family,
        shape,
        rank,
        layout,
        seed,
    })
}

fn at_defaults<T: Real>(c: &Case) -> Check {
    let a = c.matrix::<T>();
    let reference = Reference::new(a.as_ref());
    let found = c.rsvd(&a, Target::Rank(c.rank), &c.options())?;
    checks::rsvd(&reference, &found, c.rank, default_error(&reference, c.rank))
}

fn with_distribution<T: Real>(c: &Case, distribution: Distribution) -> Check {
    let a = c.matrix::<T>();
    let reference = Reference::new(a.as_ref());
    let found = c.rsvd(&a, Target::Rank(c.rank), &RsvdOptions { distribution, ..c.options() })?;
    // LessUniform reads ζ coordinates a row and knows nothing of the others: it promises nothing for a matrix that a few
    // coordinates dominate, but to be honest.
    let is_blind = matches!(distribution, Distribution::LessUniform { .. });
    let allowed = if is_blind && c.family.is_coherent() {
        reference.norm() + slack(&reference)
    } else {
        default_error(&reference, c.rank)
    };
    checks::rsvd(&reference, &found, c.rank, allowed)
}

proptest! {
    #![proptest_config(config(250))]

    #[test]
    fn defaults_are_within_one_percent_of_the_best(c in cases()) {
        case(at_defaults::<f32>(&c))?;
        case(at_defaults::<f64>(&c))?;
    }

    #[test]
    fn every_sketch_is_within_one_percent_of_the_best(c in cases(), distribution in select(DISTRIBUTIONS)) {
        case(with_distribution::<f32>(&c, distribution))?;
        case(with_distribution::<f64>(&c, distribution))?;
    }
}

proptest! {
    #![proptest_config(config(100))]

    #[test]
    fn large_matrices_are_within_one_percent_of_the_best(c in large_cases(), distribution in select(DISTRIBUTIONS)) {
        case(with_distribution::<f32>(&c, distribution))?;
        case(with_distribution::<f64>(&c, distribution))?;
    }

    // Fresh seeds would break the bound with a probability of at most 20·10⁻⁹ a case.
    #[test]
    fn subspace_iteration_of_large_matrices_loses_no_more_than_theory_says(
        c in large_cases(),
        oversampling in 2..20usize,
        q in 0..4usize,
    ) {
        case(by_subspace_iteration::<f32>(&c, oversampling, q))?;
        case(by_subspace_iteration::<f64>(&c, oversampling, q))?;
    }

    #[test]
    fn a_tolerance_on_large_matrices_is_kept_or_its_miss_is_told(c in large_cases(), exponent in 0.3..7.0f64) {
        let relative = 10f64.powf(-exponent);
        case(to_tolerance::<f32>(&c, relative, Some(2 * c.rank), &c.options()))?;
        case(to_tolerance::<f64>(&c, relative, None, &c.options()))?;
    }
}

/// What subspace iteration with l = k + p Gaussian vectors may lose against the best rank k, by Theorems 4.3 and 5.8 of
/// Gu (SIAM J. Sci. Comput. 37, 2015): for each split p' ≤ p of the oversampling, with probability 1 − δ,
///
///   σⱼ(A_k)² ≥ σⱼ² / (1 + C²·(σ_{l−p'+1}/σⱼ)^{4q+2}),
///   C = e√l/(p'+1)·(2/δ)^{1/(p'+1)}·(√(n−l+p') + √l + √(2 ln(2/δ))),
///
/// and ‖A − A_k‖_F² = ‖A‖_F² − Σ σⱼ(A_k)². The best split is taken; δ is 10⁻⁹.
fn subspace_iteration_error(reference: &Reference, k: usize, oversampling: usize, q: usize) -> f64 {
    let delta: f64 = 1e-9;
    let sigma = reference.singular_values();
    let n = reference.longer_side();
    let l = k + oversampling;
    let lost = |split: usize| {
        let root = (l as f64).sqrt();
        let p = (split + 1) as f64;
        let noise = (n - (l - split) as f64).max(0.0).sqrt() + root + (2.0 * (2.0 / delta).ln()).sqrt();
        let c = std::f64::consts::E * root / p * (2.0 / delta).powf(p.recip()) * noise;
        let beyond = sigma.get(l - split).copied().unwrap_or(0.0);
        let of_one = |s: f64| {
            let gamma = if s > 0.0 { (c * (beyond / s).powi(2 * q as i32 + 1)).powi(2) } else { 0.0 };
            s * s * (1.0 - (1.0 + gamma).recip())
        };
        sigma.iter().take(k).map(|&s| of_one(s)).sum::<f64>()
    };
    let least = (0..=oversampling).map(lost).fold(f64::INFINITY, f64::min);
    (reference.best(k).powi(2) + least).sqrt() + slack(reference)
}

fn by_subspace_iteration<T: Real>(c: &Case, oversampling: usize, q: usize) -> Check {
    let a = c.matrix::<T>();
    let reference = Reference::new(a.as_ref());
    let options = RsvdOptions {
        range_finder: RangeFinder::SubspaceIteration,
        oversampling: Some(oversampling),
        power_iterations: Some(q),
        ..c.options()
    };
    let found = c.rsvd(&a, Target::Rank(c.rank), &options)?;
    checks::rsvd(&reference, &found, c.rank, subspace_iteration_error(&reference, c.rank, oversampling, q))
}

fn as_qb<T: Real>(c: &Case) -> Check {
    let a = c.matrix::<T>();
    let reference = Reference::new(a.as_ref());
    let allowed = default_error(&reference, c.rank);
    let target = Target::Rank(c.rank);
    let found = with_operator(&a, c.layout, |a| qb(a, target, &c.options(), Par::Seq)).map_err(|e| e.to_string())?;
    checks::qb(&reference, &found, allowed)?;
    let q =
        with_operator(&a, c.layout, |a| range_finder(a, c.rank, &c.options(), Par::Seq)).map_err(|e| e.to_string())?;
    checks::orthonormal(&reference, "Q", q.as_ref())?;
    let error = reference.projection_error(q.as_ref());
    if error > allowed {
        return Err(format!("‖A − QQᵀA‖_F: {error:e}, allowed {allowed:e}"));
    }
    Ok(())
}

proptest! {
    #![proptest_config(config(150))]

    // Fresh seeds would break the bound with a probability of at most 20·10⁻⁹ a case.
    #[test]
    fn subspace_iteration_loses_no_more_than_theory_says(c in cases(), oversampling in 2..20usize, q in 0..4usize) {
        case(by_subspace_iteration::<f32>(&c, oversampling, q))?;
        case(by_subspace_iteration::<f64>(&c, oversampling, q))?;
    }

    #[test]
    fn qb_and_range_finder_are_within_one_percent_of_the_best(c in cases()) {
        case(as_qb::<f32>(&c))?;
        case(as_qb::<f64>(&c))?;
    }
}

/// Error over the best possible.
fn ratio<T: Real>(a: &Mat<T>, k: usize, options: &RsvdOptions) -> f64 {
    let reference = Reference::new(a.as_ref());
    let found = rsvd(a, Target::Rank(k), options, Par::Seq).unwrap();
    reference.svd_error(found.u.as_ref(), &found.s, found.v.as_ref()) / reference.best(k)
}

#[test]
fn harmonic_spectrum_is_found_to_one_percent() {
    let harmonic = Family::Spectrum(Spectrum::Polynomial(1.0));
    for (m, n, k) in [(300, 300, 10), (400, 300, 50), (300, 400, 100)] {
        let (single, double) = (harmonic.matrix::<f32>(m, n, 1), harmonic.matrix::<f64>(m, n, 1));
        for seed in 0..3 {
            let krylov = RsvdOptions { seed, ..RsvdOptions::default() };
            let (r32, r64) = (ratio(&single, k, &krylov), ratio(&double, k, &krylov));
            assert!(r32 <= 1.01 && r64 <= 1.01, "block Krylov, {m}×{n}, k {k}, seed {seed}: {r32} {r64}");
            // Two power iterations with k/10 columns to spare reach 1.008 to 1.012 elsewhere on this spectrum.
            let subspace = RsvdOptions { range_finder: RangeFinder::SubspaceIteration, ..krylov };
            let (r32, r64) = (ratio(&single, k, &subspace), ratio(&double, k, &subspace));
            assert!(r32 <= 1.02 && r64 <= 1.02, "subspace iteration, {m}×{n}, k {k}, seed {seed}: {r32} {r64}");
        }
    }
}

/// Rank and trailing singular values of one low-rank matrix.
fn low_rank_is_exact<T: Real>(family: Family, m: usize, n: usize, k: usize, seed: u64, finder: RangeFinder) {
    let a = family.matrix::<T>(m, n, seed);
    let reference = Reference::new(a.as_ref());
    let exact = reference.clear_rank().expect("families of low rank leave no doubt");
    let options = RsvdOptions { seed, range_finder: finder, ..RsvdOptions::default() };
    let found = rsvd(&a, Target::Rank(k), &options, Par::Seq).unwrap();
    let what = format!("{family:?} {m}×{n} {} seed {seed} {finder:?} k {k}", T::NAME);
    assert_eq!(found.rank, exact.min(k), "{what}: {:?}", found.s.iter().map(|s| s.to_f64()).collect::<Vec<_>>());
    // A trailing σ is rounding: the small SVD's, of order n·ε·σ₁.
    let trailing = found.s.get(exact).map_or(0.0, |s| s.to_f64());
    assert!(trailing <= n as f64 * T::EPSILON.to_f64() * found.s[0].to_f64(), "{what}: trailing σ {trailing:e}");
    let bound = checks::rsvd(&reference, &found, k, default_error(&reference, k));
    assert_eq!(bound, Ok(()), "{what}");
}

#[test]
fn rank_of_low_rank_input_is_exact_over_a_hundred_seeds() {
    // The fifth goes to the exact SVD with a rank of one, on which divide and conquer may fail to converge.
    let shapes = [(100, 60, 20, 7), (60, 100, 30, 12), (65, 65, 65, 20), (200, 20, 20, 3), (150, 128, 64, 1)];
    for seed in 0..100 {
        let (m, n, k, rank) = shapes[seed as usize % shapes.len()];
        for finder in [RangeFinder::BlockKrylov, RangeFinder::SubspaceIteration] {
            low_rank_is_exact::<f32>(Family::LowRank(rank), m, n, k, seed, finder);
            low_rank_is_exact::<f64>(Family::LowRank(rank), m, n, k, seed, finder);
            low_rank_is_exact::<f32>(Family::RankOne, m, n, k, seed, finder);
            low_rank_is_exact::<f64>(Family::RankOne, m, n, k, seed, finder);
            low_rank_is_exact::<f32>(Family::DuplicatedColumns, m, n, n.min(m), seed, finder);
            low_rank_is_exact::<f64>(Family::DuplicatedColumns, m, n, n.min(m), seed, finder);
        }
    }
}

#[test]
fn equal_singular_values_beyond_the_block_are_all_found() {
    // Multiplicities far above half the rank: the first block cannot see them all.
    for (size, k) in [(40, 50), (60, 60), (60, 20), (100, 110)] {
        for ratio in [1e-2, 1e-6] {
            let family = Family::Spectrum(Spectrum::Clusters { size, ratio });
            for seed in 0..5 {
                let c = Case { family, shape: (220, 180), rank: k, layout: Layout::Columns, seed };
                assert_eq!(at_defaults::<f32>(&c), Ok(()), "{c:?}");
                assert_eq!(at_defaults::<f64>(&c), Ok(()), "{c:?}");
            }
        }
    }
}

#[test]
fn the_exact_svd_of_a_tall_graded_matrix_keeps_its_rank() {
    // Rows over 300 orders of magnitude leave 8 singular values above the threshold, some near it, which a QR may not drop.
    let c = Case { family: Family::GradedRows, shape: (151, 40), rank: 40, layout: Layout::Columns, seed: 755_430 };
    let a = c.matrix::<f64>();
    let reference = Reference::new(a.as_ref());
    let above = reference.singular_values().iter().filter(|&&s| s > reference.rank_threshold()).count();
    let found = rsvd(&a, Target::Rank(40), &RsvdOptions::default(), Par::Seq).unwrap();
    assert_eq!((above, found.rank), (8, 8));
    assert_eq!(at_defaults::<f64>(&c), Ok(()));
}

/// What holds for a tolerance: met and kept, or missed and said so.
fn to_tolerance<T: Real>(c: &Case, relative: f64, max_rank: Option<usize>, options: &RsvdOptions) -> Check {
    let a = c.matrix::<T>();
    let reference = Reference::new(a.as_ref());
    let found = c.rsvd(&a, Target::Tolerance { relative, max_rank }, options)?;
    let k = found.s.len();
    let cap = max_rank.unwrap_or(c.shape.0.min(c.shape.1));
    // No better than what k triplets at the usual quality leave, and no worse than nothing.
    checks::rsvd(&reference, &found, k, reference.norm() + slack(&reference))?;
    let error = reference.svd_error(found.u.as_ref(), &found.s, found.v.as_ref());
    let allowed = relative * reference.norm();
    let about = format!("error {error:e}, tolerance {allowed:e}, {k} triplets of {cap}, met {:?}", found.tolerance_met);
    match found.tolerance_met {
        None => Err(format!("a tolerance was asked for: {about}")),
        Some(true) if error > allowed + reference.rounding() => Err(format!("missed silently: {about}")),
        Some(true) if k > cap => Err(format!("more triplets than allowed: {about}")),
        Some(true) => Ok(()),
        // Rounding is no reason to give up before a tolerance that it does not reach, and the largest rank none before
        // the best of that rank is well out of reach (estimates may be three times the error).
        Some(false) if k < cap && allowed > slack(&reference) => Err(format!("gave up too early: {about}")),
        Some(false) if checks::SVD_ESTIMATE * default_error(&reference, cap) < allowed => {
            Err(format!("could have met it: {about}"))
        }
        Some(false) => Ok(()),
    }
}

/// Exponents of tolerances: 10⁻⁰·³ to beyond what the precision can give.
fn exponents() -> impl Strategy<Value = f64> {
    0.3..14.0f64
}

proptest! {
    #![proptest_config(config(200))]

    #[test]
    fn a_tolerance_is_kept_or_its_miss_is_told(c in cases(), exponent in exponents(), capped in any::<bool>()) {
        let max_rank = capped.then_some(c.rank);
        case(to_tolerance::<f32>(&c, 10f64.powf(-exponent / 2.0), max_rank, &c.options()))?;
        case(to_tolerance::<f64>(&c, 10f64.powf(-exponent), max_rank, &c.options()))?;
    }

    #[test]
    fn a_tolerance_is_kept_by_subspace_iteration(c in cases(), exponent in exponents(), distribution in select(DISTRIBUTIONS)) {
        let options = RsvdOptions { range_finder: RangeFinder::SubspaceIteration, distribution, ..c.options() };
        case(to_tolerance::<f32>(&c, 10f64.powf(-exponent / 2.0), None, &options))?;
        case(to_tolerance::<f64>(&c, 10f64.powf(-exponent), None, &options))?;
    }
}

#[test]
fn tolerances_below_the_square_root_of_epsilon_are_kept() {
    // ‖A‖² − ‖B‖² cannot tell errors below √ε·‖A‖: these need the residual itself.
    for relative in [1e-9, 1e-10, 1e-12] {
        for (family, shape) in [
            (Family::Spectrum(Spectrum::Exponential(0.7)), (150, 120)),
            (Family::Spectrum(Spectrum::Polynomial(3.0)), (100, 140)),
            (Family::Spectrum(Spectrum::Condition(1e15)), (300, 60)),
            (Family::LowRank(20), (90, 90)),
            (Family::GradedRows, (150, 100)),
        ] {
            let c = Case { family, shape, rank: 1, layout: Layout::Columns, seed: 5 };
            let a = c.matrix::<f64>();
            let found = c.rsvd(&a, Target::Tolerance { relative, max_rank: None }, &c.options()).unwrap();
            assert_eq!(found.tolerance_met, Some(true), "{c:?} {relative:e}");
            assert_eq!(to_tolerance::<f64>(&c, relative, None, &c.options()), Ok(()), "{c:?} {relative:e}");
        }
    }
}

#[test]
fn the_largest_rank_is_kept_and_the_miss_is_told() {
    // 5 triplets of σᵢ = 1/i leave at least 30 % of the norm.
    let a = Family::Spectrum(Spectrum::Polynomial(1.0)).matrix::<f64>(120, 100, 2);
    for finder in [RangeFinder::BlockKrylov, RangeFinder::SubspaceIteration] {
        let options = RsvdOptions { range_finder: finder, ..RsvdOptions::default() };
        let found = rsvd(&a, Target::Tolerance { relative: 0.1, max_rank: Some(5) }, &options, Par::Seq).unwrap();
        assert_eq!((found.s.len(), found.tolerance_met), (5, Some(false)));
        assert!(found.error_estimate > 0.1 * found.norm);
        // A QB keeps the whole basis that was searched, and tells what that achieves.
        let found = qb(&a, Target::Tolerance { relative: 0.01, max_rank: Some(5) }, &options, Par::Seq).unwrap();
        assert_eq!(found.tolerance_met, Some(false));
        assert!(found.q.ncols() >= 5 && found.error_estimate > 0.01 * found.norm);
    }
}

#[test]
fn a_tolerance_needs_few_triplets_more_than_the_best_rank() {
    for (spectrum, relative) in
        [(Spectrum::Polynomial(1.0), 0.2), (Spectrum::Exponential(0.9), 1e-3), (Spectrum::Exponential(0.7), 1e-10)]
    {
        let a = Family::Spectrum(spectrum).matrix::<f64>(200, 160, 3);
        let reference = Reference::new(a.as_ref());
        let least = (0..160).find(|&k| reference.best(k) <= relative * reference.norm()).unwrap();
        let found =
            rsvd(&a, Target::Tolerance { relative, max_rank: None }, &RsvdOptions::default(), Par::Seq).unwrap();
        assert!(
            (least..=least + least / 10 + 2).contains(&found.s.len()),
            "{spectrum:?}: {} of {least}",
            found.s.len()
        );
    }
}

#[test]
fn the_zero_matrix_has_rank_zero() {
    fn check<T: Real>(m: usize, n: usize) {
        let a = Mat::<T>::zeros(m, n);
        let reference = Reference::new(a.as_ref());
        for finder in [RangeFinder::BlockKrylov, RangeFinder::SubspaceIteration] {
            let options = RsvdOptions { range_finder: finder, ..RsvdOptions::default() };
            let k = m.min(n).min(4);
            let found = rsvd(&a, Target::Rank(k), &options, Par::Seq).unwrap();
            assert_eq!((found.rank, found.path), (0, RsvdPath::Zero));
            assert_eq!((found.norm, found.error_estimate), (0.0, 0.0));
            assert!(found.s.iter().all(|&s| s == T::ZERO));
            assert_eq!(checks::rsvd(&reference, &found, k, 0.0), Ok(()));
            let tolerance = Target::Tolerance { relative: 0.5, max_rank: None };
            let found = rsvd(&a, tolerance, &options, Par::Seq).unwrap();
            assert_eq!((found.rank, found.tolerance_met), (0, Some(true)));
            let found = qb(&a, tolerance, &options, Par::Seq).unwrap();
            assert_eq!(found.tolerance_met, Some(true));
            assert_eq!(found.error_estimate, 0.0);
        }
    }
    for (m, n) in [(1, 1), (1, 9), (9, 1), (70, 40), (40, 70)] {
        check::<f32>(m, n);
        check::<f64>(m, n);
    }
}

#[test]
fn small_matrices_with_few_distinct_entries_have_their_rank() {
    for alphabet in [Alphabet::Bits, Alphabet::Signs, Alphabet::Ternary] {
        for seed in 0..60 {
            let (m, n) = (20 + seed as usize, 2 + seed as usize % 9);
            let a = Family::FewDistinct(alphabet).matrix::<f32>(m, n, seed);
            let found = rsvd(&a, Target::Rank(n), &RsvdOptions { seed, ..RsvdOptions::default() }, Par::Seq).unwrap();
            let exact = panther_tests::measure::integer_rank(a.as_ref());
            assert_eq!(found.rank, exact, "{alphabet:?} {m}×{n} seed {seed}");
        }
    }
}

#[test]
fn oversampling_and_power_iterations_reduce_the_error() {
    let a = Family::Spectrum(Spectrum::Polynomial(0.5)).matrix::<f64>(300, 300, 8);
    let ratio_of = |oversampling, power_iterations| {
        let options = RsvdOptions {
            range_finder: RangeFinder::SubspaceIteration,
            oversampling: Some(oversampling),
            power_iterations: Some(power_iterations),
            ..RsvdOptions::default()
        };
        ratio(&a, 20, &options)
    };
    let (coarse, wider, powered) = (ratio_of(5, 0), ratio_of(60, 0), ratio_of(5, 3));
    // On a slow decay like this a plain sketch is well off, which either remedy at least halves.
    assert!(coarse > 1.02, "{coarse}");
    assert!(wider - 1.0 < 0.5 * (coarse - 1.0), "{coarse} {wider}");
    assert!(powered - 1.0 < 0.5 * (coarse - 1.0), "{coarse} {powered}");
}

#[test]
fn only_products_are_used_of_a_closure() {
    let a = Family::Spectrum(Spectrum::Exponential(0.5)).matrix::<f64>(90, 70, 1);
    let reference = Reference::new(a.as_ref());
    let operator = panther_tests::layouts::closures(&a);
    assert_eq!((LinearOperator::<f64>::nrows(&operator), LinearOperator::<f64>::ncols(&operator)), (90, 70));
    let found = rsvd(&operator, Target::Rank(10), &RsvdOptions::default(), Par::Seq).unwrap();
    assert_eq!(checks::rsvd(&reference, &found, 10, default_error(&reference, 10)), Ok(()));
    assert_eq!(found.norm_source, panther_linalg::NormSource::Estimated);
}

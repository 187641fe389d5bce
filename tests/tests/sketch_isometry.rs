//! Does every family keep norms, angles and subspaces as its theory says? All seeds are fixed; each
//! test states how often it would fail for a correct operator if they were drawn anew.

use faer::{Mat, Par};
use panther_sketch::{Distribution, SketchOperator, stream};
use rand_xoshiro::rand_core::Rng;

const FAMILIES: [Distribution; 8] = [
    Distribution::Gaussian,
    Distribution::Rademacher,
    Distribution::Uniform,
    Distribution::COUNT_SKETCH,
    Distribution::SparseSign { vec_nnz: 8 },
    Distribution::LessUniform { vec_nnz: 4 },
    Distribution::LessUniform { vec_nnz: 16 },
    Distribution::Srht,
];

fn operator(family: Distribution, d: usize, n: usize, seed: u64) -> Box<dyn SketchOperator<f64>> {
    family.operator(d, n, seed).expect("the shape suits every family")
}

/// Sums of twelve uniform numbers: near enough to Gaussian for a direction to be generic.
fn generic(n: usize, k: usize, seed: u64) -> Mat<f64> {
    let mut words = stream::coordinate(seed, 0);
    Mat::from_fn(n, k, |_, _| (0..12).map(|_| words.next_u64() as f64 / 2.0_f64.powi(64) - 0.5).sum())
}

/// E‖Sx‖² = ‖x‖². For a generic x every family has Var‖Sx‖² ≤ (2+1/10)/d: exactly 2/d for Gaussian
/// entries, less for the bounded ones and for SparseSign and SRHT, and for LessUniform 2/d plus
/// (3Σx⁴·n − 3)/(dζ), which is small for a generic x.
///
/// The mean over M seeds is close to χ² of M·d = 12 800 degrees of freedom, divided by them: six
/// standard deviations are exceeded with probability 1e-8 a family (normal tails 2e-9), below 1e-7
/// in all.
#[test]
fn norms_are_kept_on_average() {
    let (d, n, seeds) = (32, 600, 400);
    let mut x = generic(n, 1, 1);
    let norm = x.norm_l2();
    x.as_mut().col_mut(0).iter_mut().for_each(|v| *v /= norm);
    for family in FAMILIES {
        let total: f64 = (0..seeds)
            .map(|seed| {
                let sketch = operator(family, d, n, seed).left(x.as_ref().into(), Par::Seq).expect("fits");
                sketch.squared_norm_l2()
            })
            .sum();
        let deviation = (2.1 / (d as f64 * seeds as f64)).sqrt();
        let mean = total / seeds as f64;
        assert!((mean - 1.0).abs() <= 6.0 * deviation, "{family:?}: E‖Sx‖² = {mean}, σ = {deviation}");
    }
}

/// E\[SᵀS\] = I, entry by entry. An entry off the diagonal has variance at most 1/d for every
/// family; one on it 0 where columns have norm 1, 2/d for Gaussian entries, and at most (n/ζ + 3)/d
/// for LessUniform.
///
/// With 3000 seeds the means are close to normal (the skewest, diagonal entries of LessUniform, are
/// averages of 24 000 independent terms of skewness below 5). 8·256 entries beyond seven standard
/// deviations: normal tails give 5e-9; skewness 5/√24000 at seven standard deviations raises tails
/// by less than e^(0.033·7³/6) = 7, so below 1e-7.
#[test]
fn gram_matrix_is_the_identity_on_average() {
    let (d, n, seeds) = (8, 16, 3000);
    for family in FAMILIES {
        let mut mean = Mat::<f64>::zeros(n, n);
        for seed in 0..seeds {
            let s = operator(family, d, n, 1_000_000 + seed).to_dense().unwrap();
            mean += s.transpose() * &s;
        }
        for i in 0..n {
            for j in 0..n {
                let variance = match family {
                    _ if i != j => 1.0,
                    Distribution::LessUniform { vec_nnz } => n as f64 / vec_nnz as f64 + 3.0,
                    _ => 2.0,
                };
                let deviation = (variance / (d as f64 * seeds as f64)).sqrt();
                let expected = f64::from(u8::from(i == j));
                let got = mean[(i, j)] / seeds as f64;
                assert!((got - expected).abs() <= 7.0 * deviation, "{family:?} ({i}, {j}): {got}");
            }
        }
    }
}

/// Columns of unit norm where the construction promises them: no chance involved.
#[test]
fn columns_have_norm_one() {
    let unit = [
        Distribution::Rademacher,
        Distribution::COUNT_SKETCH,
        Distribution::SparseSign { vec_nnz: 8 },
        Distribution::Srht,
    ];
    for family in unit {
        let s = operator(family, 40, 100, 3).to_dense().unwrap();
        assert!(s.col_iter().all(|column| (column.norm_l2() - 1.0).abs() < 1e-14), "{family:?}");
    }
}

/// The singular values of S·U for an orthonormal basis U of a k-dimensional subspace lie in 1 ±
/// (√(k/d) + t) except with probability 2·exp(−d·t²/2) for Gaussian S (Davidson and Szarek 2001). t
/// is chosen for 1e-7 a family. For a generic subspace each entry of S·U is a sum over n = 4096
/// coordinates with small weights, so that the other families behave as the Gaussian one; theirs is
/// no theorem, and the margin t, seven times the usual fluctuation of the edge, is what covers the
/// difference.
///
/// The distortion is no better than it should be either: the edges of Marchenko and Pastur's law
/// are at 1 ± √(k/d), and falling short by half, many times the fluctuation d^(−2/3), has
/// probability below 1e-9 a family.
#[test]
fn subspaces_are_distorted_as_predicted() {
    let (d, n, k) = (400, 4096, 40);
    let u = generic(n, k, 2).qr().compute_thin_Q();
    let ratio = (k as f64 / d as f64).sqrt();
    let t = (2.0 * (2.0 / 1e-7_f64).ln() / d as f64).sqrt();
    for family in FAMILIES {
        let sketch = operator(family, d, n, 9).left(u.as_ref().into(), Par::Seq).expect("fits");
        let sigma = sketch.singular_values().expect("converges");
        let (largest, smallest) = (sigma[0], sigma[k - 1]);
        assert!(largest <= 1.0 + ratio + t && smallest >= 1.0 - ratio - t, "{family:?}: {smallest}..{largest}");
        assert!(largest >= 1.0 + ratio / 2.0 && smallest <= 1.0 - ratio / 2.0, "{family:?}: {smallest}..{largest}");
    }
}

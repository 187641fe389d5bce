//! Are entries, indices and signs distributed as they should be, and streams independent? All seeds
//! are fixed; each test states how often it would fail for a correct operator if they were drawn
//! anew.

use std::f64::consts::PI;

use faer::Mat;
use panther_sketch::{Distribution, stream};
use rand_xoshiro::rand_core::Rng;

/// ln(2/α) for the false-alarm probability α = 1e-8 of one two-sided statistic.
const LOG: f64 = 19.114;

fn dense(family: Distribution, d: usize, n: usize, seed: u64) -> Mat<f64> {
    family.operator(d, n, seed).and_then(|s| s.to_dense()).expect("the shape suits the family")
}

fn entries(s: &Mat<f64>) -> Vec<f64> {
    s.col_iter().flat_map(|column| column.iter().copied()).collect()
}

/// Kolmogorov–Smirnov: by the inequality of Dvoretzky, Kiefer, Wolfowitz and Massart the empirical
/// distribution function of N independent numbers leaves the true one by more than √(ln(2/α)/2N)
/// with probability at most α = 1e-8.
#[track_caller]
fn assert_distributed(mut sample: Vec<f64>, cdf: impl Fn(f64) -> f64) {
    sample.sort_unstable_by(f64::total_cmp);
    let count = sample.len() as f64;
    let distance = sample.iter().enumerate().fold(0.0_f64, |distance, (i, &x)| {
        let p = cdf(x);
        distance.max((p - i as f64 / count).abs()).max(((i + 1) as f64 / count - p).abs())
    });
    let bound = (LOG / (2.0 * count)).sqrt();
    assert!(distance <= bound, "distance {distance} above {bound}");
}

/// A sum of N fair signs exceeds √(2N ln(2/α)) with probability at most α = 1e-8 (Hoeffding).
#[track_caller]
fn assert_fair(sum: f64, count: f64) {
    assert!(sum.abs() <= (2.0 * count * LOG).sqrt(), "{sum} of {count}");
}

/// χ² of `counts`, where each of `draws` rounds marks `each` distinct ones of them. Laurent and
/// Massart (2000): with k degrees of freedom, k + 2√(kx) + 2x is exceeded and k − 2√(kx) fallen
/// below with probability at most e^(−x) each; x = ln(2/α) makes that 1e-8. Counts are near 100 and
/// more, so the statistic is close to χ²; a factor of 10 for what is left keeps it below 1e-6.
#[track_caller]
fn assert_uniform(counts: &[usize], draws: usize, each: usize) {
    let cells = counts.len() as f64;
    let p = each as f64 / cells;
    let expected = draws as f64 * p;
    let variance = expected * (1.0 - p) * cells / (cells - 1.0);
    let statistic: f64 = counts.iter().map(|&c| (c as f64 - expected).powi(2) / variance).sum();
    let k = cells - 1.0;
    assert!(statistic <= k + 2.0 * (k * LOG).sqrt() + 2.0 * LOG, "χ² {statistic} of {k}");
    assert!(statistic >= k - 2.0 * (k * LOG).sqrt(), "χ² {statistic} of {k}");
}

/// Φ(x) by its series around 0, which is accurate to 1e-12 for |x| < 7.
fn normal_cdf(x: f64) -> f64 {
    let (mut term, mut sum, mut k) = (x, x, 1.0);
    while term.abs() > 1e-17 * sum.abs() {
        k += 2.0;
        term *= x * x / k;
        sum += term;
    }
    0.5 + sum * (-x * x / 2.0).exp() / (2.0 * PI).sqrt()
}

/// False alarm at most 1e-8 for each of three statistics.
#[test]
fn gaussian_entries_are_normal() {
    let d = 256;
    let s = dense(Distribution::Gaussian, d, 800, 1);
    let scaled: Vec<f64> = entries(&s).iter().map(|x| x * (d as f64).sqrt()).collect();
    assert_distributed(scaled.clone(), normal_cdf);
    // What Box and Muller start from: rows 2t and 2t+1 have a radius and an angle.
    let pairs = scaled.chunks_exact(2);
    assert_distributed(pairs.clone().map(|p| (p[0] * p[0] + p[1] * p[1]) / 2.0).collect(), |x| 1.0 - (-x).exp());
    assert_distributed(pairs.map(|p| p[1].atan2(p[0])).collect(), |x| (x + PI) / (2.0 * PI));
}

/// False alarm at most 1e-8 for each of two statistics.
#[test]
fn uniform_entries_are_uniform() {
    let d = 256;
    let width = (3.0 / d as f64).sqrt();
    let s = dense(Distribution::Uniform, d, 800, 1);
    assert!(entries(&s).iter().all(|x| x.abs() < width));
    for parity in [0, 1] {
        let half = entries(&s).into_iter().skip(parity).step_by(2).collect();
        assert_distributed(half, |x| (x + width) / (2.0 * width));
    }
}

/// False alarm at most 1e-8 for each of five statistics.
#[test]
fn signs_are_fair() {
    let families = [
        Distribution::Rademacher,
        Distribution::COUNT_SKETCH,
        Distribution::SparseSign { vec_nnz: 8 },
        Distribution::LessUniform { vec_nnz: 1 },
    ];
    for family in families {
        let s = dense(family, 256, 2000, 2);
        let nonzero: Vec<f64> = entries(&s).into_iter().filter(|&x| x != 0.0).collect();
        assert_fair(nonzero.iter().map(|x| x.signum()).sum(), nonzero.len() as f64);
    }
    // Row 0 of H·D is D, and keeping all rows keeps that one.
    let s = dense(Distribution::Srht, 1024, 1024, 2);
    assert_fair(s.row(0).iter().map(|x| x.signum()).sum(), 1024.0);
}

/// The signs of a row, not only of all together: products of signs of neighboring rows are fair
/// signs too. False alarm at most 1e-8.
#[test]
fn signs_of_neighboring_rows_are_independent() {
    let s = dense(Distribution::Rademacher, 256, 2000, 3);
    let mut sum = 0.0;
    for column in s.col_iter() {
        for i in 0..255 {
            sum += (column[i] * column[i + 1]).signum();
        }
    }
    assert_fair(sum, 255.0 * 2000.0);
}

/// False alarm below 1e-6 for each of three statistics.
#[test]
fn sparse_sign_rows_are_uniform() {
    let (d, n) = (50, 20_000);
    for vec_nnz in [1, 8, 25] {
        let s = dense(Distribution::SparseSign { vec_nnz }, d, n, 4);
        let mut counts = vec![0; d];
        for column in s.col_iter() {
            let rows: Vec<usize> = (0..d).filter(|&i| column[i] != 0.0).collect();
            assert_eq!(rows.len(), vec_nnz);
            rows.into_iter().for_each(|i| counts[i] += 1);
        }
        assert_uniform(&counts, n, vec_nnz);
    }
}

/// Pairs of rows of one column are uniform as well: all d(d−1)/2 of them with ζ = 2. False alarm
/// below 1e-6.
#[test]
fn sparse_sign_pairs_are_uniform() {
    let (d, n) = (12, 20_000);
    let s = dense(Distribution::SparseSign { vec_nnz: 2 }, d, n, 5);
    let mut counts = vec![0; d * d];
    for column in s.col_iter() {
        let rows: Vec<usize> = (0..d).filter(|&i| column[i] != 0.0).collect();
        counts[rows[0] * d + rows[1]] += 1;
    }
    let pairs: Vec<usize> = (0..d * d).filter(|k| k / d < k % d).map(|k| counts[k]).collect();
    assert_uniform(&pairs, n, 1);
}

/// The draws as the contract of the streams words them give the operator, and are uniform. False
/// alarm below 1e-6.
#[test]
fn less_uniform_indices_are_uniform() {
    let (d, n, vec_nnz, seed) = (400, 70, 64, 6);
    let key = stream::family_key(seed, stream::LESS_UNIFORM);
    let mut expected = Mat::<f64>::zeros(d, n);
    let scale = (n as f64 / (d * vec_nnz) as f64).sqrt();
    let mut counts = vec![0; n];
    for i in 0..d {
        let mut words = stream::coordinate(key, i);
        for _ in 0..vec_nnz {
            let (j, sign) = stream::signed_index(&mut words, n as u64);
            counts[j] += 1;
            expected[(i, j)] += if sign == 1 { -scale } else { scale };
        }
    }
    assert!((dense(Distribution::LessUniform { vec_nnz }, d, n, seed) - expected).norm_max() < 1e-14);
    assert_uniform(&counts, d * vec_nnz, 1);
}

/// The rows of H that SRHT keeps are read off its entries once D is taken off: column 2^b of H
/// holds bit b of the row. False alarm below 1e-6.
#[test]
fn srht_rows_are_uniform() {
    let (d, n, seeds) = (8, 64, 2000);
    let mut counts = vec![0; n];
    for seed in 0..seeds {
        let s = dense(Distribution::Srht, d, n, seed as u64);
        let key = stream::family_key(seed as u64, stream::SRHT_SIGNS);
        let flipped = |j: usize| stream::coordinate(key, j).next_u64() & 1 == 1;
        let rows: Vec<usize> =
            (0..d).map(|i| (0..6).map(|b| usize::from((s[(i, 1 << b)] < 0.0) != flipped(1 << b)) << b).sum()).collect();
        assert!(rows.is_sorted_by(|a, b| a < b), "distinct and ascending: {rows:?}");
        rows.into_iter().for_each(|i| counts[i] += 1);
    }
    assert_uniform(&counts, seeds, d);
}

/// Bits of neighboring streams, of streams eight apart, of the same coordinate in two families and
/// for two seeds differ half the time. False alarm at most 1e-8 for each of 28 statistics, below
/// 3e-7 in all.
#[test]
fn streams_are_independent() {
    let tags = [
        stream::GAUSSIAN,
        stream::RADEMACHER,
        stream::UNIFORM,
        stream::SPARSE_SIGN,
        stream::LESS_UNIFORM,
        stream::SRHT_SIGNS,
        stream::SRHT_ROWS,
    ];
    let compare = |first: (u64, usize), second: (u64, usize)| {
        let (mut sum, mut count) = (0.0, 0.0);
        for j in 0..500 {
            let mut a = stream::coordinate(first.0, first.1 + j);
            let mut b = stream::coordinate(second.0, second.1 + j);
            for _ in 0..20 {
                sum += 64.0 - 2.0 * f64::from((a.next_u64() ^ b.next_u64()).count_ones());
                count += 64.0;
            }
        }
        assert_fair(sum, count);
    };
    for (k, tag) in tags.into_iter().enumerate() {
        let key = stream::family_key(7, tag);
        compare((key, 0), (key, 1));
        compare((key, 0), (key, 8));
        compare((key, 0), (stream::family_key(8, tag), 0));
        compare((key, 0), (stream::family_key(7, tags[(k + 1) % tags.len()]), 0));
    }
}

/// Neighbouring columns are uncorrelated: the sum over N = n−1 pairs of √d·⟨sⱼ, sⱼ₊₁⟩ has variance
/// at most N, and six standard deviations are exceeded with probability 2e-9 in the normal limit (n
/// = 20 000 terms, pairwise uncorrelated, symmetric), below 1e-8 a family.
#[test]
fn neighboring_columns_are_uncorrelated() {
    let (d, n) = (32, 20_000);
    let families = [
        Distribution::Gaussian,
        Distribution::Rademacher,
        Distribution::Uniform,
        Distribution::COUNT_SKETCH,
        Distribution::SparseSign { vec_nnz: 8 },
        Distribution::LessUniform { vec_nnz: 64 },
        Distribution::Srht,
    ];
    for family in families {
        let s = dense(family, d, n, 8);
        let sum: f64 = (0..n - 1).map(|j| (0..d).map(|i| s[(i, j)] * s[(i, j + 1)]).sum::<f64>()).sum();
        let deviation = (n as f64 / d as f64).sqrt();
        assert!(sum.abs() <= 6.0 * deviation, "{family:?}: {sum}, σ = {deviation}");
    }
}

/// Which rows a column takes does not depend on its neighbor's: the overlap of two columns with ζ
/// rows is hypergeometric. n−1 pairs, normal limit, six standard deviations: below 1e-8.
#[test]
fn neighboring_columns_overlap_by_chance() {
    let (d, n, vec_nnz) = (50, 20_000, 8);
    let s = dense(Distribution::SparseSign { vec_nnz }, d, n, 9);
    let both = |j: usize| (0..d).filter(|&i| s[(i, j)] != 0.0 && s[(i, j + 1)] != 0.0).count() as f64;
    let overlap: f64 = (0..n - 1).map(both).sum();
    let (zeta, d, pairs) = (vec_nnz as f64, d as f64, (n - 1) as f64);
    let variance = zeta * (zeta / d) * (1.0 - zeta / d) * (d - zeta) / (d - 1.0);
    let distance = overlap - pairs * zeta * zeta / d;
    assert!(distance.abs() <= 6.0 * (pairs * variance).sqrt(), "{distance}");
}

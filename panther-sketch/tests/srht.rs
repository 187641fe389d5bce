//! Why an SRHT needs d ≈ k log k on aligned coordinates, where a Gaussian sketch needs d ≈ k.

use faer::{Mat, Par};
use panther_sketch::{Distribution, SketchOperator, Srht};

/// S·E for the first `k` unit vectors E.
fn first_columns(s: &dyn SketchOperator<f64>, k: usize) -> Mat<f64> {
    s.left(Mat::<f64>::identity(s.ncols(), k).as_ref().into(), Par::Seq).unwrap()
}

fn squared_singular_values(a: &Mat<f64>) -> Vec<f64> {
    a.singular_values().unwrap().into_iter().map(|sigma| sigma * sigma).collect()
}

/// On the first k = 2^s coordinates S is √(k/d)·C·H·D with the orthonormal k×k matrix H and C the
/// choice of kept rows modulo k, so its squared singular values are k/d times the numbers of kept
/// rows in each class modulo k, whatever the signs are.
#[test]
fn singular_values_on_aligned_coordinates_count_kept_rows() {
    let (n, k, d) = (1000, 16, 26);
    for seed in 0..20 {
        let s = Srht::new(d, n, seed).unwrap();
        let mut counts = vec![0.0; k];
        s.rows().iter().for_each(|row| counts[row % k] += k as f64 / d as f64);
        counts.sort_by(|a, b| b.total_cmp(a));
        let squares = squared_singular_values(&first_columns(&s, k));
        for (square, count) in squares.iter().zip(&counts) {
            assert!((square - count).abs() <= 1e-13, "seed {seed}: {squares:?}, expected {counts:?}");
        }
    }
}

/// Each of 16 classes is missed by 26 of 1024 rows with probability about (15/16)²⁶ = 0.187: three
/// of them on average. The 50 Gaussian matrices of 26 rows all have σ_min² ≥ 10⁻⁴ there but with
/// probability below 10⁻⁷ (Edelman 1988: P(σ_min < ε) is of order ε^(d−k+1)).
#[test]
fn srht_misses_directions_of_aligned_coordinates_where_gaussian_does_not() {
    let (n, k, d, seeds) = (1000, 16, 26, 50);
    let missed = |family: Distribution| {
        let is_missed = |square: &&f64| **square < 1e-4;
        let of_seed = |seed| {
            let s = family.operator::<f64>(d, n, seed).unwrap();
            squared_singular_values(&first_columns(&*s, k)).iter().filter(is_missed).count()
        };
        (0..seeds).map(of_seed).sum::<usize>() as f64 / seeds as f64
    };
    assert_eq!(missed(Distribution::Gaussian), 0.0);
    // The mean of 50 has a standard deviation of at most 0.22.
    assert!((missed(Distribution::Srht) - 3.0).abs() < 1.2);
}

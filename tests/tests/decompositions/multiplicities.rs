//! Singular values of high multiplicity, which a Krylov space from a narrower block cannot see, also under heavy tails.

use faer::{Mat, Par};
use panther_linalg::{RsvdOptions, RsvdPath, Target, rsvd};
use panther_tests::matrices::with_singular_values;

/// √Σ_{i>k} σᵢ².
fn best(sigma: &[f64], k: usize) -> f64 {
    sigma[k..].iter().map(|s| s * s).sum::<f64>().sqrt()
}

/// The error of rank k over the best possible: from ‖A‖² − Σσᵢ², which is exact where the spectrum is flat.
fn ratio(a: &Mat<f64>, sigma: &[f64], k: usize, options: &RsvdOptions) -> f64 {
    let found = rsvd(a, Target::Rank(k), options, Par::rayon(0)).unwrap();
    let error = (a - found.reconstruct()).norm_l2();
    error / best(sigma, k)
}

fn ones_then(ones: usize, n: usize, tail: impl Fn(usize) -> f64) -> Vec<f64> {
    (0..n).map(|i| if i < ones { 1.0 } else { tail(i - ones) }).collect()
}

/// The spectrum as a diagonal matrix whose rows and columns are mixed by orthogonal maps.
fn assert_near_best(what: &str, sigma: &[f64], k: usize, options: &RsvdOptions) {
    let a = with_singular_values(sigma.len(), sigma.len(), sigma, 5);
    for seed in 0..3 {
        let ratio = ratio(&a, sigma, k, &RsvdOptions { seed, ..*options });
        assert!(ratio <= 1.01, "{what}, seed {seed}: {ratio} times the best error");
    }
}

#[test]
fn rsvd_finds_a_multiple_singular_value_under_a_flat_tail() {
    let sigma = ones_then(17, 600, |i| 0.35 - 0.05 * i as f64 / 583.0);
    assert_near_best("17 ones", &sigma, 10, &RsvdOptions::default());
    let a = with_singular_values(600, 600, &sigma, 5);
    let found = rsvd(&a, Target::Rank(10), &RsvdOptions::default(), Par::Seq).unwrap();
    assert!(found.s.iter().all(|s| (s - 1.0).abs() < 0.01), "{:?}", found.s);
}

#[test]
fn rsvd_finds_a_multiplicity_below_the_target_rank() {
    let sigma = ones_then(31, 600, |i| 0.2 - 0.05 * i as f64 / 569.0);
    assert_near_best("31 ones", &sigma, 60, &RsvdOptions::default());
}

#[test]
fn rsvd_finds_what_a_replenished_basis_still_misses() {
    let sigma = ones_then(61, 600, |j| 0.5 * (1.0 + j as f64).powf(-0.2));
    assert_near_best("61 ones", &sigma, 60, &RsvdOptions::default());
    let sigma = ones_then(121, 2000, |i| 0.33 - 0.05 * i as f64 / 1879.0);
    let a = with_singular_values(2000, 2000, &sigma, 5);
    let ratio = ratio(&a, &sigma, 120, &RsvdOptions::default());
    assert!(ratio <= 1.01, "121 ones: {ratio} times the best error");
}

#[test]
fn rsvd_finds_a_multiplicity_of_every_singular_value() {
    let sigma: Vec<f64> = (0..1000).map(|i| 0.9_f64.powi(i / 25)).collect();
    for k in [10, 20, 30, 50] {
        assert_near_best(&format!("25 times each, k {k}"), &sigma, k, &RsvdOptions::default());
    }
}

#[test]
fn rsvd_examines_the_fresh_block_at_a_chosen_number_of_power_iterations() {
    let sigma = ones_then(40, 1000, |j| 0.9 * (1.0 + j as f64).powf(-0.3));
    let a = with_singular_values(1000, 1000, &sigma, 5);
    for q in [1, 2] {
        let options = RsvdOptions { power_iterations: Some(q), ..RsvdOptions::default() };
        let ratio = ratio(&a, &sigma, 30, &options);
        assert!(ratio <= 1.01, "q {q}: {ratio} times the best error");
    }
}

#[test]
fn rsvd_is_not_replenished_on_decaying_spectra() {
    for decay in [0.3, 0.5, 1.0, 2.0] {
        let sigma: Vec<f64> = (0..500).map(|i| (1.0 + f64::from(i)).powf(-decay)).collect();
        let a = with_singular_values(500, 500, &sigma, 5);
        for k in [5, 20, 60] {
            let found = rsvd(&a, Target::Rank(k), &RsvdOptions::default(), Par::Seq).unwrap();
            assert_eq!(found.path, RsvdPath::Randomized, "decay {decay}, k {k}");
            assert_eq!(found.converged, Some(true), "decay {decay}, k {k}");
        }
    }
}

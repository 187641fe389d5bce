#![allow(dead_code, missing_docs)]

use faer::Par;
use panther_linalg::*;
use panther_tests::matrices::with_singular_values;
fn ones_then(ones: usize, n: usize, tail: impl Fn(usize) -> f64) -> Vec<f64> {
    (0..n).map(|i| if i < ones { 1.0 } else { tail(i - ones) }).collect()
}
fn run(what: &str, sigma: &[f64], k: usize, options: &RsvdOptions) {
    let a = with_singular_values(sigma.len(), sigma.len(), sigma, 5);
    let best = sigma[k..].iter().map(|s| s * s).sum::<f64>().sqrt();
    for seed in 0..5 {
        let f = rsvd(&a, Target::Rank(k), &RsvdOptions { seed, ..*options }, Par::rayon(0)).unwrap();
        let e = (&a - f.reconstruct()).norm_l2();
        println!(
            "{what} k {k} seed {seed}: ratio {:.5} {:?} conv {:?} cols {} passes {}",
            e / best,
            f.path,
            f.converged,
            f.product_columns,
            f.passes
        );
    }
}
fn main() {
    let d = RsvdOptions::default();
    run("17 ones", &ones_then(17, 600, |i| 0.35 - 0.05 * i as f64 / 583.0), 10, &d);
    run("31 ones", &ones_then(31, 600, |i| 0.2 - 0.05 * i as f64 / 569.0), 60, &d);
    run("61 ones", &ones_then(61, 600, |j| 0.5 * (1.0 + j as f64).powf(-0.2)), 60, &d);
    let s: Vec<f64> = (0..1000).map(|i| 0.9_f64.powi(i / 25)).collect();
    for k in [5, 10, 20, 30, 50] {
        run("25 times", &s, k, &d);
    }
    run("100 ones 0", &ones_then(100, 600, |_| 0.5), 60, &d);
    run("decay .5", &(0..600).map(|i| (1.0 + i as f64).powf(-0.5)).collect::<Vec<_>>(), 30, &d);
    run("flat", &(0..600).map(|i| 1.0 - i as f64 / 2000.0).collect::<Vec<_>>(), 30, &d);
    for d0 in [0.3, 2.0] {
        for k in [5, 20, 60] {
            run(&format!("decay {d0}"), &(0..500).map(|i| (1.0 + i as f64).powf(-d0)).collect::<Vec<_>>(), k, &d);
        }
    }
    run("decay 1", &(0..600).map(|i| (1.0 + i as f64).powf(-1.0)).collect::<Vec<_>>(), 60, &d);
}

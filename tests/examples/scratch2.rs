#![allow(missing_docs)]
use faer::{Mat, Par};
use panther_linalg::*;
fn main() {
    let m = 2_000_000;
    for tilt in [0.08, -0.08] {
        let sign = |i: usize| if i % 2 == 0 { 1.0 } else { -1.0 };
        let a = Mat::<f32>::from_fn(m, 2, |i, j| if j == 0 { 0.1 } else { (0.1 * (1.0 + tilt * sign(i))) as f32 });
        let found = rsvd(&a, Target::Rank(1), &RsvdOptions::default(), Par::Seq).unwrap();
        let [u, v] = [found.u.col(0), found.v.col(0)];
        let squared: f64 = (0..m)
            .flat_map(|i| (0..2).map(move |j| (i, j)))
            .map(|(i, j)| (f64::from(a[(i, j)]) - f64::from(u[i]) * f64::from(found.s[0]) * f64::from(v[j])).powi(2))
            .sum();
        println!(
            "{tilt}: {:e} of {:e}, s {} orth {:e}",
            found.error_estimate,
            squared.sqrt(),
            found.s[0],
            found.orthogonality
        );
    }
}

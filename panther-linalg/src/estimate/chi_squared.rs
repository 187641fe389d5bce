//! Tail of the χ² distribution, from which failure probabilities are computed.

/// P(χ²_s ≤ x) for even s: the tail of a Poisson distribution with mean x/2.
pub fn chi_squared_below(s: usize, x: f64) -> f64 {
    let y = x / 2.0;
    let mut term = (-y).exp();
    for i in 1..=s / 2 {
        term *= y / i as f64;
    }
    let mut sum = 0.0;
    let mut i = s / 2;
    while term > sum * f64::EPSILON {
        sum += term;
        i += 1;
        term *= y / i as f64;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::chi_squared_below;

    #[test]
    fn chi_squared_matches_its_closed_forms() {
        // s = 2: 1 − e^(−x/2); s = 4: 1 − e^(−x/2)(1 + x/2).
        for x in [0.1, 1.0, 5.0] {
            let e = f64::exp(-x / 2.0);
            assert!((chi_squared_below(2, x) - (1.0 - e)).abs() < 1e-14);
            assert!((chi_squared_below(4, x) - (1.0 - e * (1.0 + x / 2.0))).abs() < 1e-14);
        }
    }
}

//! Terms and ranks chosen to an error or to a budget, against what else could be chosen.

use faer::{Mat, Par};
use panther_nn::NnError;
use panther_nn::checkpoint::FloatType;
use panther_nn::convert::{
    Conversion, ConversionOptions, DenseWeight, Method, allocate, convert_to_budget, convert_to_error, convert_weight,
};
use panther_tests::matrices::{Spectrum, with_singular_values};

use crate::conversion::{errors, options, spectra, tail, weight_of};

#[test]
fn an_error_target_is_met_by_the_smallest_rank() {
    for (name, matrix, sigma) in spectra(96, 160) {
        let weight = weight_of::<f64>(matrix.as_ref());
        for error in [0.5, 0.1, 0.01, 1e-9] {
            let found = convert_to_error(&weight, error, None, &options(Method::Rsvd), Par::Seq).unwrap();
            let smallest = (1..=48).find(|&k| tail(&sigma, 2 * k) <= error * tail(&sigma, 0) * (1.0 + 1e-12)).unwrap();
            let saves = 2 * smallest * (96 + 160) < 96 * 160;
            let what = format!("{name} {error}: {smallest}");
            match found {
                Some(conversion) => {
                    assert!(saves && conversion.report.relative_error <= error, "{what} {:?}", conversion.report);
                    // The randomized SVD is within 1.01 of the best, which on a flat spectrum is worth a few ranks.
                    let allowed = smallest + 1 + smallest / 20;
                    assert!(conversion.report.low_rank <= allowed, "{what} {:?}", conversion.report);
                }
                None => assert!(!saves, "{what}"),
            }
        }
    }
}

#[test]
fn rounding_of_the_factors_counts() {
    let matrix = with_singular_values(200, 160, &Spectrum::Exponential(0.8).values(160), 3);
    let weight = weight_of::<f32>(matrix.as_ref());
    let rounded = |storage, error| {
        let options = ConversionOptions { storage: Some(storage), ..options(Method::Rsvd) };
        convert_to_error(&weight, error, None, &options, Par::Seq).unwrap()
    };
    for (storage, unit) in [(FloatType::F16, 2f64.powi(-11)), (FloatType::Bf16, 2f64.powi(-8))] {
        // Every factor of each term is off by up to a unit: an error of that order is there whatever the rank.
        let near = rounded(storage, 4.0 * unit).unwrap();
        let (error, reported) = errors(&weight, &near);
        assert!((error - reported).abs() < 1e-4 * reported && near.report.relative_error > 0.1 * unit);
        for (_, _, numbers) in near.factors.tensors() {
            assert!(numbers.iter().all(|x| storage.rounded(*x) == *x));
        }
        assert!(rounded(storage, 0.01 * unit).is_none());
        assert_eq!(near.report.bytes_after, 2 * near.report.parameters_after);
    }
    // The factors share 2T·σ between them; each half of it leaves the range of half precision here.
    let large = weight_of::<f32>((faer::Scale(1e12) * &matrix).as_ref());
    let options = ConversionOptions { storage: Some(FloatType::F16), ..options(Method::Rsvd) };
    let refused = convert_weight(&large, 1, 4, None, &options, Par::Seq).unwrap_err();
    assert_eq!(refused, NnError::FactorOverflow { scalar: "F16" });
}

/// Σ‖M − M̂‖² and the numbers stored, dense ones counted as they are.
fn total(weights: &[DenseWeight<f64>], found: &[Option<Conversion<f64>>]) -> (f64, usize) {
    let mut sums = (0.0, 0);
    for (weight, conversion) in weights.iter().zip(found) {
        match conversion {
            Some(conversion) => {
                sums.0 += errors(weight, conversion).0.powi(2);
                sums.1 += conversion.report.parameters_after;
            }
            None => sums.1 += weight.dimensions().0 * weight.dimensions().1,
        }
    }
    sums
}

#[test]
fn a_budget_is_kept_and_spent_better_than_evenly() {
    let layers: Vec<(Mat<f64>, Vec<f64>)> = [(64, 64), (100, 50), (48, 160), (80, 80), (8, 6)]
        .into_iter()
        .zip(["kaiming", "i^-1/2", "i^-1", "exponential", "kaiming"])
        .map(|((m, n), name)| spectra(m, n).into_iter().find(|s| s.0 == name).map(|s| (s.1, s.2)).unwrap())
        .collect();
    let weights: Vec<DenseWeight<f64>> = layers.iter().map(|(m, _)| weight_of(m.as_ref())).collect();
    let dense: usize = weights.iter().map(|w| w.dimensions().0 * w.dimensions().1).sum();
    for fraction in [0.15, 0.25, 0.5, 0.75, 0.9] {
        let found = convert_to_budget(&weights, fraction, &options(Method::Rsvd), Par::Seq).unwrap();
        let (error, stored) = total(&weights, &found);
        assert!(stored as f64 <= fraction * dense as f64, "{fraction}: {stored} of {dense}");
        // Evenly: the same fraction of each layer, in exact truncations.
        let even: f64 = layers
            .iter()
            .map(|(m, sigma)| {
                let k = (fraction * (m.nrows() * m.ncols()) as f64 / (2 * (m.nrows() + m.ncols())) as f64) as usize;
                tail(sigma, 2 * k).powi(2)
            })
            .sum();
        assert!(error < even, "{fraction}: {error} {even}");
    }
    let everything = convert_to_budget(&weights, 1.0, &options(Method::Rsvd), Par::Seq).unwrap();
    assert!(total(&weights, &everything).0 < 1e-20);
    let refused = convert_to_budget(&weights, 0.01, &options(Method::Rsvd), Par::Seq).unwrap_err();
    assert!(matches!(refused, NnError::BudgetTooSmall { .. }), "{refused}");
    for fraction in [0.0, -1.0, 1.1, f64::NAN] {
        assert!(matches!(allocate(&[], fraction), Err(NnError::InvalidNumber { argument: "budget", .. })));
    }
    assert_eq!(allocate(&[], 0.5).unwrap(), Vec::new());
}

#[test]
fn the_greedy_choice_is_near_the_best_of_all() {
    // Three small layers, all ways to spend a budget tried.
    let spectra: Vec<panther_nn::convert::Spectrum> = [(12, 10, 0.5), (9, 14, 1.0), (10, 10, 0.2)]
        .into_iter()
        .map(|(m, n, p)| {
            let matrix = with_singular_values(m, n, &Spectrum::Polynomial(p).values(m.min(n)), 1);
            panther_nn::convert::Spectrum::of(&weight_of::<f64>(matrix.as_ref()), None, Par::Seq).unwrap()
        })
        .collect();
    let cost = |choice: &[Option<usize>]| -> (usize, f64) {
        choice.iter().zip(&spectra).fold((0, 0.0), |(numbers, error), (k, s)| match k {
            None => (numbers + s.dense_values, error),
            Some(k) => (numbers + k * s.values_per_step, error + s.squared_values.iter().skip(2 * k).sum::<f64>()),
        })
    };
    let choices = |s: &panther_nn::convert::Spectrum| -> Vec<Option<usize>> {
        (1..=s.most_steps).map(Some).chain([None]).collect()
    };
    let dense: usize = spectra.iter().map(|s| s.dense_values).sum();
    for fraction in [0.5, 0.6, 0.7, 0.8, 0.9] {
        let found = cost(&allocate(&spectra, fraction).unwrap());
        let budget = (fraction * dense as f64) as usize;
        assert!(found.0 <= budget);
        let mut best = f64::INFINITY;
        for a in choices(&spectra[0]) {
            for b in choices(&spectra[1]) {
                for c in choices(&spectra[2]) {
                    let (numbers, error) = cost(&[a, b, c]);
                    best = if numbers <= budget { best.min(error) } else { best };
                }
            }
        }
        // What does not fit in the end is one step at the most, the largest gain of which is the bound.
        let step = spectra.iter().map(|s| s.squared_values[2] + s.squared_values[3]).fold(0.0, f64::max);
        assert!(found.1 <= best + step, "{fraction}: {} {best}", found.1);
    }
}

//! LayerNorm against its formula in double precision.

use faer::Par;
use panther_nn::backend::Storage;
use panther_nn::cpu::{Cpu, CpuTensor};
use panther_nn::layers::{Layer, LayerNorm};
use panther_nn::state::State;
use panther_nn::{NnError, Scalar};
use panther_tests::gradients::{check, gaussian};
use panther_tests::random::Random;

/// Shapes: one row and many, widths below, at and above the sums' lanes and what a piece holds.
const SHAPES: &[&[usize]] = &[&[1], &[5], &[3, 32], &[2, 3, 33], &[70, 7], &[130, 100], &[2, 20_000]];

/// A layer with weight and bias that are not those of a fresh one.
fn layer<T: Scalar>(cpu: &Cpu, width: usize) -> (LayerNorm<T, Cpu>, Vec<T>, Vec<T>) {
    let mut random = Random::new(3);
    let mut numbers = || -> Vec<T> { (0..width).map(|_| T::from_f64(random.gaussian())).collect() };
    let (weight, bias) = (numbers(), numbers());
    let mut layer = LayerNorm::new(cpu, width).unwrap();
    let mut state = State::new();
    state.insert("n.weight".to_owned(), &[width], weight.clone());
    state.insert("n.bias".to_owned(), &[width], bias.clone());
    layer.load("n", &state).unwrap();
    (layer, weight, bias)
}

fn output_is_the_formula<T: Scalar>() {
    let cpu = Cpu::default();
    for (shape, offset) in SHAPES.iter().flat_map(|shape| [(shape, 0.0), (shape, 50.0)]) {
        let width = *shape.last().unwrap();
        let (layer, weight, bias) = layer::<T>(&cpu, width);
        let x = gaussian(shape, &mut Random::new(4));
        let x: Vec<T> = x.as_slice().iter().map(|x| T::from_f64(*x + offset)).collect();
        let y = layer.forward(&cpu.upload(shape, x.clone()).unwrap()).unwrap();
        assert_eq!(Cpu::shape(&y), *shape);
        for (row, y) in x.chunks(width).zip(y.as_slice().chunks(width)) {
            let row: Vec<f64> = row.iter().map(|x| x.to_f64()).collect();
            let mean = offset + row.iter().map(|x| x - offset).sum::<f64>() / width as f64;
            let variance = row.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / width as f64;
            let deviation = (variance + 1e-5).sqrt();
            // x − mean is off by rounding of the mean, a few ε·|mean|.
            let allowed = 10.0 * T::EPSILON.to_f64() * (4.0 + (offset + 4.0) / deviation);
            for (((x, y), w), b) in row.iter().zip(y).zip(&weight).zip(&bias) {
                let expected = (x - mean) / deviation * w.to_f64() + b.to_f64();
                let error = (y.to_f64() - expected).abs();
                let scale = 1.0 + w.to_f64().abs();
                assert!(error <= allowed * scale, "{shape:?} + {offset}: {y:?} {expected} {error:e} {allowed:e}");
            }
        }
    }
}

#[test]
fn rows_have_mean_and_deviation_of_the_formula() {
    output_is_the_formula::<f32>();
    output_is_the_formula::<f64>();
}

#[test]
fn gradients_agree_with_central_differences() {
    let cpu = Cpu::new(Par::Seq);
    for shape in &SHAPES[1..6] {
        let (mut layer, ..) = layer::<f64>(&cpu, *shape.last().unwrap());
        check(&format!("layer_norm {shape:?}"), &mut layer, &gaussian(shape, &mut Random::new(1)), 2);
    }
}

fn extreme_rows_are_finite<T: Scalar>(huge: f64, bottom: f64) {
    let cpu = Cpu::default();
    let width = 48;
    let greatest = (-T::LOWEST).to_f64();
    let rows: Vec<(&str, Vec<f64>)> = vec![
        ("zeros", vec![0.0; width]),
        ("tenths", vec![0.1; width]),
        ("huge", vec![huge; width]),
        ("greatest", vec![greatest; width]),
        ("smallest", vec![bottom; width]),
        ("both ends", (0..width).map(|i| if i % 2 == 0 { greatest } else { -greatest }).collect()),
        ("one huge", (0..width).map(|i| if i == 5 { -huge } else { 1.0 }).collect()),
        ("growing", (0..width).map(|i| huge * (i + 1) as f64 / 1e3).collect()),
    ];
    let (mut layer, weight, bias) = layer::<T>(&cpu, width);
    for (what, row) in rows {
        let x: Vec<T> = row.iter().map(|x| T::from_f64(*x)).collect();
        let x = cpu.upload(&[1, width], x).unwrap();
        let y = layer.forward_train(&x).unwrap();
        let dx = layer.backward(&gaussian_as(&[1, width])).unwrap();
        assert!(y.as_slice().iter().chain(dx.as_slice()).all(|x| x.is_finite()), "{what}: {y:?} {dx:?}");
        if row.iter().all(|x| *x == row[0]) {
            assert_eq!(y.as_slice(), bias, "{what}");
        } else {
            // Normalised rows have squares that sum to the width.
            let back = y.as_slice().iter().zip(&weight).zip(&bias);
            let squares: f64 = back.map(|((y, w), b)| ((y.to_f64() - b.to_f64()) / w.to_f64()).powi(2)).sum();
            assert!((squares / width as f64 - 1.0).abs() < 1e-3, "{what}: {squares}");
        }
    }
}

fn gaussian_as<T: Scalar>(shape: &[usize]) -> CpuTensor<T> {
    let numbers = gaussian(shape, &mut Random::new(9)).as_slice().iter().map(|x| T::from_f64(*x)).collect();
    Cpu::default().upload(shape, numbers).unwrap()
}

#[test]
fn equal_numbers_give_the_bias_and_huge_ones_stay_finite() {
    extreme_rows_are_finite::<f32>(1e30, 1e-45);
    extreme_rows_are_finite::<f64>(1e300, 5e-324);
}

#[test]
fn threads_do_not_change_a_byte() {
    let run = |par| {
        let cpu = Cpu::new(par);
        let (mut layer, ..) = layer::<f32>(&cpu, 100);
        let x = gaussian_as(&[1000, 100]);
        let y = layer.forward_train(&x).unwrap();
        let dx = layer.backward(&x).unwrap();
        let gradients: Vec<_> = layer.parameters_mut().iter().map(|p| p.gradient.clone()).collect();
        (y, dx, gradients)
    };
    assert_eq!(run(Par::Seq), run(Par::rayon(2)));
    assert_eq!(run(Par::Seq), run(Par::rayon(3)));
}

#[test]
fn what_does_not_fit_is_refused() {
    let cpu = Cpu::default();
    let refused = LayerNorm::<f32, _>::new(&cpu, 0).unwrap_err();
    assert_eq!(refused, NnError::OutOfRange { argument: "width", low: 1, high: usize::MAX, got: 0 });
    let (mut layer, ..) = layer::<f64>(&cpu, 6);
    let mut random = Random::new(1);
    for shape in [&[3, 5][..], &[6, 5], &[]] {
        let x = gaussian(shape, &mut random);
        assert!(matches!(layer.forward(&x), Err(NnError::Shape { argument: "x", .. })), "{shape:?}");
    }
    let x = gaussian(&[4, 6], &mut random);
    assert!(matches!(layer.backward(&x), Err(NnError::BackwardWithoutForward { .. })));
    layer.forward_train(&x).unwrap();
    let dy = gaussian(&[3, 6], &mut random);
    assert!(matches!(layer.backward(&dy), Err(NnError::Shape { argument: "dy", .. })));
    let nothing = cpu.upload(&[0, 6], Vec::new()).unwrap();
    assert_eq!(Cpu::shape(&layer.forward(&nothing).unwrap()), [0, 6]);
}

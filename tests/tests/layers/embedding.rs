//! Embedding: rows by index, and their gradients.

use panther_nn::backend::Storage;
use panther_nn::cpu::Cpu;
use panther_nn::layers::Embedding;
use panther_nn::state::{HostTensor, State};
use panther_nn::{NnError, Scalar};
use panther_tests::gradients::gaussian;
use panther_tests::random::Random;

fn indices(shape: &[usize], numbers: &[usize]) -> HostTensor<usize> {
    HostTensor { shape: shape.to_vec(), values: numbers.to_vec() }
}

fn rows_are_those_of_the_weight<T: Scalar>() {
    let cpu = Cpu::default();
    let layer = Embedding::<T, _>::new(&cpu, 5, 3, 1).unwrap();
    let numbers = [4, 0, 4, 2, 1, 1];
    let y = layer.forward(&indices(&[2, 3], &numbers)).unwrap();
    assert_eq!(Cpu::shape(&y), [2, 3, 3]);
    for (row, index) in y.as_slice().chunks(3).zip(numbers) {
        assert_eq!(row, &layer.weight().as_slice()[3 * index..][..3]);
    }
    assert_eq!(Cpu::shape(&layer.forward(&indices(&[], &[2])).unwrap()), [3]);
    assert_eq!(Cpu::shape(&layer.forward(&indices(&[0, 4], &[])).unwrap()), [0, 4, 3]);
}

#[test]
fn indices_give_rows() {
    rows_are_those_of_the_weight::<f32>();
    rows_are_those_of_the_weight::<f64>();
}

#[test]
fn a_given_weight_is_taken_as_it_is() {
    let cpu = Cpu::default();
    let weight = cpu.upload(&[2, 3], vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).unwrap();
    let layer = Embedding::<f64, _>::from_weight(&cpu, weight).unwrap();
    assert_eq!(layer.forward(&indices(&[1], &[1])).unwrap().as_slice(), [4.0, 5.0, 6.0]);
    for shape in [&[6][..], &[2, 3, 1], &[0, 3], &[2, 0]] {
        let weight = cpu.upload(shape, vec![0.0; shape.iter().product()]).unwrap();
        let refused = Embedding::<f64, _>::from_weight(&cpu, weight).unwrap_err();
        assert!(matches!(refused, NnError::Shape { argument: "weight", .. }), "{shape:?}");
    }
}

#[test]
fn gradients_of_equal_indices_are_summed() {
    // The output is linear in the weight: the gradient of Σ c·y by row r is the sum of the c where the index is r.
    let cpu = Cpu::default();
    let mut layer = Embedding::<f64, _>::new(&cpu, 4, 2, 1).unwrap();
    let (first, second) = ([3, 1, 3], [1, 1]);
    let (c, d) = (gaussian(&[3, 2], &mut Random::new(1)), gaussian(&[2, 2], &mut Random::new(2)));
    layer.forward_train(&indices(&[3], &first)).unwrap();
    layer.forward_train(&indices(&[2], &second)).unwrap();
    layer.backward(&d).unwrap();
    layer.backward(&c).unwrap();
    let mut expected = [0.0; 8];
    for (dy, uses) in [(&d, &second[..]), (&c, &first)] {
        for (row, index) in dy.as_slice().chunks(2).zip(uses) {
            for j in 0..2 {
                expected[2 * index + j] += row[j];
            }
        }
    }
    assert_eq!(layer.parameters_mut()[0].gradient.as_ref().unwrap().as_slice(), expected);
    assert!(matches!(layer.backward(&c), Err(NnError::BackwardWithoutForward { layer: "embedding" })));
}

#[test]
fn fresh_rows_are_standard_normal() {
    // 10⁵ numbers: the mean is off by more than 6/√10⁵ and the mean square by more than 6·√(2/10⁵) once in 10⁸ each.
    let layer = Embedding::<f32, _>::new(&Cpu::default(), 1000, 100, 5).unwrap();
    let numbers = layer.weight().as_slice();
    let mean = |f: fn(f64) -> f64| numbers.iter().map(|x| f(f64::from(*x))).sum::<f64>() / 1e5;
    assert!(mean(|x| x).abs() < 0.019);
    assert!((mean(|x| x * x) - 1.0).abs() < 0.027);
}

#[test]
fn weights_are_loaded_as_they_were_saved() {
    let cpu = Cpu::default();
    let (layer, mut other) =
        (Embedding::<f32, _>::new(&cpu, 7, 3, 1).unwrap(), Embedding::<f32, _>::new(&cpu, 7, 3, 2).unwrap());
    let mut state = State::new();
    layer.save("e", &mut state).unwrap();
    assert_ne!(layer.weight(), other.weight());
    other.load("e", &state).unwrap();
    assert_eq!(layer.weight(), other.weight());
    assert_eq!(state.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["e.weight"]);
}

#[test]
fn indices_that_do_not_fit_are_refused() {
    let cpu = Cpu::default();
    let mut layer = Embedding::<f32, _>::new(&cpu, 5, 3, 1).unwrap();
    let beyond = layer.forward(&indices(&[4], &[0, 4, 5, 9])).unwrap_err();
    assert_eq!(beyond, NnError::IndexOutOfRange { operation: "gather_rows", position: 2, index: 5, count: 5 });
    assert_eq!(beyond.to_string(), "gather_rows: index 5 at position 2 must be below 5");
    for shape in [&[3][..], &[2, 3], &[usize::MAX, 2]] {
        let refused = layer.forward(&indices(shape, &[0, 1]));
        assert!(matches!(refused, Err(NnError::Shape { argument: "indices", .. })), "{shape:?}");
    }
    let refused = Embedding::<f32, _>::new(&cpu, 0, 3, 1).unwrap_err();
    assert_eq!(refused, NnError::OutOfRange { argument: "symbols", low: 1, high: usize::MAX, got: 0 });
    layer.forward_train(&indices(&[2], &[0, 1])).unwrap();
    let short = cpu.upload(&[1, 3], vec![0.0; 3]).unwrap();
    assert!(matches!(layer.backward(&short), Err(NnError::Shape { argument: "dy", .. })));
}

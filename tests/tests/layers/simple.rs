//! Activations, dropout, and layers made of layers.

use panther_nn::backend::Storage;
use panther_nn::cpu::{Cpu, CpuTensor};
use panther_nn::layers::{ActivationLayer, Dropout, Layer, Linear, Residual, Sequential, SkLinear, SkLinearOptions};
use panther_nn::state::State;
use panther_nn::{NnError, Scalar};
use panther_tests::gradients::{check, gaussian};
use panther_tests::random::Random;

const SHAPES: [&[usize]; 4] = [&[6], &[1, 6], &[5, 6], &[2, 3, 6]];

/// 6→9→6 with a sketched layer, GELU and a dense layer.
fn mlp<T: Scalar>(cpu: &Cpu, seed: u64) -> Sequential<T, Cpu> {
    let options = SkLinearOptions { num_terms: 2, low_rank: 3, bias: true, seed };
    Sequential::new(vec![
        Box::new(SkLinear::new(cpu, 6, 9, options).unwrap()),
        Box::new(ActivationLayer::gelu(cpu)),
        Box::new(Linear::new(cpu, 9, 6, true, seed).unwrap()),
    ])
}

#[test]
fn gradients_agree_with_central_differences() {
    let cpu = Cpu::default();
    for shape in SHAPES {
        let x = gaussian(shape, &mut Random::new(1));
        check("relu", &mut ActivationLayer::relu(&cpu), &x, 2);
        check("gelu", &mut ActivationLayer::gelu(&cpu), &x, 2);
        check("no layers", &mut Sequential::new(Vec::new()), &x, 2);
        check("mlp", &mut mlp(&cpu, 3), &x, 2);
        check("residual", &mut Residual::new(&cpu, mlp(&cpu, 3)), &x, 2);
    }
}

fn activations_are_their_formulas<T: Scalar>() {
    let cpu = Cpu::default();
    // GELU at ±1 and ±3 from a table of Φ: 0.841344746068543 and 0.998650101968370.
    let x = [-3.0, -1.0, 0.0, 1.0, 3.0, 40.0, -40.0];
    let gelu =
        [-0.004_049_694_094_890, -0.158_655_253_931_457, 0.0, 0.841_344_746_068_543, 2.995_950_305_905_11, 40.0, 0.0];
    let relu = [0.0, 0.0, 0.0, 1.0, 3.0, 40.0, 0.0];
    let input = cpu.upload(&[7], x.map(T::from_f64).to_vec()).unwrap();
    for (layer, expected) in [(ActivationLayer::gelu(&cpu), gelu), (ActivationLayer::relu(&cpu), relu)] {
        let y = Layer::<T, Cpu>::forward(&layer, &input).unwrap();
        for ((y, e), x) in y.as_slice().iter().zip(expected).zip(x) {
            // 1 − Φ(3) is a difference from one, so that errors are ε of |x|; the table has 15 digits.
            let allowed = (4.0 * T::EPSILON.to_f64() + 1e-15) * f64::abs(x);
            assert!((y.to_f64() - e).abs() <= allowed, "{layer:?} {x}: {y:?} {e}");
        }
    }
}

#[test]
fn activations_follow_their_formulas() {
    activations_are_their_formulas::<f32>();
    activations_are_their_formulas::<f64>();
}

fn ones<T: Scalar>(shape: &[usize]) -> CpuTensor<T> {
    Cpu::default().upload(shape, vec![T::ONE; shape.iter().product()]).unwrap()
}

fn dropped<T: Scalar>(y: &CpuTensor<T>) -> Vec<bool> {
    y.as_slice().iter().map(|y| *y == T::ZERO).collect()
}

#[test]
fn dropout_drops_at_its_rate() {
    let n = 100_000;
    for (seed, rate) in [(1, 0.0), (2, 0.1), (3, 0.5), (4, 0.9)] {
        let mut layer = Dropout::new(&Cpu::default(), rate, seed).unwrap();
        let y = layer.forward_train(&ones::<f64>(&[n / 100, 100])).unwrap();
        let zeros = dropped(&y).iter().filter(|zero| **zero).count() as f64;
        // A binomial count: outside of six deviations with probability 2·10⁻⁹.
        let deviation = (n as f64 * rate * (1.0 - rate)).sqrt();
        assert!((zeros - rate * n as f64).abs() <= 6.0 * deviation, "rate {rate}: {zeros} of {n}");
        let kept = 1.0 / (1.0 - rate);
        assert!(y.as_slice().iter().all(|y| *y == 0.0 || *y == kept), "rate {rate}");
    }
}

#[test]
fn dropout_goes_back_through_the_places_it_kept() {
    let cpu = Cpu::default();
    let shape = [40, 30];
    let x = ones::<f32>(&shape);
    let mut layer = Dropout::new(&cpu, 0.3, 5).unwrap();
    // Two uses before going back, in reverse order.
    let first = layer.forward_train(&x).unwrap();
    let second = layer.forward_train(&x).unwrap();
    assert_ne!(first, second);
    assert_eq!(layer.backward(&x).unwrap(), second);
    assert_eq!(layer.backward(&x).unwrap(), first);
    assert!(matches!(layer.backward(&x), Err(NnError::BackwardWithoutForward { .. })));
    // The same seed drops the same places, in both precisions; another seed does not.
    let again = Dropout::new(&cpu, 0.3, 5).unwrap().forward_train(&x).unwrap();
    let double = Dropout::new(&cpu, 0.3, 5).unwrap().forward_train(&ones::<f64>(&shape)).unwrap();
    let other = Dropout::new(&cpu, 0.3, 6).unwrap().forward_train(&x).unwrap();
    assert_eq!(again, first);
    assert_eq!(dropped(&double), dropped(&first));
    assert_ne!(other, first);
    // Nothing is dropped for inference.
    assert_eq!(layer.forward(&x).unwrap(), x);
}

#[test]
fn draws_are_independent() {
    // Over 20000 places two draws agree in the binomial count of those for p = ½: beyond six deviations with probability
    // 2·10⁻⁹ a pair. Neighbouring seeds and draws are the pairs that a careless seed would make equal.
    let x = ones::<f32>(&[200, 100]);
    let draws: Vec<Vec<bool>> = (7..10)
        .flat_map(|seed| {
            let mut layer = Dropout::new(&Cpu::default(), 0.5, seed).unwrap();
            [0, 1, 2].map(|_| dropped(&layer.forward_train(&x).unwrap()))
        })
        .collect();
    for (i, a) in draws.iter().enumerate() {
        for b in &draws[..i] {
            let equal = a.iter().zip(b).filter(|(a, b)| a == b).count() as f64;
            assert!((equal - 10_000.0).abs() <= 6.0 * 5000.0_f64.sqrt(), "{equal}");
        }
    }
}

#[test]
fn layers_of_layers_are_named_as_in_pytorch() {
    let cpu = Cpu::default();
    let x = gaussian(&[4, 6], &mut Random::new(1));
    let make = |seed| {
        Sequential::new(vec![Box::new(Residual::new(&cpu, mlp::<f64>(&cpu, seed))) as _, Box::new(mlp(&cpu, seed))])
    };
    let (model, mut other) = (make(1), make(5));
    let mut state = State::new();
    model.save("body", &mut state).unwrap();
    let names: Vec<&str> = state.iter().map(|(name, _)| name).collect();
    let expected: Vec<String> = ["0", "1"]
        .iter()
        .flat_map(|i| {
            ["0.S1s", "0.S2s", "0.U1s", "0.U2s", "0.bias", "2.bias", "2.weight"].map(|n| format!("body.{i}.{n}"))
        })
        .collect();
    assert_eq!(names, expected);
    assert_ne!(other.forward(&x).unwrap(), model.forward(&x).unwrap());
    other.load("body", &state).unwrap();
    assert_eq!(other.forward(&x).unwrap(), model.forward(&x).unwrap());
}

#[test]
fn what_does_not_fit_is_refused() {
    let cpu = Cpu::default();
    for rate in [-0.1, 1.0, f64::NAN, f64::INFINITY] {
        let refused = Dropout::new(&cpu, rate, 1).unwrap_err();
        assert!(matches!(refused, NnError::InvalidNumber { argument: "rate", .. }), "{rate}");
    }
    let x = gaussian(&[3, 6], &mut Random::new(5));
    let mut narrow = Residual::new(&cpu, Linear::<f64, _>::new(&cpu, 6, 5, true, 1).unwrap());
    assert!(matches!(narrow.forward(&x), Err(NnError::Shape { argument: "f(x)", .. })));
    assert!(matches!(narrow.forward_train(&x), Err(NnError::Shape { argument: "f(x)", .. })));
    let mut relu = ActivationLayer::relu(&cpu);
    assert!(matches!(relu.backward(&x), Err(NnError::BackwardWithoutForward { .. })));
    relu.forward_train(&x).unwrap();
    assert!(matches!(relu.backward(&gaussian(&[2, 6], &mut Random::new(5))), Err(NnError::Shape { .. })));
    let mut dropout = Dropout::new(&cpu, 0.5, 1).unwrap();
    dropout.forward_train(&x).unwrap();
    assert!(matches!(dropout.backward(&gaussian(&[6, 3], &mut Random::new(5))), Err(NnError::Shape { .. })));
    // No rows are as good as any.
    let nothing = cpu.upload::<f64>(&[0, 6], Vec::new()).unwrap();
    let mut model = mlp(&cpu, 1);
    let y = model.forward_train(&nothing).unwrap();
    assert_eq!(y.shape(), [0, 6]);
    assert_eq!(model.backward(&y).unwrap().shape(), [0, 6]);
}

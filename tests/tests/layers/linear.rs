//! Dense and sketched linear layers.

use faer::Par;
use panther_nn::backend::Storage;
use panther_nn::cpu::Cpu;
use panther_nn::layers::{Layer, Linear, SkLinear, SkLinearOptions};
use panther_nn::state::State;
use panther_nn::{NnError, Scalar};
use panther_tests::gradients::{check, gaussian};
use panther_tests::random::Random;

/// d_in, d_out, num_terms, low_rank and the shape before the last extent of x.
const CASES: &[(usize, usize, usize, usize, &[usize])] = &[
    (1, 1, 1, 1, &[1]),
    (7, 5, 1, 3, &[4]),
    (5, 9, 3, 2, &[2, 3]),
    (33, 17, 2, 17, &[3]),
    (16, 40, 4, 5, &[]),
    (20, 30, 2, 4, &[2, 1, 3]),
];

fn options(num_terms: usize, low_rank: usize, bias: bool) -> SkLinearOptions {
    SkLinearOptions { num_terms, low_rank, bias, seed: 11 }
}

fn shape(rows: &[usize], columns: usize) -> Vec<usize> {
    rows.iter().copied().chain([columns]).collect()
}

#[test]
fn gradients_agree_with_central_differences() {
    let cpu = Cpu::new(Par::Seq);
    for &(d_in, d_out, terms, k, rows) in CASES {
        let x = gaussian(&shape(rows, d_in), &mut Random::new(1));
        for bias in [false, true] {
            let mut dense = Linear::new(&cpu, d_in, d_out, bias, 3).unwrap();
            check(&format!("linear {d_in}→{d_out}"), &mut dense, &x, 2);
            let mut sketched = SkLinear::new(&cpu, d_in, d_out, options(terms, k, bias)).unwrap();
            check(&format!("sk_linear {d_in}→{d_out} T {terms} k {k}"), &mut sketched, &x, 2);
        }
    }
}

/// The layer's definition, term by term, in double precision from what the layer saves.
fn by_definition<T: Scalar>(
    state: &State<T>,
    terms: usize,
    k: usize,
    x: &[f64],
    d_in: usize,
    d_out: usize,
) -> Vec<f64> {
    let read = |name: &str, shape: &[usize]| -> Vec<f64> {
        state.values(name, shape).unwrap().iter().map(|x| x.to_f64()).collect()
    };
    let (s1, u2) = (read("S1s", &[terms, d_in, k]), read("U2s", &[terms, d_in, k]));
    let (u1, s2) = (read("U1s", &[terms, k, d_out]), read("S2s", &[terms, k, d_out]));
    let bias = read("bias", &[d_out]);
    let mut y = Vec::new();
    for row in x.chunks(d_in) {
        for o in 0..d_out {
            let mut sum = 0.0;
            for t in 0..terms {
                for (down, up) in [(&s1, &u1), (&u2, &s2)] {
                    for j in 0..k {
                        let hidden: f64 = (0..d_in).map(|i| row[i] * down[(t * d_in + i) * k + j]).sum();
                        sum += hidden * up[(t * k + j) * d_out + o];
                    }
                }
            }
            y.push(sum / (2 * terms) as f64 + bias[o]);
        }
    }
    y
}

fn sketched_output_is_its_definition<T: Scalar>() {
    for &(d_in, d_out, terms, k, rows) in CASES {
        let cpu = Cpu::default();
        let layer = SkLinear::<T, _>::new(&cpu, d_in, d_out, options(terms, k, true)).unwrap();
        let mut state = State::new();
        layer.save("", &mut state).unwrap();
        let x = gaussian(&shape(rows, d_in), &mut Random::new(5));
        let rounded: Vec<T> = x.as_slice().iter().map(|x| T::from_f64(*x)).collect();
        let exact: Vec<f64> = rounded.iter().map(|x| x.to_f64()).collect();
        let y = layer.forward(&cpu.upload(x.shape(), rounded).unwrap()).unwrap();
        assert_eq!(Cpu::shape(&y), shape(rows, d_out));
        let expected = by_definition(&state, terms, k, &exact, d_in, d_out);
        let scale = expected.iter().fold(0.0, |m: f64, y| m.max(y.abs()));
        for (y, e) in y.as_slice().iter().zip(&expected) {
            let error = (y.to_f64() - e).abs();
            assert!(error <= 20.0 * d_in as f64 * T::EPSILON.to_f64() * scale, "{d_in}→{d_out}: {y:?} {e}");
        }
    }
}

#[test]
fn sketched_output_is_the_mean_of_its_terms() {
    sketched_output_is_its_definition::<f32>();
    sketched_output_is_its_definition::<f64>();
}

#[test]
fn a_fresh_sketched_layer_has_the_norm_of_a_dense_one() {
    // ‖Ŵ‖_F is read off the outputs for the unit vectors; W has entries uniform on ±1/√d_in, so ‖W‖² ≈ d_out/3, with a
    // relative deviation of √(4/(5·d_in·d_out)): a hundredth here, and the bound is six of them for the square.
    let (d_in, d_out) = (100, 80);
    let cpu = Cpu::default();
    for (terms, k) in [(1, 1), (1, 16), (3, 8), (4, 80)] {
        let layer = SkLinear::<f64, _>::new(&cpu, d_in, d_out, options(terms, k, false)).unwrap();
        let mut identity = vec![0.0; d_in * d_in];
        identity.iter_mut().step_by(d_in + 1).for_each(|x| *x = 1.0);
        let weight = layer.forward(&cpu.upload(&[d_in, d_in], identity).unwrap()).unwrap();
        let squared: f64 = weight.as_slice().iter().map(|w| w * w).sum();
        let ratio = squared / (d_out as f64 / 3.0);
        assert!((ratio - 1.0).abs() < 0.06, "T {terms} k {k}: {ratio}");
    }
}

#[test]
fn layers_are_loaded_as_they_were_saved() {
    let cpu = Cpu::default();
    let x = gaussian(&[3, 12], &mut Random::new(5));
    let make = |seed| {
        let sketched = SkLinear::<f64, _>::new(&cpu, 12, 9, SkLinearOptions { seed, ..options(2, 3, true) }).unwrap();
        (sketched, Linear::<f64, _>::new(&cpu, 12, 9, true, seed).unwrap())
    };
    let ((sketched, dense), (mut other_sketched, mut other_dense)) = (make(1), make(2));
    let mut state = State::new();
    sketched.save("a", &mut state).unwrap();
    dense.save("b.c", &mut state).unwrap();
    let names: Vec<&str> = state.iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["a.S1s", "a.S2s", "a.U1s", "a.U2s", "a.bias", "b.c.bias", "b.c.weight"]);
    assert_ne!(other_sketched.forward(&x).unwrap(), sketched.forward(&x).unwrap());
    other_sketched.load("a", &state).unwrap();
    other_dense.load("b.c", &state).unwrap();
    assert_eq!(other_sketched.forward(&x).unwrap(), sketched.forward(&x).unwrap());
    assert_eq!(other_dense.forward(&x).unwrap(), dense.forward(&x).unwrap());
    let missing = other_dense.load("a", &state).unwrap_err();
    assert_eq!(missing, NnError::MissingTensor { name: "a.weight".to_owned() });
    let mut narrow = Linear::<f64, _>::new(&cpu, 11, 9, true, 1).unwrap();
    let wrong = narrow.load("b.c", &state).unwrap_err();
    assert_eq!(wrong, NnError::TensorShape { name: "b.c.weight".to_owned(), expected: vec![9, 11], got: vec![9, 12] });
}

#[test]
fn outputs_and_gradients_do_not_depend_on_threads() {
    let run = |par| {
        let cpu = Cpu::new(par);
        let mut layer = SkLinear::<f64, _>::new(&cpu, 300, 200, options(2, 16, true)).unwrap();
        let x = gaussian(&[150, 300], &mut Random::new(5));
        let y = layer.forward_train(&x).unwrap();
        let dx = layer.backward(&y).unwrap();
        let gradients: Vec<_> = layer.parameters_mut().iter().map(|p| p.gradient.clone()).collect();
        (y, dx, gradients)
    };
    assert_eq!(run(Par::Seq), run(Par::rayon(2)));
    assert_eq!(run(Par::Seq), run(Par::rayon(3)));
}

#[test]
fn sizes_that_do_not_fit_are_refused() {
    let cpu = Cpu::default();
    let refused = |terms, k| SkLinear::<f32, _>::new(&cpu, 12, 9, options(terms, k, true)).unwrap_err();
    for terms in [0, usize::MAX / 2] {
        assert!(matches!(refused(terms, 3), NnError::OutOfRange { argument: "num_terms", got, .. } if got == terms));
    }
    assert_eq!(refused(1, 0), NnError::OutOfRange { argument: "low_rank", low: 1, high: 9, got: 0 });
    assert_eq!(refused(1, 10), NnError::OutOfRange { argument: "low_rank", low: 1, high: 9, got: 10 });
    let mut layer = SkLinear::<f64, _>::new(&cpu, 12, 9, options(1, 3, true)).unwrap();
    let x = gaussian(&[3, 11], &mut Random::new(5));
    assert!(matches!(layer.forward(&x), Err(NnError::Shape { argument: "x", .. })));
    assert!(matches!(layer.backward(&x), Err(NnError::BackwardWithoutForward { .. })));
    // A gradient of another shape is refused, and the right one still finds its way back.
    let mut dense = Linear::<f64, _>::new(&cpu, 12, 9, true, 1).unwrap();
    let x = gaussian(&[4, 12], &mut Random::new(5));
    let (y, wrong) = (layer.forward_train(&x).unwrap(), gaussian(&[3, 9], &mut Random::new(6)));
    dense.forward_train(&x).unwrap();
    assert!(matches!(layer.backward(&wrong), Err(NnError::Shape { argument: "dy", .. })));
    assert!(matches!(dense.backward(&wrong), Err(NnError::Shape { argument: "dy", .. })));
    assert_eq!(layer.backward(&y).unwrap().shape(), [4, 12]);
    assert_eq!(dense.backward(&y).unwrap().shape(), [4, 12]);
    // No rows are as good as any.
    let nothing = cpu.upload(&[0, 12], Vec::new()).unwrap();
    assert_eq!(Cpu::shape(&layer.forward(&nothing).unwrap()), [0, 9]);
}

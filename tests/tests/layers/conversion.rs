//! Dense weights made sketched: errors against the exact singular values.

use faer::{Mat, MatRef, Par};
use panther_nn::backend::Storage;
use panther_nn::convert::{
    Conversion, ConversionOptions, DenseWeight, Method, WeightLayout, attention_state, convert_to_error,
    convert_weight, sketched_attention, sketched_conv2d, sketched_linear,
};
use panther_nn::cpu::Cpu;
use panther_nn::layers::{
    Conv2d, Layer, Linear, MultiHeadAttention, MultiHeadAttentionOptions, Padding, RandMultiHeadAttentionOptions,
    Window,
};
use panther_nn::state::{HostTensor, State};
use panther_nn::{NnError, Scalar};
use panther_tests::gradients::gaussian;
use panther_tests::matrices::{Family, Spectrum, with_singular_values};
use panther_tests::random::Random;

pub(crate) fn options(method: Method) -> ConversionOptions {
    ConversionOptions { method, seed: 3, storage: None }
}

/// M, d_in×d_out, as the weight out×in that it is the transpose of.
pub(crate) fn weight_of<T: Scalar>(m: MatRef<'_, f64>) -> DenseWeight<T> {
    let numbers: Vec<T> = (0..m.ncols()).flat_map(|o| (0..m.nrows()).map(move |i| T::from_f64(m[(i, o)]))).collect();
    DenseWeight::new(WeightLayout::OutIn, &[m.ncols(), m.nrows()], &numbers).unwrap()
}

fn double<T: Scalar>(a: MatRef<'_, T>) -> Mat<f64> {
    Mat::from_fn(a.nrows(), a.ncols(), |i, j| a[(i, j)].to_f64())
}

/// √Σσᵢ² beyond the rank.
pub(crate) fn tail(sigma: &[f64], rank: usize) -> f64 {
    sigma.iter().skip(rank).map(|s| s * s).sum::<f64>().sqrt()
}

/// The matrix and its singular values.
pub(crate) fn spectra(m: usize, n: usize) -> Vec<(&'static str, Mat<f64>, Vec<f64>)> {
    let count = m.min(n);
    let mut random = Random::new(9);
    let kaiming = Mat::from_fn(m, n, |_, _| (2.0 * random.uniform() - 1.0) / (m as f64).sqrt());
    let exact = kaiming.singular_values().unwrap();
    let mut all = vec![("kaiming", kaiming, exact), ("zero", Mat::zeros(m, n), vec![0.0; count])];
    for (name, spectrum) in [
        ("i^-1/2", Spectrum::Polynomial(0.5)),
        ("i^-1", Spectrum::Polynomial(1.0)),
        ("exponential", Spectrum::Exponential(0.9)),
        ("low rank", Spectrum::Step { rank: 7.min(count), tail: 0.0 }),
    ] {
        let sigma = spectrum.values(count);
        all.push((name, with_singular_values(m, n, &sigma, 4), sigma));
    }
    all
}

/// ‖M − M̂‖_F in double precision, and what the conversion reports of it.
pub(crate) fn errors<T: Scalar>(weight: &DenseWeight<T>, conversion: &Conversion<T>) -> (f64, f64) {
    let m = double(weight.matrix());
    let approximation = double(conversion.factors.approximation(Par::Seq).as_ref());
    ((&m - approximation).norm_l2(), conversion.report.relative_error * m.norm_l2())
}

fn check_rsvd<T: Scalar>(m: usize, n: usize, sizes: &[(usize, usize)]) {
    for (name, matrix, sigma) in spectra(m, n) {
        let weight = weight_of::<T>(matrix.as_ref());
        for &(terms, k) in sizes {
            let conversion = convert_weight(&weight, terms, k, None, &options(Method::Rsvd), Par::Seq).unwrap();
            let (error, reported) = errors(&weight, &conversion);
            // Beyond the bound of 1.02 only the rounding of products of that many terms: n·ε·‖M‖ is far above it.
            let rounding = (m + n) as f64 * T::EPSILON.to_f64() * tail(&sigma, 0);
            let best = tail(&sigma, 2 * terms * k);
            let what = format!("{} {name} {m}×{n} T {terms} k {k}: {error:e}, best {best:e}", T::NAME);
            assert!(error <= 1.02 * best + rounding, "{what}");
            assert!((error - reported).abs() <= rounding, "{what}, reported {reported:e}");
            assert_eq!(conversion.report.parameters_after, 2 * terms * k * (m + n));
        }
    }
}

#[test]
fn rsvd_reaches_the_best_rank() {
    let sizes = [(1, 1), (1, 8), (2, 5), (4, 3), (3, 20), (1, 40), (5, 40)];
    for (m, n) in [(60, 60), (90, 40), (40, 130)] {
        check_rsvd::<f32>(m, n, &sizes);
        check_rsvd::<f64>(m, n, &sizes);
    }
    check_rsvd::<f64>(1, 9, &[(1, 1), (3, 1)]);
    check_rsvd::<f32>(300, 700, &[(1, 16), (2, 32)]);
}

#[test]
fn rsvd_reaches_the_best_rank_of_a_large_weight() {
    check_rsvd::<f32>(1024, 1024, &[(1, 64)]);
}

#[test]
fn kernels_reach_the_best_rank() {
    let shape = [24, 6, 3, 3];
    let (name, matrix, sigma) = spectra(54, 24).remove(0);
    for (terms, k) in [(1, 2), (2, 3), (1, 12), (1, 24)] {
        let numbers: Vec<f64> = (0..24).flat_map(|o| matrix.col(o).iter().copied()).collect();
        let weight = DenseWeight::new(WeightLayout::Conv2d, &shape, &numbers).unwrap();
        let conversion = convert_weight(&weight, terms, k, None, &options(Method::Rsvd), Par::Seq).unwrap();
        let best = tail(&sigma, 2 * terms * k);
        let (error, reported) = errors(&weight, &conversion);
        assert!(error <= 1.02 * best + 1e-12 && (error - reported).abs() < 1e-12, "{name} {error} {best}");
        // The tensors by the layer's definition: Σ over all kernels of S1·U1, divided by their number of terms.
        let tensors = conversion.factors.tensors();
        let [("S1s", s1_shape, s1), ("U1s", u1_shape, u1)] = tensors.as_slice() else { panic!("{tensors:?}") };
        assert_eq!(
            (s1_shape.as_slice(), u1_shape.as_slice()),
            (&[2 * terms * k, 6, 3, 3][..], &[2 * terms, k, 24][..])
        );
        let approximation = conversion.factors.approximation(Par::Seq);
        for (i, o) in (0..54).flat_map(|i| (0..24).map(move |o| (i, o))) {
            let sum: f64 = (0..2 * terms * k).map(|j| s1[j * 54 + i] * u1[j * 24 + o]).sum();
            assert!((sum / (2 * terms) as f64 - approximation[(i, o)]).abs() < 1e-13);
        }
    }
}

#[test]
fn the_layer_multiplies_by_the_approximation() {
    let (d_in, d_out, cpu) = (30, 22, Cpu::new(Par::Seq));
    let dense = Linear::<f64, _>::new(&cpu, d_in, d_out, true, 5).unwrap();
    let weight = DenseWeight::new(WeightLayout::OutIn, &[d_out, d_in], dense.weight().as_slice()).unwrap();
    let x = panther_tests::gradients::gaussian(&[4, d_in], &mut Random::new(2));
    for method in [Method::Rsvd, Method::LeastSquares, Method::Sketch] {
        for (terms, k) in [(1, 4), (3, 2), (2, 22)] {
            let conversion = convert_weight(&weight, terms, k, None, &options(method), Par::Seq).unwrap();
            let approximation = conversion.factors.approximation(Par::Seq);
            let (layer, report) = sketched_linear(&cpu, &dense, terms, k, &options(method), Par::Seq).unwrap();
            assert_eq!(report, conversion.report);
            let y = layer.forward(&x).unwrap();
            let mut largest = 0.0f64;
            let mut difference = 0.0f64;
            for (row, o) in (0..4).flat_map(|row| (0..d_out).map(move |o| (row, o))) {
                let product: f64 = (0..d_in).map(|i| x.as_slice()[row * d_in + i] * approximation[(i, o)]).sum();
                let expected = product + dense.bias().unwrap().as_slice()[o];
                largest = largest.max(expected.abs());
                difference = difference.max((y.as_slice()[row * d_out + o] - expected).abs());
            }
            assert!(difference < 1e-12 * largest, "{method:?} {terms} {k}: {difference}");
            // What the layer saves are the tensors of the conversion.
            let mut state = State::new();
            layer.save("", &mut state).unwrap();
            for (name, shape, numbers) in conversion.factors.tensors() {
                assert_eq!(state.values(name, &shape).unwrap(), numbers, "{name}");
            }
        }
    }
}

#[test]
fn single_precision_keeps_what_a_steep_spectrum_leaves() {
    // Errors of 10⁻⁵ of the weight, near what single precision can tell.
    let sigma: Vec<f64> = (1..=200).map(|i| if i <= 32 { 1.0 } else { 1e-3 / f64::from(i) }).collect();
    let weight = weight_of::<f32>(with_singular_values(240, 200, &sigma, 7).as_ref());
    for k in [20, 32, 50] {
        let conversion = convert_weight(&weight, 1, k, None, &options(Method::Rsvd), Par::Seq).unwrap();
        // W itself and its factors are rounded, each number to 2⁻²⁴ of itself.
        let best = tail(&sigma, 2 * k) / tail(&sigma, 0);
        let found = conversion.report.relative_error;
        assert!(found <= 1.02 * best + 2e-7, "k {k}: {found:e}, best {best:e}");
    }
}

#[test]
fn convolutions_are_exact_at_full_rank_and_as_near_as_their_kernels_below() {
    let cpu = Cpu::default();
    let window = Window { padding: Padding::Same, ..Window::new([3, 2]) };
    let dense = Conv2d::<f64, _>::new(&cpu, 4, 10, window, true, 5).unwrap();
    let x = gaussian(&[2, 4, 9, 7], &mut Random::new(1));
    let y = dense.forward(&x).unwrap();
    let distance = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
    let norm = distance(y.as_slice(), &vec![0.0; y.as_slice().len()]);
    // 2Tk = 10 is the whole rank.
    let (exact, report) = sketched_conv2d(&cpu, &dense, 1, 5, &options(Method::Rsvd), Par::Seq).unwrap();
    assert!(report.relative_error < 1e-13);
    assert!(distance(exact.forward(&x).unwrap().as_slice(), y.as_slice()) < 1e-12 * norm);
    let (coarse, report) = sketched_conv2d(&cpu, &dense, 1, 2, &options(Method::Rsvd), Par::Seq).unwrap();
    let error = distance(coarse.forward(&x).unwrap().as_slice(), y.as_slice()) / norm;
    // White inputs show the error of the kernel, to about 1/√(numbers of y).
    assert!((error / report.relative_error - 1.0).abs() < 0.3, "{error} {}", report.relative_error);
}

#[test]
fn attention_keeps_its_projections_and_tells_its_error() {
    let cpu = Cpu::default();
    // Of small norm, where the error falls with the root of the features.
    let x = gaussian(&[2, 30, 16], &mut Random::new(4)).as_slice().iter().map(|x| x / 2.0).collect();
    let x = cpu.upload(&[2, 30, 16], x).unwrap();
    for causal in [false, true] {
        let dense = MultiHeadAttentionOptions { causal, seed: 9, ..Default::default() };
        let dense = MultiHeadAttention::<f64, _>::new(&cpu, 16, 2, dense).unwrap();
        let error_of = |num_features| {
            let options = RandMultiHeadAttentionOptions { num_features, seed: 1, ..Default::default() };
            let (linear, error) = sketched_attention(&cpu, &dense, options, &x).unwrap();
            assert_eq!(linear.options().causal, causal);
            let (mut from_dense, mut from_linear) = (State::new(), State::new());
            dense.save("", &mut from_dense).unwrap();
            linear.save("", &mut from_linear).unwrap();
            let (packed, wk) =
                (&from_dense.tensor("in_proj_weight").unwrap().values, from_linear.tensor("Wk").unwrap());
            assert_eq!(packed[16 * 16..][..16 * 16], wk.values);
            error
        };
        let (few, many) = (error_of(32), error_of(2048));
        // √(2048/32) = 8 in expectation.
        assert!(many < 0.3 * few && many < 0.1, "causal {causal}: {few} {many}");
    }
}

#[test]
fn in_out_weights_are_the_transposed_ones() {
    let matrix = Family::Gaussian.matrix::<f64>(20, 30, 1);
    let numbers: Vec<f64> = (0..20).flat_map(|i| (0..30).map(move |o| (i, o))).map(|at| matrix[at]).collect();
    let weight = DenseWeight::new(WeightLayout::InOut, &[20, 30], &numbers).unwrap();
    assert_eq!(weight.matrix(), matrix);
    assert_eq!(weight.matrix(), weight_of::<f64>(matrix.as_ref()).matrix());
}

/// M̂ with factors of the caller's, from S1, U1, U2 and S2 as they are named.
fn product_of(tensors: &[(&'static str, Vec<usize>, Vec<f64>)], terms: usize, d_in: usize, d_out: usize) -> Mat<f64> {
    let find = |name: &str| &tensors.iter().find(|tensor| tensor.0 == name).unwrap().2;
    let (s1, s2, u1, u2) = (find("S1s"), find("S2s"), find("U1s"), find("U2s"));
    let k = s1.len() / (terms * d_in);
    Mat::from_fn(d_in, d_out, |i, o| {
        let mut sum = 0.0;
        for (t, j) in (0..terms).flat_map(|t| (0..k).map(move |j| (t, j))) {
            let (down, up) = ((t * d_in + i) * k + j, (t * k + j) * d_out + o);
            sum += s1[down] * u1[up] + u2[down] * s2[up];
        }
        sum / (2 * terms) as f64
    })
}

#[test]
fn least_squares_is_the_minimum_for_its_fixed_factors() {
    let (d_in, d_out) = (28, 20);
    let (_, matrix, _) = spectra(d_in, d_out).remove(0);
    let weight = weight_of::<f64>(matrix.as_ref());
    let full = Family::Gaussian.matrix::<f64>(50, d_in, 8);
    // Fewer rows than columns: many minima, each of them flat.
    let few = Family::Gaussian.matrix::<f64>(9, d_in, 8);
    for inputs in [None, Some(&full), Some(&few)] {
        let error_of = |approximation: &Mat<f64>| match inputs {
            None => (&matrix - approximation).norm_l2(),
            Some(x) => (x * (&matrix - approximation)).norm_l2(),
        };
        for (terms, k) in [(1, 2), (2, 3), (1, 9), (3, 20)] {
            let convert = |method| {
                convert_weight(&weight, terms, k, inputs.map(Mat::as_ref), &options(method), Par::Seq).unwrap()
            };
            let (best, sketch) = (convert(Method::LeastSquares), convert(Method::Sketch));
            let error = error_of(&best.factors.approximation(Par::Seq));
            assert!(best.report.relative_error <= sketch.report.relative_error);
            assert!(convert(Method::Rsvd).report.relative_error <= best.report.relative_error + 1e-12);
            let tensors = best.factors.tensors();
            // The fixed factors are the same as the sketch's.
            for (ours, others) in tensors.iter().zip(sketch.factors.tensors()) {
                assert_eq!(ours.0.starts_with('U'), *ours == others, "{}", others.0);
            }
            let mut random = Random::new(6);
            for _ in 0..20 {
                let mut moved = tensors.clone();
                let step = 10f64.powf(-1.0 - 4.0 * random.uniform());
                for (_, _, numbers) in moved.iter_mut().filter(|tensor| tensor.0.starts_with('S')) {
                    numbers.iter_mut().for_each(|x| *x += step * random.gaussian());
                }
                let other = error_of(&product_of(&moved, terms, d_in, d_out));
                assert!(error <= other + 1e-12, "T {terms} k {k}: {error} {other}");
            }
        }
    }
}

#[test]
fn with_inputs_the_error_of_the_outputs_is_the_least() {
    let (d_in, d_out) = (40, 30);
    for (name, matrix, _) in spectra(d_in, d_out).into_iter().filter(|(name, ..)| *name != "zero") {
        let weight = weight_of::<f64>(matrix.as_ref());
        let anisotropic = with_singular_values(200, d_in, &Spectrum::Polynomial(1.0).values(d_in), 6);
        let deficient = with_singular_values(200, d_in, &Spectrum::Step { rank: 6, tail: 0.0 }.values(d_in), 6);
        let few = Family::Gaussian.matrix::<f64>(5, d_in, 6);
        let one = Family::Gaussian.matrix::<f64>(1, d_in, 6);
        for x in [&anisotropic, &deficient, &few, &one] {
            let outputs = x * &matrix;
            let sigma = outputs.singular_values().unwrap();
            for (terms, k) in [(1, 1), (1, 4), (2, 4), (3, 9)] {
                let convert = |inputs: Option<MatRef<'_, f64>>| {
                    convert_weight(&weight, terms, k, inputs, &options(Method::Rsvd), Par::Seq).unwrap()
                };
                let conversion = convert(Some(x.as_ref()));
                let error_of = |conversion: &Conversion<f64>| {
                    (x * (&matrix - conversion.factors.approximation(Par::Seq))).norm_l2()
                };
                let (error, plain) = (error_of(&conversion), error_of(&convert(None)));
                let best = tail(&sigma, 2 * terms * k);
                let rounding = 1e-12 * outputs.norm_l2();
                let what = format!("{name} {}×{} T {terms} k {k}", x.nrows(), d_in);
                assert!(error <= 1.02 * best + rounding, "{what}: {error:e} {best:e}");
                assert!(error <= 1.01 * plain + rounding, "{what}: {error:e}, without inputs {plain:e}");
                let reported = conversion.report.relative_error * outputs.norm_l2();
                assert!((reported - error).abs() <= rounding, "{what}: {reported:e} {error:e}");
                // Rank that the outputs do not need goes to the weights: nothing grows out of bounds.
                let weights = (&matrix - conversion.factors.approximation(Par::Seq)).norm_l2();
                assert!(weights <= matrix.norm_l2() * (1.0 + 1e-9), "{what}: {weights}");
            }
        }
    }
}

#[test]
fn anisotropic_inputs_are_worth_using() {
    let matrix = spectra(40, 30).remove(0).1;
    let weight = weight_of::<f64>(matrix.as_ref());
    let x = with_singular_values(200, 40, &Spectrum::Polynomial(1.0).values(40), 6);
    let convert = |inputs| convert_weight(&weight, 1, 4, inputs, &options(Method::Rsvd), Par::Seq).unwrap();
    let error = |c: &Conversion<f64>| (&x * (&matrix - c.factors.approximation(Par::Seq))).norm_l2();
    // A flat weight leaves the plain way nothing to choose; the inputs have half of their energy in one direction.
    assert!(error(&convert(Some(x.as_ref()))) < 0.5 * error(&convert(None)));
}

#[test]
fn conversions_do_not_depend_on_threads() {
    let weight = weight_of::<f32>(spectra(200, 260).remove(0).1.as_ref());
    let x = Family::Gaussian.matrix::<f32>(150, 200, 6);
    for method in [Method::Rsvd, Method::LeastSquares, Method::Sketch] {
        for inputs in [None, Some(x.as_ref())] {
            let run = |par| convert_weight(&weight, 2, 10, inputs, &options(method), par).unwrap();
            let (one, two) = (run(Par::Seq), run(Par::rayon(2)));
            assert_eq!(one.factors.tensors(), two.factors.tensors(), "{method:?}");
            assert_eq!(one.report, two.report);
        }
    }
}

#[test]
fn bad_input_is_refused() {
    let weight = weight_of::<f64>(Mat::from_fn(6, 5, |i, j| (i * j) as f64).as_ref());
    let refused = |terms, k| convert_weight(&weight, terms, k, None, &options(Method::Rsvd), Par::Seq).unwrap_err();
    assert!(matches!(refused(0, 1), NnError::OutOfRange { argument: "num_terms", got: 0, .. }));
    assert!(matches!(refused(usize::MAX, 1), NnError::OutOfRange { argument: "num_terms", .. }));
    assert_eq!(refused(1, 0), NnError::OutOfRange { argument: "low_rank", low: 1, high: 5, got: 0 });
    assert_eq!(refused(1, 6), NnError::OutOfRange { argument: "low_rank", low: 1, high: 5, got: 6 });
    let x = Mat::<f64>::zeros(3, 5);
    let wrong = convert_weight(&weight, 1, 1, Some(x.as_ref()), &options(Method::Rsvd), Par::Seq).unwrap_err();
    assert!(matches!(wrong, NnError::Shape { argument: "inputs", .. }));
    for (shape, numbers) in [(&[2, 3][..], 5), (&[0, 3], 0), (&[6], 6), (&[1, 2, 3], 6)] {
        let refused = DenseWeight::new(WeightLayout::OutIn, shape, &vec![0.0f32; numbers]).unwrap_err();
        assert!(matches!(refused, NnError::Shape { .. }), "{shape:?}");
    }
    let infinite = DenseWeight::new(WeightLayout::OutIn, &[1, 2], &[1.0, f32::INFINITY]).unwrap_err();
    assert!(matches!(infinite, NnError::Linalg(_)), "{infinite}");
    for error in [0.0, 1.0, -0.5, f64::NAN] {
        let refused = convert_to_error(&weight, error, None, &options(Method::Rsvd), Par::Seq).unwrap_err();
        assert!(matches!(refused, NnError::InvalidNumber { argument: "error", .. }));
    }
}

#[test]
fn attention_projections_are_split() {
    let embed = 6;
    let numbers = |count: usize, start: usize| -> Vec<f64> { (start..start + count).map(|x| x as f64).collect() };
    let mut dense = State::new();
    dense.insert("a.in_proj_weight".to_owned(), &[18, embed], numbers(108, 0));
    dense.insert("a.in_proj_bias".to_owned(), &[18], numbers(18, 500));
    dense.insert("a.out_proj.weight".to_owned(), &[embed, embed], numbers(36, 1000));
    let features = HostTensor { shape: vec![4, 3], values: numbers(12, 0) };
    let state = attention_state(&dense, "a", features.clone()).unwrap();
    let names: Vec<&str> = state.iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["a.W0", "a.Wk", "a.Wq", "a.Wv", "a.b0", "a.bk", "a.bq", "a.bv", "a.projection_matrix"]);
    assert_eq!(state.values("a.Wk", &[embed, embed]).unwrap(), numbers(36, 36));
    assert_eq!(state.values("a.Wv", &[embed, embed]).unwrap(), numbers(36, 72));
    assert_eq!(state.values("a.bq", &[embed]).unwrap(), numbers(6, 500));
    assert_eq!(state.values("a.b0", &[embed]).unwrap(), [0.0; 6]);
    let missing = attention_state(&dense, "b", features).unwrap_err();
    assert_eq!(missing, NnError::MissingTensor { name: "b.out_proj.weight".to_owned() });
}

#[test]
fn a_converted_layer_can_be_trained_further() {
    let cpu = Cpu::new(Par::Seq);
    let dense = Linear::<f64, _>::new(&cpu, 12, 10, true, 5).unwrap();
    let (mut layer, _) = sketched_linear(&cpu, &dense, 1, 3, &ConversionOptions::default(), Par::Seq).unwrap();
    let x = cpu.upload(&[2, 12], (0..24).map(|x| f64::from(x).sin()).collect()).unwrap();
    panther_tests::gradients::check("converted", &mut layer, &x, 2);
}

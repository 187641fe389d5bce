//! Linear attention as an operation: against its formula, its gradients, what it must not depend on.

use faer::Par;
use panther_nn::backend::{Arithmetic, AttentionInputs, AttentionKernel, LinearAttention, Storage};
use panther_nn::cpu::{Cpu, CpuTensor};
use panther_nn::layers::orthogonal_features;
use panther_nn::{NnError, Scalar};
use panther_tests::attention::reference;
use panther_tests::gradients::gaussian;
use panther_tests::random::Random;

/// Lengths about the edges of the chunks of 64.
const LENGTHS: [usize; 6] = [1, 2, 63, 64, 65, 197];

const KERNELS: [AttentionKernel; 2] = [AttentionKernel::Softmax, AttentionKernel::Relu];

/// Inputs that own their tensors.
struct Case<T: Scalar> {
    query: CpuTensor<T>,
    key: CpuTensor<T>,
    value: CpuTensor<T>,
    projection: CpuTensor<T>,
    mask: Option<Vec<bool>>,
    heads: usize,
    kernel: AttentionKernel,
    causal: bool,
}

impl<T: Scalar> Case<T> {
    /// Queries and keys of deviation `scale`; a mask leaves about two thirds of the keys, and none at the start of every sequence.
    fn new(
        [batch, queries, keys, heads, d, m]: [usize; 6],
        scale: f64,
        (kernel, causal, masked): (AttentionKernel, bool, bool),
        seed: u64,
    ) -> Self {
        let mut random = Random::new(seed);
        let mut draw = |length: usize, scale: f64| {
            let x = gaussian(&[batch, length, heads * d], &mut random);
            rounded(x.shape(), x.as_slice().iter().map(|x| scale * x))
        };
        let (query, key, value) = (draw(queries, scale), draw(keys, scale), draw(keys, 1.0));
        let projection = rounded(&[m, d], orthogonal_features(m, d, seed).unwrap());
        let mask = masked.then(|| (0..batch * keys).map(|j| j % keys > 1 && random.uniform() < 0.67).collect());
        Self { query, key, value, projection, mask, heads, kernel, causal }
    }

    fn inputs(&self) -> AttentionInputs<'_, CpuTensor<T>> {
        AttentionInputs {
            query: self.query.clone(),
            key: self.key.clone(),
            value: self.value.clone(),
            projection: &self.projection,
            mask: self.mask.as_deref(),
            heads: self.heads,
            kernel: self.kernel,
            arithmetic: Arithmetic::Stable,
            causal: self.causal,
        }
    }

    fn output(&self, cpu: &Cpu) -> CpuTensor<T> {
        cpu.linear_attention(&self.inputs()).unwrap().0
    }

    fn gradients(&self, cpu: &Cpu, dy: &CpuTensor<T>) -> [CpuTensor<T>; 3] {
        let (y, saved) = cpu.linear_attention(&self.inputs()).unwrap();
        cpu.linear_attention_backward(self.inputs(), y, saved, dy.clone()).unwrap()
    }

    fn describe(&self) -> String {
        let (q, k, p) = (self.query.shape(), self.key.shape(), self.projection.shape());
        let masked = self.mask.is_some();
        format!("{} {:?} q {q:?} k {k:?} Ω {p:?} causal {} masked {masked}", T::NAME, self.kernel, self.causal)
    }
}

fn rounded<T: Scalar>(shape: &[usize], numbers: impl IntoIterator<Item = f64>) -> CpuTensor<T> {
    Cpu::default().upload(shape, numbers.into_iter().map(T::from_f64).collect()).unwrap()
}

/// Every kernel, full and causal, with and without mask; sizes B, L, S, H, d, m.
fn cases<T: Scalar>(scale: f64) -> Vec<Case<T>> {
    let mut cases = Vec::new();
    let shapes = [[1, 1, 1], [2, 4, 7], [3, 5, 33], [1, 16, 40], [2, 9, 1]];
    for (index, &length) in LENGTHS.iter().enumerate() {
        for (kernel, causal, masked) in variants() {
            let [heads, d, m] = shapes[(index + usize::from(masked)) % shapes.len()];
            let other = if causal { length } else { LENGTHS[(index + 2) % LENGTHS.len()] };
            for (batch, keys) in [(2, length), (1, other)] {
                cases.push(Case::new([batch, length, keys, heads, d, m], scale, (kernel, causal, masked), 3));
            }
        }
    }
    cases
}

fn variants() -> impl Iterator<Item = (AttentionKernel, bool, bool)> {
    let flags = [(false, false), (false, true), (true, false), (true, true)];
    KERNELS.into_iter().flat_map(move |kernel| flags.map(|(causal, masked)| (kernel, causal, masked)))
}

fn outputs_follow_the_formula<T: Scalar>(scale: f64) {
    for case in cases::<T>(scale) {
        let expected = reference(&case.inputs());
        let y = case.output(&Cpu::default());
        assert_eq!(y.shape(), case.query.shape());
        for (place, (y, e)) in y.as_slice().iter().zip(&expected.y).enumerate() {
            // Each product and sum rounds once; the reference says how far that moves an output.
            let bound = 4.0 * T::EPSILON.to_f64() * expected.sensitivity[place];
            let error = (y.to_f64() - e).abs();
            assert!(error <= bound, "{} scale {scale} at {place}: {y:?} {e}, bound {bound:e}", case.describe());
        }
    }
}

#[test]
fn outputs_are_those_of_the_formula() {
    outputs_follow_the_formula::<f64>(1.0);
    outputs_follow_the_formula::<f32>(1.0);
}

#[test]
fn outputs_are_those_of_the_formula_where_exponentials_would_overflow() {
    outputs_follow_the_formula::<f64>(100.0);
    outputs_follow_the_formula::<f32>(10.0);
}

#[test]
fn gradients_agree_with_central_differences() {
    let cpu = Cpu::default();
    let mut random = Random::new(9);
    for (kernel, causal, masked) in variants() {
        for (length, keys, heads, d, m) in
            [(5, 5, 2, 3, 8), (70, 70, 1, 4, 6), (130, if causal { 130 } else { 67 }, 2, 3, 5)]
        {
            let mut case = Case::<f64>::new([2, length, keys, heads, d, m], 1.0, (kernel, causal, masked), 5);
            let c = gaussian(case.query.shape(), &mut random);
            let gradients = case.gradients(&cpu, &c);
            let largest = gradients.iter().flat_map(|g| g.as_slice()).fold(0.0, |m: f64, g| m.max(g.abs()));
            assert!(largest > 0.0 && largest.is_finite());
            for (which, gradient) in gradients.iter().enumerate() {
                for _ in 0..40 {
                    let place = random.below(gradient.as_slice().len());
                    let mut at = |h: f64| {
                        let tensor = [&mut case.query, &mut case.key, &mut case.value].into_iter().nth(which).unwrap();
                        let before = tensor.as_slice()[place];
                        tensor.as_mut_slice()[place] = before + h;
                        let y = case.output(&cpu);
                        let tensor = [&mut case.query, &mut case.key, &mut case.value].into_iter().nth(which).unwrap();
                        tensor.as_mut_slice()[place] = before;
                        y.as_slice().iter().zip(c.as_slice()).map(|(y, c)| y * c).sum::<f64>()
                    };
                    let difference = (at(1e-5) - at(-1e-5)) / 2e-5;
                    let error = (gradient.as_slice()[place] - difference).abs();
                    let what = case.describe();
                    assert!(
                        error <= 1e-6 * largest,
                        "{what} {which}[{place}]: {} {difference}",
                        gradient.as_slice()[place]
                    );
                }
            }
        }
    }
}

fn stays_finite<T: Scalar>() {
    for scale in [1e-3, 1e3, 1e6] {
        for variant in variants() {
            let mut case = Case::<T>::new([2, 150, 150, 2, 8, 16], scale, variant, 7);
            let dy = case.value.clone();
            case.value = rounded(dy.shape(), dy.as_slice().iter().map(|x| scale * x.to_f64()));
            let most = case.value.as_slice().iter().fold(0.0, |m: f64, v| m.max(v.to_f64().abs()));
            let y = case.output(&Cpu::default());
            // Means of values, up to rounding.
            let within = 1.0 + 1000.0 * T::EPSILON.to_f64();
            assert!(y.as_slice().iter().all(|y| y.to_f64().abs() <= within * most), "{} {scale}", case.describe());
            assert!(y.as_slice().iter().any(|y| *y != T::ZERO));
            for gradient in case.gradients(&Cpu::default(), &dy) {
                assert!(gradient.as_slice().iter().all(|g| g.is_finite()), "{} {scale}", case.describe());
            }
        }
    }
}

#[test]
fn outputs_and_gradients_of_large_and_small_inputs_are_finite() {
    stays_finite::<f32>();
    stays_finite::<f64>();
}

#[test]
fn no_position_sees_the_future() {
    for kernel in KERNELS {
        for scale in [1.0, 30.0] {
            let case = Case::<f32>::new([1, 200, 200, 2, 8, 16], scale, (kernel, true, false), 7);
            let y = case.output(&Cpu::default());
            for seen in [1, 5, 63, 64, 65, 100, 199] {
                let mut other = Case::<f32>::new([1, 200, 200, 2, 8, 16], scale, (kernel, true, false), 7);
                for tensor in [&mut other.query, &mut other.key, &mut other.value] {
                    let after = &mut tensor.as_mut_slice()[seen * 16..];
                    after.iter_mut().enumerate().for_each(|(i, x)| *x = 50.0 * *x + i as f32 % 7.0);
                }
                let changed = other.output(&Cpu::default());
                let (before, after) = y.as_slice().split_at(seen * 16);
                assert_eq!(&changed.as_slice()[..seen * 16], before, "{kernel:?} scale {scale}, {seen} seen");
                assert!(seen > 1 || &changed.as_slice()[seen * 16..] != after);
            }
        }
    }
}

#[test]
fn keys_left_out_have_no_influence() {
    for (kernel, causal, _) in variants().filter(|variant| variant.2) {
        let case = Case::<f64>::new([2, 150, 150, 2, 4, 8], 1.0, (kernel, causal, true), 7);
        let mut other = Case::<f64>::new([2, 150, 150, 2, 4, 8], 1.0, (kernel, causal, true), 7);
        let mask = case.mask.clone().unwrap();
        for tensor in [&mut other.key, &mut other.value] {
            for (row, _) in tensor.as_mut_slice().chunks_mut(8).zip(&mask).filter(|(_, attended)| !**attended) {
                row.iter_mut().for_each(|x| *x = 1e4 * *x + 3.0);
            }
        }
        let cpu = Cpu::default();
        assert_eq!(case.output(&cpu), other.output(&cpu), "{}", case.describe());
        let dy = gaussian(case.query.shape(), &mut Random::new(1));
        let [_, dk, dv] = case.gradients(&cpu, &dy);
        for gradient in [dk, dv] {
            for (row, attended) in gradient.as_slice().chunks(8).zip(&mask) {
                assert!(*attended || row.iter().all(|g| *g == 0.0), "{}", case.describe());
            }
        }
    }
}

#[test]
fn queries_without_a_key_give_zero() {
    for (kernel, causal, _) in variants().filter(|variant| variant.2) {
        let mut case = Case::<f32>::new([2, 70, 70, 1, 4, 8], 1.0, (kernel, causal, false), 7);
        case.mask = Some((0..140).map(|j| j >= 70).collect());
        let y = case.output(&Cpu::default());
        assert!(y.as_slice()[..70 * 4].iter().all(|y| *y == 0.0));
        assert!(y.as_slice()[70 * 4..].iter().all(|y| *y != 0.0));
        for gradient in case.gradients(&Cpu::default(), &y) {
            assert!(gradient.as_slice()[..70 * 4].iter().all(|g| *g == 0.0));
            assert!(gradient.as_slice().iter().all(|g| g.is_finite()));
        }
    }
}

#[test]
fn results_do_not_depend_on_threads() {
    for variant in variants() {
        let case = Case::<f32>::new([2, 150, 150, 3, 16, 32], 1.0, variant, 7);
        let run = |par| {
            let cpu = Cpu::new(par);
            (case.output(&cpu), case.gradients(&cpu, &case.query))
        };
        assert_eq!(run(Par::Seq), run(Par::rayon(2)));
        assert_eq!(run(Par::Seq), run(Par::rayon(3)));
    }
}

#[test]
fn rows_of_features_are_orthogonal_within_blocks() {
    let (m, d) = (70, 32);
    let omega = orthogonal_features(m, d, 4).unwrap();
    let row = |i: usize| &omega[i * d..][..d];
    let dot = |i: usize, j: usize| row(i).iter().zip(row(j)).map(|(a, b)| a * b).sum::<f64>();
    for i in 0..m {
        for j in (0..i).filter(|j| j / d == i / d) {
            assert!(dot(i, j).abs() <= 1e-14 * d as f64 * (dot(i, i) * dot(j, j)).sqrt(), "{i} {j}");
        }
    }
    // Σ‖ω‖² is χ² with m·d degrees of freedom, of variance 2md. Five deviations: a false alarm in 2·10⁶.
    let total: f64 = (0..m).map(|i| dot(i, i)).sum();
    assert!((total - (m * d) as f64).abs() <= 5.0 * (2.0 * (m * d) as f64).sqrt(), "{total}");
    assert_eq!(omega, orthogonal_features(m, d, 4).unwrap());
    assert_ne!(omega, orthogonal_features(m, d, 5).unwrap());
}

#[test]
fn the_softmax_kernel_is_estimated_without_bias() {
    let (m, d, draws) = (12, 6, 4000);
    let mut random = Random::new(2);
    for scale in [0.3, 0.6] {
        let (x, y): (Vec<f64>, Vec<f64>) =
            (0..d).map(|_| (scale * random.gaussian(), scale * random.gaussian())).unzip();
        let inner = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let squares = (inner(&x, &x) + inner(&y, &y)) / 2.0;
        let estimates: Vec<f64> = (0..draws)
            .map(|seed| {
                let omega = orthogonal_features(m, d, seed).unwrap();
                let feature = |w: &[f64]| (inner(w, &x) + inner(w, &y) - squares).exp();
                omega.chunks(d).map(feature).sum::<f64>() / m as f64
            })
            .collect();
        let mean = estimates.iter().sum::<f64>() / draws as f64;
        let variance = estimates.iter().map(|e| (e - mean).powi(2)).sum::<f64>() / (draws - 1) as f64;
        let deviation = (variance / draws as f64).sqrt();
        // Five deviations of a mean of 4000: a false alarm in about 10⁶.
        let expected = inner(&x, &y).exp();
        assert!((mean - expected).abs() <= 5.0 * deviation, "{mean} {expected} ± {deviation}");
    }
}

/// Mean square error against softmax attention over draws of the features.
fn mean_square_error(m: usize) -> f64 {
    let (length, d, draws) = (20, 8, 60);
    let mut case = Case::<f64>::new([1, length, length, 1, d, m], 0.5, (AttentionKernel::Softmax, false, false), 7);
    let row = |x: &CpuTensor<f64>, i: usize| x.as_slice()[i * d..][..d].to_vec();
    let mut exact = Vec::new();
    for i in 0..length {
        let q = row(&case.query, i);
        let logit = |j| q.iter().zip(row(&case.key, j)).map(|(q, k)| q * k).sum::<f64>() / (d as f64).sqrt();
        let weights: Vec<f64> = (0..length).map(|j| logit(j).exp()).collect();
        let total: f64 = weights.iter().sum();
        exact.extend((0..d).map(|c| (0..length).map(|j| weights[j] * row(&case.value, j)[c]).sum::<f64>() / total));
    }
    let mut sum = 0.0;
    for seed in 0..draws {
        case.projection = rounded(&[m, d], orthogonal_features(m, d, seed).unwrap());
        let y = case.output(&Cpu::default());
        sum += y.as_slice().iter().zip(&exact).map(|(y, e)| (y - e).powi(2)).sum::<f64>();
    }
    sum / draws as f64
}

#[test]
fn the_error_of_attention_falls_with_the_root_of_the_features() {
    // The mean square error is c/m + O(1/m²). Its ratio at 16 times the features is 16 up to the deviation of two means of 60
    // draws, each some √(2/60) ≈ 0.2 of itself at the most: 8 to 32 is more than three deviations of the logarithm.
    let ratio = mean_square_error(64) / mean_square_error(1024);
    assert!((8.0..=32.0).contains(&ratio), "{ratio}");
}

#[test]
fn exponentials_are_accurate_to_two_units() {
    for step in -7000..=7090 {
        let x = f64::from(step) * 0.1 + 0.012_345;
        let (ours, exact) = (Scalar::exp(x), x.exp());
        assert!((ours - exact).abs() <= 2.0 * f64::EPSILON * exact, "{x}: {ours:e} {exact:e}");
        let x = x as f32 * 0.125;
        let (ours, exact) = (Scalar::exp(x), f64::from(x).exp());
        if (-86.0..88.7).contains(&x) {
            assert!(
                (f64::from(ours) - exact).abs() <= 2.0 * f64::from(f32::EPSILON) * exact,
                "{x}: {ours:e} {exact:e}"
            );
        }
    }
    assert_eq!(Scalar::exp(0.0_f32), 1.0);
    assert_eq!(Scalar::exp(0.0_f64), 1.0);
    for x in [f32::NEG_INFINITY, f32::MIN, -104.0] {
        assert_eq!(Scalar::exp(x), 0.0);
    }
    assert_eq!([89.0, f32::MAX, f32::INFINITY].map(Scalar::exp), [f32::INFINITY; 3]);
    assert_eq!([f64::NEG_INFINITY, f64::MIN, -746.0].map(Scalar::exp), [0.0; 3]);
    assert_eq!([710.0, f64::MAX, f64::INFINITY].map(Scalar::exp), [f64::INFINITY; 3]);
    assert!(Scalar::exp(f32::NAN).is_nan() && Scalar::exp(f64::NAN).is_nan());
}

#[test]
fn shapes_that_do_not_fit_are_refused() {
    let cpu = Cpu::default();
    let make = || Case::<f32>::new([2, 5, 5, 2, 4, 8], 1.0, (AttentionKernel::Softmax, false, false), 7);
    let refused = |change: fn(&mut Case<f32>)| {
        let mut case = make();
        change(&mut case);
        match cpu.linear_attention(&case.inputs()) {
            Err(NnError::Shape { argument, .. }) => argument,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(refused(|case| case.query = rounded(&[5, 8], [0.0; 40])), "query");
    assert_eq!(refused(|case| case.key = rounded(&[1, 5, 8], [0.0; 40])), "key");
    assert_eq!(refused(|case| case.value = rounded(&[2, 4, 8], [0.0; 64])), "value");
    assert_eq!(refused(|case| case.value = rounded(&[2, 5, 9], [0.0; 90])), "value");
    assert_eq!(refused(|case| case.value = rounded(&[2, 5, 0], [])), "value");
    assert_eq!(refused(|case| case.heads = 3), "projection");
    assert_eq!(refused(|case| case.heads = 0), "projection");
    assert_eq!(refused(|case| case.projection = rounded(&[0, 4], [])), "projection");
    assert_eq!(refused(|case| case.mask = Some(vec![true; 9])), "mask");
    assert_eq!(
        refused(|case| {
            case.causal = true;
            case.query = rounded(&[2, 4, 8], [0.0; 64]);
        }),
        "key"
    );
    let case = make();
    let (y, saved) = cpu.linear_attention(&case.inputs()).unwrap();
    let short = rounded(&[2, 4, 8], [0.0; 64]);
    let refused = cpu.linear_attention_backward(case.inputs(), y, saved, short).unwrap_err();
    assert!(matches!(refused, NnError::Shape { argument: "dy", .. }));
    assert!(orthogonal_features(0, 4, 1).is_err() && orthogonal_features(4, 0, 1).is_err());
}

#[test]
fn empty_batches_and_lengths_are_as_good_as_any() {
    for variant in variants() {
        for [batch, queries, keys] in [[0, 5, 5], [2, 0, 0], [2, 3, 0], [2, 0, 3]] {
            if variant.1 && queries != keys {
                continue;
            }
            let case = Case::<f32>::new([batch, queries, keys, 2, 4, 8], 1.0, variant, 7);
            let y = case.output(&Cpu::default());
            assert_eq!(y.shape(), case.query.shape());
            assert!(y.as_slice().iter().all(|y| *y == 0.0));
            let [dq, dk, dv] = case.gradients(&Cpu::default(), &y);
            assert_eq!([dq.shape(), dk.shape(), dv.shape()], [y.shape(), case.key.shape(), case.key.shape()]);
        }
    }
}

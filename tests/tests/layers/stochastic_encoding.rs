//! Stochastic positional encoding: its mean is the template, its variance the one of Gaussian codes.

use std::f64::consts::TAU;

use faer::Par;
use panther_nn::backend::Storage;
use panther_nn::cpu::{Cpu, CpuTensor};
use panther_nn::layers::{Layer, StochasticEncoding, StochasticEncodingOptions};
use panther_nn::state::State;
use panther_nn::{NnError, Parameter, Scalar};
use panther_tests::gradients::{check, gaussian};
use panther_tests::random::Random;

const fn options(sines: usize, realizations: usize) -> StochasticEncodingOptions {
    StochasticEncodingOptions { sines, realizations, seed: 4 }
}

/// An encoding with frequencies, phases and gains of all sizes.
fn encoding<T: Scalar>(
    cpu: &Cpu,
    embed: usize,
    heads: usize,
    at: StochasticEncodingOptions,
) -> StochasticEncoding<T, Cpu> {
    let mut encoding = StochasticEncoding::new(cpu, embed, heads, at).unwrap();
    let mut random = Random::new(6);
    for (parameter, size) in encoding.parameters_mut().into_iter().zip([0.2, 1.0, 1.0]) {
        parameter.value.as_mut_slice().iter_mut().for_each(|x| *x = T::from_f64(size * random.gaussian()));
    }
    encoding
}

/// f, θ and λ.
fn waves(encoding: &mut StochasticEncoding<f64, Cpu>) -> [Vec<f64>; 3] {
    let parameters = encoding.parameters_mut();
    [0, 1, 2].map(|p| parameters[p].value.as_slice().to_vec())
}

/// P_d(m, n).
fn template([f, theta, gain]: &[Vec<f64>; 3], sines: usize, d: usize, m: usize, n: usize) -> f64 {
    let lag = m as f64 - n as f64;
    (d * sines..(d + 1) * sines).map(|k| gain[k].powi(2) * (TAU * f[k] * lag + theta[k]).cos()).sum()
}

/// q̂_m·k̂_n of head h.
fn product(
    encoded: &[CpuTensor<f64>; 2],
    at: StochasticEncodingOptions,
    heads: usize,
    h: usize,
    m: usize,
    n: usize,
) -> f64 {
    let part = |x: usize, row: usize| &encoded[x].as_slice()[(row * heads + h) * at.realizations..][..at.realizations];
    part(0, m).iter().zip(part(1, n)).map(|(q, k)| q * k).sum()
}

#[test]
fn products_of_codes_have_the_template_as_mean_and_a_variance_that_falls_as_1_over_r() {
    // One-hot queries and keys read off single codes. With u and v the sinusoids of the two positions, a product is Σ_r (uᵀz_r)(vᵀz_r)
    // with z_r of variance 1/R: its mean is P = u·v and its variance (‖u‖²‖v‖² + P²)/R, ‖u‖² = ‖v‖² = Σλ².
    // The mean of 3000 draws is off by six deviations once in 5·10⁸, for 2·36 means once in 7·10⁶. The fourth moment of a product
    // is below 3 + 60/R variances squared, so that the mean square is off by less than √((2 + 60/R)/3000) of it; six of them.
    let cpu = Cpu::new(Par::Seq);
    let (embed, heads, draws) = (4, 2, 3000);
    for at in [options(3, 2), options(3, 16)] {
        let mut encoding = encoding::<f64>(&cpu, embed, heads, at);
        let waves = waves(&mut encoding);
        let pairs: Vec<(usize, usize, usize)> =
            (0..embed).flat_map(|d| [0, 1, 7].into_iter().flat_map(move |m| [0, 2, 30].map(|n| (d, m, n)))).collect();
        let mut sums = vec![[0.0; 2]; pairs.len()];
        for draw in 0..draws {
            encoding.redraw(1000 + draw).unwrap();
            for d in 0..embed {
                let hot: Vec<f64> = (0..31 * embed).map(|i| f64::from(u8::from(i % embed == d))).collect();
                let hot = cpu.upload(&[31, embed], hot).unwrap();
                let encoded = encoding.encode(&hot, &hot).unwrap();
                for ((_, m, n), sums) in pairs.iter().zip(&mut sums).filter(|((of, ..), _)| *of == d) {
                    let excess = product(&encoded, at, heads, d / (embed / heads), *m, *n)
                        - template(&waves, at.sines, d, *m, *n);
                    sums[0] += excess / draws as f64;
                    sums[1] += excess * excess / draws as f64;
                }
            }
        }
        for ((d, m, n), [mean, square]) in pairs.into_iter().zip(sums) {
            let total: f64 = waves[2][d * at.sines..][..at.sines].iter().map(|gain| gain * gain).sum();
            let realizations = at.realizations as f64;
            let variance = (total.powi(2) + template(&waves, at.sines, d, m, n).powi(2)) / realizations;
            assert!(mean.abs() < 6.0 * (variance / draws as f64).sqrt(), "{d} {m} {n}: off by {mean}");
            let allowed = 6.0 * ((2.0 + 60.0 / realizations) / draws as f64).sqrt();
            assert!((square / variance - 1.0).abs() < allowed, "{d} {m} {n}: {} {allowed}", square / variance);
        }
    }
}

#[test]
fn many_realizations_come_near_the_template_for_any_query_and_key() {
    // q̂·k̂ has mean S = Σ_d q_d·k_d·P_d and variance (‖u‖²‖v‖² + S²)/R with ‖u‖² = Σ_d q_d²·Σ_k λ²; 2·2·8·8 products, each off
    // by seven deviations once in 4·10¹¹ were they normal; they are sums over R = 4000 realisations.
    let cpu = Cpu::default();
    let (embed, heads, length, at) = (6, 2, 8, options(2, 4000));
    let mut encoding = encoding::<f64>(&cpu, embed, heads, at);
    let waves = waves(&mut encoding);
    let [q, k] = [1, 2].map(|seed| gaussian(&[2, length, embed], &mut Random::new(seed)));
    let encoded = encoding.encode(&q, &k).unwrap();
    assert_eq!(Cpu::shape(&encoded[0]), [2, length, heads * at.realizations]);
    let width = embed / heads;
    for (b, h) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        let dimensions = h * width..(h + 1) * width;
        let total = |d: usize| waves[2][d * at.sines..][..at.sines].iter().map(|gain| gain * gain).sum::<f64>();
        for (m, n) in (0..length).flat_map(|m| (0..length).map(move |n| (m, n))) {
            let (row_m, row_n) = (b * length + m, b * length + n);
            let (q, k) = (&q.as_slice()[row_m * embed..], &k.as_slice()[row_n * embed..]);
            let mean: f64 = dimensions.clone().map(|d| q[d] * k[d] * template(&waves, at.sines, d, m, n)).sum();
            let norm = |x: &[f64]| dimensions.clone().map(|d| x[d] * x[d] * total(d)).sum::<f64>();
            let deviation = ((norm(q) * norm(k) + mean * mean) / at.realizations as f64).sqrt();
            let excess = product(&encoded, at, heads, h, row_m, row_n) - mean;
            assert!(excess.abs() < 7.0 * deviation, "{b} {h} {m} {n}: {excess} {deviation}");
        }
    }
}

#[test]
fn a_fresh_encoding_leaves_equal_positions_as_they_are() {
    let mut fresh = StochasticEncoding::<f64, _>::new(&Cpu::default(), 8, 2, options(5, 3)).unwrap();
    let waves = waves(&mut fresh);
    for d in 0..8 {
        assert!((template(&waves, 5, d, 9, 9) - 1.0).abs() < 1e-12);
    }
    assert!(waves[0].iter().all(|f| (0.0..0.5).contains(f)));
}

/// The encoding as a layer of queries and keys in one vector.
#[derive(Debug)]
struct OfBoth {
    encoding: StochasticEncoding<f64, Cpu>,
    shapes: [Vec<usize>; 2],
}

impl OfBoth {
    fn split(&self, x: &CpuTensor<f64>, width: Option<usize>) -> [CpuTensor<f64>; 2] {
        let mut rest = x.as_slice();
        self.shapes.each_ref().map(|shape| {
            let mut shape = shape.clone();
            if let (Some(last), Some(width)) = (shape.last_mut(), width) {
                *last = width;
            }
            let (own, behind) = rest.split_at(shape.iter().product());
            rest = behind;
            Cpu::default().upload(&shape, own.to_vec()).unwrap()
        })
    }
    fn joined([a, b]: [CpuTensor<f64>; 2]) -> Result<CpuTensor<f64>, NnError> {
        let numbers = [a.as_slice(), b.as_slice()].concat();
        Cpu::default().upload(&[numbers.len()], numbers)
    }
}

impl Layer<f64, Cpu> for OfBoth {
    fn forward(&self, x: &CpuTensor<f64>) -> Result<CpuTensor<f64>, NnError> {
        let [q, k] = self.split(x, None);
        Self::joined(self.encoding.encode(&q, &k)?)
    }
    fn forward_train(&mut self, x: &CpuTensor<f64>) -> Result<CpuTensor<f64>, NnError> {
        let [q, k] = self.split(x, None);
        Self::joined(self.encoding.encode_train(&q, &k)?)
    }
    fn backward(&mut self, dy: &CpuTensor<f64>) -> Result<CpuTensor<f64>, NnError> {
        let width = self.encoding.heads() * self.encoding.options().realizations;
        let [dq, dk] = self.split(dy, Some(width));
        Self::joined(self.encoding.encode_backward(&dq, &dk)?)
    }
    fn parameters_mut(&mut self) -> Vec<&mut Parameter<f64, Cpu>> {
        self.encoding.parameters_mut()
    }
    fn save(&self, prefix: &str, state: &mut State<f64>) -> Result<(), NnError> {
        self.encoding.save(prefix, state)
    }
    fn load(&mut self, prefix: &str, state: &State<f64>) -> Result<(), NnError> {
        self.encoding.load(prefix, state)
    }
}

#[test]
fn gradients_agree_with_central_differences() {
    let cpu = Cpu::new(Par::Seq);
    for (embed, heads, sines, realizations, shapes) in [
        (1, 1, 1, 1, [vec![1, 1], vec![1, 1]]),
        (6, 2, 3, 5, [vec![2, 4, 6], vec![2, 7, 6]]),
        (4, 4, 1, 3, [vec![5, 4], vec![9, 4]]),
        // Several shares of the gradient, at positions that are near: differences by f are off by (2π·m·h)²/6.
        (2, 1, 2, 4, [vec![20, 5, 2], vec![20, 3, 2]]),
    ] {
        let encoding = encoding(&cpu, embed, heads, options(sines, realizations));
        let count = shapes.iter().map(|shape| shape.iter().product::<usize>()).sum();
        let what = format!("stochastic_encoding {shapes:?} K {sines}");
        let mut layer = OfBoth { encoding, shapes };
        check(&what, &mut layer, &gaussian(&[count], &mut Random::new(1)), 2);
    }
}

#[test]
fn single_precision_agrees_at_far_positions() {
    let cpu = Cpu::default();
    let (length, at) = (30_000, options(2, 4));
    let (single, mut double) = (encoding::<f32>(&cpu, 2, 1, at), encoding::<f64>(&cpu, 2, 1, at));
    // The same numbers in both.
    let mut state = State::<f32>::new();
    single.save("", &mut state).unwrap();
    let mut widened = State::<f64>::new();
    for (name, tensor) in state.iter() {
        widened.insert(name.to_owned(), &tensor.shape, tensor.values.iter().map(|x| f64::from(*x)).collect());
    }
    double.load("", &widened).unwrap();
    let ones = |count: usize| vec![1.0; count];
    let x = cpu.upload(&[length, 2], ones(2 * length)).unwrap();
    let y = double.encode(&x, &x).unwrap();
    let x = cpu.upload(&[length, 2], ones(2 * length).into_iter().map(|x| x as f32).collect()).unwrap();
    let rounded = single.encode(&x, &x).unwrap();
    for (y, rounded) in y.iter().zip(&rounded) {
        let largest = y.as_slice().iter().fold(0.0, |m: f64, y| m.max(y.abs()));
        for (y, rounded) in y.as_slice().iter().zip(rounded.as_slice()) {
            assert!((y - f64::from(*rounded)).abs() < 1e-5 * largest, "{y} {rounded}");
        }
    }
}

#[test]
fn threads_do_not_change_a_byte() {
    let run = |par| {
        let mut encoding = encoding::<f32>(&Cpu::new(par), 64, 4, options(5, 32));
        let numbers = gaussian(&[2, 1300, 64], &mut Random::new(3)).as_slice().iter().map(|x| *x as f32).collect();
        let x = Cpu::default().upload(&[2, 1300, 64], numbers).unwrap();
        let [q, k] = encoding.encode_train(&x, &x).unwrap();
        let d = encoding.encode_backward(&q, &k).unwrap();
        let gradients: Vec<_> = encoding.parameters_mut().iter().map(|p| p.gradient.clone()).collect();
        ([q, k], d, gradients)
    };
    assert_eq!(run(Par::Seq), run(Par::rayon(2)));
    assert_eq!(run(Par::Seq), run(Par::rayon(3)));
}

#[test]
fn encodings_are_redrawn_and_loaded() {
    let cpu = Cpu::default();
    let mut first = encoding::<f64>(&cpu, 6, 2, options(3, 5));
    let mut second =
        StochasticEncoding::<f64, _>::new(&cpu, 6, 2, StochasticEncodingOptions { seed: 9, ..options(3, 5) }).unwrap();
    let x = gaussian(&[7, 6], &mut Random::new(1));
    let y = first.encode(&x, &x).unwrap();
    let mut state = State::new();
    first.save("spe", &mut state).unwrap();
    assert_ne!(second.encode(&x, &x).unwrap(), y);
    second.load("spe", &state).unwrap();
    assert_eq!(second.encode(&x, &x).unwrap(), y);
    first.redraw(12).unwrap();
    assert_ne!(first.encode(&x, &x).unwrap(), y);
    second.redraw(12).unwrap();
    assert_eq!(first.encode(&x, &x).unwrap(), second.encode(&x, &x).unwrap());
    let missing = second.load("other", &state).unwrap_err();
    assert_eq!(missing, NnError::MissingTensor { name: "other.frequencies".to_owned() });
}

#[test]
fn what_does_not_fit_is_refused() {
    let cpu = Cpu::default();
    let make = |embed, heads, at| StochasticEncoding::<f64, _>::new(&cpu, embed, heads, at);
    for (refused, expected) in [
        (make(0, 1, options(1, 1)), "embed"),
        (make(4, 0, options(1, 1)), "heads"),
        (make(4, 2, options(0, 1)), "sines"),
        (make(4, 2, options(1, 0)), "realizations"),
    ] {
        let refused = refused.unwrap_err();
        assert_eq!(refused, NnError::OutOfRange { argument: expected, low: 1, high: usize::MAX, got: 0 });
    }
    assert!(matches!(make(6, 4, options(1, 1)), Err(NnError::Shape { argument: "embed", .. })));
    let mut encoding = make(6, 2, options(2, 3)).unwrap();
    let mut random = Random::new(1);
    let (good, bad) = (gaussian(&[4, 6], &mut random), gaussian(&[4, 5], &mut random));
    assert!(matches!(encoding.encode(&bad, &good), Err(NnError::Shape { argument: "query", .. })));
    assert!(matches!(encoding.encode(&good, &bad), Err(NnError::Shape { argument: "key", .. })));
    assert!(matches!(encoding.encode_backward(&good, &good), Err(NnError::BackwardWithoutForward { .. })));
    encoding.encode_train(&good, &good).unwrap();
    assert!(matches!(encoding.encode_backward(&good, &bad), Err(NnError::Shape { argument: "key", .. })));
    let nothing = cpu.upload(&[0, 6], Vec::new()).unwrap();
    assert_eq!(Cpu::shape(&encoding.encode(&nothing, &good).unwrap()[0]), [0, 6]);
}

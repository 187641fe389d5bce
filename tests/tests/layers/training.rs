//! Optimisers, schedules, losses and batches against plain formulas; runs that are equal to the bit, and one that learns.

use faer::Par;
use panther_nn::backend::{CrossEntropy, Storage};
use panther_nn::cpu::{Cpu, CpuTensor};
use panther_nn::layers::{ActivationLayer, Dropout, Layer, Linear, Sequential, SkLinear, SkLinearOptions};
use panther_nn::state::State;
use panther_nn::train::{
    AdamW, AdamWOptions, Batches, Optimizer, Schedule, Sgd, SgdOptions, accuracy, clip_gradient, cross_entropy,
    mean_squared_error, rows, stratified_split, zero_gradients,
};
use panther_nn::{NnError, Parameter, Scalar};
use panther_tests::gradients::gaussian;
use panther_tests::random::Random;

fn upload<T: Scalar>(shape: &[usize], numbers: &[f64]) -> CpuTensor<T> {
    Cpu::default().upload(shape, numbers.iter().map(|x| T::from_f64(*x)).collect()).unwrap()
}

/// What `T` makes of normal numbers.
fn rounded<T: Scalar>(count: usize, random: &mut Random) -> Vec<f64> {
    (0..count).map(|_| T::from_f64(random.gaussian()).to_f64()).collect()
}

/// Steps that the optimisers are followed for.
const STEPS: usize = 12;

/// Runs an optimiser on a parameter whose rows 1..4 of 5 are learned and which has a gradient in two steps of three, and
/// compares with `plain`, which gets the learned numbers and their gradient in double precision.
fn follow<T: Scalar>(
    what: &str,
    mut optimizer: impl Optimizer<T, Cpu>,
    mut plain: impl FnMut(&mut [f64], &[f64], f64),
) {
    // Long enough for several pieces of the loops.
    let (columns, mut random) = (7001, Random::new(3));
    let mut expected = rounded::<T>(5 * columns, &mut random);
    let value = upload::<T>(&[5, columns], &expected);
    let mut parameter = Parameter::<T, Cpu>::partly_trainable(value, 1..4);
    for step in 0..STEPS {
        // As the type sees it: what is followed is the rule, not the rounding of its numbers.
        let rate = T::from_f64(0.1 / (step + 1) as f64).to_f64();
        let gradient = rounded::<T>(3 * columns, &mut random);
        parameter.gradient = (step % 3 != 1).then(|| upload(&[3, columns], &gradient));
        optimizer.step(&mut [&mut parameter], rate).unwrap();
        if step % 3 != 1 {
            plain(&mut expected[columns..4 * columns], &gradient, rate);
        }
    }
    // A step rounds w itself (at most about 8) once or twice and the change, below 0.1 times some ten units, a few times.
    let allowed = STEPS as f64 * 20.0 * T::EPSILON.to_f64();
    for (i, (got, e)) in parameter.value.as_slice().iter().zip(&expected).enumerate() {
        let allowed = if (columns..4 * columns).contains(&i) { allowed } else { 0.0 };
        assert!((got.to_f64() - e).abs() <= allowed, "{what} {}: {i}: {got:?} {e}", T::NAME);
    }
}

fn sgd_follows_its_rule<T: Scalar>() {
    for (momentum, weight_decay, nesterov) in
        [(0.0, 0.0, false), (0.0, 0.1, false), (0.9, 0.1, false), (0.9, 0.1, true)]
    {
        let options = SgdOptions { momentum, weight_decay, nesterov };
        let mut saved: Option<Vec<f64>> = None;
        follow::<T>(&format!("{options:?}"), Sgd::new(&Cpu::default(), options).unwrap(), |w, g, rate| {
            let g: Vec<f64> = g.iter().zip(&*w).map(|(g, w)| g + weight_decay * w).collect();
            // As PyTorch has it, the momentum starts as the first gradient.
            let m = match saved.take() {
                None => g.clone(),
                Some(m) => m.iter().zip(&g).map(|(m, g)| momentum * m + g).collect(),
            };
            for i in 0..w.len() {
                w[i] -= rate * if nesterov { g[i] + momentum * m[i] } else { m[i] };
            }
            saved = Some(m);
        });
    }
}

fn adamw_follows_its_rule<T: Scalar>() {
    let other = AdamWOptions { betas: [0.8, 0.95], eps: 1e-2, weight_decay: 0.3 };
    for options in [AdamWOptions::default(), other] {
        let (AdamWOptions { betas: [b1, b2], eps, weight_decay }, mut t) = (options, 0);
        let (mut m, mut v) = (Vec::new(), Vec::new());
        follow::<T>(&format!("{options:?}"), AdamW::new(&Cpu::default(), options).unwrap(), |w, g, rate| {
            t += 1;
            m.resize(g.len(), 0.0);
            v.resize(g.len(), 0.0);
            for i in 0..g.len() {
                w[i] -= rate * weight_decay * w[i];
                m[i] = b1 * m[i] + (1.0 - b1) * g[i];
                v[i] = b2 * v[i] + (1.0 - b2) * g[i] * g[i];
                let (m_hat, v_hat): (f64, f64) = (m[i] / (1.0 - b1.powi(t)), v[i] / (1.0 - b2.powi(t)));
                w[i] -= rate * m_hat / (v_hat.sqrt() + eps);
            }
        });
    }
}

#[test]
fn optimisers_follow_their_rules() {
    sgd_follows_its_rule::<f32>();
    sgd_follows_its_rule::<f64>();
    adamw_follows_its_rule::<f32>();
    adamw_follows_its_rule::<f64>();
}

#[test]
fn optimisers_keep_finite_numbers_finite() {
    // Gradients of 0, and such whose squares vanish or overflow; an ε that single precision does not have.
    let gradients = [0.0, 1e-30, -1e-30, 1e30, -3e38];
    let mut adamw = AdamW::new(&Cpu::default(), AdamWOptions { eps: 1e-60, ..AdamWOptions::default() }).unwrap();
    let mut parameter = Parameter::<f32, Cpu>::trainable(upload(&[5], &[1.0; 5]));
    for sign in [1.0, -1.0, 1.0] {
        parameter.gradient = Some(upload(&[5], &gradients.map(|g| sign * g)));
        adamw.step(&mut [&mut parameter], 1e-3).unwrap();
        assert!(parameter.value.as_slice().iter().all(|w| w.is_finite()), "{:?}", parameter.value);
    }
}

#[test]
fn schedules_take_the_values_they_should() {
    let close = |schedule: Schedule, values: &[(usize, f64)]| {
        for (step, value) in values {
            assert!((schedule.at(*step) - value).abs() <= 1e-15, "{schedule:?} at {step}: {}", schedule.at(*step));
        }
    };
    close(Schedule::Constant { rate: 0.3 }, &[(0, 0.3), (1_000_000, 0.3)]);
    close(Schedule::Step { rate: 0.8, every: 10, factor: 0.5 }, &[(0, 0.8), (9, 0.8), (10, 0.4), (29, 0.2), (30, 0.1)]);
    close(Schedule::Step { rate: 0.8, every: 0, factor: 0.5 }, &[(0, 0.8), (1, 0.4)]);
    let cosine = Schedule::Cosine { rate: 1.0, warmup: 4, steps: 104, last: 0.2 };
    close(cosine, &[(0, 0.25), (3, 1.0), (4, 1.0), (54, 0.6), (104, 0.2), (usize::MAX, 0.2)]);
    close(cosine, &[(29, 0.2 + 0.4 * (1.0 + 0.5_f64.sqrt())), (79, 0.2 + 0.4 * (1.0 - 0.5_f64.sqrt()))]);
    close(Schedule::Cosine { rate: 1.0, warmup: 0, steps: 0, last: 0.2 }, &[(0, 0.2)]);
    close(Schedule::Cosine { rate: 1.0, warmup: 2, steps: 2, last: 0.2 }, &[(0, 0.5), (1, 1.0), (2, 0.2)]);
}

#[test]
fn long_gradients_are_cut_to_the_bound() {
    let cpu = Cpu::default();
    let mut first = Parameter::<f32, Cpu>::trainable(upload(&[2], &[0.0; 2]));
    let (mut second, mut third) = (first.clone(), first.clone());
    first.gradient = Some(upload(&[2], &[2.0, -4.0]));
    second.gradient = Some(upload(&[2], &[-4.0, 0.0]));
    // √(4 + 16 + 16) = 6; one parameter has no gradient.
    let untouched = clip_gradient(&cpu, &mut [&mut first, &mut second, &mut third], 6.0).unwrap();
    assert_eq!((untouched, first.gradient.as_ref().unwrap().as_slice()), (6.0, [2.0, -4.0].as_slice()));
    let before = clip_gradient(&cpu, &mut [&mut first, &mut second, &mut third], 1.5).unwrap();
    assert_eq!((before, first.gradient.as_ref().unwrap().as_slice()), (6.0, [0.5, -1.0].as_slice()));
    assert_eq!(second.gradient.as_ref().unwrap().as_slice(), [-1.0, 0.0]);
    for bound in [0.0, -1.0, f64::NAN] {
        let refused = clip_gradient(&cpu, &mut [&mut first], bound).unwrap_err();
        assert!(matches!(refused, NnError::InvalidNumber { argument: "max_norm", .. }));
    }
    first.gradient = Some(upload(&[2], &[f64::INFINITY, 1.0]));
    let refused = clip_gradient(&cpu, &mut [&mut first], 1.0).unwrap_err();
    assert!(matches!(refused, NnError::InvalidNumber { argument: "norm of the gradients", .. }));
    assert_eq!(first.gradient.unwrap().as_slice(), [f32::INFINITY, 1.0]);
}

const CLASSES: usize = 5;

/// The options that cross-entropy is tried with.
fn options() -> [CrossEntropy; 4] {
    let all = |ignored| [0.0, 0.1].map(|label_smoothing| CrossEntropy { label_smoothing, ignored });
    [all(None), all(Some(3))].concat().try_into().unwrap()
}

/// −Σ qᵢ ln pᵢ from the definition, averaged.
fn plain_cross_entropy(options: CrossEntropy, logits: &[f64], targets: &[usize]) -> f64 {
    let counted = logits.chunks(CLASSES).zip(targets).filter(|(_, t)| options.ignored != Some(**t));
    let losses: Vec<f64> = counted
        .map(|(x, t)| {
            let sum: f64 = x.iter().map(|x| x.exp()).sum();
            let epsilon = options.label_smoothing;
            let q = |i| epsilon / CLASSES as f64 + if i == *t { 1.0 - epsilon } else { 0.0 };
            (0..CLASSES).map(|i| -q(i) * (x[i].exp() / sum).ln()).sum()
        })
        .collect();
    losses.iter().sum::<f64>() / losses.len() as f64
}

#[test]
fn cross_entropy_and_its_gradient_follow_the_definition() {
    let (cpu, mut random) = (Cpu::default(), Random::new(4));
    // The second shape has more numbers than one piece.
    for shape in [[2, 3, CLASSES], [40, 100, CLASSES]] {
        let logits = gaussian(&shape, &mut random);
        let targets: Vec<usize> = (0..shape[0] * shape[1]).map(|_| random.below(CLASSES)).collect();
        for options in options() {
            let loss = cross_entropy(&cpu, options, &logits, &targets).unwrap();
            assert_eq!(loss.gradient.shape(), shape);
            let expected = plain_cross_entropy(options, logits.as_slice(), &targets);
            assert!((loss.value - expected).abs() <= 1e-13 * expected, "{options:?}: {} {expected}", loss.value);
            let largest = loss.gradient.as_slice().iter().fold(0.0, |m: f64, g| m.max(g.abs()));
            for i in (0..logits.as_slice().len()).step_by(logits.as_slice().len() / 30) {
                let at = |h: f64| {
                    let mut moved = logits.clone();
                    moved.as_mut_slice()[i] += h;
                    cross_entropy(&cpu, options, &moved, &targets).unwrap().value
                };
                // Steps of 10⁻⁴: errors of h² and ε/h, both 10⁻⁸·|gradient|·rows at most for these sizes.
                let difference = (at(1e-4) - at(-1e-4)) / 2e-4;
                let error = (difference - loss.gradient.as_slice()[i]).abs();
                assert!(error <= 1e-6 * largest, "{options:?} {i}: {error:e} of {largest:e}");
            }
            // Single precision has the same logits rounded, which moves the loss by at most ε·|x|.
            let single = upload::<f32>(&shape, logits.as_slice());
            let in_single = cross_entropy(&cpu, options, &single, &targets).unwrap();
            assert!((in_single.value - loss.value).abs() <= 1e-6);
            for (s, d) in in_single.gradient.as_slice().iter().zip(loss.gradient.as_slice()) {
                assert!((f64::from(*s) - d).abs() <= 2e-6 * largest);
            }
        }
    }
}

#[test]
fn cross_entropy_is_stable() {
    let cpu = Cpu::default();
    for options in options() {
        for scale in [1e4, 1e38] {
            let logits = upload::<f32>(&[3, CLASSES], &[1.0, -1.0, 0.0, 0.5, 1.0].repeat(3).map_scaled(scale));
            let loss = cross_entropy(&cpu, options, &logits, &[0, 1, 3]).unwrap();
            assert!(loss.value.is_finite(), "{loss:?}");
            assert!(loss.gradient.as_slice().iter().all(|g| g.is_finite() && g.abs() <= 1.0), "{loss:?}");
        }
    }
    // −ln p is the distance to the largest where that is great.
    let far = upload::<f32>(&[1, 2], &[1e4, 0.0]);
    assert_eq!(cross_entropy(&cpu, CrossEntropy::default(), &far, &[1]).unwrap().value, 1e4);
    // Nothing to count, and no rows at all.
    let ignored = CrossEntropy { ignored: Some(9), ..CrossEntropy::default() };
    let loss = cross_entropy(&cpu, ignored, &far, &[9]).unwrap();
    assert_eq!((loss.value, loss.gradient.as_slice()), (0.0, [0.0, 0.0].as_slice()));
    let nothing = upload::<f32>(&[0, 2], &[]);
    assert_eq!(cross_entropy(&cpu, ignored, &nothing, &[]).unwrap().value, 0.0);
}

trait MapScaled {
    fn map_scaled(self, scale: f64) -> Vec<f64>;
}

impl MapScaled for Vec<f64> {
    fn map_scaled(self, scale: f64) -> Vec<f64> {
        self.into_iter().map(|x| scale * x).collect()
    }
}

#[test]
fn mean_squared_error_and_its_gradient_follow_the_definition() {
    let (cpu, mut random) = (Cpu::default(), Random::new(4));
    for shape in [[2, 3], [300, 70]] {
        let (y, t) = (gaussian(&shape, &mut random), gaussian(&shape, &mut random));
        let n = y.as_slice().len() as f64;
        let pairs = || y.as_slice().iter().zip(t.as_slice());
        let expected: f64 = pairs().map(|(y, t)| (y - t) * (y - t) / n).sum();
        let loss = mean_squared_error(&cpu, &y, &t).unwrap();
        assert!((loss.value - expected).abs() <= 1e-13 * expected);
        for (g, (y, t)) in loss.gradient.as_slice().iter().zip(pairs()) {
            assert!((g - 2.0 * (y - t) / n).abs() <= 1e-15);
        }
    }
    let nothing = upload::<f32>(&[0, 2], &[]);
    assert_eq!(mean_squared_error(&cpu, &nothing, &nothing).unwrap().value, 0.0);
}

#[test]
fn accuracy_counts_the_largest() {
    let cpu = Cpu::default();
    let logits = upload::<f32>(&[4, 3], &[1.0, 2.0, 3.0, 5.0, 5.0, 1.0, 0.0, -1.0, -2.0, -3.0, -2.0, -2.5]);
    assert_eq!(accuracy(&cpu, &logits, &[2, 0, 0, 1]).unwrap(), 1.0);
    // Of equals the first counts.
    assert_eq!(accuracy(&cpu, &logits, &[0, 1, 0, 2]).unwrap(), 0.25);
    assert_eq!(accuracy(&cpu, &upload::<f32>(&[0, 3], &[]), &[]).unwrap(), 0.0);
}

#[test]
fn epochs_are_permutations() {
    for (count, size) in [(0, 3), (1, 3), (10, 3), (12, 3), (10, 100), (3, usize::MAX)] {
        let batches = Batches::new(count, size, 5).unwrap();
        for epoch in 0..3 {
            let taken: Vec<Vec<usize>> = batches.epoch(epoch).collect();
            assert_eq!(taken.len(), batches.per_epoch());
            assert!(taken.iter().rev().skip(1).all(|batch| batch.len() == size));
            let mut all = taken.concat();
            all.sort_unstable();
            assert!(all.into_iter().eq(0..count));
        }
    }
    let order = |seed, epoch| Batches::new(100, 100, seed).unwrap().epoch(epoch).next().unwrap();
    assert_eq!(order(1, 2), order(1, 2));
    assert_ne!(order(1, 2), order(1, 3));
    assert_ne!(order(1, 2), order(2, 2));
}

#[test]
fn all_orders_are_equally_likely() {
    // χ² of the 24 orders of four examples over 24000 epochs: 23 degrees of freedom, above 91 with probability 6·10⁻¹⁰.
    let mut counts = std::collections::BTreeMap::new();
    let batches = Batches::new(4, 4, 9).unwrap();
    for epoch in 0..24_000 {
        *counts.entry(batches.epoch(epoch).next().unwrap()).or_insert(0.0) += 1.0;
    }
    let chi_squared: f64 = counts.values().map(|n: &f64| (n - 1000.0) * (n - 1000.0) / 1000.0).sum();
    assert!(counts.len() == 24 && chi_squared < 91.0, "{} orders, {chi_squared}", counts.len());
}

#[test]
fn splits_keep_the_classes_in_proportion() {
    let targets: Vec<usize> = (0..100).map(|i| usize::from(i % 10 == 0)).collect();
    let (train, test) = stratified_split(&targets, 0.7, 3).unwrap();
    let ones = |part: &[usize]| part.iter().filter(|i| targets[**i] == 1).count();
    assert_eq!((train.len(), ones(&train), test.len(), ones(&test)), (70, 7, 30, 3));
    let mut all = [train.as_slice(), &test].concat();
    all.sort_unstable();
    assert!(all.into_iter().eq(0..100));
    assert_eq!(stratified_split(&targets, 0.7, 3).unwrap(), (train.clone(), test));
    assert_ne!(stratified_split(&targets, 0.7, 4).unwrap().0, train);
}

/// Ten steps of a model with every kind of randomness: its losses and all of its numbers.
fn ten_steps<O: Optimizer<f32, Cpu>>(par: Par, make: impl Fn(&Cpu) -> O) -> (Vec<f64>, State<f32>) {
    let cpu = Cpu::new(par);
    let options = SkLinearOptions { num_terms: 2, low_rank: 16, bias: true, seed: 1 };
    let mut model = Sequential::<f32, _>::new(vec![
        Box::new(SkLinear::new(&cpu, 200, 300, options).unwrap()),
        Box::new(ActivationLayer::gelu(&cpu)),
        Box::new(Dropout::new(&cpu, 0.2, 2).unwrap()),
        Box::new(Linear::new(&cpu, 300, 10, true, 3).unwrap()),
    ]);
    let mut random = Random::new(8);
    let features = gaussian(&[640, 200], &mut random);
    let targets: Vec<usize> = (0..640).map(|_| random.below(10)).collect();
    let schedule = Schedule::Cosine { rate: 0.01, warmup: 3, steps: 10, last: 0.0 };
    let mut optimizer = make(&cpu);
    let batches = Batches::new(640, 128, 4).unwrap();
    let mut losses = Vec::new();
    for (step, batch) in (0..2).flat_map(|epoch| batches.epoch(epoch)).enumerate() {
        let x = upload(&[128, 200], &rows(features.as_slice(), 200, &batch).unwrap());
        let logits = model.forward_train(&x).unwrap();
        let targets = rows(&targets, 1, &batch).unwrap();
        let loss = cross_entropy(&cpu, CrossEntropy::default(), &logits, &targets).unwrap();
        model.backward(&loss.gradient).unwrap();
        clip_gradient(&cpu, &mut model.parameters_mut(), 0.5).unwrap();
        optimizer.step(&mut model.parameters_mut(), schedule.at(step)).unwrap();
        zero_gradients(&mut model.parameters_mut());
        losses.push(loss.value);
    }
    assert_eq!(losses.len(), 10);
    let mut state = State::new();
    model.save("", &mut state).unwrap();
    (losses, state)
}

#[test]
fn runs_are_equal_to_the_bit() {
    let adamw = |cpu: &Cpu| AdamW::new(cpu, AdamWOptions::default()).unwrap();
    let sgd = |cpu: &Cpu| Sgd::new(cpu, SgdOptions { momentum: 0.9, ..SgdOptions::default() }).unwrap();
    let (with_adamw, with_sgd) = (ten_steps(Par::Seq, adamw), ten_steps(Par::Seq, sgd));
    assert_ne!(with_adamw, with_sgd);
    assert_eq!(ten_steps(Par::Seq, adamw), with_adamw);
    for threads in [1, 2, 3] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        assert_eq!(pool.install(|| ten_steps(Par::rayon(threads), adamw)), with_adamw, "{threads} threads");
        assert_eq!(pool.install(|| ten_steps(Par::rayon(threads), sgd)), with_sgd, "{threads} threads");
    }
}

#[test]
fn a_sketched_network_learns_a_linear_map() {
    let (cpu, mut random) = (Cpu::default(), Random::new(6));
    let (count, d_in, d_out) = (256, 8, 4);
    let x = gaussian(&[count, d_in], &mut random);
    let map = gaussian(&[d_in, d_out], &mut random);
    let y: Vec<f64> = x
        .as_slice()
        .chunks(d_in)
        .flat_map(|row| {
            (0..d_out).map(|j| row.iter().enumerate().map(|(i, x)| x * map.as_slice()[i * d_out + j]).sum::<f64>())
        })
        .collect();
    let power = y.iter().map(|y| y * y).sum::<f64>() / y.len() as f64;
    let (x, y) = (upload::<f32>(&[count, d_in], x.as_slice()), upload::<f32>(&[count, d_out], &y));
    let options = |low_rank, seed| SkLinearOptions { num_terms: 2, low_rank, bias: true, seed };
    let mut model = Sequential::<f32, _>::new(vec![
        Box::new(SkLinear::new(&cpu, d_in, 64, options(4, 1)).unwrap()),
        Box::new(ActivationLayer::relu(&cpu)),
        Box::new(SkLinear::new(&cpu, 64, d_out, options(4, 2)).unwrap()),
    ]);
    let schedule = Schedule::Cosine { rate: 0.02, warmup: 10, steps: 500, last: 0.0 };
    let mut optimizer = AdamW::new(&cpu, AdamWOptions { weight_decay: 0.0, ..AdamWOptions::default() }).unwrap();
    for step in 0..500 {
        let loss = mean_squared_error(&cpu, &model.forward_train(&x).unwrap(), &y).unwrap();
        model.backward(&loss.gradient).unwrap();
        optimizer.step(&mut model.parameters_mut(), schedule.at(step)).unwrap();
        zero_gradients(&mut model.parameters_mut());
    }
    let residual = mean_squared_error(&cpu, &model.forward(&x).unwrap(), &y).unwrap().value;
    assert!(residual <= 0.01 * power, "{residual} of {power}");
}

#[test]
fn what_does_not_fit_is_refused() {
    let cpu = Cpu::default();
    let number = |error: NnError| match error {
        NnError::InvalidNumber { argument, .. } => argument,
        other => panic!("{other}"),
    };
    let sgd = |momentum, weight_decay, nesterov| {
        number(Sgd::<f32, _>::new(&cpu, SgdOptions { momentum, weight_decay, nesterov }).unwrap_err())
    };
    assert_eq!(sgd(1.0, 0.0, false), "momentum");
    assert_eq!(sgd(f64::NAN, 0.0, false), "momentum");
    assert_eq!(sgd(0.0, 0.0, true), "momentum");
    assert_eq!(sgd(0.5, -1.0, false), "weight_decay");
    let adamw = |options| number(AdamW::<f32, _>::new(&cpu, options).unwrap_err());
    let default = AdamWOptions::default();
    assert_eq!(adamw(AdamWOptions { betas: [1.0, 0.9], ..default }), "beta1");
    assert_eq!(adamw(AdamWOptions { betas: [0.9, -0.1], ..default }), "beta2");
    assert_eq!(adamw(AdamWOptions { eps: 0.0, ..default }), "eps");
    assert_eq!(adamw(AdamWOptions { weight_decay: f64::INFINITY, ..default }), "weight_decay");
    // Rates, and gradients that are not those of the parameter.
    let mut sgd = Sgd::<f32, _>::new(&cpu, SgdOptions { momentum: 0.9, ..SgdOptions::default() }).unwrap();
    let mut adamw = AdamW::<f32, _>::new(&cpu, default).unwrap();
    let mut parameter = Parameter::<f32, Cpu>::trainable(upload(&[2], &[1.0, 2.0]));
    let mut other = Parameter::<f32, Cpu>::trainable(upload(&[3], &[1.0; 3]));
    parameter.gradient = Some(upload(&[2], &[1.0, 1.0]));
    other.gradient = Some(upload(&[3], &[1.0; 3]));
    let optimizers: [&mut dyn Optimizer<f32, Cpu>; 2] = [&mut sgd, &mut adamw];
    for optimizer in optimizers {
        assert_eq!(number(optimizer.step(&mut [&mut parameter], -1.0).unwrap_err()), "learning_rate");
        assert_eq!(number(optimizer.step(&mut [&mut parameter], f64::NAN).unwrap_err()), "learning_rate");
        optimizer.step(&mut [&mut parameter], 0.1).unwrap();
        assert!(matches!(optimizer.step(&mut [&mut other], 0.1), Err(NnError::Shape { .. })));
        let mut wrong = Parameter { gradient: other.gradient.clone(), ..parameter.clone() };
        assert!(matches!(optimizer.step(&mut [&mut wrong], 0.1), Err(NnError::Shape { .. })));
        let mut outside = Parameter { trainable: 1..3, ..parameter.clone() };
        assert!(matches!(optimizer.step(&mut [&mut outside], 0.1), Err(NnError::Shape { .. })));
    }
    // Losses.
    let logits = upload::<f32>(&[2, 3], &[0.0; 6]);
    let loss = |options, logits: &CpuTensor<f32>, targets: &[usize]| {
        cross_entropy(&cpu, options, logits, targets).unwrap_err()
    };
    let plain = CrossEntropy::default();
    assert_eq!(loss(plain, &logits, &[0, 3]), NnError::OutOfRange { argument: "target", low: 0, high: 2, got: 3 });
    assert!(matches!(loss(plain, &logits, &[0]), NnError::Shape { argument: "targets", .. }));
    assert_eq!(number(loss(CrossEntropy { label_smoothing: 1.1, ..plain }, &logits, &[0, 1])), "label_smoothing");
    assert!(matches!(loss(plain, &upload(&[2, 0], &[]), &[0, 0]), NnError::OutOfRange { argument: "classes", .. }));
    assert!(matches!(loss(plain, &upload(&[], &[1.0]), &[0]), NnError::OutOfRange { argument: "classes", .. }));
    let transposed = upload::<f32>(&[3, 2], &[0.0; 6]);
    assert!(matches!(mean_squared_error(&cpu, &logits, &transposed), Err(NnError::Shape { argument: "targets", .. })));
    assert!(matches!(accuracy(&cpu, &logits, &[0]), Err(NnError::Shape { argument: "targets", .. })));
    // Data.
    assert!(matches!(Batches::new(3, 0, 1), Err(NnError::OutOfRange { argument: "batch size", .. })));
    assert_eq!(rows(&[1, 2, 3, 4], 2, &[2]), Err(NnError::OutOfRange { argument: "row", low: 0, high: 1, got: 2 }));
    assert!(rows(&[0; 0], 2, &[0]).is_err());
    assert_eq!(rows(&[1, 2, 3, 4], 2, &[1, 0, 1]).unwrap(), [3, 4, 1, 2, 3, 4]);
    assert_eq!(number(stratified_split(&[0, 1], 1.5, 1).unwrap_err()), "fraction");
}

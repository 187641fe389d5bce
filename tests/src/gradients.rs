//! Gradients of layers against central differences, in double precision.

use panther_nn::backend::Storage;
use panther_nn::cpu::{Cpu, CpuTensor};
use panther_nn::layers::Layer;

use crate::random::Random;

/// Entries of a tensor that are tried: all of a small one.
const TRIED: usize = 150;

/// Step of the differences. Their error is about h²·f‴ + ε·f/h, some 10⁻¹⁰ for functions of order one.
const STEP: f64 = 1e-5;

/// Allowed difference, as a part of the largest gradient of the layer.
const ALLOWED: f64 = 1e-6;

type Tensor = CpuTensor<f64>;

/// Compares the gradients by x and by every parameter of Σ cᵢ·yᵢ with random c to central differences.
///
/// # Panics
/// Where they differ by more than 10⁻⁶ of the largest gradient.
pub fn check<L: Layer<f64, Cpu>>(what: &str, layer: &mut L, x: &Tensor, seed: u64) {
    let mut random = Random::new(seed);
    let y = layer.forward_train(x).unwrap();
    let c = gaussian(y.shape(), &mut random);
    let dx = layer.backward(&c).unwrap();
    let gradients: Vec<Vec<f64>> = layer
        .parameters_mut()
        .iter()
        .map(|p| p.gradient.as_ref().map_or_else(|| vec![0.0; p.trainable_len()], |g| g.as_slice().to_vec()))
        .collect();
    let largest = gradients.iter().flatten().chain(dx.as_slice()).fold(0.0, |m: f64, g| m.max(g.abs()));
    assert!(largest > 0.0 && largest.is_finite(), "{what}: largest gradient {largest}");
    let compare = |name: String, analytic: f64, difference: f64| {
        let error = (analytic - difference).abs();
        assert!(error <= ALLOWED * largest, "{what}: {name}: {analytic:e}, by differences {difference:e}");
    };
    for i in entries(x.as_slice().len(), &mut random) {
        let at = |h: f64| {
            let mut moved = x.clone();
            moved.as_mut_slice()[i] += h;
            loss(layer, &moved, &c)
        };
        let difference = (at(STEP) - at(-STEP)) / (2.0 * STEP);
        compare(format!("x[{i}]"), dx.as_slice()[i], difference);
    }
    for (p, gradient) in gradients.iter().enumerate() {
        for i in entries(gradient.len(), &mut random) {
            let mut at = |h: f64| {
                let mut parameters = layer.parameters_mut();
                let place = parameters[p].trainable_offset() + i;
                let before = parameters[p].value.as_slice()[place];
                parameters[p].value.as_mut_slice()[place] = before + h;
                drop(parameters);
                let value = loss(layer, x, &c);
                layer.parameters_mut()[p].value.as_mut_slice()[place] = before;
                value
            };
            let difference = (at(STEP) - at(-STEP)) / (2.0 * STEP);
            compare(format!("parameter {p}[{i}]"), gradient[i], difference);
        }
    }
}

fn loss<L: Layer<f64, Cpu>>(layer: &L, x: &Tensor, c: &Tensor) -> f64 {
    let y = layer.forward(x).unwrap();
    y.as_slice().iter().zip(c.as_slice()).map(|(y, c)| y * c).sum()
}

/// Independent N(0, 1) entries.
pub fn gaussian(shape: &[usize], random: &mut Random) -> Tensor {
    let numbers = (0..shape.iter().product()).map(|_| random.gaussian()).collect();
    Cpu::default().upload(shape, numbers).unwrap()
}

fn entries(count: usize, random: &mut Random) -> Vec<usize> {
    if count <= TRIED { (0..count).collect() } else { (0..TRIED).map(|_| random.below(count)).collect() }
}

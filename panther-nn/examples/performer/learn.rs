//! Training of a model, and text that it writes.

use std::error::Error;
use std::f64::consts::LN_2;
use std::time::{Duration, Instant};

use panther_nn::NnError;
use panther_nn::backend::{Backend, CrossEntropy, Random};
use panther_nn::cpu::Cpu;
use panther_nn::state::HostTensor;
use panther_nn::train::{
    AdamW, AdamWOptions, Optimizer, Progress, Schedule, clip_gradient, cross_entropy, zero_gradients,
};

use crate::model::Model;
use crate::text::{Text, Windows};

/// How a model is trained.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub steps: usize,
    pub batch: usize,
    pub seed: u64,
}

/// What came of it.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    /// Bits a character of the test text.
    pub bits: f64,
    pub time: Duration,
}

/// The greatest learning rate.
const RATE: f64 = 5e-3;
/// Windows of the test text.
const TEST_WINDOWS: usize = 256;

pub fn train<B: Backend>(
    backend: &B,
    name: &str,
    model: &mut Model<B>,
    text: &Text,
    plan: Plan,
) -> Result<Outcome, Box<dyn Error>> {
    let Plan { steps, batch, seed } = plan;
    let schedule = Schedule::Cosine { rate: RATE, warmup: steps / 10, steps, last: 0.1 * RATE };
    // Gradients change fast in a short run: a shorter memory of their squares.
    let mut optimizer = AdamW::new(backend, AdamWOptions { betas: [0.9, 0.99], ..Default::default() })?;
    let progress = Progress::new(name, steps);
    let start = Instant::now();
    for (step, windows) in text.training(model.sizes.length, batch, seed)?.take(steps).enumerate() {
        let Windows { characters, next } = windows?;
        let logits = model.forward_train(&characters)?;
        let loss = cross_entropy(backend, CrossEntropy::default(), &logits, &next)?;
        model.backward(&loss.gradient)?;
        clip_gradient(backend, &mut model.parameters_mut(), 1.0)?;
        optimizer.step(&mut model.parameters_mut(), schedule.at(step))?;
        zero_gradients(&mut model.parameters_mut());
        progress.advance(loss.value / LN_2);
    }
    let time = start.elapsed();
    let Windows { characters, next } = text.test(model.sizes.length, TEST_WINDOWS)?;
    let loss = cross_entropy(backend, CrossEntropy::default(), &model.forward(&characters)?, &next)?;
    Ok(Outcome { bits: loss.value / LN_2, time })
}

/// `prompt` and `count` characters more, each drawn from the model's probabilities to the power 1/temperature.
pub fn write<B: Backend>(
    backend: &B,
    model: &Model<B>,
    text: &Text,
    prompt: &str,
    count: usize,
    seed: u64,
) -> Result<String, NnError> {
    const TEMPERATURE: f64 = 0.7;
    // Uniform on (−1, 1).
    let draws = Cpu::default().uniform::<f64>(&[count], 1.0, seed)?;
    let mut written = text.encode(prompt);
    for draw in draws.as_slice() {
        let seen = &written[written.len().saturating_sub(model.sizes.length)..];
        let logits = model.forward(&HostTensor { shape: vec![1, seen.len()], values: seen.to_vec() })?;
        let logits = backend.download(&logits)?;
        let last = &logits[(seen.len() - 1) * text.symbols()..];
        let largest = last.iter().copied().fold(f32::MIN, f32::max);
        let weights: Vec<f64> = last.iter().map(|x| (f64::from(x - largest) / TEMPERATURE).exp()).collect();
        let mut rest = 0.5 * (draw + 1.0) * weights.iter().sum::<f64>();
        let chosen = weights.iter().position(|weight| {
            rest -= weight;
            rest <= 0.0
        });
        written.push(chosen.unwrap_or(0));
    }
    Ok(text.decode(&written))
}

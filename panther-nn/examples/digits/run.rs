//! Training one classifier, and what is measured.

use std::time::Instant;

use panther_nn::NnError;
use panther_nn::backend::{Backend, CrossEntropy};
use panther_nn::layers::Layer;
use panther_nn::state::State;
use panther_nn::train::{
    AdamW, AdamWOptions, Batches, Optimizer, Progress, Schedule, accuracy, clip_gradient, cross_entropy, zero_gradients,
};

use crate::data::Images;
use crate::models::Model;

const BATCH: usize = 64;

/// Smoothed targets keep the networks from being too sure of the images that they have seen.
const SMOOTHED: CrossEntropy = CrossEntropy { label_smoothing: 0.1, ignored: None };

/// How one run is made.
#[derive(Clone, Copy)]
pub struct Plan {
    /// Times through the training set.
    pub epochs: usize,
    /// The greatest learning rate.
    pub rate: f64,
    /// The seed of the order of the images.
    pub seed: u64,
}

/// A point of a learning curve.
pub struct Point {
    /// Epochs so far.
    pub epoch: usize,
    /// Mean cross-entropy over the last epoch, on the training set; none before the first.
    pub loss: Option<f64>,
    /// The part of the test images that is recognised.
    pub accuracy: f64,
}

/// What a run came to.
pub struct Outcome {
    /// Which classifier.
    pub name: &'static str,
    /// Values that are learned.
    pub learned: usize,
    /// Values that a file of it holds, the fixed ones counted.
    pub stored: usize,
    /// Seconds of a training step: the median.
    pub step: f64,
    /// From before the first epoch to after the last.
    pub curve: Vec<Point>,
}

impl Outcome {
    /// Accuracy on the test images in the end.
    pub fn accuracy(&self) -> f64 {
        self.curve.last().map_or(0.0, |point| point.accuracy)
    }
}

/// Trains `model` with AdamW, on batches of 64.
pub fn train<B: Backend>(
    backend: &B,
    name: &'static str,
    model: &mut Model<B>,
    (training, test): (&Images, &Images),
    plan: &Plan,
) -> Result<Outcome, NnError> {
    let batches = Batches::new(training.len(), BATCH, plan.seed)?;
    let steps = plan.epochs * batches.per_epoch();
    let schedule = Schedule::Cosine { rate: plan.rate, warmup: batches.per_epoch(), steps, last: 0.0 };
    let mut optimizer = AdamW::new(backend, AdamWOptions::default())?;
    let progress = Progress::new(name, steps);
    let mut times = Vec::with_capacity(steps);
    let mut curve = vec![Point { epoch: 0, loss: None, accuracy: tested(backend, model, test)? }];
    for epoch in 0..plan.epochs {
        let mut sum = 0.0;
        for batch in batches.epoch(epoch) {
            let (x, digits) = training.batch(backend, &batch)?;
            let start = Instant::now();
            let logits = model.forward_train(&x)?;
            let loss = cross_entropy(backend, SMOOTHED, &logits, &digits)?;
            model.backward(&loss.gradient)?;
            let mut parameters = model.parameters_mut();
            clip_gradient(backend, &mut parameters, 1.0)?;
            optimizer.step(&mut parameters, schedule.at(times.len()))?;
            zero_gradients(&mut parameters);
            wait(backend)?;
            times.push(start.elapsed().as_secs_f64());
            sum += loss.value * batch.len() as f64;
            progress.advance(loss.value);
        }
        let loss = Some(sum / training.len() as f64);
        curve.push(Point { epoch: epoch + 1, loss, accuracy: tested(backend, model, test)? });
    }
    times.sort_by(f64::total_cmp);
    let step = times.get(times.len() / 2).copied().unwrap_or(0.0);
    let learned = model.parameters_mut().iter().map(|parameter| parameter.trainable_len()).sum();
    let mut state = State::new();
    model.save("", &mut state)?;
    let stored = state.iter().map(|(_, tensor)| tensor.values.len()).sum();
    Ok(Outcome { name, learned, stored, step, curve })
}

/// The part of the images that is recognised.
fn tested<B: Backend>(backend: &B, model: &Model<B>, images: &Images) -> Result<f64, NnError> {
    let all: Vec<usize> = (0..images.len()).collect();
    let (x, digits) = images.batch(backend, &all)?;
    accuracy(backend, &model.forward(&x)?, &digits)
}

/// Comes back when a device has done what it was asked for.
fn wait<B: Backend>(backend: &B) -> Result<(), NnError> {
    backend.download(&backend.zeros::<f32>(&[1])?).map(|_| ())
}

//! Learning rates over the steps of a run.

use std::f64::consts::PI;

/// A learning rate for each step, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Schedule {
    /// Always the same.
    Constant {
        /// The rate.
        rate: f64,
    },
    /// `factor` times as much after every `every` steps (0 counts as 1).
    Step {
        /// The rate to begin with.
        rate: f64,
        /// Steps between the changes.
        every: usize,
        /// The change.
        factor: f64,
    },
    /// From rate/warmup up to the rate in `warmup` equal steps, then down to `last` at step `steps` along half a cosine
    /// (Loshchilov and Hutter 2017), and there it stays.
    Cosine {
        /// The greatest rate.
        rate: f64,
        /// Steps of the way up.
        warmup: usize,
        /// Steps in all.
        steps: usize,
        /// The rate in the end.
        last: f64,
    },
}

impl Schedule {
    /// The learning rate of a step.
    #[must_use]
    pub fn at(&self, step: usize) -> f64 {
        match *self {
            Self::Constant { rate } => rate,
            Self::Step { rate, every, factor } => rate * factor.powf((step / every.max(1)) as f64),
            Self::Cosine { rate, warmup, .. } if step < warmup => rate * (step + 1) as f64 / warmup as f64,
            Self::Cosine { steps, last, .. } if step >= steps => last,
            Self::Cosine { rate, warmup, steps, last } => {
                let done = (step - warmup) as f64 / (steps - warmup) as f64;
                last + (rate - last) * 0.5 * (1.0 + (PI * done).cos())
            }
        }
    }
}

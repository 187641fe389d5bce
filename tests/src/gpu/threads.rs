//! Threads that share a device: each gets the bytes that it gets alone.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use panther_gpu::{Device, cqrrpt, gaussian_matrix, rsvd};
use panther_linalg::{CqrrptOptions, RsvdOptions, Target};
use panther_nn::backend::Random as _;
use panther_nn::cuda::Cuda;
use panther_nn::layers::{
    Layer, MultiHeadAttention, MultiHeadAttentionOptions, RandMultiHeadAttention, RandMultiHeadAttentionOptions,
};
use panther_nn::{NnError, Scalar};

use super::Check;
use super::common::{Outcome, both};
use super::work::{of, pivoted};
use crate::fingerprint::Fingerprint;

pub(super) fn checks() -> Vec<Check> {
    both!["threads that share a device: the bytes of one alone": same_bytes_as_alone]
}

/// How often each thread computes, at least: until all have computed so often.
const REPEATS: usize = 20;

/// Computes something from inputs that it makes; a fingerprint of the result.
type Task = fn(&Device) -> Result<u64, NnError>;

fn same_bytes_as_alone<T: Scalar>(device: &Device) -> Outcome {
    let tasks: [(&str, Task); 5] = [
        ("rsvd", rsvd_of_dense::<T>),
        ("rsvd again", rsvd_of_dense::<T>),
        ("cqrrpt", cqrrpt_of_tall::<T>),
        ("attention", attention::<T>),
        ("random attention", random_attention::<T>),
    ];
    let named = |name: &str, error: NnError| format!("{name}: {error}");
    let alone: Vec<u64> =
        tasks.iter().map(|(name, task)| task(device).map_err(|error| named(name, error))).collect::<Result<_, _>>()?;
    let finished = AtomicUsize::new(0);
    let repeat = |name: &str, task: Task, expected: u64| {
        let mut outcome = Ok(());
        for count in 1.. {
            match task(device) {
                Ok(got) if got == expected => {}
                Ok(_) => outcome = Err(format!("{name}: run {count} gives other bytes than alone")),
                Err(error) => outcome = Err(named(name, error)),
            }
            if count == REPEATS || (outcome.is_err() && count < REPEATS) {
                finished.fetch_add(1, Ordering::Relaxed);
            }
            if outcome.is_err() || (count >= REPEATS && finished.load(Ordering::Relaxed) >= tasks.len()) {
                break;
            }
        }
        outcome
    };
    thread::scope(|scope| {
        let threads: Vec<_> = tasks
            .iter()
            .zip(&alone)
            .map(|(&(name, task), &expected)| {
                let repeat = &repeat;
                scope.spawn(move || repeat(name, task, expected))
            })
            .collect();
        threads.into_iter().try_for_each(|thread| thread.join().unwrap_or_else(|_| Err("a thread panicked".to_owned())))
    })
}

fn rsvd_of_dense<T: Scalar>(device: &Device) -> Result<u64, NnError> {
    let a = gaussian_matrix::<T>(device, 6000, 1500, 3)?;
    let found = rsvd(a.as_ref(), Target::Rank(40), &RsvdOptions::default())?;
    let mut fingerprint = of(&[&found.u, &found.v])?;
    fingerprint.values(&found.s);
    Ok(fingerprint.0)
}

fn cqrrpt_of_tall<T: Scalar>(device: &Device) -> Result<u64, NnError> {
    let a = gaussian_matrix::<T>(device, 40_000, 200, 4)?;
    pivoted(&cqrrpt(a.as_ref(), &CqrrptOptions::default())?)
}

fn attention<T: Scalar>(device: &Device) -> Result<u64, NnError> {
    let cuda = Cuda::of(device.clone());
    forward::<T, _>(&cuda, MultiHeadAttention::new(&cuda, 256, 8, MultiHeadAttentionOptions::default())?)
}

fn random_attention<T: Scalar>(device: &Device) -> Result<u64, NnError> {
    let cuda = Cuda::of(device.clone());
    forward::<T, _>(&cuda, RandMultiHeadAttention::new(&cuda, 256, 8, RandMultiHeadAttentionOptions::default())?)
}

fn forward<T: Scalar, L: Layer<T, Cuda>>(cuda: &Cuda, layer: L) -> Result<u64, NnError> {
    let x = cuda.normal::<T>(&[2, 512, 256], 1.0, 2)?;
    let mut fingerprint = Fingerprint::default();
    fingerprint.values(&layer.forward(&x)?.buffer().to_host()?);
    Ok(fingerprint.0)
}

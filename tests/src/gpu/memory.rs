//! A device's memory: all that is taken is returned, and too little of it is an error like any other.

use panther_gpu::{Buffer, Device, GpuError};
use panther_nn::backend::Random;
use panther_nn::cuda::Cuda;
use panther_nn::layers::{Layer, RandMultiHeadAttention, RandMultiHeadAttentionOptions};
use panther_nn::{NnError, Scalar};

use super::Check;
use super::work;
use crate::work::Work;

type Outcome = Result<(), String>;

pub(super) fn checks() -> Vec<Check> {
    vec![
        Check { name: "memory: all is returned, f32", run: all_is_returned::<f32> },
        Check { name: "memory: all is returned, f64", run: all_is_returned::<f64> },
        Check { name: "memory: peaks", run: peaks },
        Check { name: "memory: attention", run: attention },
        Check { name: "memory: too little, f32", run: too_little::<f32> },
        Check { name: "memory: too little, f64", run: too_little::<f64> },
    ]
}

fn text(error: impl ToString) -> String {
    error.to_string()
}

/// A work's outcome, if it leaves as much memory as it found.
fn balanced(device: &Device, work: &Work) -> Result<Result<u64, NnError>, String> {
    let before = device.used_memory().map_err(text)?;
    let outcome = (work.run)();
    let after = device.used_memory().map_err(text)?;
    if before == after { Ok(outcome) } else { Err(format!("{}: {before} bytes before, {after} after", work.name)) }
}

/// What each work gives.
fn results(works: &[Work]) -> Result<Vec<u64>, String> {
    works.iter().map(|work| (work.run)().map_err(|error| format!("{}: {error}", work.name))).collect()
}

fn all_is_returned<T: Scalar>(device: &Device) -> Outcome {
    let works = work::all::<T>(device).map_err(text)?;
    // What the libraries take for themselves on first use they keep.
    results(&works)?;
    for work in works {
        balanced(device, &work)?.map_err(|error| format!("{}: {error}", work.name))?;
    }
    for work in work::refused::<T>(device).map_err(text)? {
        match balanced(device, &work)? {
            Err(error) if !lacks_memory(&error) => {}
            other => return Err(format!("{} gives {other:?}", work.name)),
        }
    }
    Ok(())
}

/// What is held at once counts, and what comes one after the other does not.
fn peaks(device: &Device) -> Outcome {
    const BYTES: usize = 3 << 20;
    let take = |count: usize| (0..count).map(|_| Buffer::<u8>::zeros(device, BYTES)).collect::<Result<Vec<_>, _>>();
    // Held before, and so not counted.
    let _before = take(1).map_err(text)?;
    for count in [0, 1, 2, 5] {
        let peak = device.peak_memory_of(|| {
            drop(take(count)?);
            drop(take(count)?);
            drop(take(count / 2)?);
            Ok::<(), GpuError>(())
        });
        let peak = peak.map_err(text)?;
        if peak != count * BYTES {
            return Err(format!("{count} buffers of {BYTES} bytes: {peak} bytes"));
        }
    }
    Ok(())
}

/// Beside x, which is the caller's, attention holds three projections and the output. The way back needs one tensor of the length more
/// at a time, and three where it is causal, as queries are then read until the end. The sums over keys and queries are bounded.
fn attention(device: &Device) -> Outcome {
    const LENGTH: usize = 16384;
    const EMBED: usize = 512;
    const TENSOR: usize = 4 * LENGTH * EMBED;
    /// Sums over keys or queries, and gradients by weights: less than another tensor.
    const ALLOWED: usize = (22 << 20) + 4 * 4 * EMBED * (EMBED + 1);
    let cuda = Cuda::of(device.clone());
    for (causal, tensors) in [(false, 5), (true, 7)] {
        let options = RandMultiHeadAttentionOptions { causal, ..Default::default() };
        let mut layer = RandMultiHeadAttention::<f32, _>::new(&cuda, EMBED, 8, options).map_err(text)?;
        let x = cuda.normal::<f32>(&[1, LENGTH, EMBED], 1.0, 1).map_err(text)?;
        let peak = device.peak_memory_of(|| {
            let y = layer.forward_train(&x)?;
            layer.backward(&y).map(drop)
        });
        // y is the caller's too.
        let (peak, most) = (peak.map_err(text)?, (tensors + 1) * TENSOR + ALLOWED);
        if !(tensors * TENSOR..=most).contains(&peak) {
            return Err(format!("causal {causal}: {peak} bytes of at most {most}"));
        }
    }
    Ok(())
}

/// Bytes that are left: none, and then more and more, so that one allocation after the other is the first to fail.
const ROOMS: [usize; 12] =
    [0, 1 << 10, 1 << 12, 1 << 14, 1 << 16, 1 << 17, 1 << 18, 1 << 19, 1 << 20, 1 << 21, 1 << 22, 1 << 24];

fn too_little<T: Scalar>(device: &Device) -> Outcome {
    let works = work::all::<T>(device).map_err(text)?;
    let expected = results(&works)?;
    for room in ROOMS {
        let held = all_but(device, room).map_err(text)?;
        for (work, &expected) in works.iter().zip(&expected) {
            let wrong = match balanced(device, work)? {
                Err(NnError::Gpu(GpuError::OutOfMemory { bytes: 1.. })) => continue,
                // A library's own.
                Err(error) if room > 0 && lacks_memory(&error) => continue,
                Ok(got) if room > 0 && got == expected => continue,
                Ok(_) => "a result, but not that with enough memory".to_owned(),
                Err(error) => error.to_string(),
            };
            return Err(format!("{} with {room} bytes: {wrong}", work.name));
        }
        drop(held);
        device.release_memory().map_err(text)?;
        if results(&works)? != expected {
            return Err(format!("other results than before, after {room} bytes were left"));
        }
    }
    Ok(())
}

/// The one form of it, whoever allocates.
const fn lacks_memory(error: &NnError) -> bool {
    matches!(error, NnError::Gpu(GpuError::OutOfMemory { .. }))
}

/// Takes all memory of the device but for `room` bytes.
fn all_but(device: &Device, room: usize) -> Result<Vec<Buffer<u8>>, GpuError> {
    /// The least that is ever allocated.
    const LEAST: usize = 512;
    device.release_memory()?;
    let kept = (room > 0).then(|| Buffer::<u8>::zeros(device, room)).transpose()?;
    let mut held = Vec::new();
    let mut size = device.memory()?.0.next_power_of_two();
    while size >= LEAST {
        match Buffer::zeros(device, size) {
            Ok(buffer) => held.push(buffer),
            Err(GpuError::OutOfMemory { .. }) => size /= 2,
            Err(error) => return Err(error),
        }
    }
    drop(kept);
    Ok(held)
}

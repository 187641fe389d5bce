//! A device's memory: all that is taken is returned, and too little of it is an error like any other.

use panther_gpu::{Buffer, Device, GpuError};
use panther_nn::{NnError, Scalar};

use super::Check;
use super::work::{self, Work};

type Outcome = Result<(), String>;

pub(super) fn checks() -> Vec<Check> {
    vec![
        Check { name: "memory: all is returned, f32", run: all_is_returned::<f32> },
        Check { name: "memory: all is returned, f64", run: all_is_returned::<f64> },
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

/// Ours, or one of the libraries' that they allocate themselves.
fn lacks_memory(error: &NnError) -> bool {
    match error {
        NnError::Gpu(GpuError::OutOfMemory { .. }) => true,
        NnError::Gpu(GpuError::Call { code, .. }) => code.contains("ALLOC_FAILED") || code.contains("OUT_OF_MEMORY"),
        _ => false,
    }
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

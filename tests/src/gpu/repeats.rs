//! The same bytes each time.

use panther_gpu::Device;

use super::work::{self, Works};

/// Computations that are repeated.
#[derive(Clone, Copy, Debug)]
pub struct Repeat {
    /// What is repeated.
    pub name: &'static str,
    /// Runs it so many times; what differs, if anything does.
    pub run: fn(&Device, usize) -> Result<(), String>,
}

/// Everything that a device computes.
#[must_use]
pub fn repeats() -> Vec<Repeat> {
    macro_rules! both {
        ($($name:literal: $works:ident),* $(,)?) => {
            vec![$(
                Repeat { name: concat!($name, ", f32"), run: |device, times| again(device, times, work::$works::<f32>) },
                Repeat { name: concat!($name, ", f64"), run: |device, times| again(device, times, work::$works::<f64>) },
            )*]
        };
    }
    both![
        "the same bytes each time: sketches": sketches,
        "the same bytes each time: rsvd": svds,
        "the same bytes each time: QR": qrs,
        "the same bytes each time: layers": layers,
    ]
}

fn again(device: &Device, times: usize, works: Works) -> Result<(), String> {
    for work in works(device).map_err(|error| error.to_string())? {
        let run = || (work.run)().map_err(|error| format!("{}: {error}", work.name));
        let first = run()?;
        for repeat in 1..times {
            if run()? != first {
                return Err(format!("{}: run {repeat} gives other bytes", work.name));
            }
        }
    }
    Ok(())
}

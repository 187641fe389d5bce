//! Run times and peak memory.

use std::alloc::System;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use faer::Par;
use panther_bench::record::{Measured, Outcome, Time};
use panther_gpu::{Device, GpuError};
use panther_nn::NnError;
use panther_nn::cpu::Cpu;
use panther_nn::cuda::Cuda;
use peakmem_alloc::{PeakMemAlloc, PeakMemAllocTrait};

#[global_allocator]
static MEMORY: PeakMemAlloc<System> = PeakMemAlloc::new(System);

/// Held while memory is measured.
static GAUGE: Mutex<()> = Mutex::new(());

/// A clock and a gauge of memory.
pub trait Meter {
    /// Seconds that `work` takes.
    ///
    /// # Errors
    /// Those of `work`, and of the clock.
    fn seconds_of(&self, work: &mut dyn FnMut() -> Result<(), NnError>) -> Result<f64, NnError>;

    /// Peak bytes that `work` allocates.
    ///
    /// # Errors
    /// As [`seconds_of`](Self::seconds_of).
    fn peak_of(&self, work: &mut dyn FnMut() -> Result<(), NnError>) -> Result<u64, NnError>;
}

impl Meter for Par {
    fn seconds_of(&self, work: &mut dyn FnMut() -> Result<(), NnError>) -> Result<f64, NnError> {
        let start = Instant::now();
        work()?;
        Ok(start.elapsed().as_secs_f64())
    }

    fn peak_of(&self, work: &mut dyn FnMut() -> Result<(), NnError>) -> Result<u64, NnError> {
        // The count is the process's.
        let _alone = GAUGE.lock().unwrap_or_else(PoisonError::into_inner);
        MEMORY.reset_peak_memory();
        work()?;
        Ok(MEMORY.get_peak_memory() as u64)
    }
}

impl Meter for Device {
    fn seconds_of(&self, work: &mut dyn FnMut() -> Result<(), NnError>) -> Result<f64, NnError> {
        let mut outcome = Ok(());
        let seconds = Device::seconds_of(self, || {
            outcome = work();
            Ok(())
        })?;
        outcome.map(|()| seconds)
    }

    fn peak_of(&self, work: &mut dyn FnMut() -> Result<(), NnError>) -> Result<u64, NnError> {
        Ok(self.peak_memory_of(work)? as u64)
    }
}

/// A backend whose work can be measured.
pub trait Metered {
    /// Its clock and gauge.
    fn meter(&self) -> &dyn Meter;
}

impl Metered for Cpu {
    fn meter(&self) -> &dyn Meter {
        // The host's clock and memory, however many threads.
        &Par::Seq
    }
}

impl Metered for Cuda {
    fn meter(&self) -> &dyn Meter {
        self.device()
    }
}

/// How long one cell is measured.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// Seconds of timed runs, unless the minimum number takes longer.
    pub seconds: f64,
    /// Minimum number of timed runs, at least one.
    pub runs: usize,
}

impl Budget {
    const MAX_RUNS: usize = 101;
    /// Warm-up runs: compilation, caches, clock rates.
    const WARM_RUNS: usize = 2;
    /// One warm-up run is enough if it takes longer.
    const WARM_SECONDS: f64 = 0.05;

    /// Times `work` again and again.
    ///
    /// # Errors
    /// Those of `work`, and of the clock.
    pub fn time(self, meter: &dyn Meter, mut work: impl FnMut() -> Result<(), NnError>) -> Result<Time, NnError> {
        for _ in 0..Self::WARM_RUNS {
            if meter.seconds_of(&mut work)? > Self::WARM_SECONDS {
                break;
            }
        }
        let mut runs = Vec::new();
        let start = Instant::now();
        while runs.len() < self.runs.max(1)
            || (runs.len() < Self::MAX_RUNS && start.elapsed().as_secs_f64() < self.seconds)
        {
            runs.push(meter.seconds_of(&mut work)?);
        }
        Ok(summary(runs))
    }

    /// Time and peak of memory of `work`, as those of a forward pass.
    ///
    /// # Errors
    /// As [`time`](Self::time).
    pub fn measure(
        self,
        meter: &dyn Meter,
        mut work: impl FnMut() -> Result<(), NnError>,
    ) -> Result<Measured, NnError> {
        let forward = Some(self.time(meter, &mut work)?);
        // Libraries have taken by now what they keep.
        Ok(Measured { forward, memory_forward: Some(meter.peak_of(&mut work)?), ..Measured::default() })
    }
}

fn summary(mut seconds: Vec<f64>) -> Time {
    seconds.sort_by(f64::total_cmp);
    let runs = seconds.len();
    // Halfway between the middle two where there are two.
    let median = seconds[(runs - 1) / 2].midpoint(seconds[runs / 2]);
    Time { median, min: seconds[0], max: seconds[runs - 1], runs }
}

/// The outcome stored for an error: lack of memory is a result, anything else a failure in words.
pub fn failure(error: &NnError) -> Outcome {
    match error {
        NnError::Gpu(GpuError::OutOfMemory { .. }) => Outcome::OutOfMemory,
        // What libraries allocate for themselves.
        NnError::Gpu(GpuError::Call { code, .. })
            if code.contains("OUT_OF_MEMORY") || code.contains("ALLOC_FAILED") =>
        {
            Outcome::OutOfMemory
        }
        other => Outcome::Failed(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summary_has_median_min_and_max() {
        let time = summary(vec![3.0, 1.0, 2.0]);
        assert_eq!(time, Time { median: 2.0, min: 1.0, max: 3.0, runs: 3 });
        assert_eq!(summary(vec![4.0, 1.0, 2.0, 3.0]).median, 2.5);
    }

    #[test]
    fn number_of_runs_depends_on_budget() {
        let mut calls = 0;
        let count = |calls: &mut usize| {
            *calls += 1;
            Ok(())
        };
        let time = Budget { seconds: 0.0, runs: 3 }.time(&Par::Seq, || count(&mut calls)).unwrap();
        assert_eq!((time.runs, calls), (3, 3 + Budget::WARM_RUNS));
        let time = Budget { seconds: 60.0, runs: 3 }.time(&Par::Seq, || Ok(())).unwrap();
        assert_eq!(time.runs, Budget::MAX_RUNS);
    }

    #[test]
    fn peak_includes_freed_memory() {
        let bytes = 1 << 26;
        let peak = Par::Seq.peak_of(&mut || {
            drop(std::hint::black_box(vec![1_u8; bytes]));
            Ok(())
        });
        // Other tests allocate meanwhile and free some megabytes.
        assert!(peak.unwrap() > bytes as u64 / 4 * 3);
    }

    #[test]
    fn lack_of_memory_is_distinguished_from_failures() {
        let call =
            |code: &str| NnError::Gpu(GpuError::Call { library: "cuBLAS", call: "cublasCreate", code: code.into() });
        assert_eq!(failure(&NnError::Gpu(GpuError::OutOfMemory { bytes: 1 })), Outcome::OutOfMemory);
        assert_eq!(failure(&call("CUBLAS_STATUS_ALLOC_FAILED")), Outcome::OutOfMemory);
        assert!(matches!(failure(&call("CUBLAS_STATUS_NOT_INITIALIZED")), Outcome::Failed(_)));
    }
}

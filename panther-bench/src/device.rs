//! The device that is measured: a CPU with its threads, or a GPU.

use faer::Par;
use panther_gpu::{Device, DeviceName, GpuError};

/// An open device.
#[derive(Clone, Debug)]
pub enum BenchDevice {
    Cpu(Par),
    Cuda(Device),
}

impl BenchDevice {
    /// Opens the CPU with `threads` threads, or a GPU.
    ///
    /// # Errors
    /// If there is no such GPU.
    pub fn open(name: DeviceName, threads: usize) -> Result<Self, GpuError> {
        match name {
            DeviceName::Cpu => Ok(Self::Cpu(parallelism(threads))),
            DeviceName::Cuda(ordinal) => Device::new(ordinal).map(Self::Cuda),
        }
    }
}

/// The value of faer's `Par` for `threads` threads.
pub fn parallelism(threads: usize) -> Par {
    if threads == 1 { Par::Seq } else { Par::rayon(threads) }
}

/// Sets the default number of threads of faer and rayon. Called once, before any computation.
pub fn use_threads(threads: usize) {
    faer::set_global_parallelism(parallelism(threads));
    // It fails where the pool runs already, which then has them.
    let _ = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global();
}

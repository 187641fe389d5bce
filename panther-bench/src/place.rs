//! Where measurements are taken.

use faer::Par;
use panther_gpu::{Device, DeviceName, GpuError};

/// A device that is open.
#[derive(Clone, Debug)]
pub enum Place {
    Cpu(Par),
    Cuda(Device),
}

impl Place {
    /// The processor with so many threads, or a GPU.
    ///
    /// # Errors
    /// Where there is no such GPU.
    pub fn open(name: DeviceName, threads: usize) -> Result<Self, GpuError> {
        match name {
            DeviceName::Cpu => Ok(Self::Cpu(parallelism(threads))),
            DeviceName::Cuda(ordinal) => Device::new(ordinal).map(Self::Cuda),
        }
    }
}

/// faer's word for so many threads.
pub fn parallelism(threads: usize) -> Par {
    if threads == 1 { Par::Seq } else { Par::rayon(threads) }
}

/// Makes libraries that are not told otherwise use so many threads. For once, before anything is computed.
pub fn use_threads(threads: usize) {
    faer::set_global_parallelism(parallelism(threads));
    // It fails where the pool runs already, which then has them.
    let _ = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global();
}

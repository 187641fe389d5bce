//! The device that is measured: a CPU with its threads, or a GPU.

use std::str::FromStr;

use faer::Par;
use panther_gpu::{Device, GpuError};

/// `cpu`, `cuda` or `cuda:N`, as on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceName {
    Cpu,
    Cuda(usize),
}

impl FromStr for DeviceName {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let unknown = || format!("{name:?} is not cpu, cuda or cuda:N");
        match name.split_once(':') {
            None if name == "cpu" => Ok(Self::Cpu),
            None if name == "cuda" => Ok(Self::Cuda(0)),
            Some(("cuda", ordinal)) => ordinal.parse().map(Self::Cuda).map_err(|_| unknown()),
            _ => Err(unknown()),
        }
    }
}

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

#[cfg(test)]
mod tests {
    use super::DeviceName;

    #[test]
    fn device_names_are_parsed() {
        assert_eq!("cpu".parse(), Ok(DeviceName::Cpu));
        assert_eq!("cuda".parse(), Ok(DeviceName::Cuda(0)));
        assert_eq!("cuda:3".parse(), Ok(DeviceName::Cuda(3)));
        for wrong in ["", "gpu", "cuda:", "cuda:x", "cpu:0"] {
            assert!(wrong.parse::<DeviceName>().is_err(), "{wrong:?}");
        }
    }
}

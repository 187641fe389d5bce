//! Where an example runs.

use std::str::FromStr;

/// `cpu`, `cuda` or `cuda:N`.
#[derive(Clone, Copy, Debug)]
pub enum Device {
    Cpu,
    #[cfg(feature = "cuda")]
    Cuda(usize),
}

impl FromStr for Device {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let unknown = || format!("{name:?} is not cpu, cuda or cuda:N");
        match name.split_once(':') {
            None if name == "cpu" => Ok(Self::Cpu),
            None if name == "cuda" => Self::cuda(0),
            Some(("cuda", ordinal)) => Self::cuda(ordinal.parse().map_err(|_| unknown())?),
            _ => Err(unknown()),
        }
    }
}

impl Device {
    #[cfg(feature = "cuda")]
    const fn cuda(ordinal: usize) -> Result<Self, String> {
        Ok(Self::Cuda(ordinal))
    }

    #[cfg(not(feature = "cuda"))]
    fn cuda(_: usize) -> Result<Self, String> {
        Err("this example was built without CUDA: build it with --features cuda".to_owned())
    }
}

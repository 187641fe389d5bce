//! Names of devices on a command line.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// What a program runs on: `cpu`, `cuda` (the first GPU) or `cuda:N`.
///
/// ```
/// use panther_gpu::DeviceName;
///
/// assert_eq!("cuda:1".parse(), Ok(DeviceName::Cuda(1)));
/// assert_eq!(DeviceName::Cuda(1).to_string(), "cuda:1");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeviceName {
    /// The processor.
    Cpu,
    /// The GPU of this number, as [`Device::new`](crate::Device::new) takes it.
    Cuda(usize),
}

/// No device has this name.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{name:?} is not cpu, cuda or cuda:N")]
pub struct UnknownDeviceName {
    /// The name given.
    pub name: String,
}

impl FromStr for DeviceName {
    type Err = UnknownDeviceName;

    fn from_str(name: &str) -> Result<Self, UnknownDeviceName> {
        let known = match name.split_once(':') {
            None if name == "cpu" => Some(Self::Cpu),
            None if name == "cuda" => Some(Self::Cuda(0)),
            Some(("cuda", ordinal)) => ordinal.parse().ok().map(Self::Cuda),
            _ => None,
        };
        known.ok_or_else(|| UnknownDeviceName { name: name.to_owned() })
    }
}

impl fmt::Display for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(ordinal) => write!(f, "cuda:{ordinal}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::DeviceName;

    #[test]
    fn device_names_are_parsed() {
        assert_eq!("cpu".parse(), Ok(DeviceName::Cpu));
        assert_eq!("cuda".parse(), Ok(DeviceName::Cuda(0)));
        assert_eq!("cuda:3".parse(), Ok(DeviceName::Cuda(3)));
        for wrong in ["", "gpu", "cuda:", "cuda:x", "cuda:-1", "cpu:0", "CUDA"] {
            let error = wrong.parse::<DeviceName>().unwrap_err();
            assert_eq!(error.to_string(), format!("{wrong:?} is not cpu, cuda or cuda:N"));
        }
    }
}

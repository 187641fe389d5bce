//! The device that an example runs on.

#[cfg(feature = "cuda")]
pub use panther_gpu::DeviceName as Device;

/// `cpu`: another device needs the feature `cuda`.
#[cfg(not(feature = "cuda"))]
#[derive(Clone, Copy, Debug)]
pub enum Device {
    Cpu,
}

#[cfg(not(feature = "cuda"))]
impl std::str::FromStr for Device {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "cpu" => Ok(Self::Cpu),
            other => Err(format!("{other:?} is not cpu, the only device of an example built without --features cuda")),
        }
    }
}

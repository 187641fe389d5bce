//! What the checks share.

use faer::Mat;
use panther_gpu::{Device, DeviceReal, Matrix};

/// One accuracy check.
#[derive(Clone, Copy, Debug)]
pub struct Check {
    /// What is checked.
    pub name: &'static str,
    /// Runs it; what is wrong, if anything is.
    pub run: fn(&Device) -> Result<(), String>,
}

/// What is wrong, if anything is.
pub(super) type Outcome = Result<(), String>;

/// Every check in both precisions.
macro_rules! both {
    ($($name:literal: $check:ident),* $(,)?) => {
        vec![$(
            Check { name: concat!($name, ", f32"), run: $check::<f32> },
            Check { name: concat!($name, ", f64"), run: $check::<f64> },
        )*]
    };
}
pub(super) use both;

pub(super) fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

pub(super) fn upload<T: DeviceReal>(device: &Device, a: &Mat<T>) -> Result<Matrix<T>, String> {
    Matrix::from_host(device, a.as_ref()).map_err(text)
}

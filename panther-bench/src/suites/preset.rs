//! How much of the grids is measured.

use crate::device::BenchDevice;
use crate::measure::Budget;

/// How much of a suite's grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// Something for every figure, in seconds.
    Quick,
    /// The shape of every figure.
    Standard,
    /// All of it.
    Full,
}

impl Preset {
    /// How long each thing is timed: a GPU's times spread less, so that three runs will do there.
    pub fn budget(self, kind: DeviceKind) -> Budget {
        let (seconds, runs) = self.choose((0.02, 3), (0.1, 3), (0.5, 5));
        match kind {
            DeviceKind::Cpu => Budget { seconds, runs },
            DeviceKind::Gpu => Budget { seconds: seconds / 20.0, runs: 3 },
        }
    }

    /// One of three.
    pub fn choose<T>(self, quick: T, standard: T, full: T) -> T {
        match self {
            Self::Quick => quick,
            Self::Standard => standard,
            Self::Full => full,
        }
    }
}

/// What kind of device it is: the sizes depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceKind {
    Cpu,
    Gpu,
}

impl DeviceKind {
    /// That of an open device.
    pub const fn of(device: &BenchDevice) -> Self {
        match device {
            BenchDevice::Cpu(_) => Self::Cpu,
            BenchDevice::Cuda(_) => Self::Gpu,
        }
    }

    /// Whether a cell is measured there.
    pub fn does(self, limit: Limit, size: f64) -> bool {
        self == Self::Gpu || size <= limit.most
    }
}

/// What of a grid is left out where there is no GPU.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// Most that is measured.
    most: f64,
}

/// What two cores do not do in a quarter of an hour a suite, each with its reason; a GPU does all.
pub mod limits {
    use super::Limit;

    /// Features in or out: the weight of 16384² and its gradient are 2 GiB, and a training step takes seconds.
    pub const LINEAR_FEATURES: Limit = Limit { most: 8192.0 };
    /// Operations forward: a cell takes some twenty times that, and there are seven hundred. Every width is still measured at two lengths.
    pub const ATTENTION_FLOPS: Limit = Limit { most: 1.3e10 };
    /// Operations of the dense layer forward, as above. The smallest of 9×9 taps on 256² pixels takes 4.4e10 and is measured still.
    pub const CONV_FLOPS: Limit = Limit { most: 1e10 };
    /// Rows of a square A: making one of 8192² and its error takes longer than decomposing it.
    pub const RSVD_SIZE: Limit = Limit { most: 4096.0 };
    /// Columns of a tall A: classical pivoting of 16384×2048 takes most of a minute.
    pub const CQRRPT_COLUMNS: Limit = Limit { most: 1024.0 };
}

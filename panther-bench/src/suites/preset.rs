//! Presets: how much of each grid is measured.

use crate::device::BenchDevice;
use crate::measure::Budget;

/// The part of a suite's grid that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// A few cells for every figure, in seconds.
    Quick,
    /// Enough cells to show the shape of every figure.
    Standard,
    /// The whole grid.
    Full,
}

impl Preset {
    /// How long each cell is timed: GPU times vary less, so three runs are enough there.
    pub fn budget(self, kind: DeviceKind) -> Budget {
        let (seconds, runs) = self.choose((0.02, 3), (0.1, 3), (0.5, 5));
        match kind {
            DeviceKind::Cpu => Budget { seconds, runs },
            DeviceKind::Gpu => Budget { seconds: seconds / 20.0, runs: 3 },
        }
    }

    /// The value of this preset.
    pub fn choose<T>(self, quick: T, standard: T, full: T) -> T {
        match self {
            Self::Quick => quick,
            Self::Standard => standard,
            Self::Full => full,
        }
    }
}

/// The kind of device, on which sizes depend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceKind {
    Cpu,
    Gpu,
}

impl DeviceKind {
    /// The kind of an open device.
    pub const fn of(device: &BenchDevice) -> Self {
        match device {
            BenchDevice::Cpu(_) => Self::Cpu,
            BenchDevice::Cuda(_) => Self::Gpu,
        }
    }

    /// Whether a cell of this size is measured there.
    pub fn allows(self, limit: Limit, size: f64) -> bool {
        self == Self::Gpu || size <= limit.max
    }
}

/// A limit on the cells measured on a CPU.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// The largest size measured.
    max: f64,
}

/// Limits that keep a suite below 15 minutes on two cores, each with its reason; a GPU has none.
pub mod limits {
    use super::Limit;

    /// Features in or out: the weight of 16384² and its gradient are 2 GiB, and a training step takes seconds.
    pub const LINEAR_FEATURES: Limit = Limit { max: 8192.0 };
    /// Operations forward: a cell takes some twenty times that, and there are seven hundred. Every width is still measured at two lengths.
    pub const ATTENTION_FLOPS: Limit = Limit { max: 1.3e10 };
    /// Operations of the dense layer forward, as above. The smallest of 9×9 taps on 256² pixels takes 4.4e10 and is measured still.
    pub const CONV_FLOPS: Limit = Limit { max: 1e10 };
    /// Rows of a square A: making one of 8192² and its error takes longer than decomposing it.
    pub const RSVD_SIZE: Limit = Limit { max: 4096.0 };
    /// Columns of a tall A: classical pivoting of 16384×2048 takes most of a minute.
    pub const CQRRPT_COLUMNS: Limit = Limit { max: 1024.0 };
}

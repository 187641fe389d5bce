//! Benchmark suites: one file per suite, each a grid of cells.

pub mod attention;
pub mod conv;
mod convert;
pub mod cqrrpt;
#[cfg(test)]
mod grid_tests;
mod key;
mod layer;
pub mod linear;
mod pivots;
mod preset;
mod roofline;
pub mod rsvd;
mod sketch;

use std::str::FromStr;

pub use key::{Key, add_metric};
use panther_bench::record::Measured;
use panther_nn::NnError;
pub use preset::{DeviceKind, Preset};

use crate::device::BenchDevice;
use crate::measure::Budget;

/// A suite, which has one file of results per device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suite {
    Linear,
    Attention,
    Conv,
    Rsvd,
    Cqrrpt,
    Sketch,
    Convert,
    Roofline,
    Pivots,
}

impl Suite {
    /// In the order of running.
    pub const ALL: [Self; 9] = [
        Self::Linear,
        Self::Attention,
        Self::Conv,
        Self::Rsvd,
        Self::Cqrrpt,
        Self::Sketch,
        Self::Convert,
        Self::Roofline,
        Self::Pivots,
    ];

    /// Name on the command line and in file names.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Linear => "linear",
            Self::Attention => "attention",
            Self::Conv => "conv",
            Self::Rsvd => "rsvd",
            Self::Cqrrpt => "cqrrpt",
            Self::Sketch => "sketch",
            Self::Convert => "convert",
            Self::Roofline => "roofline",
            Self::Pivots => "pivots",
        }
    }

    /// Its cells on such a device, the most informative first.
    pub fn tasks(self, kind: DeviceKind, preset: Preset) -> Vec<Box<dyn Task>> {
        match self {
            Self::Linear => boxed(linear::grid(kind, preset)),
            Self::Attention => boxed(attention::grid(kind, preset)),
            Self::Conv => boxed(conv::grid(kind, preset)),
            Self::Rsvd => boxed(rsvd::grid(kind, preset)),
            Self::Cqrrpt => boxed(cqrrpt::grid(kind, preset)),
            Self::Sketch => boxed(sketch::grid(kind, preset)),
            Self::Convert => boxed(convert::grid(kind, preset)),
            Self::Roofline => boxed(roofline::grid(kind)),
            Self::Pivots => boxed(pivots::grid(kind, preset)),
        }
    }
}

fn boxed<T: Task + 'static>(tasks: Vec<T>) -> Vec<Box<dyn Task>> {
    tasks.into_iter().map(|task| Box::new(task) as Box<dyn Task>).collect()
}

/// Some suites: one by its name, or all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection(pub Vec<Suite>);

impl FromStr for Selection {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        if name == "all" {
            return Ok(Self(Suite::ALL.to_vec()));
        }
        let found = Suite::ALL.into_iter().find(|suite| suite.name() == name);
        let names = || Suite::ALL.map(Suite::name).join(", ");
        found.map(|suite| Self(vec![suite])).ok_or_else(|| format!("{name:?} is none of {}, all", names()))
    }
}

/// The device, and the time for each cell.
#[derive(Clone, Debug)]
pub struct Bench {
    pub device: BenchDevice,
    pub budget: Budget,
}

/// A cell that can be measured.
pub trait Task {
    /// Case, method and parameters.
    fn key(&self) -> Key;

    /// Measures it.
    ///
    /// # Errors
    /// Errors of the device.
    fn measure(&self, bench: &Bench) -> Result<Measured, NnError>;
}

/// Seeds of inputs and of random operators.
const INPUT_SEED: u64 = 7;
const SEED: u64 = 1;

#[cfg(test)]
mod tests {
    use super::{Selection, Suite};

    #[test]
    fn selection_parses_suite_names() {
        assert_eq!("all".parse(), Ok(Selection(Suite::ALL.to_vec())));
        for suite in Suite::ALL {
            assert_eq!(suite.name().parse(), Ok(Selection(vec![suite])));
        }
        assert!("linear,conv".parse::<Selection>().is_err());
    }
}

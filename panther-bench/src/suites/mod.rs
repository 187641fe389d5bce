//! What is measured: a file a suite, each a grid of cells.

mod attention;
mod conv;
mod extent;
mod key;
mod layer;
mod linear;

use std::str::FromStr;

pub use extent::{Extent, Kind};
pub use key::{Key, add_figure};
use panther_bench::record::Measured;
use panther_nn::NnError;

use crate::measure::Budget;
use crate::place::Place;

/// A family of measurements, which has a file of results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suite {
    Linear,
    Attention,
    Conv,
}

impl Suite {
    /// In the order in which they are run.
    pub const ALL: [Self; 3] = [Self::Linear, Self::Attention, Self::Conv];

    /// As on the command line and in names of files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Linear => "linear",
            Self::Attention => "attention",
            Self::Conv => "conv",
        }
    }

    /// What it measures on such a device, the most telling first.
    pub fn tasks(self, kind: Kind, extent: Extent) -> Vec<Box<dyn Task>> {
        match self {
            Self::Linear => boxed(linear::grid(kind, extent)),
            Self::Attention => boxed(attention::grid(kind, extent)),
            Self::Conv => boxed(conv::grid(kind, extent)),
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

/// Where measurements are taken, and how long.
#[derive(Clone, Debug)]
pub struct Bench {
    pub place: Place,
    pub budget: Budget,
}

/// One cell to be.
pub trait Task {
    /// What is measured, and how.
    fn key(&self) -> Key;

    /// Measures it.
    ///
    /// # Errors
    /// What the device refuses.
    fn measure(&self, bench: &Bench) -> Result<Measured, NnError>;
}

/// The seeds of inputs and of what is drawn, the same everywhere.
const INPUT_SEED: u64 = 7;
const SEED: u64 = 1;

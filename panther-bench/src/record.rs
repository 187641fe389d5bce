//! What is stored of a measurement: one JSON file a suite and device, written by `run`, drawn by `plot`, compared by `compare`.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The version of the layout that is written.
pub const FORMAT: u32 = 1;

/// A file of results.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Version of this layout.
    pub format: u32,
    /// Which family of measurements: `linear`, `attention`, `conv`, `rsvd`, `cqrrpt`, `sketch`, `convert`, `roofline`, `pivots`.
    pub suite: String,
    /// Where and with what they were taken.
    pub machine: Machine,
    /// In the order in which they were taken.
    pub cells: Vec<Cell>,
}

/// Where and with what results were taken. Figures never compare those of two machines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// `cpu` or `h200`: as in the names of figures.
    pub device: String,
    /// What the processor or the GPU calls itself.
    pub name: String,
    /// Threads that were used, on a CPU.
    pub threads: usize,
    /// Bytes of memory.
    pub memory: u64,
    /// Day, as 2026-11-23.
    pub date: String,
    /// Names and versions of what was measured and of what it rests on, such as `panther 0.1.0`, `faer 0.24.4`, `CUDA 13.0`.
    pub versions: Vec<String>,
}

/// One way of doing one thing, measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// What is done: such as in = 2048, out = 2048, batch = 128, in the order in which figures say it.
    pub case: Vec<(String, Value)>,
    /// How: such as `dense`, `sketched`, `torch`, `exact`.
    pub method: String,
    /// With what parameters: such as `num_terms = 1`, `low_rank = 16`.
    pub parameters: Vec<(String, Value)>,
    /// `f32`, `f64`, `tf32` or `bf16`.
    pub precision: String,
    /// What came of it.
    pub outcome: Outcome,
}

/// A number or a word.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// A whole number, such as an extent.
    Whole(u64),
    /// Any other number.
    Number(f64),
    /// A word, such as the name of a kernel.
    Word(String),
}

impl From<usize> for Value {
    fn from(number: usize) -> Self {
        Self::Whole(number as u64)
    }
}

impl From<&str> for Value {
    fn from(word: &str) -> Self {
        Self::Word(word.to_owned())
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(number) => write!(f, "{number}"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Word(word) => write!(f, "{word}"),
        }
    }
}

/// What came of a measurement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Numbers; what was not measured is absent.
    Measured(Measured),
    /// It did not fit into memory.
    OutOfMemory,
    /// Anything else that went wrong, in words.
    Failed(String),
}

/// Numbers of one measurement.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Measured {
    /// Seconds forward, or of the whole where there is no backward.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forward: Option<Time>,
    /// Seconds forward and backward.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backward: Option<Time>,
    /// Peak bytes beyond what was there before, forward.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_forward: Option<u64>,
    /// Peak bytes beyond what was there before, forward and backward.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_backward: Option<u64>,
    /// Errors and other metrics by name, such as `error` (over ‖A‖_F), `error_over_best`, `orthogonality`, `parameters`, `bytes`,
    /// `flops`.
    #[serde(rename = "figures")]
    pub metrics: Vec<(String, f64)>,
}

impl Measured {
    /// A metric by its name.
    #[must_use]
    pub fn metric(&self, name: &str) -> Option<f64> {
        self.metrics.iter().find(|(own, _)| own == name).map(|(_, value)| *value)
    }
}

/// Seconds of repeated runs after warming up.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Time {
    /// Half of the runs took no longer.
    pub median: f64,
    /// The fastest.
    #[serde(rename = "least")]
    pub min: f64,
    /// The slowest.
    #[serde(rename = "greatest")]
    pub max: f64,
    /// How many there were.
    pub runs: usize,
}

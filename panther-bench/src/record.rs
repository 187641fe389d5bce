//! Stored results: one JSON file per suite and device, written by `run`, drawn by `plot`, compared by `compare`.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The version of the layout that is written.
pub const FORMAT: u32 = 1;

/// A file of results.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Version of this layout.
    pub format: u32,
    /// The suite: `linear`, `attention`, `conv`, `rsvd`, `cqrrpt`, `sketch`, `convert`, `roofline`, `pivots`.
    pub suite: String,
    /// The machine and the versions.
    pub machine: Machine,
    /// In the order of measurement.
    pub cells: Vec<Cell>,
}

/// The machine and versions behind results. Figures never compare two machines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// `cpu` or `h200`: as in the names of figures.
    pub device: String,
    /// Model name of the processor or the GPU.
    pub name: String,
    /// CPU threads used.
    pub threads: usize,
    /// Bytes of memory.
    pub memory: u64,
    /// Day, as 2026-11-23.
    pub date: String,
    /// Names and versions of the measured library and its dependencies, such as `panther 0.1.0`, `faer 0.24.4`, `CUDA 13.0`.
    pub versions: Vec<String>,
}

/// One method on one case, measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// The case, such as in = 2048, out = 2048, batch = 128, in the order used by figures.
    pub case: Vec<(String, Value)>,
    /// The method, such as `dense`, `sketched`, `torch`, `exact`.
    pub method: String,
    /// Parameters of the method, such as `num_terms = 1`, `low_rank = 16`.
    pub parameters: Vec<(String, Value)>,
    /// `f32`, `f64`, `tf32` or `bf16`.
    pub precision: String,
    /// The result.
    pub outcome: Outcome,
}

/// A number or a word.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// An integer, such as a size.
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

/// The result of a measurement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Measured values; those not measured are absent.
    Measured(Measured),
    /// It did not fit into memory.
    OutOfMemory,
    /// Any other error, in words.
    Failed(String),
}

/// Measured values of one cell.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Measured {
    /// Seconds of the forward pass, or of the whole if there is no backward pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forward: Option<Time>,
    /// Seconds of the forward and backward pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backward: Option<Time>,
    /// Peak bytes allocated by the forward pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_forward: Option<u64>,
    /// Peak bytes allocated by the forward and backward pass.
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
    /// The median run.
    pub median: f64,
    /// The fastest run.
    #[serde(rename = "least")]
    pub min: f64,
    /// The slowest run.
    #[serde(rename = "greatest")]
    pub max: f64,
    /// Number of runs.
    pub runs: usize,
}

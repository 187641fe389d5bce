//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::place::PlaceName;
use crate::suites::{Extent, Selection};

/// Measures the workspace, beside dense baselines.
#[derive(Parser)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    /// Measures suites and stores what comes of it, a file a suite and device. A second run continues the first.
    Run(Run),
    /// Runs every accuracy comparison of a GPU and prints a table; the exit code is 1 where one fails.
    GpuCheck {
        /// Only checks whose name contains this.
        #[arg(default_value = "")]
        only: String,
        /// Runs of each computation whose bytes must not differ.
        #[arg(long, default_value_t = 20)]
        repeats: usize,
        /// Number of the CUDA device.
        #[arg(long, default_value_t = 0)]
        device: usize,
    },
    /// Times decompositions, sketches and layers of a GPU by its clock: medians after warming up.
    GpuTimes {
        /// Only cases whose name contains this.
        #[arg(default_value = "")]
        only: String,
        /// Runs that are timed, after two that are not.
        #[arg(long, default_value_t = 7)]
        runs: usize,
        /// Number of the CUDA device.
        #[arg(long, default_value_t = 0)]
        device: usize,
    },
}

#[derive(Args)]
pub struct Run {
    /// linear, attention, conv, rsvd, cqrrpt, sketch, convert, roofline, pivots or all.
    #[arg(default_value = "all")]
    pub suites: Selection,
    #[command(flatten)]
    pub place: On,
    /// Something for every figure, in two minutes on two cores.
    #[arg(long, conflicts_with = "full")]
    pub quick: bool,
    /// The whole grids, as far as the device does them.
    #[arg(long)]
    pub full: bool,
    /// The folder of the results.
    #[arg(long, default_value = "results")]
    pub out: PathBuf,
}

impl Run {
    pub const fn extent(&self) -> Extent {
        match (self.quick, self.full) {
            (true, _) => Extent::Quick,
            (_, true) => Extent::Full,
            _ => Extent::Usual,
        }
    }
}

/// Where something is measured.
#[derive(Args)]
pub struct On {
    /// cpu, cuda or cuda:N.
    #[arg(long, default_value = "cpu")]
    pub device: PlaceName,
    /// Threads of a CPU; all of them where not given.
    #[arg(long)]
    threads: Option<std::num::NonZeroUsize>,
}

impl On {
    pub fn threads(&self) -> usize {
        let all = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        self.threads.map_or_else(all, std::num::NonZero::get)
    }
}

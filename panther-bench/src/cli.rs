//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use panther_gpu::DeviceName;

use crate::suites::{Extent, Selection, Suite};

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
    /// Draws the figures of stored results.
    Plot {
        /// Files that `run` or the script of baselines has written.
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// The folder of the pictures.
        #[arg(long, default_value = "panther-out/figures")]
        out: PathBuf,
    },
    /// Writes the page of benchmarks and its figures anew from the stored results.
    Report {
        /// The folder of the results.
        #[arg(long, default_value = "docs/benchmarks/results")]
        results: PathBuf,
        /// The folder of the page.
        #[arg(long, default_value = "docs")]
        docs: PathBuf,
    },
    /// Shows what moved from one file of results to another.
    Compare {
        /// Measured before.
        before: PathBuf,
        /// Measured after.
        after: PathBuf,
    },
    /// Compares a linear layer with its sketched counterpart.
    Linear(Linear),
    /// Compares dense attention with attention through random features.
    Attention(Attention),
    /// Compares a convolution with its sketched counterpart.
    Conv(Conv),
    /// Compares the exact SVD of a square matrix, σᵢ = 1/i, with the randomized one.
    Rsvd(Rsvd),
    /// Compares QR of a tall matrix without pivots with the randomized one with pivots.
    Cqrrpt(Cqrrpt),
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
    /// The folder of the results; of one suite also a file, NAME.json.
    #[arg(long, default_value = "panther-out/results")]
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

    /// The file of a suite's results on a device.
    ///
    /// # Errors
    /// Where several suites were to share one.
    pub fn file(&self, suite: Suite, device: &str) -> Result<PathBuf, String> {
        if self.out.extension().is_none_or(|extension| extension != "json") {
            return Ok(self.out.join(format!("{}_{device}.json", suite.name())));
        }
        match self.suites.0[..] {
            [_] => Ok(self.out.clone()),
            _ => Err(format!("--out {}: a file holds one suite; give a folder", self.out.display())),
        }
    }
}

#[derive(Args)]
pub struct Linear {
    /// Features in.
    #[arg(long = "in", default_value_t = 2048)]
    pub d_in: usize,
    /// Features out.
    #[arg(long = "out", default_value_t = 2048)]
    pub d_out: usize,
    #[arg(long, default_value_t = 1)]
    pub num_terms: usize,
    #[arg(long, default_value_t = 16)]
    pub low_rank: usize,
    /// Rows of the input.
    #[arg(long, default_value_t = 128)]
    pub batch: usize,
    #[command(flatten)]
    pub place: On,
}

#[derive(Args)]
pub struct Attention {
    #[arg(long, default_value_t = 512)]
    pub embed: usize,
    #[arg(long, default_value_t = 8)]
    pub heads: usize,
    /// Random features a head.
    #[arg(long, default_value_t = 128)]
    pub features: usize,
    /// Positions of the sequence.
    #[arg(long, default_value_t = 2048)]
    pub length: usize,
    /// Features of the ReLU kernel instead of softmax's.
    #[arg(long)]
    pub relu: bool,
    /// No position sees a later one.
    #[arg(long)]
    pub causal: bool,
    #[command(flatten)]
    pub place: On,
}

#[derive(Args)]
pub struct Conv {
    #[arg(long = "in-channels", default_value_t = 64)]
    pub c_in: usize,
    #[arg(long = "out-channels", default_value_t = 128)]
    pub c_out: usize,
    /// Taps along each axis.
    #[arg(long, default_value_t = 3)]
    pub kernel: usize,
    /// Pixels along each axis.
    #[arg(long, default_value_t = 128)]
    pub image: usize,
    #[arg(long, default_value_t = 1)]
    pub batch: usize,
    #[arg(long, default_value_t = 1)]
    pub num_terms: usize,
    #[arg(long, default_value_t = 8)]
    pub low_rank: usize,
    #[command(flatten)]
    pub place: On,
}

#[derive(Args)]
pub struct Rsvd {
    /// Rows, and columns.
    #[arg(long, default_value_t = 1000)]
    pub size: usize,
    #[arg(long, default_value_t = 50)]
    pub rank: usize,
    #[command(flatten)]
    pub place: On,
}

#[derive(Args)]
pub struct Cqrrpt {
    #[arg(long, default_value_t = 8192)]
    pub rows: usize,
    #[arg(long, default_value_t = 256)]
    pub columns: usize,
    /// In f64 instead of f32.
    #[arg(long)]
    pub double: bool,
    #[command(flatten)]
    pub place: On,
}

/// Where something is measured.
#[derive(Args)]
pub struct On {
    /// cpu, cuda or cuda:N.
    #[arg(long, default_value = "cpu")]
    pub device: DeviceName,
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

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Command {
        Arguments::try_parse_from(line.split_whitespace()).unwrap().command
    }

    #[test]
    fn the_readers_line_is_understood() {
        let line = "panther-bench linear --in 2048 --out 1024 --num-terms 4 --low-rank 128 --batch 64 --threads 3";
        let Command::Linear(linear) = parsed(line) else { panic!("{line}") };
        let Linear { d_in, d_out, num_terms, low_rank, batch, place } = linear;
        assert_eq!((d_in, d_out, num_terms, low_rank, batch), (2048, 1024, 4, 128, 64));
        assert_eq!((place.device, place.threads()), (DeviceName::Cpu, 3));
        for line in [
            "panther-bench attention --length 512 --causal --device cuda:1",
            "panther-bench conv --kernel 9 --image 64",
            "panther-bench rsvd --size 500 --rank 20",
            "panther-bench cqrrpt --rows 4096 --columns 64 --double",
            "panther-bench gpu-check linear --repeats 3 --device 1",
        ] {
            parsed(line);
        }
    }

    #[test]
    fn a_run_is_of_all_suites_unless_told_otherwise() {
        let Command::Run(run) = parsed("panther-bench run") else { panic!("run") };
        assert_eq!(
            (&run.suites.0[..], run.extent(), run.place.device),
            (&Suite::ALL[..], Extent::Usual, DeviceName::Cpu)
        );
        let Command::Run(run) = parsed("panther-bench run conv --quick --out here") else { panic!("run") };
        assert_eq!((&run.suites.0[..], run.extent(), run.out), (&[Suite::Conv][..], Extent::Quick, "here".into()));
        let Command::Run(run) = parsed("panther-bench run conv --out here") else { panic!("run") };
        assert_eq!(run.file(Suite::Conv, "cpu"), Ok("here/conv_cpu.json".into()));
        let Command::Run(run) = parsed("panther-bench run conv --out here.json") else { panic!("run") };
        assert_eq!(run.file(Suite::Conv, "cpu"), Ok("here.json".into()));
        let Command::Run(run) = parsed("panther-bench run all --out here.json") else { panic!("run") };
        assert!(run.file(Suite::Conv, "cpu").is_err());
        for wrong in ["run everything", "run --quick --full", "run --device gpu", "run --threads 0"] {
            let line = format!("panther-bench {wrong}");
            assert!(Arguments::try_parse_from(line.split_whitespace()).is_err(), "{line}");
        }
    }
}

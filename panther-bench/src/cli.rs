//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use panther_gpu::DeviceName;

use crate::suites::{Preset, Selection, Suite};

/// Benchmarks the workspace against dense baselines.
#[derive(Parser)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    /// Runs benchmark suites and writes one JSON file per suite and device. A second run continues the first.
    Run(Run),
    /// Draws the figures of stored results.
    Plot {
        /// Files written by `run` or by baselines.py.
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Output folder of the pictures.
        #[arg(long, default_value = "panther-out/figures")]
        out: PathBuf,
    },
    /// Rewrites the benchmarks page and its figures from the stored results.
    Report {
        /// The folder of the results.
        #[arg(long, default_value = "docs/benchmarks/results")]
        results: PathBuf,
        /// The folder of the page.
        #[arg(long, default_value = "docs")]
        docs: PathBuf,
    },
    /// Lists the differences between two files of results.
    Compare {
        /// Earlier results.
        before: PathBuf,
        /// Later results.
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
    /// Compares unpivoted QR of a tall matrix with randomized pivoted QR.
    Cqrrpt(Cqrrpt),
    /// Runs every accuracy check of a GPU and prints a table; the exit code is 1 if one fails.
    GpuCheck {
        /// Only checks whose name contains this.
        #[arg(default_value = "")]
        only: String,
        /// Repeats of each computation, all of which must give the same bytes.
        #[arg(long, default_value_t = 20)]
        repeats: usize,
        /// Number of the CUDA device.
        #[arg(long, default_value_t = 0)]
        device: usize,
    },
    /// Times decompositions, sketches and layers on a GPU by its own clock: medians after warm-up.
    GpuTimes {
        /// Only cases whose name contains this.
        #[arg(default_value = "")]
        only: String,
        /// Timed runs, after two for warm-up.
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
    pub on: DeviceArguments,
    /// A few cells for every figure: two minutes on two cores.
    #[arg(long, conflicts_with = "full")]
    pub quick: bool,
    /// The whole grids, within the limits of the device.
    #[arg(long)]
    pub full: bool,
    /// Output folder; for a single suite also a file, NAME.json.
    #[arg(long, default_value = "panther-out/results")]
    pub out: PathBuf,
}

impl Run {
    pub const fn preset(&self) -> Preset {
        match (self.quick, self.full) {
            (true, _) => Preset::Quick,
            (_, true) => Preset::Full,
            _ => Preset::Standard,
        }
    }

    /// The file of a suite's results on a device.
    ///
    /// # Errors
    /// If several suites would share one file.
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
    pub on: DeviceArguments,
}

#[derive(Args)]
pub struct Attention {
    #[arg(long, default_value_t = 512)]
    pub embed: usize,
    #[arg(long, default_value_t = 8)]
    pub heads: usize,
    /// Random features per head.
    #[arg(long, default_value_t = 128)]
    pub features: usize,
    /// Positions of the sequence.
    #[arg(long, default_value_t = 2048)]
    pub length: usize,
    /// Uses the ReLU kernel instead of the softmax kernel.
    #[arg(long)]
    pub relu: bool,
    /// Causal: no position attends to a later one.
    #[arg(long)]
    pub causal: bool,
    #[command(flatten)]
    pub on: DeviceArguments,
}

#[derive(Args)]
pub struct Conv {
    #[arg(long = "in-channels", default_value_t = 64)]
    pub c_in: usize,
    #[arg(long = "out-channels", default_value_t = 128)]
    pub c_out: usize,
    /// Kernel size along each axis.
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
    pub on: DeviceArguments,
}

#[derive(Args)]
pub struct Rsvd {
    /// Rows and columns.
    #[arg(long, default_value_t = 1000)]
    pub size: usize,
    #[arg(long, default_value_t = 50)]
    pub rank: usize,
    #[command(flatten)]
    pub on: DeviceArguments,
}

#[derive(Args)]
pub struct Cqrrpt {
    #[arg(long, default_value_t = 8192)]
    pub rows: usize,
    #[arg(long, default_value_t = 256)]
    pub columns: usize,
    /// Uses f64 instead of f32.
    #[arg(long)]
    pub double: bool,
    #[command(flatten)]
    pub on: DeviceArguments,
}

/// The device to measure on.
#[derive(Args)]
pub struct DeviceArguments {
    /// cpu, cuda or cuda:N.
    #[arg(long, default_value = "cpu")]
    pub device: DeviceName,
    /// CPU threads; all by default.
    #[arg(long)]
    threads: Option<std::num::NonZeroUsize>,
}

impl DeviceArguments {
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
    fn layer_and_decomposition_arguments_are_parsed() {
        let line = "panther-bench linear --in 2048 --out 1024 --num-terms 4 --low-rank 128 --batch 64 --threads 3";
        let Command::Linear(linear) = parsed(line) else { panic!("{line}") };
        let Linear { d_in, d_out, num_terms, low_rank, batch, on } = linear;
        assert_eq!((d_in, d_out, num_terms, low_rank, batch), (2048, 1024, 4, 128, 64));
        assert_eq!((on.device, on.threads()), (DeviceName::Cpu, 3));
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
    fn run_defaults_to_all_suites_and_rejects_wrong_arguments() {
        let Command::Run(run) = parsed("panther-bench run") else { panic!("run") };
        assert_eq!(
            (&run.suites.0[..], run.preset(), run.on.device),
            (&Suite::ALL[..], Preset::Standard, DeviceName::Cpu)
        );
        let Command::Run(run) = parsed("panther-bench run conv --quick --out here") else { panic!("run") };
        assert_eq!((&run.suites.0[..], run.preset(), run.out), (&[Suite::Conv][..], Preset::Quick, "here".into()));
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

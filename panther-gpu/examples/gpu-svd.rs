//! Randomized SVD of a matrix from a file, or of the photograph that ships with panther-linalg, on an NVIDIA GPU, otherwise as the example `svd` of panther-linalg:
//! `cargo run --release -p panther-gpu --example gpu-svd -- --help`.

#[path = "../../panther-linalg/examples/common/mod.rs"]
mod common;
mod cuda;
#[path = "../../panther-linalg/examples/svd/mod.rs"]
mod svd;

use std::process::ExitCode;
use std::time::Duration;

use panther_gpu::{DeviceReal, ToHost, rsvd};
use panther_linalg::{Input, Rsvd};

use common::cli;
use common::error::CliError;
use cuda::{Cuda, OnDevice};
use svd::Decompose;
use svd::args::Svd;

fn main() -> ExitCode {
    cli::finish(run())
}

fn run() -> Result<ExitCode, CliError> {
    let command: OnDevice<Svd> = cli::parse()?;
    svd::run(&command.args, |_| command.open())
}

impl<T: DeviceReal> Decompose<T> for Cuda {
    fn decompose(&self, a: Input<'_, T>, args: &Svd) -> Result<(Rsvd<T>, Duration), CliError> {
        let (result, elapsed) = self.measure(a, |a| rsvd(a, args.target(), &args.options()))?;
        Ok((result.to_host().map_err(CliError::refused)?, elapsed))
    }

    fn name(&self) -> String {
        self.device.name().to_owned()
    }
}

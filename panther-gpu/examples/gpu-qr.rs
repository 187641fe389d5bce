//! Randomized pivoted QR (CQRRPT) of a matrix from a file, or of the photograph that ships with panther-linalg, on an NVIDIA GPU, otherwise as the example `qr` of panther-linalg:
//! `cargo run --release -p panther-gpu --example gpu-qr -- --help`.

#[path = "../../panther-linalg/examples/common/mod.rs"]
mod common;
mod cuda;
#[path = "../../panther-linalg/examples/qr/mod.rs"]
mod qr;

use std::process::ExitCode;
use std::time::Duration;

use panther_gpu::{DeviceReal, cqrrpt};
use panther_linalg::{Input, PivotedQr};

use common::cli;
use common::error::CliError;
use cuda::{Cuda, OnDevice};
use qr::Decompose;
use qr::args::Qr;

fn main() -> ExitCode {
    cli::finish(run())
}

fn run() -> Result<ExitCode, CliError> {
    let command: OnDevice<Qr> = cli::parse()?;
    qr::run(&command.args, |_| command.open())
}

impl<T: DeviceReal> Decompose<T> for Cuda {
    fn decompose(&self, a: Input<'_, T>, args: &Qr) -> Result<(PivotedQr<T>, Duration), CliError> {
        let (result, elapsed) = self.measure(a, |a| cqrrpt(a, &args.options()))?;
        Ok((result.to_host().map_err(CliError::refused)?, elapsed))
    }

    fn name(&self) -> String {
        self.device.name().to_owned()
    }
}

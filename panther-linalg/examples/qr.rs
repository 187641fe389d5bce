//! Randomized pivoted QR (CQRRPT) of a matrix from a file, or of the photograph that ships with the crate:
//! `cargo run --release -p panther-linalg --example qr -- --help`.

mod common;
#[path = "qr/mod.rs"]
mod qr;

use std::process::ExitCode;
use std::time::Duration;

use faer::Par;
use panther_linalg::{Input, PivotedQr, Real, cqrrpt};

use common::cli;
use common::error::CliError;
use common::progress::timed;
use qr::Decompose;
use qr::args::Qr;

fn main() -> ExitCode {
    cli::finish(run())
}

fn run() -> Result<ExitCode, CliError> {
    let args: Qr = cli::parse()?;
    qr::run(&args, |par| Ok(Cpu { par }))
}

struct Cpu {
    par: Par,
}

impl<T: Real> Decompose<T> for Cpu {
    fn decompose(&self, a: Input<'_, T>, args: &Qr) -> Result<(PivotedQr<T>, Duration), CliError> {
        let (result, elapsed) = timed("decomposing", || cqrrpt(a, &args.options(), self.par));
        Ok((result.map_err(CliError::refused)?, elapsed))
    }

    fn name(&self) -> String {
        format!("threads: {}", self.par.degree())
    }
}

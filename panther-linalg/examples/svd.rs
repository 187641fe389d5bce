//! Randomized SVD of a matrix from a file, or of the photograph that ships with the crate:
//! `cargo run --release -p panther-linalg --example svd -- --help`.

mod common;
#[path = "svd/mod.rs"]
mod svd;

use std::process::ExitCode;
use std::time::Duration;

use faer::Par;
use panther_linalg::{Input, Real, Rsvd, rsvd};

use common::cli;
use common::error::CliError;
use common::progress::timed;
use svd::Decompose;
use svd::args::Svd;

fn main() -> ExitCode {
    cli::finish(run())
}

fn run() -> Result<ExitCode, CliError> {
    let args: Svd = cli::parse()?;
    svd::run(&args, |par| Ok(Cpu { par }))
}

struct Cpu {
    par: Par,
}

impl<T: Real> Decompose<T> for Cpu {
    fn decompose(&self, a: Input<'_, T>, args: &Svd) -> Result<(Rsvd<T>, Duration), CliError> {
        let (result, elapsed) = timed("decomposing", || rsvd(&a, args.target(), &args.options(), self.par));
        Ok((result.map_err(CliError::refused)?, elapsed))
    }

    fn name(&self) -> String {
        format!("threads: {}", self.par.degree())
    }
}

//! Randomized SVD of a matrix from a file, or of the photograph that ships with the crate:
//! `cargo run --release -p panther-linalg --example svd -- --help`.

mod args;
#[path = "../common/mod.rs"]
mod common;
mod exact;
mod picture;
mod report;

use std::path::Path;
use std::process::ExitCode;

use faer::Par;
use ndarray_npy::WritableElement;
use panther_linalg::{Input, Real, Rsvd, rsvd};

use args::Svd;
use common::cli;
use common::error::CliError;
use common::progress::timed;
use common::read::{self, Matrix, Source};
use common::summary::Summary;
use common::write::{self, Staged};

const TOLERANCE_NOT_MET: u8 = 3;

fn main() -> ExitCode {
    cli::finish(run())
}

fn run() -> Result<ExitCode, CliError> {
    let args: Svd = cli::parse()?;
    let par = args.common.start_threads()?;
    let (source, _) = timed("reading", || read::read(args.file.as_deref()));
    let source = source?;
    match &source.matrix {
        Matrix::Single(a) | Matrix::Picture(a) => decompose(a.view().into(), &source, &args, par),
        Matrix::Double(a) => decompose(a.view().into(), &source, &args, par),
        Matrix::Sparse(a) => decompose(a.as_ref().into(), &source, &args, par),
    }
}

fn decompose<T: Real + WritableElement>(
    a: Input<'_, T>,
    source: &Source,
    args: &Svd,
    par: Par,
) -> Result<ExitCode, CliError> {
    let folder = args.common.folder(args.file.as_deref())?;
    let (result, elapsed) = timed("decomposing", || rsvd(&a, args.target(), &args.options(), par));
    let result = result?;
    let summary = summarize(a, &result, elapsed.as_secs_f64(), args);
    let written = folder.map(|folder| store(&result, source, &folder)).transpose()?;
    let text = if args.common.json {
        summary.to_json()?
    } else {
        let mut report = report::report(a, &result, &summary, source, par);
        written.iter().for_each(|files| report.line("written", files));
        report.finish()
    };
    cli::print(&text)?;
    Ok(exit_code(&summary, args))
}

fn summarize<T: Real>(a: Input<'_, T>, result: &Rsvd<T>, seconds: f64, args: &Svd) -> Summary {
    Summary {
        shape: (a.nrows(), a.ncols()),
        dtype: T::NAME,
        rank: result.rank,
        seconds,
        error_estimate: result.error_estimate,
        failure_probability: result.failure_probability,
        tolerance_met: result.tolerance_met,
        passes: result.passes,
        fallback: result.path.to_string(),
        norm: result.norm,
        orthogonality: result.orthogonality,
        seed: args.common.seed,
        threads: args.common.threads(),
    }
}

/// How many singular triplets are worth storing: those of a zero matrix are arbitrary.
fn kept<T>(result: &Rsvd<T>) -> usize {
    if result.rank == 0 { 0 } else { result.s.len() }
}

fn store<T: Real + WritableElement>(result: &Rsvd<T>, source: &Source, folder: &Path) -> Result<String, CliError> {
    let k = kept(result);
    let mut files = Staged::new(folder)?;
    files.add("U.npy", |out| write::matrix(out, &result.u, k))?;
    files.add("S.npy", |out| write::vector(out, &result.s[..k]))?;
    files.add("V.npy", |out| write::matrix(out, &result.v, k))?;
    if let Matrix::Picture(_) = source.matrix {
        files.add("compressed.png", |out| picture::write(out, result))?;
    }
    files.publish()
}

/// A tolerance that was not met is never silent.
fn exit_code(summary: &Summary, args: &Svd) -> ExitCode {
    let (Some(tolerance), Some(false)) = (args.tol, summary.tolerance_met) else {
        return ExitCode::SUCCESS;
    };
    let (error, rank) = (summary.relative(summary.error_estimate), summary.rank);
    cli::complain(&format!(
        "tolerance {tolerance:e} not met: the relative error is at most {error:.3e} with rank {rank}"
    ));
    TOLERANCE_NOT_MET.into()
}

//! The example `svd`, whatever decomposes.

pub mod args;
mod exact;
mod picture;
mod report;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use faer::Par;
use ndarray_npy::WritableElement;
use panther_linalg::{Input, Real, Rsvd};

use crate::common::cli;
use crate::common::error::CliError;
use crate::common::progress::timed;
use crate::common::read::{self, Matrix, Source};
use crate::common::summary::Summary;
use crate::common::write::{self, Staged};
use args::Svd;

const TOLERANCE_NOT_MET: u8 = 3;

/// What decomposes a matrix of `T`.
pub trait Decompose<T> {
    /// The decomposition, and the time it took.
    fn decompose(&self, a: Input<'_, T>, args: &Svd) -> Result<(Rsvd<T>, Duration), CliError>;

    /// What it is called in the report.
    fn name(&self) -> String;
}

/// Reads the matrix, has it decomposed by what `open` gives, and writes and tells what came out.
pub fn run<M: Decompose<f32> + Decompose<f64>>(
    args: &Svd,
    open: impl FnOnce(Par) -> Result<M, CliError>,
) -> Result<ExitCode, CliError> {
    let par = args.common.start_threads()?;
    let (source, _) = timed("reading", || read::read(args.file.as_deref()));
    let source = source?;
    let machine = open(par)?;
    match &source.matrix {
        Matrix::Single(a) | Matrix::Picture(a) => finish(&machine, a.view().into(), &source, args, par),
        Matrix::Double(a) => finish(&machine, a.view().into(), &source, args, par),
        Matrix::Sparse(a) => finish(&machine, a.as_ref().into(), &source, args, par),
    }
}

fn finish<T: Real + WritableElement>(
    machine: &impl Decompose<T>,
    a: Input<'_, T>,
    source: &Source,
    args: &Svd,
    par: Par,
) -> Result<ExitCode, CliError> {
    let folder = args.common.folder(args.file.as_deref())?;
    let (result, elapsed) = machine.decompose(a, args)?;
    let summary = summarize(a, &result, machine.name(), elapsed, args);
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

fn summarize<T: Real>(a: Input<'_, T>, result: &Rsvd<T>, machine: String, elapsed: Duration, args: &Svd) -> Summary {
    Summary {
        shape: (a.nrows(), a.ncols()),
        dtype: T::NAME,
        rank: result.rank,
        seconds: elapsed.as_secs_f64(),
        error_estimate: result.error_estimate,
        failure_probability: result.failure_probability,
        tolerance_met: result.tolerance_met,
        passes: result.passes,
        fallback: result.path.to_string(),
        norm: result.norm,
        orthogonality: result.orthogonality,
        seed: args.common.seed,
        threads: args.common.threads(),
        machine,
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

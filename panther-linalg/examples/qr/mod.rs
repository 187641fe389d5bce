//! The example `qr`, whatever decomposes.

pub mod args;
mod report;

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use faer::Par;
use ndarray_npy::WritableElement;
use panther_linalg::{Input, PivotedQr, Real};

use crate::common::cli;
use crate::common::error::CliError;
use crate::common::progress::timed;
use crate::common::read::{self, Matrix, Source};
use crate::common::summary::Summary;
use crate::common::write::{self, Staged};
use args::Qr;

/// What decomposes a matrix of `T`.
pub trait Decompose<T> {
    /// The decomposition, and the time it took.
    fn decompose(&self, a: Input<'_, T>, args: &Qr) -> Result<(PivotedQr<T>, Duration), CliError>;

    /// What it is called in the report.
    fn name(&self) -> String;
}

/// Reads the matrix, has it decomposed by what `open` gives, and writes and tells what came out.
pub fn run<M: Decompose<f32> + Decompose<f64>>(
    args: &Qr,
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
    args: &Qr,
    par: Par,
) -> Result<ExitCode, CliError> {
    let folder = args.common.folder(args.file.as_deref())?;
    let (result, elapsed) = machine.decompose(a, args)?;
    let summary = summarize(a, &result, machine.name(), elapsed, args);
    let written = folder.map(|folder| store(&result, &folder)).transpose()?;
    let text = if args.common.json {
        summary.to_json()?
    } else {
        let mut report = report::report(a, &result, &summary, source, par);
        written.iter().for_each(|files| report.line("written", files));
        report.finish()
    };
    cli::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn summarize<T: Real>(
    a: Input<'_, T>,
    result: &PivotedQr<T>,
    machine: String,
    elapsed: Duration,
    args: &Qr,
) -> Summary {
    Summary {
        shape: (a.nrows(), a.ncols()),
        dtype: T::NAME,
        rank: result.rank,
        seconds: elapsed.as_secs_f64(),
        error_estimate: result.error_estimate,
        failure_probability: result.failure_probability,
        tolerance_met: None,
        passes: result.passes,
        fallback: result.fallback.to_string(),
        norm: result.norm,
        orthogonality: result.orthogonality,
        seed: args.common.seed,
        threads: args.common.threads(),
        machine,
    }
}

fn store<T: Real + WritableElement>(result: &PivotedQr<T>, folder: &Path) -> Result<String, CliError> {
    // An index into memory is below 2⁶³.
    let permutation: Vec<i64> = result.permutation.iter().map(|&j| j as i64).collect();
    let mut files = Staged::new(folder)?;
    files.add("Q.npy", |out| write::matrix(out, &result.q, result.rank))?;
    files.add("R.npy", |out| write::matrix(out, &result.r, result.r.ncols()))?;
    files.add("P.npy", |out| write::vector(out, &permutation))?;
    files.publish()
}

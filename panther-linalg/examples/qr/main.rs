//! Randomized pivoted QR (CQRRPT) of a matrix from a file, or of the photograph that ships with the crate:
//! `cargo run --release -p panther-linalg --example qr -- --help`.

mod args;
#[path = "../common/mod.rs"]
mod common;
mod report;

use std::path::Path;
use std::process::ExitCode;

use faer::Par;
use ndarray_npy::WritableElement;
use panther_linalg::{Input, PivotedQr, Real, cqrrpt};

use args::Qr;
use common::cli;
use common::error::CliError;
use common::progress::timed;
use common::read::{self, Matrix, Source};
use common::summary::Summary;
use common::write::{self, Staged};

fn main() -> ExitCode {
    cli::finish(run())
}

fn run() -> Result<ExitCode, CliError> {
    let args: Qr = cli::parse()?;
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
    args: &Qr,
    par: Par,
) -> Result<ExitCode, CliError> {
    let folder = args.common.folder(args.file.as_deref())?;
    let (result, elapsed) = timed("decomposing", || cqrrpt(a, &args.options(), par));
    let result = result?;
    let summary = summarize(a, &result, elapsed.as_secs_f64(), args);
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

fn summarize<T: Real>(a: Input<'_, T>, result: &PivotedQr<T>, seconds: f64, args: &Qr) -> Summary {
    Summary {
        shape: (a.nrows(), a.ncols()),
        dtype: T::NAME,
        rank: result.rank,
        seconds,
        error_estimate: result.error_estimate,
        failure_probability: result.failure_probability,
        tolerance_met: None,
        passes: result.passes,
        fallback: result.fallback.to_string(),
        norm: result.norm,
        orthogonality: result.orthogonality,
        seed: args.common.seed,
        threads: args.common.threads(),
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

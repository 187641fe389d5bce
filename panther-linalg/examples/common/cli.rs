//! The command line: options that both examples have, one-line errors, exit codes.

use std::fmt::Display;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;

use clap::error::ErrorKind;
use clap::{Args, Parser};
use faer::Par;

use super::error::CliError;

const FAILED: u8 = 2;

/// Where the factors of the photograph go.
const DEFAULT_FOLDER: &str = "panther-out";

#[derive(Args)]
pub struct Common {
    /// Seed of the random numbers: the same seed gives the same bytes
    #[arg(long, value_name = "N", default_value_t = 0, allow_negative_numbers = true)]
    pub seed: u64,
    /// Number of threads [default: all cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024), allow_negative_numbers = true)]
    threads: Option<u16>,
    /// Folder for the factors; without it, those of a FILE are not written [default for the photograph: panther-out]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print one JSON object instead of the report, and leave out the comparison with the exact result
    #[arg(long)]
    pub json: bool,
}

impl Common {
    pub fn threads(&self) -> usize {
        self.threads.map_or_else(|| thread::available_parallelism().map_or(1, usize::from), usize::from)
    }

    /// Starts the threads and makes them faer's default too, so that comparisons are fair.
    pub fn start_threads(&self) -> Result<Par, CliError> {
        let threads = self.threads();
        let par = if threads == 1 { Par::Seq } else { Par::rayon(threads) };
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build_global()
            .map_err(|source| CliError::Threads { threads, source })?;
        faer::set_global_parallelism(par);
        Ok(par)
    }

    /// The folder to write to, if any. That it is not a folder should be known before the work, not after.
    pub fn folder(&self, file: Option<&Path>) -> Result<Option<PathBuf>, CliError> {
        let folder = match (&self.out, file) {
            (Some(out), _) => out.clone(),
            (None, None) => PathBuf::from(DEFAULT_FOLDER),
            (None, Some(_)) => return Ok(None),
        };
        if folder.exists() && !folder.is_dir() {
            return Err(CliError::Write { path: folder, source: io::ErrorKind::NotADirectory.into() });
        }
        Ok(Some(folder))
    }
}

pub fn parse<A: Parser>() -> Result<A, CliError> {
    A::try_parse().map_err(|error| match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => error.exit(),
        _ => CliError::Usage(first_paragraph(&error.to_string())),
    })
}

/// clap puts what is wrong before the first empty line, and hints after it.
fn first_paragraph(message: &str) -> String {
    let lines: Vec<&str> = message.lines().take_while(|line| !line.is_empty()).collect();
    lines.join(" ").trim_start_matches("error: ").to_owned()
}

/// The exit code of a run, after any error has been told.
pub fn finish(result: Result<ExitCode, CliError>) -> ExitCode {
    result.unwrap_or_else(|error| {
        complain(&format_args!("error: {error}"));
        FAILED.into()
    })
}

/// Says something on stderr, in one line whatever the message holds.
pub fn complain(message: &impl Display) {
    let text = message.to_string();
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    // There is nobody left to tell when stderr is closed.
    let _ = writeln!(io::stderr(), "{line}");
}

pub fn print(text: &str) -> Result<(), CliError> {
    Ok(io::stdout().write_all(text.as_bytes())?)
}

//! Makes a trained checkpoint smaller: every weight of a linear layer or convolution that gains by it becomes sketched.
//!
//! ```sh
//! cargo run --release -p panther-nn --example convert -- model.safetensors small.safetensors --budget 0.25
//! ```

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use panther_nn::convert::{CheckpointOptions, CheckpointReport, Choice, ConversionOptions, Method, convert_checkpoint};
use regex::Regex;

/// Converts the linear and convolution weights of a safetensors checkpoint to sketched layers.
#[derive(Parser)]
#[command(name = "convert")]
struct Arguments {
    /// A safetensors file, or the index.json of a sharded checkpoint.
    input: PathBuf,
    /// The file to write; one that ends in .index.json becomes a sharded checkpoint.
    output: PathBuf,
    #[command(flatten)]
    size: Size,
    /// k of every layer.
    #[arg(long, requires = "num_terms", conflicts_with_all = ["budget", "error"])]
    low_rank: Option<usize>,
    /// Convert only tensors whose name this regular expression finds.
    #[arg(long, value_name = "REGEX")]
    include: Option<Regex>,
    /// Leave tensors whose name this regular expression finds as they are.
    #[arg(long, value_name = "REGEX")]
    exclude: Option<Regex>,
    /// Matrices are in×out rather than out×in.
    #[arg(long)]
    transposed: bool,
    /// How the factors are found.
    #[arg(long, value_enum, default_value_t = Way::Rsvd)]
    method: Way,
    /// The seed of everything that is drawn.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Print the report as one JSON object on the last line.
    #[arg(long)]
    json: bool,
}

/// Exactly one of these.
#[derive(Args)]
#[group(required = true, multiple = false)]
struct Size {
    /// The fraction of the weights' values that may be stored in their place.
    #[arg(long, value_name = "FRACTION", allow_negative_numbers = true)]
    budget: Option<f64>,
    /// The relative error allowed for each weight.
    #[arg(long, value_name = "ERROR", allow_negative_numbers = true)]
    error: Option<f64>,
    /// T of every layer.
    #[arg(long, requires = "low_rank")]
    num_terms: Option<usize>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Way {
    Rsvd,
    LeastSquares,
    Sketch,
}

impl Arguments {
    /// `None` where no choice was made, which clap does not let through.
    fn options(&self) -> Option<CheckpointOptions> {
        let choice = match (self.size.budget, self.size.error, self.size.num_terms, self.low_rank) {
            (Some(fraction), ..) => Choice::Budget(fraction),
            (_, Some(error), ..) => Choice::Error(error),
            (_, _, Some(num_terms), Some(low_rank)) => Choice::Size { num_terms, low_rank },
            _ => return None,
        };
        let method = match self.method {
            Way::Rsvd => Method::Rsvd,
            Way::LeastSquares => Method::LeastSquares,
            Way::Sketch => Method::Sketch,
        };
        let conversion = ConversionOptions { method, seed: self.seed, storage: None };
        Some(CheckpointOptions { choice, conversion, transposed: self.transposed })
    }

    fn selects(&self, name: &str) -> bool {
        self.include.as_ref().is_none_or(|regex| regex.is_match(name))
            && !self.exclude.as_ref().is_some_and(|regex| regex.is_match(name))
    }
}

fn convert(arguments: &Arguments) -> Result<CheckpointReport, String> {
    let options = arguments.options().ok_or("one of --budget, --error, --num-terms with --low-rank is needed")?;
    let bar = ProgressBar::no_length();
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} weights, {eta} left") {
        bar.set_style(style);
    }
    let report = convert_checkpoint(
        &arguments.input,
        &arguments.output,
        &options,
        &|name| arguments.selects(name),
        &|done, of| {
            bar.set_length(of as u64);
            bar.set_position(done as u64);
        },
    );
    bar.finish_and_clear();
    report.map_err(|error| error.to_string())
}

/// The table, and the JSON if it was asked for.
fn printed(report: &CheckpointReport, json: bool) -> Result<String, String> {
    let mut text = format!("{report}\n");
    if json {
        text += &serde_json::to_string(report).map_err(|error| error.to_string())?;
        text.push('\n');
    }
    Ok(text)
}

/// The exit code: 0, or 2 with one line on `stderr`.
pub fn run(arguments: impl Iterator<Item = OsString>, stdout: &mut impl Write, stderr: &mut impl Write) -> u8 {
    let result = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => convert(&arguments).and_then(|report| printed(&report, arguments.json)),
        Err(error) if error.use_stderr() => {
            let text = error.to_string();
            Err(text.split("\n\n").next().unwrap_or_default().trim_start_matches("error: ").to_owned())
        }
        Err(help) => Ok(help.to_string()),
    };
    // Whoever closed a pipe does not want to read from it.
    match result {
        Ok(text) => {
            let _ = stdout.write_all(text.as_bytes());
            0
        }
        Err(error) => {
            let _ = writeln!(stderr, "error: {}", error.split_whitespace().collect::<Vec<_>>().join(" "));
            2
        }
    }
}

fn main() -> ExitCode {
    run(std::env::args_os(), &mut std::io::stdout(), &mut std::io::stderr()).into()
}

//! Makes a trained checkpoint smaller: every weight of a linear layer or convolution that gains by it becomes sketched.
//!
//! ```sh
//! cargo run --release -p panther-nn --example convert -- model.safetensors small.safetensors --budget 0.25
//! ```

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
    #[arg(long, requires = "num_terms")]
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
    /// The fraction of the weights' numbers that may be stored in their place.
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

/// One line on stderr.
fn refuse(error: &str) -> ExitCode {
    eprintln!("error: {}", error.split_whitespace().collect::<Vec<_>>().join(" "));
    ExitCode::from(2)
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) if error.use_stderr() => {
            let text = error.to_string();
            let first = text.split("\n\n").next().unwrap_or_default();
            return refuse(first.trim_start_matches("error: "));
        }
        Err(help) => help.exit(),
    };
    let report = match convert(&arguments) {
        Ok(report) => report,
        Err(error) => return refuse(&error),
    };
    let mut text = format!("{report}\n");
    if arguments.json {
        match serde_json::to_string(&report) {
            Ok(json) => text += &format!("{json}\n"),
            Err(error) => text += &format!("{{\"error\":\"{error}\"}}\n"),
        }
    }
    // Whoever closed the pipe does not want to read it.
    let _ = std::io::stdout().write_all(text.as_bytes());
    ExitCode::SUCCESS
}

//! `panther-bench gpu-check` compares the device with dense references; `panther-bench gpu-times` times it.

mod gpu;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use panther_gpu::Device;
use panther_nn::NnError;

/// Checks and times the workspace's GPU part.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// Number of the CUDA device.
    #[arg(long, default_value_t = 0, global = true)]
    device: usize,
}

#[derive(Subcommand)]
enum Command {
    /// Runs every accuracy comparison and prints a table; the exit code is 1 where one fails.
    GpuCheck {
        /// Only checks whose name contains this.
        #[arg(default_value = "")]
        only: String,
        /// Runs of each computation whose bytes must not differ.
        #[arg(long, default_value_t = 20)]
        repeats: usize,
    },
    /// Times decompositions, sketches and layers by the device's clock: medians after warming up.
    GpuTimes {
        /// Only cases whose name contains this.
        #[arg(default_value = "")]
        only: String,
        /// Runs that are timed, after two that are not.
        #[arg(long, default_value_t = 7)]
        runs: usize,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let device = match Device::new(arguments.device) {
        Ok(device) => device,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    println!("{}", device.name());
    let outcome = match arguments.command {
        Command::GpuCheck { only, repeats } => Ok(gpu::check::run(&device, &only, repeats)),
        Command::GpuTimes { only, runs } => {
            let runs = gpu::times::Runs { warm: 2, timed: runs.max(1) };
            gpu::times::run(&device, &only, runs)
                .map_err(NnError::from)
                .and_then(|()| gpu::layer_times::run(&device, &only, runs))
                .and_then(|()| gpu::graph_times::run(&device, &only, runs))
                .map(|()| true)
        }
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

//! `panther-bench run` measures suites and stores the results; `panther-bench linear` and similar commands compare one layer or
//! decomposition with its dense counterpart. `panther-bench gpu-check` compares a GPU with dense references; `panther-bench gpu-times` times it.

mod cli;
mod device;
mod gpu;
mod machine;
mod measure;
mod run;
mod side_by_side;
mod store;
mod suites;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use cli::{Arguments, Command, DeviceArguments};
use device::BenchDevice;
use panther_bench::record::{Machine, Outcome};
use panther_bench::{compare, figures, report};
use panther_gpu::Device;
use side_by_side::Pair;
use suites::{Bench, DeviceKind, Preset};

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Run(run) => measure(&run),
        Command::Plot { files, out } => draw(&files, &out),
        Command::Report { results, docs } => page(&results, &docs),
        Command::Compare { before, after } => differences(&before, &after),
        Command::Linear(arguments) => compare_pair(&(&arguments).into(), &arguments.on),
        Command::Attention(arguments) => compare_pair(&(&arguments).into(), &arguments.on),
        Command::Conv(arguments) => compare_pair(&(&arguments).into(), &arguments.on),
        Command::Rsvd(arguments) => compare_pair(&(&arguments).into(), &arguments.on),
        Command::Cqrrpt(arguments) => compare_pair(&(&arguments).into(), &arguments.on),
        Command::GpuCheck { only, repeats, device } => check(device, &only, repeats),
        Command::GpuTimes { only, runs, device } => times(device, &only, runs),
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

/// Opens the device with its threads.
fn open(on: &DeviceArguments, preset: Preset) -> Result<(Bench, Machine), Box<dyn Error>> {
    let threads = on.threads();
    device::use_threads(threads);
    let device = BenchDevice::open(on.device, threads)?;
    let bench = Bench { budget: preset.budget(DeviceKind::of(&device)), device };
    let machine = machine::describe(&bench.device, threads)?;
    Ok((bench, machine))
}

/// Runs suites; whether no cell failed.
fn measure(run: &cli::Run) -> Result<bool, Box<dyn Error>> {
    let preset = run.preset();
    let (bench, machine) = open(&run.on, preset)?;
    let mut failed = 0;
    for suite in &run.suites.0 {
        let tasks = suite.tasks(DeviceKind::of(&bench.device), preset);
        let file = run.file(*suite, &machine.device)?;
        failed += run::suite(suite.name(), &tasks, &bench, &machine, &file)?.failed;
    }
    Ok(failed == 0)
}

fn draw(files: &[PathBuf], out: &Path) -> Result<bool, Box<dyn Error>> {
    for picture in figures::plot(files, out)? {
        println!("{}", picture.display());
    }
    Ok(true)
}

fn page(results: &Path, docs: &Path) -> Result<bool, Box<dyn Error>> {
    report::report(results, docs)?;
    println!("{}", docs.join("benchmarks.md").display());
    Ok(true)
}

fn differences(before: &Path, after: &Path) -> Result<bool, Box<dyn Error>> {
    print!("{}", compare::compare(&figures::read(before)?, &figures::read(after)?)?);
    Ok(true)
}

/// Measures and prints both methods of a pair; whether both succeeded.
fn compare_pair(pair: &Pair, on: &DeviceArguments) -> Result<bool, Box<dyn Error>> {
    let (bench, machine) = open(on, Preset::Full)?;
    let outcomes = pair.measure(&bench);
    print!("{}", pair.table(&outcomes, &machine));
    Ok(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Measured(_))))
}

fn check(ordinal: usize, only: &str, repeats: usize) -> Result<bool, Box<dyn Error>> {
    let device = Device::new(ordinal)?;
    println!("{}", device.name());
    Ok(gpu::check::run(&device, only, repeats))
}

fn times(ordinal: usize, only: &str, runs: usize) -> Result<bool, Box<dyn Error>> {
    let device = Device::new(ordinal)?;
    println!("{}", device.name());
    let runs = gpu::times::Runs { warm: 2, timed: runs.max(1) };
    gpu::times::run(&device, only, runs)?;
    gpu::layer_times::run(&device, only, runs)?;
    gpu::graph_times::run(&device, only, runs)?;
    Ok(true)
}

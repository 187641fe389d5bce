//! Handwritten digits, read by dense and by sketched networks of a fraction of their values.
//!
//! `cargo run --release -p panther-nn --example digits [-- --device cpu|cuda[:N] --epochs N --seed N --out DIR --quick]`
//!
//! Trains a dense and a sketched perceptron, and a dense and a sketched convolutional network, on three quarters of the digits, and
//! tests them on the rest; converts the trained dense perceptron to a sketched one and fine-tunes that. Prints what each network
//! takes, and draws their learning curves to DIR/digits.png.

mod data;
#[path = "../common/device.rs"]
mod device;
mod models;
mod plot;
mod run;

use std::error::Error;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Parser;
use panther_nn::backend::Backend;
use panther_nn::cpu::Cpu;
#[cfg(feature = "cuda")]
use panther_nn::cuda::Cuda;

use crate::data::Images;
use crate::device::Device;
use crate::run::{Outcome, Plan};

/// Trains dense and sketched networks to read handwritten digits.
#[derive(Parser)]
struct Arguments {
    /// Where it runs: cpu, or with the feature cuda also cuda or cuda:N.
    #[arg(long, default_value = "cpu")]
    device: Device,
    /// Times through the training set.
    #[arg(long, default_value = "40")]
    epochs: NonZeroUsize,
    /// The seed of the split, of the networks and of the order of the images.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where the learning curves are written.
    #[arg(long, default_value = ".")]
    out: PathBuf,
    /// Three epochs only.
    #[arg(long)]
    quick: bool,
}

/// The greatest learning rate of a network that starts from nothing.
const RATE: f64 = 3e-3;

/// That of the sketched perceptron: through factors, and halved, a step moves its weights less than a dense one's.
const SKETCHED_RATE: f64 = 6e-3;

/// That of fine-tuning.
const TUNING_RATE: f64 = 1e-3;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    match arguments.device {
        Device::Cpu => run_on(&Cpu::default(), &arguments),
        #[cfg(feature = "cuda")]
        Device::Cuda(ordinal) => run_on(&Cuda::new(ordinal)?, &arguments),
    }
}

fn run_on<B: Backend>(backend: &B, arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let &Arguments { epochs, seed, ref out, quick, .. } = arguments;
    let plan = Plan { epochs: if quick { 3 } else { epochs.get() }, rate: RATE, seed };
    let (training, test) = Images::split(seed)?;
    println!("{} images to train with, {} to test, seed {seed}, {} epochs", training.len(), test.len(), plan.epochs);
    let images = (&training, &test);
    let faster = Plan { rate: SKETCHED_RATE, ..plan };
    let mut dense = models::dense_mlp(backend, seed)?;
    let mut outcomes = vec![
        run::train(backend, "dense MLP", &mut dense, images, &plan)?,
        run::train(backend, "sketched MLP", &mut models::sketched_mlp(backend, seed)?, images, &faster)?,
    ];
    let (mut converted, errors) = models::converted_mlp(backend, &dense, seed)?;
    let tuning = Plan { epochs: plan.epochs.div_ceil(2), rate: TUNING_RATE, seed: seed.wrapping_add(1) };
    outcomes.push(run::train(backend, "dense MLP converted, tuned", &mut converted, images, &tuning)?);
    let before = 100.0 * outcomes[2].curve[0].accuracy;
    let cnns = [
        run::train(backend, "dense CNN", &mut models::dense_cnn(backend, seed)?, images, &plan)?,
        run::train(backend, "sketched CNN", &mut models::sketched_cnn(backend, seed)?, images, &plan)?,
    ];
    print_header();
    print_rows(&outcomes);
    print_rows(&cnns);
    let errors: Vec<String> = errors.iter().map(|error| format!("{:.0}%", 100.0 * error)).collect();
    println!(
        "\nThe converted network, weights changed by {}, had {before:.2}% before its {} epochs of fine-tuning.",
        errors.join(" and "),
        tuning.epochs
    );
    outcomes.extend(cnns);
    std::fs::create_dir_all(out)?;
    let path = out.join("digits.png");
    plot::learning_curves(&path, &outcomes)?;
    println!("learning curves: {}", path.display());
    Ok(())
}

fn print_header() {
    println!(
        "\n{:<28} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}",
        "network", "accuracy", "learned", "stored", "bytes", "of dense", "ms/step"
    );
}

/// One line a network; the fraction is that of the values stored by the first.
fn print_rows(outcomes: &[Outcome]) {
    for outcome in outcomes {
        let Outcome { name, learned, stored, step, .. } = outcome;
        let (accuracy, fraction) = (100.0 * outcome.accuracy(), 100.0 * *stored as f64 / outcomes[0].stored as f64);
        let (bytes, milliseconds) = (stored * size_of::<f32>(), 1e3 * step);
        println!(
            "{name:<28} {accuracy:>8.2}% {learned:>9} {stored:>9} {bytes:>9} {fraction:>8.1}% {milliseconds:>9.3}"
        );
    }
}

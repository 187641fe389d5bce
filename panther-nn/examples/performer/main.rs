//! A small causal character model, with attention through random features and with dense attention.
//!
//! `cargo run --release -p panther-nn --example performer [-- --device cpu|cuda[:N] --steps N --seed N --out DIR --quick]`
//!
//! Trains both on the first book of Moses, prints the bits a character that each needs for the end of the text and some text that each
//! writes, then measures a training step of both attentions at growing length, and draws that to DIR/performer.png.

#[path = "../common/device.rs"]
mod device;
mod learn;
mod measure;
mod model;
mod plot;
mod text;

use std::error::Error;
use std::path::PathBuf;

use clap::Parser;
use panther_nn::backend::Backend;
use panther_nn::cpu::Cpu;
#[cfg(feature = "cuda")]
use panther_nn::cuda::Cuda;

use crate::device::Device;
use crate::learn::Plan;
use crate::model::{Attention, Model, Sizes};
use crate::text::Text;

/// Trains a character model with linear and with dense attention, and measures both.
#[derive(Parser)]
struct Arguments {
    /// Where it runs: cpu, or with the feature cuda also cuda or cuda:N.
    #[arg(long, default_value = "cpu")]
    device: Device,
    /// Steps of training.
    #[arg(long, default_value_t = 1200)]
    steps: usize,
    /// The seed of the models, of the batches and of the text that is written.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where the plot is written.
    #[arg(long, default_value = ".")]
    out: PathBuf,
    /// Few steps and short sequences only.
    #[arg(long)]
    quick: bool,
}

const SIZES: Sizes = Sizes { width: 128, heads: 8, blocks: 2, length: 64 };
/// Windows of a batch.
const BATCH: usize = 8;
const ATTENTIONS: [(&str, Attention); 2] =
    [("linear attention", Attention::Linear { features: 64 }), ("dense attention", Attention::Dense)];
/// Width and heads of the attention that is measured, and its lengths: the first five of them where it is to be quick.
const MEASURED: (usize, usize) = (256, 4);
const LENGTHS: [usize; 7] = [128, 256, 512, 1024, 2048, 4096, 8192];

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    match arguments.device {
        Device::Cpu => run_on(&Cpu::default(), &arguments),
        #[cfg(feature = "cuda")]
        Device::Cuda(ordinal) => run_on(&Cuda::new(ordinal)?, &arguments),
    }
}

fn run_on<B: Backend>(backend: &B, arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let &Arguments { steps, seed, ref out, quick, .. } = arguments;
    let plan = Plan { steps: if quick { 40 } else { steps }, batch: BATCH, seed };
    let text = Text::new();
    let (training, test) = text.lengths();
    println!("{training} characters to train with, {test} to test, {} different ones, seed {seed}", text.symbols());
    for (name, attention) in ATTENTIONS {
        let mut model = Model::new(backend, text.symbols(), SIZES, attention, seed)?;
        let values: usize = model.parameters_mut().iter().map(|parameter| parameter.trainable_len()).sum();
        let outcome = learn::train(backend, name, &mut model, &text, plan)?;
        let time = outcome.time.as_secs_f64();
        println!(
            "\n{name}: {:.3} bits a character after {} steps in {time:.1} s, {values} values",
            outcome.bits, plan.steps
        );
        println!("{}", learn::write(backend, &model, &text, "And God said unto ", 200, seed)?);
    }
    let lengths = if quick { &LENGTHS[..5] } else { &LENGTHS };
    let (width, heads) = MEASURED;
    let mut costs = Vec::new();
    for (name, attention) in ATTENTIONS {
        costs.push((name, measure::training_steps(backend, width, heads, attention, lengths)?));
    }
    println!(
        "\nforward and backward of one causal attention layer, width {width}, {heads} heads, f32; memory is that of the host"
    );
    println!("{:>8} {:>22} {:>22}", "length", ATTENTIONS[0].0, ATTENTIONS[1].0);
    for (linear, dense) in costs[0].1.iter().zip(&costs[1].1) {
        let cell = |cost: &measure::Cost| format!("{:.1} ms {:.1} MiB", 1e3 * cost.seconds, cost.bytes / 1_048_576.0);
        println!("{:>8} {:>22} {:>22}", linear.length, cell(linear), cell(dense));
    }
    std::fs::create_dir_all(out)?;
    let path = out.join("performer.png");
    plot::costs(&path, &costs)?;
    println!("plot: {}", path.display());
    Ok(())
}

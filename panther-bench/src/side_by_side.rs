//! One case measured with the dense method and with Panther's, as a table.

use std::fmt::Write;

use panther_bench::record::{Machine, Measured, Outcome};
use panther_gpu::Precision;
use panther_nn::backend::AttentionKernel;

use crate::cli::{Attention, Conv, Cqrrpt, Linear, Rsvd};
use crate::measure::failure;
use crate::suites::{Bench, Task, attention, conv, cqrrpt, linear, rsvd};

/// The dense method and Panther's, with the name of each.
pub struct Pair {
    names: [&'static str; 2],
    tasks: [Box<dyn Task>; 2],
}

impl Pair {
    fn new<T: Task + 'static>(names: [&'static str; 2], tasks: [T; 2]) -> Self {
        Self { names, tasks: tasks.map(|task| Box::new(task) as Box<dyn Task>) }
    }

    /// Measures both.
    pub fn measure(&self, bench: &Bench) -> [Outcome; 2] {
        let outcome = |task: &dyn Task| task.measure(bench).map_or_else(|error| failure(&error), Outcome::Measured);
        [outcome(self.tasks[0].as_ref()), outcome(self.tasks[1].as_ref())]
    }

    /// Their results: medians, peak memory and metrics.
    pub fn table(&self, outcomes: &[Outcome; 2], machine: &Machine) -> String {
        let threads = if machine.device == "cpu" { format!(", {} threads", machine.threads) } else { String::new() };
        let mut text = format!("{}\n{}{threads}\n", self.tasks[1].key(), machine.name);
        let [standard, panther] = self.names;
        line(&mut text, ["", standard, panther, "speed-up"]);
        for (name, seconds) in [("forward", forward as Quantity), ("forward and backward", backward)] {
            row(&mut text, name, outcomes, seconds, |s| format!("{:.4} ms", 1e3 * s), |a, b| format!("{:.2}", a / b));
        }
        for (name, bytes) in [("memory, forward", memory_forward as Quantity), ("memory, both", memory_backward)] {
            row(&mut text, name, outcomes, bytes, |b| format!("{:.1} MiB", b / 1_048_576.0), |_, _| String::new());
        }
        for name in names(outcomes) {
            let metric = |measured: &Measured| measured.metric(name);
            row(&mut text, name, outcomes, metric, number, |_, _| String::new());
        }
        for (name, outcome) in self.names.iter().zip(outcomes) {
            match outcome {
                Outcome::Measured(_) => {}
                Outcome::OutOfMemory => text += &format!("{name}: out of memory\n"),
                Outcome::Failed(reason) => text += &format!("{name}: {reason}\n"),
            }
        }
        text
    }
}

type Quantity = fn(&Measured) -> Option<f64>;

fn forward(measured: &Measured) -> Option<f64> {
    measured.forward.map(|time| time.median)
}

fn backward(measured: &Measured) -> Option<f64> {
    measured.backward.map(|time| time.median)
}

fn memory_forward(measured: &Measured) -> Option<f64> {
    measured.memory_forward.map(|bytes| bytes as f64)
}

fn memory_backward(measured: &Measured) -> Option<f64> {
    measured.memory_backward.map(|bytes| bytes as f64)
}

/// Of all metrics, each once.
fn names(outcomes: &[Outcome; 2]) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for outcome in outcomes {
        let Outcome::Measured(measured) = outcome else { continue };
        for (name, _) in &measured.metrics {
            if !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
    }
    names
}

/// Omits the row if neither method has the value.
fn row(
    text: &mut String,
    name: &str,
    outcomes: &[Outcome; 2],
    of: impl Fn(&Measured) -> Option<f64>,
    words: impl Fn(f64) -> String,
    together: impl Fn(f64, f64) -> String,
) {
    let [standard, panther] = [0, 1].map(|i| match &outcomes[i] {
        Outcome::Measured(measured) => of(measured),
        Outcome::OutOfMemory | Outcome::Failed(_) => None,
    });
    if standard.or(panther).is_some() {
        let together = standard.zip(panther).map(|(a, b)| together(a, b)).unwrap_or_default();
        let cell = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), &words);
        line(text, [name, &cell(standard), &cell(panther), &together]);
    }
}

fn line(text: &mut String, [name, standard, panther, last]: [&str; 4]) {
    // Writing to a string does not fail.
    let _ = writeln!(text, "{}", format!("{name:<22}{standard:>16}{panther:>16}{last:>10}").trim_end());
}

/// Counts in full, errors by their magnitude.
fn number(x: f64) -> String {
    if x.fract() == 0.0 { format!("{x}") } else { format!("{x:.3e}") }
}

impl From<&Linear> for Pair {
    fn from(arguments: &Linear) -> Self {
        let &Linear { d_in, d_out, num_terms, low_rank, batch, .. } = arguments;
        let case = |sketch| linear::Case { d_in, d_out, batch, sketch, precision: Precision::F32 };
        Self::new(["standard", "sketched"], [case(None), case(Some((num_terms, low_rank)))])
    }
}

impl From<&Attention> for Pair {
    fn from(arguments: &Attention) -> Self {
        let &Attention { embed, heads, features, length, relu, causal, .. } = arguments;
        let kernel = if relu { AttentionKernel::Relu } else { AttentionKernel::Softmax };
        let case = |features| attention::Case { embed, heads, length, causal, features };
        Self::new(["standard", "randomized"], [case(None), case(Some((kernel, features)))])
    }
}

impl From<&Conv> for Pair {
    fn from(arguments: &Conv) -> Self {
        let &Conv { kernel, image, c_in, c_out, batch, num_terms, low_rank, .. } = arguments;
        let case = |sketch| conv::Case { kernel, image, c_in, c_out, batch, sketch };
        Self::new(["standard", "sketched"], [case(None), case(Some((num_terms, low_rank)))])
    }
}

impl From<&Rsvd> for Pair {
    fn from(arguments: &Rsvd) -> Self {
        let &Rsvd { size, rank, .. } = arguments;
        let exact = rsvd::Case { size, rank: None, method: rsvd::Method::Exact, exponential: false };
        let panther = rsvd::Case { rank: Some(rank), method: rsvd::Method::Krylov, ..exact };
        Self::new(["exact SVD", "rsvd"], [exact, panther])
    }
}

impl From<&Cqrrpt> for Pair {
    fn from(arguments: &Cqrrpt) -> Self {
        let &Cqrrpt { rows, columns, double, .. } = arguments;
        let case = |method| cqrrpt::Case { rows, columns, double, method };
        Self::new(["unpivoted QR", "cqrrpt"], [case(cqrrpt::Method::Unpivoted), case(cqrrpt::Method::Panther)])
    }
}

#[cfg(test)]
mod tests {
    use panther_bench::record::Time;

    use super::*;

    fn machine() -> Machine {
        let (device, name, date) = ("cpu".into(), "A processor".into(), "2026-11-23".into());
        Machine { device, name, threads: 2, memory: 1 << 30, date, versions: Vec::new() }
    }

    fn pair() -> Pair {
        let case = |sketch| linear::Case { d_in: 64, d_out: 64, batch: 4, sketch, precision: Precision::F32 };
        Pair::new(["standard", "sketched"], [case(None), case(Some((1, 4)))])
    }

    #[test]
    fn table_has_both_methods_and_the_speedup() {
        let measured = |seconds: f64, bytes| {
            let time = |median| Some(Time { median, min: median, max: median, runs: 3 });
            Outcome::Measured(Measured {
                forward: time(seconds),
                backward: time(3.0 * seconds),
                memory_forward: Some(bytes),
                memory_backward: None,
                metrics: vec![("parameters".to_owned(), bytes as f64)],
            })
        };
        let table = pair().table(&[measured(0.01, 1 << 21), measured(0.004, 1 << 20)], &machine());
        let expected = "\
sketched in 64 out 64 batch 4 num_terms 1 low_rank 4 f32
A processor, 2 threads
                              standard        sketched  speed-up
forward                     10.0000 ms       4.0000 ms      2.50
forward and backward        30.0000 ms      12.0000 ms      2.50
memory, forward                2.0 MiB         1.0 MiB
parameters                     2097152         1048576
";
        assert_eq!(table, expected);
    }

    #[test]
    fn table_reports_failures() {
        let table = pair().table(&[Outcome::OutOfMemory, Outcome::Failed("no".to_owned())], &machine());
        assert!(table.ends_with("standard: out of memory\nsketched: no\n"), "{table}");
    }
}

//! `rsvd_runtime`, `rsvd_error` and `rsvd_memory`.

use std::fmt::Write;

use super::analysis::comparison::{Comparison, Summary, sentences};
use super::analysis::data::{Data, Pass, number};
use super::draw::chart::{Chart, Panel, Row, Series};
use super::draw::style::Look;
use super::figure::{Figure, Observation, on};
use crate::record::{Measured, Record};

/// An excess of the error over the best possible below this is drawn as this.
const MIN_EXCESS: f64 = 1e-6;
const MIB: f64 = 1_048_576.0;

/// The three figures of a device.
pub fn figures(records: &[Record], device: &str) -> Vec<Figure> {
    let data = Data::of(records, "rsvd", device);
    let make = |stem: &str, title: &str, quantities: &[Quantity], finding| {
        let chart = Chart {
            title: format!("Randomized SVD of size × size: {title}"),
            subtitle: format!("{}; ranks of σᵢ = 1/i, tolerance of exponential decay", data.machine()),
            x: "size".to_owned(),
            columns: columns(&data).iter().map(Column::name).collect(),
            rows: quantities.iter().map(|quantity| row(&data, quantity)).collect(),
        };
        Figure::new(&on(stem.to_owned(), device), "rsvd", device, chart, finding)
    };
    let time = Quantity { y: "ms", of_exact: true, value: |m| Pass::Forward.milliseconds(m) };
    let memory =
        Quantity { y: "peak MiB", of_exact: true, value: |m| m.memory_forward.map(|bytes| bytes as f64 / MIB) };
    let excess =
        Quantity { y: "error ÷ best − 1", of_exact: false, value: |m| m.metric("error_over_best").map(excess) };
    let estimate = Quantity { y: "estimate ÷ error", of_exact: false, value: estimate_over_error };
    let times = comparisons(&data, "fast", |m| Pass::Forward.milliseconds(m));
    vec![
        make("rsvd_runtime", "time", &[time], sentences(&times)),
        make("rsvd_error", "error in the Frobenius norm", &[excess, estimate], accuracy(&data)),
        make(
            "rsvd_memory",
            "peak memory beside the matrix",
            &[memory],
            sentences(&comparisons(&data, "small", |m| m.memory_forward.map(|bytes| bytes as f64))),
        ),
    ]
}

/// What they say.
pub fn observations(records: &[Record], device: &str) -> Vec<Observation> {
    let data = Data::of(records, "rsvd", device);
    let comparisons = comparisons(&data, "fast", |m| Pass::Forward.milliseconds(m));
    vec![Observation::new("Randomized SVD".to_owned(), device, comparisons)]
}

/// What a row of panels shows.
struct Quantity {
    y: &'static str,
    /// Whether it says anything of exact decompositions, which have no rank.
    of_exact: bool,
    value: fn(&Measured) -> Option<f64>,
}

/// A column of panels, in a precision.
struct Column<'a> {
    target: Target,
    precision: &'a str,
}

/// σᵢ = 1/i to a rank, or exponential decay to a tolerance.
enum Target {
    Rank(u64),
    Tolerance,
}

impl Column<'_> {
    fn name(&self) -> String {
        match self.target {
            Target::Rank(rank) => format!("rank {rank}, {}", self.precision),
            Target::Tolerance => format!("tolerance 10⁻⁶, {}", self.precision),
        }
    }

    fn of<'a>(&self, data: &Data<'a>) -> Data<'a> {
        let data = data.precision(self.precision);
        match self.target {
            Target::Rank(rank) => data.with("spectrum", "polynomial").at("rank", rank),
            Target::Tolerance => data.with("spectrum", "exponential"),
        }
    }
}

/// Those that there are results of.
fn columns<'a>(data: &Data<'a>) -> Vec<Column<'a>> {
    let (ranked, tolerated) = (data.with("spectrum", "polynomial"), data.with("spectrum", "exponential"));
    let ranks = ranked.precisions().into_iter().flat_map(|precision| {
        let ranks = ranked.precision(precision).values("rank").into_iter();
        ranks.map(move |rank| Column { target: Target::Rank(rank), precision })
    });
    let tolerances = tolerated.precisions().into_iter();
    ranks.chain(tolerances.map(|precision| Column { target: Target::Tolerance, precision })).collect()
}

fn row(data: &Data<'_>, quantity: &Quantity) -> Row {
    let panel = |column: &Column<'_>| Panel { caption: String::new(), series: series(&column.of(data), quantity) };
    Row { name: String::new(), y: quantity.y.to_owned(), panels: columns(data).iter().map(panel).collect() }
}

fn series(data: &Data<'_>, quantity: &Quantity) -> Vec<Series> {
    let of = |method: &str| {
        let points = data.method(method).points(|cell| number(cell, "size"), |_, m| (quantity.value)(m));
        Series::new(method, Look::of(method), points)
    };
    data.methods().into_iter().filter(|method| quantity.of_exact || *method != "exact").map(of).collect()
}

fn excess(error_over_best: f64) -> f64 {
    (error_over_best - 1.0).max(MIN_EXCESS)
}

fn comparisons(data: &Data<'_>, better: &'static str, value: fn(&Measured) -> Option<f64>) -> Vec<Summary> {
    let (candidates, bases): (Vec<_>, Vec<_>) =
        data.methods().into_iter().partition(|method| method.starts_with("panther"));
    let mut summaries = Vec::new();
    for candidate in candidates {
        for base in &bases {
            for precision in data.method(base).precisions() {
                let comparison = Comparison {
                    base: data.method(base).precision(precision),
                    base_name: format!("{base} in {precision}"),
                    candidate: data.method(candidate).precision(precision),
                    candidate_name: candidate.to_owned(),
                    value,
                    better,
                    size: |cell| number(cell, "size"),
                    unit: "size",
                };
                summaries.extend(comparison.summary());
            }
        }
    }
    summaries
}

fn estimate_over_error(measured: &Measured) -> Option<f64> {
    Some(measured.metric("estimate")? / measured.metric("error")?)
}

/// The largest excess of each method, and how far estimates are from errors.
fn accuracy(data: &Data<'_>) -> String {
    let mut text = String::new();
    for (spectrum, what) in [("polynomial", "of the rank"), ("exponential", "of as many triplets, to the tolerance")] {
        let data = data.with("spectrum", spectrum);
        let worst =
            |method: &str| data.method(method).largest("error_over_best").map(|ratio| format!("{method} {ratio:.5}"));
        let worst: Vec<String> = data.methods().into_iter().filter_map(worst).collect();
        if !worst.is_empty() {
            let _ = write!(text, "Largest error over that of the best approximation {what}: {}. ", worst.join(", "));
        }
    }
    let ratios = data.measured().filter_map(|(_, m)| estimate_over_error(m));
    let mut ratios: Vec<f64> = ratios.collect();
    ratios.sort_by(f64::total_cmp);
    if let (Some(least), Some(most)) = (ratios.first(), ratios.last()) {
        let _ = write!(
            text,
            "The error estimate, an upper bound but for a stated probability, is {least:.3} to {most:.2} times the error. "
        );
    }
    let worst = |method: &str| {
        let of = data.method(method).precision("f32");
        of.largest("orthogonality").map(|defect| format!("{method} {defect:.1e}"))
    };
    let worst: Vec<String> = data.methods().into_iter().filter_map(worst).collect();
    if !worst.is_empty() {
        let _ = write!(text, "Largest ‖UᵀU − I‖ in f32, of V too for ours: {}. ", worst.join(", "));
    }
    if text.is_empty() { text } else { text + "An excess below 10⁻⁶ is drawn as that." }
}

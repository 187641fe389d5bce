//! `cqrrpt_runtime_mM` and `cqrrpt_error_mM`.

use super::analysis::comparison::{Comparison, Summary, sentences};
use super::analysis::data::{Data, Pass, number};
use super::draw::chart::{Chart, Panel, Row, Series};
use super::draw::style::Look;
use super::figure::{Figure, Observation, on};
use crate::record::{Measured, Record};

const ROWS: [u64; 2] = [8192, 16384];

/// What a panel shows.
struct Quantity {
    name: &'static str,
    value: fn(&Measured) -> Option<f64>,
}

const TIME: [Quantity; 1] = [Quantity { name: "", value: |m| Pass::Forward.milliseconds(m) }];
const ERRORS: [Quantity; 2] = [
    Quantity { name: "‖AP − QR‖ ÷ ‖A‖", value: |m| m.metric("error") },
    Quantity { name: "‖QᵀQ − I‖", value: |m| m.metric("orthogonality") },
];

/// All figures of a device.
pub fn figures(records: &[Record], device: &str) -> Vec<Figure> {
    let data = Data::of(records, "cqrrpt", device);
    let pair = |rows| {
        let data = data.at("rows", rows);
        let make = |stem: &str, title: &str, quantities: &[Quantity], finding| {
            let chart = Chart {
                title: format!("QR of {rows} × n: {title}"),
                subtitle: format!("{}; panther is CQRRPT, with pivots", data.machine()),
                x: "columns n".to_owned(),
                ..grid(&data, quantities)
            };
            Figure::new(&on(format!("{stem}_m{rows}"), device), "cqrrpt", device, chart, finding)
        };
        [
            make("cqrrpt_runtime", "time", &TIME, sentences(&comparisons(&data))),
            make("cqrrpt_error", "errors of reconstruction and of orthogonality", &ERRORS, accuracy(&data)),
        ]
    };
    ROWS.into_iter().flat_map(pair).collect()
}

/// What they say.
pub fn observations(records: &[Record], device: &str) -> Vec<Observation> {
    let comparisons = comparisons(&Data::of(records, "cqrrpt", device));
    vec![Observation::new("Pivoted QR".to_owned(), device, comparisons)]
}

/// Times of all precisions share an axis; errors do only within a precision.
fn grid(data: &Data<'_>, quantities: &[Quantity]) -> Chart {
    let panel = |precision: &str, quantity: &Quantity| panel(&data.precision(precision), quantity);
    let precisions = data.precisions();
    if let [quantity] = quantities {
        let panels = precisions.iter().map(|precision| panel(precision, quantity)).collect();
        let columns = precisions.iter().map(|&precision| precision.to_owned()).collect();
        return Chart {
            columns,
            rows: vec![Row { name: String::new(), y: "ms".to_owned(), panels }],
            ..Chart::default()
        };
    }
    let row = |precision: &&str| Row {
        name: (*precision).to_owned(),
        y: "error".to_owned(),
        panels: quantities.iter().map(|quantity| panel(precision, quantity)).collect(),
    };
    Chart {
        columns: quantities.iter().map(|quantity| quantity.name.to_owned()).collect(),
        rows: precisions.iter().map(row).collect(),
        ..Chart::default()
    }
}

fn panel(data: &Data<'_>, quantity: &Quantity) -> Panel {
    let of = |method| {
        let points = data.method(method).points(|cell| number(cell, "columns"), |_, m| (quantity.value)(m));
        Series::new(method, Look::of(method), points)
    };
    Panel { caption: String::new(), series: data.methods().into_iter().map(of).collect() }
}

fn comparisons(data: &Data<'_>) -> Vec<Summary> {
    let mut summaries = Vec::new();
    for base in data.methods().into_iter().filter(|method| *method != "panther") {
        for precision in data.method(base).precisions() {
            let comparison = Comparison {
                base: data.method(base).precision(precision),
                base_name: format!("{base} in {precision}"),
                candidate: data.method("panther").precision(precision),
                candidate_name: "CQRRPT".to_owned(),
                value: |m| Pass::Forward.milliseconds(m),
                better: "fast",
                size: |cell| number(cell, "columns"),
                unit: "n",
            };
            summaries.extend(comparison.summary());
        }
    }
    summaries
}

/// The largest errors of each method.
fn accuracy(data: &Data<'_>) -> String {
    let mut words = Vec::new();
    for precision in data.precisions() {
        for method in data.methods() {
            let of = data.method(method).precision(precision);
            if let (Some(error), Some(orthogonality)) = (of.largest("error"), of.largest("orthogonality")) {
                words.push(format!("{method} {precision} {error:.1e} and {orthogonality:.1e}"));
            }
        }
    }
    if words.is_empty() {
        return String::new();
    }
    format!("Largest errors of reconstruction and of orthogonality: {}.", words.join(", "))
}

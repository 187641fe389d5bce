//! `attention_forward_time_E_K`, `attention_backward_time_E_K` and `attention_memory_E_K`.

use super::analysis::accuracy;
use super::analysis::comparison::{Comparison, Summary, sentences};
use super::analysis::data::{Data, Pass, in_words, number};
use super::draw::chart::{Chart, Panel, Row, Series};
use super::draw::style::{Dash, Look, Marker};
use super::figure::{Figure, Observation, on};
use super::layer_grid::batch;
use crate::record::{Measured, Outcome, Record};

const EMBEDS: [u64; 4] = [128, 256, 512, 1024];
const KERNELS: [&str; 2] = ["relu", "softmax"];
const MIB: f64 = 1_048_576.0;

/// One of the lines of each method: what is measured, and how that is told from another in the same panel.
struct Quantity {
    name: &'static str,
    value: fn(&Measured) -> Option<f64>,
    marker: Option<Marker>,
}

/// One of the three kinds of figures.
struct Kind {
    stem: &'static str,
    title: &'static str,
    y: &'static str,
    better: &'static str,
    quantities: &'static [Quantity],
}

const KINDS: [Kind; 3] = [
    Kind {
        stem: "attention_forward_time",
        title: "forward",
        y: "ms",
        better: "fast",
        quantities: &[Quantity { name: "", value: |m| Pass::Forward.milliseconds(m), marker: None }],
    },
    Kind {
        stem: "attention_backward_time",
        title: "forward and backward",
        y: "ms",
        better: "fast",
        quantities: &[Quantity { name: "", value: |m| Pass::Backward.milliseconds(m), marker: None }],
    },
    Kind {
        stem: "attention_memory",
        title: "peak memory",
        y: "MiB",
        better: "small",
        quantities: &[
            Quantity { name: "forward and backward", value: |m| mebibytes(m.memory_backward), marker: None },
            Quantity { name: "forward", value: |m| mebibytes(m.memory_forward), marker: Some(Marker::Ring) },
        ],
    },
];

/// All figures of a device.
pub fn figures(records: &[Record], device: &str) -> Vec<Figure> {
    let data = Data::of(records, "attention", device);
    let of = |kind| EMBEDS.into_iter().flat_map(move |e| KERNELS.into_iter().map(move |k| (kind, e, k)));
    KINDS.iter().flat_map(of).map(|(kind, embed, kernel)| figure(&data, kind, embed, kernel)).collect()
}

/// What all figures of a kind say together.
pub fn observations(records: &[Record], device: &str) -> Vec<Observation> {
    let data = Data::of(records, "attention", device);
    let of = |kind: &Kind| Observation::new(format!("Attention, {}", kind.title), device, summaries(&data, kind));
    KINDS.iter().map(of).collect()
}

/// What random features lose.
pub fn remark(records: &[Record], device: &str) -> String {
    accuracy::distances(&Data::of(records, "attention", device))
}

fn figure(data: &Data<'_>, kind: &Kind, embed: u64, kernel: &str) -> Figure {
    let data = data.at("embed", embed).with("kernel", kernel);
    let features = data.values("features");
    let rows = data.values("heads").into_iter().map(|heads| {
        let panels = features.iter().map(|features| panel(&data.at("heads", heads).at("features", *features), kind));
        Row { name: format!("{heads} heads"), y: kind.y.to_owned(), panels: panels.collect() }
    });
    // Libraries have no peak of memory on a CPU.
    let hidden = |m: &Measured| kind.quantities.iter().all(|quantity| (quantity.value)(m).is_none());
    let shown = data.filter(|cell| !matches!(&cell.outcome, Outcome::Measured(m) if hidden(m)));
    let precisions = in_words(&shown.precisions());
    let chart = Chart {
        title: format!("Attention, embed {embed}, {kernel} features: dense and randomized, {}", kind.title),
        subtitle: format!("{}, {precisions}{}; dashed: causal", data.machine(), batch(&data)),
        x: "length of the sequence".to_owned(),
        columns: features.iter().map(|features| format!("{features} features")).collect(),
        rows: rows.collect(),
    };
    let name = on(format!("{}_{embed}_{kernel}", kind.stem), data.device);
    let errors = accuracy::of_rounding(&data) + &accuracy::of_features(&data);
    Figure::new(&name, "attention", data.device, chart, sentences(&summaries(&data, kind)) + &errors)
}

fn panel(data: &Data<'_>, kind: &Kind) -> Panel {
    let mut series = Vec::new();
    for method in data.methods() {
        for quantity in kind.quantities {
            for causal in [0, 1] {
                let of = data.method(method).at("causal", causal);
                let points = of.points(|cell| number(cell, "length"), |_, m| (quantity.value)(m));
                let look = Look::of(method);
                let look = Look { marker: quantity.marker.unwrap_or(look.marker), ..look };
                let look = if causal == 1 { look.dashed(Dash::Dashed) } else { look };
                let words = [method, quantity.name, if causal == 1 { "causal" } else { "" }];
                let name = words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(", ");
                series.push(Series::new(name, look, points));
            }
        }
    }
    Panel { caption: String::new(), series }
}

fn summaries(data: &Data<'_>, kind: &Kind) -> Vec<Summary> {
    let summary = |method: &str, quantity: &Quantity| {
        let name = if quantity.name.is_empty() { String::new() } else { format!(", {}", quantity.name) };
        let comparison = Comparison {
            base: data.method(method),
            base_name: method.to_owned(),
            candidate: data.method("randomized"),
            candidate_name: format!("Randomized attention in f32{name}"),
            value: quantity.value,
            better: kind.better,
            size: |cell| number(cell, "length"),
            unit: "length",
        };
        comparison.summary()
    };
    let bases: Vec<_> = data.methods().into_iter().filter(|method| *method != "randomized").collect();
    let of = |quantity| bases.iter().filter_map(move |method| summary(method, quantity));
    kind.quantities.iter().flat_map(of).collect()
}

fn mebibytes(bytes: Option<u64>) -> Option<f64> {
    bytes.map(|bytes| bytes as f64 / MIB)
}

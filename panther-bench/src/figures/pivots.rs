//! `pivots`: quality of the pivots of `pivoted_qr` relative to classical pivoting.

use super::analysis::data::{Data, in_words, number};
use super::draw::chart::{Chart, Panel, Row, Series};
use super::draw::style::{Dash, Look};
use super::figure::{Figure, on};
use crate::record::Record;

/// What a row of panels shows: names of figures, each with its dashes.
struct Quantity {
    y: &'static str,
    lines: &'static [(&'static str, &'static str, Dash)],
}

const QUANTITIES: [Quantity; 2] = [
    Quantity { y: "‖R₂₂‖ ÷ classical", lines: &[("r_norm_ratio", "‖R₂₂‖", Dash::Solid)] },
    Quantity {
        y: "|Rᵢᵢ| ÷ σᵢ",
        lines: &[
            ("sigma_ratio_least", "least |Rᵢᵢ| ÷ σᵢ", Dash::Dashed),
            ("sigma_ratio_greatest", "greatest |Rᵢᵢ| ÷ σᵢ", Dash::Dotted),
        ],
    },
];

/// The figure of a device.
pub fn figures(records: &[Record], device: &str) -> Vec<Figure> {
    let data = Data::of(records, "pivots", device);
    let families = data.words("family");
    let row = |quantity: &Quantity| {
        let panels = families.iter().map(|family| panel(&data.with("family", family), quantity)).collect();
        Row { name: String::new(), y: quantity.y.to_owned(), panels }
    };
    let chart = Chart {
        title: "Quality of the pivots of pivoted_qr, beside classical ones".to_owned(),
        subtitle: format!("{}, {}", data.machine(), in_words(&data.precisions())),
        x: "columns chosen, k".to_owned(),
        columns: families.iter().map(|&family| family.to_owned()).collect(),
        rows: QUANTITIES.iter().map(row).collect(),
    };
    vec![Figure::new(&on("pivots".to_owned(), device), "pivots", device, chart, finding(&data))]
}

fn panel(data: &Data<'_>, quantity: &Quantity) -> Panel {
    let line = |method: &str, (name, words, dash): &(&str, &str, Dash)| {
        let points = data.method(method).points(|cell| number(cell, "k"), |_, m| m.metric(name));
        Series::new(format!("{method}, {words}"), Look::of(method).dashed(*dash), points)
    };
    let lines = data.methods().into_iter().rev().flat_map(|method| quantity.lines.iter().map(move |l| line(method, l)));
    Panel { caption: String::new(), series: lines.collect() }
}

/// The extremes over all families.
fn finding(data: &Data<'_>) -> String {
    let range = |method: &str, least: &str, greatest: &str| {
        let of = data.method(method);
        let values = |name: &str| of.measured().filter_map(|(_, m)| m.metric(name)).collect::<Vec<_>>();
        let low = values(least).into_iter().min_by(f64::total_cmp)?;
        let high = values(greatest).into_iter().max_by(f64::total_cmp)?;
        Some(format!("{low:.3} to {high:.3}"))
    };
    let Some(norms) = range("panther", "r_norm_ratio", "r_norm_ratio") else { return String::new() };
    let sigma =
        |method| range(method, "sigma_ratio_least", "sigma_ratio_greatest").unwrap_or_else(|| "none".to_owned());
    format!(
        "‖R₂₂‖ is {norms} times that of classical pivoting; |Rᵢᵢ| ÷ σᵢ lies in {}, with classical pivots in {}.",
        sigma("panther"),
        sigma("classical"),
    )
}

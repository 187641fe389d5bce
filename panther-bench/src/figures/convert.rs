//! `conversion_error`: error of a converted weight over the parameters kept.

use super::analysis::data::{Data, in_words};
use super::draw::chart::{Chart, Panel, Row, Series};
use super::draw::style::{Dash, Look, Marker};
use super::figure::{Figure, on};
use crate::record::Record;

/// The figure of a CPU, which is where weights are converted.
pub fn figures(records: &[Record], device: &str) -> Vec<Figure> {
    if device != "cpu" {
        return Vec::new();
    }
    let data = Data::of(records, "convert", device);
    let spectra = data.words("spectrum");
    let panels = spectra.iter().map(|spectrum| panel(&data.with("spectrum", spectrum))).collect();
    let chart = Chart {
        title: "Conversion of a weight M: error over parameters kept".to_owned(),
        subtitle: format!("{}, {}", data.machine(), in_words(&data.precisions())),
        x: "parameters kept, as a part of the dense weight's".to_owned(),
        columns: spectra.iter().map(|spectrum| format!("{spectrum} spectrum")).collect(),
        rows: vec![Row { name: String::new(), y: "error ÷ ‖M‖".to_owned(), panels }],
    };
    vec![Figure::new(&on("conversion_error".to_owned(), device), "convert", device, chart, finding(&data))]
}

/// A line for each method and number of terms; for the exact SVD only the rank of their sum counts.
fn panel(data: &Data<'_>) -> Panel {
    let line = |name: String, of: &Data<'_>, look: Look| {
        Series::new(name, look, of.curve(|m| m.metric("parameters_kept"), |m| m.metric("error")))
    };
    let mut series = Vec::new();
    for method in data.methods() {
        let (of, look) = (data.method(method), Look::of(method));
        if method == "exact" {
            // What comes as near shows between the dashes.
            let look = Look { marker: Marker::Ring, ..look.dashed(Dash::Dashed) };
            series.push(line(method.to_owned(), &of, look));
            continue;
        }
        for (terms, dash) in of.values("num_terms").into_iter().zip([Dash::Solid, Dash::Dashed, Dash::Dotted]) {
            series.push(line(format!("{method}, num_terms {terms}"), &of.at("num_terms", terms), look.dashed(dash)));
        }
    }
    Panel { caption: String::new(), series }
}

/// How far each method is from the best possible of the same parameters.
fn finding(data: &Data<'_>) -> String {
    let worst = |method: &str| {
        let of = data.method(method);
        let ratios = of.measured().filter_map(|(_, m)| Some(m.metric("error")? / m.metric("best")?));
        let mut ratios: Vec<f64> = ratios.filter(|ratio| ratio.is_finite()).collect();
        ratios.sort_by(f64::total_cmp);
        let (median, greatest) = (ratios.get(ratios.len() / 2)?, ratios.last()?);
        Some(format!("{method} {median:.3} (at most {greatest:.3})"))
    };
    let words: Vec<String> = data.methods().into_iter().filter_map(worst).collect();
    if words.is_empty() {
        return String::new();
    }
    format!("Error over that of the best approximation of the same rank, median: {}.", words.join(", "))
}

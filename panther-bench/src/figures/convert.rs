//! `conversion_error`: what a converted weight loses, over the parameters that it keeps.

use super::chart::{Chart, Panel, Row, Series};
use super::data::{Data, figure};
use super::style::{Dash, Look};
use super::{Figure, on};
use crate::record::Record;

/// The figure of a device.
pub fn figures(records: &[Record], device: &str) -> Vec<Figure> {
    let data = Data::of(records, "convert", device);
    let spectra = data.words("spectrum");
    let panels = spectra.iter().map(|spectrum| panel(&data.with("spectrum", spectrum))).collect();
    let chart = Chart {
        title: "Conversion of a weight M: error over parameters kept".to_owned(),
        subtitle: format!("{}, {}", data.machine(), data.precisions().join(" and ")),
        x: "parameters kept, as a part of the dense weight's".to_owned(),
        columns: spectra.iter().map(|spectrum| format!("{spectrum} spectrum")).collect(),
        rows: vec![Row { name: String::new(), y: "error ÷ ‖M‖".to_owned(), panels }],
    };
    vec![Figure::new(&on("conversion_error".to_owned(), device), "convert", device, chart, finding(&data))]
}

/// A line for each method and number of terms.
fn panel(data: &Data<'_>) -> Panel {
    let methods = data.methods().into_iter().map(|method| (method, data.method(method)));
    let series = methods.flat_map(|(method, of)| {
        let terms = of.extents("num_terms");
        let line = |terms: &u64| {
            let points = of.at("num_terms", *terms).curve(|m| figure(m, "parameters_kept"), |m| figure(m, "error"));
            let dash = [Dash::Solid, Dash::Dashed, Dash::Dotted][(*terms as usize).clamp(1, 3) - 1];
            let name = if of.extents("num_terms").len() == 1 {
                method.to_owned()
            } else {
                format!("{method}, num_terms {terms}")
            };
            Series::new(name, Look::of(method).dashed(dash), points)
        };
        terms.iter().map(line).collect::<Vec<_>>()
    });
    Panel { caption: String::new(), series: series.collect() }
}

/// How far each method is from the best possible of the same parameters.
fn finding(data: &Data<'_>) -> String {
    let worst = |method: &str| {
        let of = data.method(method);
        let ratios = of.measured().filter_map(|(_, m)| Some(figure(m, "error")? / figure(m, "best")?));
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

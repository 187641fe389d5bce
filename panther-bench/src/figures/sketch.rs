//! `sketch_throughput`: throughput of each family relative to a copy of the matrix.

use super::analysis::data::{Data, number};
use super::draw::chart::{Chart, Panel, Row, Series};
use super::draw::style::Look;
use super::figure::{Figure, on};
use crate::record::{Cell, Measured, Record};

/// The figure of a device.
pub fn figures(records: &[Record], device: &str) -> Vec<Figure> {
    let data = Data::of(records, "sketch", device);
    let shapes = shapes(&data);
    let precisions = data.precisions();
    let row = |precision: &&str| {
        let data = data.precision(precision);
        let panels = shapes.iter().map(|(rows, columns)| panel(&data.at("rows", *rows).at("columns", *columns)));
        Row { name: (*precision).to_owned(), y: "GB/s".to_owned(), panels: panels.collect() }
    };
    let chart = Chart {
        title: "Sketches S·A by family: bytes of A and S·A in a second".to_owned(),
        subtitle: format!("{}; line: a copy of A", data.machine()),
        x: "rows of S".to_owned(),
        columns: shapes.iter().map(|(rows, columns)| format!("A {rows} × {columns}")).collect(),
        rows: precisions.iter().map(row).collect(),
    };
    vec![Figure::new(&on("sketch_throughput".to_owned(), device), "sketch", device, chart, finding(&data))]
}

/// Shapes of A that are sketched.
fn shapes(data: &Data<'_>) -> Vec<(u64, u64)> {
    let sketched = data.filter(|cell| cell.method != "copy");
    let of = |rows| sketched.at("rows", rows).values("columns").into_iter().map(move |columns| (rows, columns));
    sketched.values("rows").into_iter().flat_map(of).collect()
}

fn panel(data: &Data<'_>) -> Panel {
    let copy = data.method("copy").points(|_| Some(1.0), speed);
    let sketched = data.filter(|cell| cell.method != "copy");
    let families = data.words("family").into_iter().enumerate().map(|(i, family)| {
        let points = sketched.with("family", family).points(|cell| number(cell, "sketched"), speed);
        Series::new(family, Look::number(i), points)
    });
    let series = [Series::new("copy", Look::of("copy"), copy).level()].into_iter().chain(families).collect();
    Panel { caption: String::new(), series }
}

/// 10⁹ bytes of A and S·A a second, whether a family reads all of A or not; of a copy, those read and written.
fn speed(cell: &Cell, measured: &Measured) -> Option<f64> {
    let rows = match number(cell, "sketched") {
        Some(sketched) => number(cell, "rows")? + sketched,
        None => 2.0 * number(cell, "rows")?,
    };
    Some(4e-9 * rows * number(cell, "columns")? / measured.forward?.median)
}

/// The slowest and the fastest of each family, as a part of the copy's speed.
fn finding(data: &Data<'_>) -> String {
    let greatest = |data: &Data<'_>| data.measured().filter_map(|(cell, m)| speed(cell, m)).max_by(f64::total_cmp);
    let Some(copy) = greatest(&data.method("copy")) else { return String::new() };
    let sketched = data.filter(|cell| cell.method != "copy");
    let part = |family: &str| {
        let of = sketched.with("family", family);
        let least = of.measured().filter_map(|(cell, m)| speed(cell, m)).min_by(f64::total_cmp)?;
        let (low, high) = (percent(least / copy), percent(greatest(&of)? / copy));
        Some(if low == high { format!("{family} {low} %") } else { format!("{family} {low} to {high} %") })
    };
    let parts: Vec<String> = sketched.words("family").into_iter().filter_map(part).collect();
    format!("Of the {copy:.0} GB/s of a copy: {}.{}", parts.join(", "), beside_dense(&sketched))
}

/// How often each family is faster than the dense product of its shape.
fn beside_dense(data: &Data<'_>) -> String {
    const DENSE: &str = "dense product";
    let shape = |cell: &Cell| ["rows", "columns", "sketched"].map(|key| number(cell, key));
    let seconds = |family: &str| -> Vec<_> {
        let of = data.with("family", family);
        of.measured().filter_map(|(cell, m)| Some((shape(cell), m.forward?.median))).collect()
    };
    let dense = seconds(DENSE);
    if dense.is_empty() {
        return String::new();
    }
    let count = |family: &&str| {
        let own = seconds(family);
        let speedups = own.iter().filter_map(|(shape, time)| {
            let (_, theirs) = dense.iter().find(|(other, _)| other == shape)?;
            Some(time < theirs)
        });
        let speedups: Vec<bool> = speedups.collect();
        format!("{family} {} of {}", speedups.iter().filter(|won| **won).count(), speedups.len())
    };
    let counts: Vec<String> = data.words("family").iter().filter(|family| **family != DENSE).map(count).collect();
    format!(" Cases in which it is faster than the dense product: {}.", counts.join(", "))
}

/// Two digits.
fn percent(part: f64) -> String {
    if part < 0.1 { format!("{:.1}", 100.0 * part) } else { format!("{:.0}", 100.0 * part) }
}

//! `roofline`: FLOP/s of kernels over FLOP/byte, below the limits of memory and of products.

use super::analysis::comparison::in_digits;
use super::analysis::data::Data;
use super::draw::chart::{Chart, Panel, Point, Row, Series};
use super::draw::style::{BLACK, Dash, Look, Marker};
use super::figure::{Figure, on};
use crate::record::{Measured, Record};

/// The figure of a device.
pub fn figures(records: &[Record], device: &str) -> Vec<Figure> {
    let data = Data::of(records, "roofline", device);
    let kernels = data.filter(|cell| cell.method != "copy" && cell.method != "gemm");
    let precisions = kernels.precisions();
    let names = kernels.words("kernel");
    let panel = |precision: &&str| {
        let of = kernels.precision(precision);
        let points = names.iter().enumerate().map(|(i, name)| {
            let points = of.with("kernel", name).curve(intensity, speed);
            Series::new(*name, Look::number(i).dashed(Dash::None), points)
        });
        let points: Vec<Series> = points.collect();
        let roof = Series::new("copy and product", Look::new(BLACK, Marker::None), roof(&data, precision, &of));
        Panel { caption: String::new(), series: [roof].into_iter().chain(points).collect() }
    };
    let chart = Chart {
        title: "Kernels below the roofline".to_owned(),
        subtitle: data.machine(),
        x: "operations a byte".to_owned(),
        columns: precisions.iter().map(|&precision| precision.to_owned()).collect(),
        rows: vec![Row {
            name: String::new(),
            y: "GFLOP/s".to_owned(),
            panels: precisions.iter().map(panel).collect(),
        }],
    };
    vec![Figure::new(&on("roofline".to_owned(), device), "roofline", device, chart, finding(&data, &kernels))]
}

/// Operations a byte.
fn intensity(measured: &Measured) -> Option<f64> {
    Some(measured.metric("flops")? / measured.metric("bytes")?)
}

/// 10⁹ operations a second.
fn speed(measured: &Measured) -> Option<f64> {
    Some(1e-9 * measured.metric("flops")? / measured.forward?.median)
}

/// 10⁹ bytes a second.
fn bandwidth(measured: &Measured) -> Option<f64> {
    Some(1e-9 * measured.metric("bytes")? / measured.forward?.median)
}

fn greatest(data: &Data<'_>, of: fn(&Measured) -> Option<f64>) -> Option<f64> {
    data.measured().filter_map(|(_, m)| of(m)).max_by(f64::total_cmp)
}

/// What memory and products of a precision allow.
fn ceilings(data: &Data<'_>, precision: &str) -> Option<(f64, f64)> {
    Some((greatest(&data.method("copy"), bandwidth)?, greatest(&data.method("gemm").precision(precision), speed)?))
}

/// From the least intensity over the ridge to the greatest.
fn roof(data: &Data<'_>, precision: &str, kernels: &Data<'_>) -> Vec<Point> {
    let Some((bandwidth, peak)) = ceilings(data, precision) else { return Vec::new() };
    let ridge = peak / bandwidth;
    let intensities: Vec<f64> = kernels.measured().filter_map(|(_, m)| intensity(m)).filter(|x| *x > 0.0).collect();
    let low = intensities.iter().copied().fold(0.1 * ridge, f64::min);
    let high = intensities.iter().copied().fold(10.0 * ridge, f64::max);
    vec![Point::At(low, low * bandwidth), Point::At(ridge, peak), Point::At(high, peak)]
}

/// How near each kernel comes to its floor: the time that its bytes or its operations take at the least.
fn finding(data: &Data<'_>, kernels: &Data<'_>) -> String {
    let mut parts: Vec<(f64, String)> = Vec::new();
    for precision in kernels.precisions() {
        let Some((bandwidth, peak)) = ceilings(data, precision) else { continue };
        for name in kernels.words("kernel") {
            let of = kernels.precision(precision).with("kernel", name);
            let of_floor = |m: &Measured| {
                let floor = 1e-9 * f64::max(m.metric("bytes")? / bandwidth, m.metric("flops")? / peak);
                Some((floor, m.forward?.median))
            };
            if let Some((floor, time)) = of.measured().find_map(|(_, m)| of_floor(m)) {
                let [percent, floor_us, time_us] = [100.0 * floor / time, 1e6 * floor, 1e6 * time].map(in_digits);
                parts.push((floor / time, format!("{name} {precision} {percent} % ({floor_us} of {time_us} µs)")));
            }
        }
    }
    parts.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    if parts.is_empty() {
        return String::new();
    }
    let words: Vec<String> = parts.into_iter().map(|(_, words)| words).collect();
    format!("Of their times bytes or operations alone take, at the least: {}.", words.join("; "))
}

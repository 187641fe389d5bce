//! Time and memory over the length as PNG.

use std::error::Error;
use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::{FontStyle, register_font};

use crate::measure::Cost;

const FONT: &str = "DejaVu Sans";
const SIZE: (u32, u32) = (1500, 640);

/// Two of Okabe and Ito's colours, which the colour-blind can tell apart.
const COLOURS: [RGBColor; 2] = [RGBColor(0, 114, 178), RGBColor(213, 94, 0)];

/// One of the two plots.
struct Panel {
    title: &'static str,
    unit: &'static str,
    value: fn(&Cost) -> f64,
}

const PANELS: [Panel; 2] = [
    Panel { title: "Time of a training step", unit: "milliseconds", value: |cost| 1e3 * cost.seconds },
    Panel { title: "Memory of a training step", unit: "MiB at the peak", value: |cost| cost.bytes / 1_048_576.0 },
];

/// Draws the costs of each attention, by name, on logarithmic axes.
pub fn costs(path: &Path, attentions: &[(&str, Vec<Cost>)]) -> Result<(), Box<dyn Error>> {
    let font = include_bytes!("../../assets/DejaVuSans.ttf");
    register_font(FONT, FontStyle::Normal, font).map_err(|_| "DejaVuSans.ttf cannot be read")?;
    let area = BitMapBackend::new(path, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    for (area, panel) in area.split_evenly((1, 2)).iter().zip(&PANELS) {
        draw(area, panel, attentions)?;
    }
    area.present()?;
    Ok(())
}

fn draw(
    area: &DrawingArea<BitMapBackend<'_>, Shift>,
    panel: &Panel,
    attentions: &[(&str, Vec<Cost>)],
) -> Result<(), Box<dyn Error>> {
    let points = |costs: &[Cost]| -> Vec<(f64, f64)> {
        costs.iter().map(|cost| (cost.length as f64, (panel.value)(cost))).collect()
    };
    let all: Vec<(f64, f64)> = attentions.iter().flat_map(|(_, costs)| points(costs)).collect();
    let range = |of: fn(&(f64, f64)) -> f64| {
        all.iter().map(of).fold((f64::MAX, 0.0), |(low, high): (f64, f64), x| (low.min(x), high.max(x)))
    };
    let ((left, right), (low, high)) = (range(|point| point.0), range(|point| point.1));
    let mut chart = ChartBuilder::on(area)
        .caption(panel.title, (FONT, 26))
        .margin(16)
        .margin_right(32)
        .x_label_area_size(52)
        .y_label_area_size(90)
        .build_cartesian_2d((left..right).log_scale().base(2.0), (0.7 * low..2.0 * high).log_scale())?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(BLACK.mix(0.12))
        .x_desc("length of the sequence")
        .y_desc(panel.unit)
        .x_label_formatter(&|x| format!("{x:.0}"))
        .y_label_formatter(&|y| format!("{y}"))
        .label_style((FONT, 17))
        .axis_desc_style((FONT, 18))
        .draw()?;
    for ((name, costs), colour) in attentions.iter().zip(COLOURS) {
        chart
            .draw_series(LineSeries::new(points(costs), colour.stroke_width(3)).point_size(4))?
            .label(*name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 26, y)], colour.stroke_width(3)));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .legend_area_size(34)
        .margin(12)
        .background_style(WHITE.mix(0.9))
        .border_style(BLACK.mix(0.3))
        .label_font((FONT, 18))
        .draw()?;
    Ok(())
}

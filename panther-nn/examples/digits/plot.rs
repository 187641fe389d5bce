//! Learning curves as PNG.

use std::error::Error;
use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::{FontStyle, register_font};

use crate::run::{Outcome, Point};

const FONT: &str = "DejaVu Sans";
const SIZE: (u32, u32) = (1500, 640);

/// Okabe and Ito's colours, which the colour-blind can tell apart.
const COLOURS: [RGBColor; 5] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
];

/// One of the two plots.
struct Panel {
    title: &'static str,
    unit: &'static str,
    value: fn(&Point) -> Option<f64>,
}

const PANELS: [Panel; 2] = [
    Panel { title: "Training loss", unit: "cross-entropy with the smoothed targets", value: |point| point.loss },
    Panel {
        title: "Test error",
        unit: "per cent of the test images (0.1: none)",
        // An error of none has no place on a logarithmic axis.
        value: |point| Some((100.0 * (1.0 - point.accuracy)).max(0.1)),
    },
];

/// Draws the training loss and the test error of all runs over their epochs, both on logarithmic axes.
pub fn learning_curves(path: &Path, outcomes: &[Outcome]) -> Result<(), Box<dyn Error>> {
    let font = include_bytes!("../../assets/DejaVuSans.ttf");
    register_font(FONT, FontStyle::Normal, font).map_err(|_| "DejaVuSans.ttf cannot be read")?;
    let area = BitMapBackend::new(path, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    for (area, panel) in area.split_evenly((1, 2)).iter().zip(&PANELS) {
        draw(area, panel, outcomes)?;
    }
    area.present()?;
    Ok(())
}

fn draw(
    area: &DrawingArea<BitMapBackend<'_>, Shift>,
    panel: &Panel,
    outcomes: &[Outcome],
) -> Result<(), Box<dyn Error>> {
    let points = |outcome: &Outcome| -> Vec<(f64, f64)> {
        outcome.curve.iter().filter_map(|point| Some((point.epoch as f64, (panel.value)(point)?))).collect()
    };
    let all: Vec<(f64, f64)> = outcomes.iter().flat_map(points).collect();
    let epochs = all.iter().fold(1.0, |m: f64, (epoch, _)| m.max(*epoch));
    let (low, high) = all.iter().fold((f64::MAX, 0.0), |(l, h): (f64, f64), (_, y)| (l.min(*y), h.max(*y)));
    let mut chart = ChartBuilder::on(area)
        .caption(panel.title, (FONT, 26))
        .margin(16)
        .x_label_area_size(52)
        .y_label_area_size(80)
        .build_cartesian_2d(0.0..epochs, (0.8 * low..1.5 * high).log_scale())?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(BLACK.mix(0.12))
        .x_desc("epoch")
        .y_desc(panel.unit)
        // Whole epochs alone.
        .x_labels((epochs as usize + 1).min(11))
        .x_label_formatter(&|x| format!("{x:.0}"))
        .y_label_formatter(&|y| format!("{y}"))
        .label_style((FONT, 17))
        .axis_desc_style((FONT, 18))
        .draw()?;
    for (outcome, colour) in outcomes.iter().zip(COLOURS.into_iter().cycle()) {
        chart
            .draw_series(LineSeries::new(points(outcome), colour.stroke_width(3)))?
            .label(outcome.name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 26, y)], colour.stroke_width(3)));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .legend_area_size(34)
        .margin(12)
        .background_style(WHITE.mix(0.9))
        .border_style(BLACK.mix(0.3))
        .label_font((FONT, 18))
        .draw()?;
    Ok(())
}

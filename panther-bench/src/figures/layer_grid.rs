//! The figure of linear layers and convolutions: a grid of panels, input sizes × output sizes. In each panel dense
//! layers are levels; sketched layers are lines over the rank of a term, one for each number of terms.

use super::analysis::accuracy;
use super::analysis::comparison::{Comparison, Summary, in_digits, sentences};
use super::analysis::data::{Data, Pass, in_words, number};
use super::draw::chart::{Chart, Panel, Point, Row, Series};
use super::draw::style::{BLUE, Dash, GREEN, Look, Marker, ORANGE};
use super::figure::Figure;
use crate::record::Cell;

/// What differs between the two.
pub struct LayerGrid {
    /// The stem of the figure's name.
    pub name: String,
    pub title: String,
    /// Keys of the rows and of the columns.
    pub input: &'static str,
    pub output: &'static str,
    /// How large a case is: the product of both.
    pub size: fn(&Cell) -> Option<f64>,
    pub suite: &'static str,
}

impl LayerGrid {
    /// The figure of one of the passes.
    pub fn figure(&self, data: &Data<'_>, pass: Pass) -> Figure {
        let precision = data.method("sketched").precisions().first().copied().unwrap_or("f32");
        let rows = data.values(self.input).into_iter().map(|input| {
            let panels = data
                .values(self.output)
                .into_iter()
                .map(|output| panel(&data.at(self.input, input).at(self.output, output), pass, precision));
            Row { name: format!("in {input}"), y: "ms".to_owned(), panels: panels.collect() }
        });
        let chart = Chart {
            title: format!("{}, {}", self.title, pass.words()),
            subtitle: format!("{}, {}{}", data.machine(), in_words(&data.precisions()), batch(data)),
            x: "low_rank of a term; above each panel: time of dense over that of the fastest sketched layer".to_owned(),
            columns: data.values(self.output).iter().map(|output| format!("out {output}")).collect(),
            rows: rows.collect(),
        };
        let finding = sentences(&self.summaries(data, pass)) + &accuracy::of_rounding(data);
        Figure::new(&self.name, self.suite, data.device, chart, finding)
    }

    /// Sketched layers beside all that are not, in one figure or in several.
    pub fn summaries(&self, data: &Data<'_>, pass: Pass) -> Vec<Summary> {
        let sketched = data.method("sketched");
        let candidates = sketched.precisions();
        let mut summaries = Vec::new();
        for (method, theirs) in dense_kinds(data) {
            // Its own precision, and the figure's.
            for candidate in candidates
                .iter()
                .enumerate()
                .filter(|(i, candidate)| *i == 0 || **candidate == theirs)
                .map(|(_, candidate)| candidate)
            {
                let comparison = Comparison {
                    base: data.method(method).precision(theirs),
                    base_name: kind_name(method, theirs, ""),
                    candidate: sketched.precision(candidate),
                    candidate_name: format!("Sketched {candidate}"),
                    value: match pass {
                        Pass::Forward => |measured| Pass::Forward.milliseconds(measured),
                        Pass::Backward => |measured| Pass::Backward.milliseconds(measured),
                    },
                    better: "fast",
                    size: self.size,
                    unit: "in·out",
                };
                summaries.extend(comparison.summary());
            }
        }
        summaries
    }
}

/// What a layer is compared with: methods and precisions.
fn dense_kinds<'a>(data: &Data<'a>) -> Vec<(&'a str, &'a str)> {
    let dense = data.filter(|cell| cell.method != "sketched");
    let of = |method| dense.method(method).precisions().into_iter().map(move |precision| (method, precision));
    dense.methods().into_iter().flat_map(of).collect()
}

/// A method, with its precision where that is not the figure's.
fn kind_name(method: &str, kind: &str, precision: &str) -> String {
    if kind == precision || method.ends_with(kind) { method.to_owned() } else { format!("{method} {kind}") }
}

fn panel(data: &Data<'_>, pass: Pass, precision: &str) -> Panel {
    let dense = dense_kinds(data).into_iter().map(|(method, kind)| {
        let points = data.method(method).precision(kind).points(|_| Some(1.0), |_, m| pass.milliseconds(m));
        Series::new(kind_name(method, kind, precision), Look::of(method).dashed(dash(kind)), points).level()
    });
    let sketched = data.method("sketched");
    let kinds = sketched.precisions().into_iter().map(|kind| (kind, sketched.precision(kind)));
    let terms = kinds.flat_map(|(kind, of)| {
        of.values("num_terms").into_iter().map(move |terms| {
            let of = of.at("num_terms", terms);
            let points = of.points(|cell| number(cell, "low_rank"), |_, m| pass.milliseconds(m));
            let name = kind_name(&format!("sketched, num_terms {terms}"), kind, precision);
            Series::new(name, look(terms).dashed(dash(kind)), points)
        })
    });
    let series: Vec<Series> = dense.chain(terms).collect();
    Panel { caption: caption(&series), series }
}

/// How lines of a precision run.
fn dash(precision: &str) -> Dash {
    match precision {
        "tf32" => Dash::Dashed,
        "bf16" => Dash::Dotted,
        _ => Dash::Solid,
    }
}

/// Dense over the fastest sketched time, both in the figure's precision.
fn caption(series: &[Series]) -> String {
    let least = |of: &dyn Fn(&&Series) -> bool| {
        let heights = series.iter().filter(of).flat_map(|series| &series.points).filter_map(|point| match point {
            Point::At(_, y) => Some(*y),
            Point::OutOfMemory(_) | Point::Failed(_) => None,
        });
        heights.min_by(f64::total_cmp)
    };
    let dense = least(&|series| series.name == "dense");
    match (dense, least(&|series| !series.level && series.look.dash == Dash::Solid)) {
        (Some(dense), Some(sketched)) => format!("×{}", in_digits(dense / sketched)),
        _ => String::new(),
    }
}

fn look(terms: u64) -> Look {
    match terms {
        1 => Look::new(BLUE, Marker::Disc),
        2 => Look::new(GREEN, Marker::Up),
        _ => Look::new(ORANGE, Marker::Square),
    }
}

/// The batch of all cells, in words.
pub fn batch(data: &Data<'_>) -> String {
    let batches: Vec<_> = data.values("batch").iter().map(u64::to_string).collect();
    if batches.is_empty() { String::new() } else { format!(", batch {}", batches.join(" and ")) }
}

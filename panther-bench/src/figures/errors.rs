//! What layers cost in accuracy, in words that stand under their figures.

use super::data::{Data, figure, number};

/// The largest error against double precision of each method and precision; nothing where none was measured.
pub fn of_rounding(data: &Data<'_>) -> String {
    let mut words = Vec::new();
    for method in data.methods() {
        for precision in data.method(method).precisions() {
            let of = data.method(method).precision(precision);
            if let Some(error) = largest(&of, "error") {
                words.push(format!("{method} {precision} {error:.1e}"));
            }
        }
    }
    paragraph("Largest relative error of an output against double precision", &words)
}

/// The largest distance from dense attention for each number of features; nothing where the features do not estimate it.
pub fn of_features(data: &Data<'_>) -> String {
    let data = data.method("randomized");
    let word = |features: u64| {
        let of = data.filter(|cell| number(cell, "features") == Some(features as f64));
        largest(&of, "distance_from_dense").map(|distance| format!("{distance:.2} with {features}"))
    };
    let words: Vec<String> = data.extents("features").into_iter().filter_map(word).collect();
    paragraph("Largest relative distance from the output of dense attention, by random features a head", &words)
}

fn largest(data: &Data<'_>, name: &str) -> Option<f64> {
    data.measured().filter_map(|(_, measured)| figure(measured, name)).max_by(f64::total_cmp)
}

fn paragraph(title: &str, words: &[String]) -> String {
    if words.is_empty() { String::new() } else { format!("\n\n{title}: {}.", words.join(", ")) }
}

//! Accuracy of layers, as sentences under their figures.

use super::data::{Data, number};

/// The largest error against double precision of each method and precision; nothing where none was measured.
pub fn of_rounding(data: &Data<'_>) -> String {
    let mut words = Vec::new();
    for method in data.methods() {
        for precision in data.method(method).precisions() {
            let of = data.method(method).precision(precision);
            if let Some(error) = of.largest("error") {
                words.push(format!("{method} {precision} {error:.1e}"));
            }
        }
    }
    paragraph(
        "What rounding alone costs, not sketching: largest relative error of an output against double precision",
        &words,
    )
}

/// How far features are from the attention that they estimate, over all settings: what a speed is worth.
pub fn distances(data: &Data<'_>) -> String {
    let of = data.method("randomized");
    let mut all: Vec<f64> = of.measured().filter_map(|(_, m)| m.metric("distance_from_dense")).collect();
    all.sort_by(f64::total_cmp);
    let (Some(least), Some(most)) = (all.first(), all.last()) else { return String::new() };
    let (median, lost) = (all[all.len() / 2], all.iter().filter(|distance| **distance > 1.0).count());
    format!(
        "Softmax features of fresh weights and normal inputs are far from the dense attention that they estimate: the relative \
         distance of outputs at 512 positions is {least:.2} at the least, {median:.2} in the median and {most:.2} at most, and in \
         {lost} of {} settings zeros would be nearer. Relu features estimate nothing.",
        all.len()
    )
}

/// The largest distance from dense attention for each number of features; nothing where the features do not estimate it.
pub fn of_features(data: &Data<'_>) -> String {
    let data = data.method("randomized");
    let word = |features: u64| {
        let of = data.filter(|cell| number(cell, "features") == Some(features as f64));
        of.largest("distance_from_dense").map(|distance| format!("{distance:.2} with {features}"))
    };
    let words: Vec<String> = data.values("features").into_iter().filter_map(word).collect();
    paragraph(
        "Largest relative distance from the output of dense attention at 512 positions, by random features a head",
        &words,
    )
}

fn paragraph(title: &str, words: &[String]) -> String {
    if words.is_empty() { String::new() } else { format!("\n\n{title}: {}.", words.join(", ")) }
}

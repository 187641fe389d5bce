//! Speedups and savings of one method over another, and the sentences about them under figures.

use std::fmt::Write;

use super::data::{Data, number};
use crate::figures::draw::axis::label;
use crate::record::{Cell, Measured, Outcome, Value};

/// A candidate method and a baseline, compared by one measured value.
pub struct Comparison<'a> {
    /// Cells of the baseline.
    pub base: Data<'a>,
    /// Its name in the sentence.
    pub base_name: String,
    /// Cells of the candidate.
    pub candidate: Data<'a>,
    /// Its name in the sentence.
    pub candidate_name: String,
    /// The value compared; smaller is better.
    pub value: fn(&Measured) -> Option<f64>,
    /// `fast` or `small`.
    pub better: &'static str,
    /// Size of a case, by which the crossover is reported.
    pub size: fn(&Cell) -> Option<f64>,
    /// Name of that size: `in·out`, `length`.
    pub unit: &'static str,
}

/// A setting of the candidate, and the baseline's value over its own.
struct Speedup<'a> {
    cell: &'a Cell,
    ratio: f64,
}

/// The outcome of a comparison.
pub struct Summary {
    /// Name of the candidate.
    pub candidate: String,
    /// Name of the baseline.
    pub base: String,
    /// `fast` or `small`.
    pub better: &'static str,
    /// Cases in which the candidate's best setting is better.
    pub won: usize,
    /// Cases compared.
    pub cases: usize,
    /// The smallest speedup over all cases, and its case.
    pub min: String,
    /// The median speedup.
    pub median: String,
    /// The largest speedup, and its case.
    pub max: String,
    /// The size from which all cases are won, if some are lost.
    pub crossover: Option<String>,
    /// Settings in all cases.
    pub settings: usize,
    /// Settings that are not better.
    pub lost: usize,
    /// Cells of the baseline that ran out of memory.
    pub base_out_of_memory: usize,
    /// Cells of the candidate that ran out of memory.
    pub out_of_memory: usize,
}

impl Summary {
    /// A sentence or two.
    pub fn sentence(&self) -> String {
        let Self { candidate, base, better, won, cases, min, median, max, settings, lost, .. } = self;
        let mut text = if *cases == 1 {
            format!("{candidate} against {base}, times as {better}: {max}")
        } else {
            let setting = if settings > cases { ", at its best setting," } else { "" };
            format!(
                "{candidate}{setting} is {better}er than {base} in {won} of {cases} cases: {min} at the least, {median} in the \
                 median, {max} at most"
            )
        };
        if let Some(crossover) = &self.crossover {
            let _ = write!(text, "; in all from {crossover} on");
        }
        if settings > cases {
            let _ = write!(text, "; of all {settings} settings {lost} are not {better}er");
        }
        let mut short = |who: &str, times: usize| {
            if times > 0 {
                let _ =
                    write!(text, "; {who} ran out of memory in {times} {}", if times == 1 { "run" } else { "runs" });
            }
        };
        short(base, self.base_out_of_memory);
        short(&format!("{candidate} itself"), self.out_of_memory);
        text + "."
    }
}

impl Comparison<'_> {
    /// None where nothing can be compared.
    pub fn summary(&self) -> Option<Summary> {
        let speedups = self.speedups();
        let best = best_of_each_case(&speedups);
        let max = best.iter().copied().max_by(|a, b| a.ratio.total_cmp(&b.ratio))?;
        let min = best.iter().copied().min_by(|a, b| a.ratio.total_cmp(&b.ratio))?;
        let won = best.iter().filter(|speedup| speedup.ratio > 1.0).count();
        let constant = self.constant();
        let named_ratio = |speedup: &Speedup<'_>| {
            let named = speedup.cell.case.iter().chain(&speedup.cell.parameters);
            let case = words(named.filter(|pair| !constant.contains(pair)));
            let ratio = in_digits(speedup.ratio);
            if case.is_empty() { format!("×{ratio}") } else { format!("×{ratio} ({case})") }
        };
        let out_of_memory = |data: &Data<'_>| data.cells().iter().filter(|c| c.outcome == Outcome::OutOfMemory).count();
        let crossover = self.crossover(&best).filter(|_| won < best.len());
        Some(Summary {
            candidate: self.candidate_name.clone(),
            base: self.base_name.clone(),
            better: self.better,
            won,
            cases: best.len(),
            min: named_ratio(min),
            median: format!("×{}", in_digits(median(&best))),
            max: named_ratio(max),
            crossover: crossover.map(|size| format!("{} {}", self.unit, self.size_label(size))),
            settings: speedups.len(),
            lost: speedups.iter().filter(|speedup| speedup.ratio <= 1.0).count(),
            base_out_of_memory: out_of_memory(&self.base),
            out_of_memory: out_of_memory(&self.candidate),
        })
    }

    /// What all cells of the candidate have in common, which the sentence need not say.
    fn constant(&self) -> Vec<&(String, Value)> {
        let [first, others @ ..] = self.candidate.cells() else { return Vec::new() };
        first.case.iter().filter(|pair| others.iter().all(|other| other.case.contains(pair))).collect()
    }

    fn speedups(&self) -> Vec<Speedup<'_>> {
        let measured = |cell: &Cell| match &cell.outcome {
            Outcome::Measured(measured) => (self.value)(measured).filter(|value| *value > 0.0),
            Outcome::OutOfMemory | Outcome::Failed(_) => None,
        };
        self.candidate
            .cells()
            .iter()
            .filter_map(|cell| {
                let base = self.base.cells().iter().rfind(|base| same_case(base, cell))?;
                Some(Speedup { cell, ratio: measured(base)? / measured(cell)? })
            })
            .collect()
    }

    /// A size, as a square where it is a product.
    fn size_label(&self, size: f64) -> String {
        let root = size.sqrt();
        match (self.unit.contains('·'), root.fract() == 0.0) {
            (true, true) => format!("{root}²"),
            (true, false) => label(size),
            (false, _) => size.to_string(),
        }
    }

    /// The smallest size from which all cases are won, if a smaller one is lost.
    fn crossover(&self, best: &[&Speedup<'_>]) -> Option<f64> {
        let size = |speedup: &&&Speedup<'_>| (self.size)(speedup.cell);
        let lost =
            best.iter().filter(|speedup| speedup.ratio <= 1.0).filter_map(|speedup| size(&speedup)).fold(0.0, f64::max);
        best.iter().filter_map(|speedup| size(&speedup)).filter(|size| *size > lost).min_by(f64::total_cmp)
    }
}

/// Whether two cells do the same: what a case does not name it does not depend on.
fn same_case(a: &Cell, b: &Cell) -> bool {
    a.case.iter().all(|(key, value)| b.case.iter().all(|(other, theirs)| key != other || value == theirs))
}

fn best_of_each_case<'a>(speedups: &'a [Speedup<'a>]) -> Vec<&'a Speedup<'a>> {
    let mut best: Vec<&Speedup<'_>> = Vec::new();
    for speedup in speedups {
        match best.iter_mut().find(|other| other.cell.case == speedup.cell.case) {
            Some(other) if other.ratio < speedup.ratio => *other = speedup,
            Some(_) => {}
            None => best.push(speedup),
        }
    }
    best
}

fn median(best: &[&Speedup<'_>]) -> f64 {
    let mut ratios: Vec<f64> = best.iter().map(|speedup| speedup.ratio).collect();
    ratios.sort_by(f64::total_cmp);
    ratios[(ratios.len() - 1) / 2].midpoint(ratios[ratios.len() / 2])
}

/// A number with two significant digits, or all digits before the decimal point if there are more.
pub fn in_digits(number: f64) -> String {
    match number {
        10.0.. => format!("{number:.0}"),
        1.0..10.0 => format!("{number:.1}"),
        _ => format!("{number:.2}"),
    }
}

/// Pairs of a name and a value, with commas between.
fn words<'a>(pairs: impl Iterator<Item = &'a (String, Value)>) -> String {
    let pair = |(key, value): &(String, Value)| match value {
        Value::Word(word) => format!("{key} {word}"),
        Value::Whole(whole) => format!("{key} {whole}"),
        Value::Number(number) => format!("{key} {}", label(*number)),
    };
    pairs.map(pair).collect::<Vec<_>>().join(", ")
}

/// The product of two values of a case.
pub fn product(cell: &Cell, keys: [&str; 2]) -> Option<f64> {
    Some(number(cell, keys[0])? * number(cell, keys[1])?)
}

/// All sentences, as a list where there are several.
pub fn sentences(summaries: &[Summary]) -> String {
    match summaries {
        [summary] => summary.sentence(),
        several => several.iter().map(|summary| format!("- {}", summary.sentence())).collect::<Vec<_>>().join("\n"),
    }
}

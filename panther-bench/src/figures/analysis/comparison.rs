//! Who is faster, or smaller, than whom, and by how much: the sentences under figures.

use std::fmt::Write;

use super::data::{Data, number};
use crate::figures::draw::axis::label;
use crate::record::{Cell, Measured, Outcome, Value};

/// A method beside what it is compared with, by one of the numbers measured.
pub struct Contest<'a> {
    /// What it is compared with.
    pub base: Data<'a>,
    /// As in the sentence.
    pub base_name: String,
    /// What is compared.
    pub ours: Data<'a>,
    /// As in the sentence.
    pub our_name: String,
    /// What is compared of them.
    pub value: fn(&Measured) -> Option<f64>,
    /// `fast` or `small`.
    pub better: &'static str,
    /// How large a case is, to say from where on we are better.
    pub size: fn(&Cell) -> Option<f64>,
    /// What that size is: `in·out`, `length`.
    pub unit: &'static str,
}

/// Ours of one setting, and the times that it is better.
struct Bout<'a> {
    cell: &'a Cell,
    ratio: f64,
}

/// What came of a contest, in words.
pub struct Verdict {
    /// Who was compared.
    pub ours: String,
    /// With what.
    pub base: String,
    /// `fast` or `small`.
    pub better: &'static str,
    /// In how many cases the best setting of ours is better.
    pub won: usize,
    /// How many cases there are.
    pub cases: usize,
    /// How many times as fast or small in the worst case, and which that is.
    pub least: String,
    /// In the middle case.
    pub median: String,
    /// In the best case, and which that is.
    pub most: String,
    /// From which size on all cases are won, where not all are.
    pub crossover: Option<String>,
    /// How many settings there are in all cases.
    pub settings: usize,
    /// How many of them are not better.
    pub lost: usize,
    /// How often memory did not suffice for what we are compared with.
    pub base_out_of_memory: usize,
    /// How often it did not for us.
    pub out_of_memory: usize,
}

impl Verdict {
    /// A sentence or two.
    pub fn sentence(&self) -> String {
        let Self { ours, base, better, won, cases, least, median, most, settings, lost, .. } = self;
        let mut text = if *cases == 1 {
            format!("{ours} against {base}, times as {better}: {most}")
        } else {
            let setting = if settings > cases { ", at its best setting," } else { "" };
            format!(
                "{ours}{setting} is {better}er than {base} in {won} of {cases} cases: {least} at the least, {median} in the \
                 median, {most} at most"
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
        short(&format!("{ours} itself"), self.out_of_memory);
        text + "."
    }
}

impl Contest<'_> {
    /// None where nothing can be compared.
    pub fn verdict(&self) -> Option<Verdict> {
        let bouts = self.bouts();
        let best = best_of_each_case(&bouts);
        let most = best.iter().copied().max_by(|a, b| a.ratio.total_cmp(&b.ratio))?;
        let least = best.iter().copied().min_by(|a, b| a.ratio.total_cmp(&b.ratio))?;
        let won = best.iter().filter(|bout| bout.ratio > 1.0).count();
        let constant = self.constant();
        let place = |bout: &Bout<'_>| {
            let named = bout.cell.case.iter().chain(&bout.cell.parameters);
            let place = words(named.filter(|pair| !constant.contains(pair)));
            let ratio = in_digits(bout.ratio);
            if place.is_empty() { format!("×{ratio}") } else { format!("×{ratio} ({place})") }
        };
        let out_of_memory = |data: &Data<'_>| data.cells().iter().filter(|c| c.outcome == Outcome::OutOfMemory).count();
        let crossover = self.crossover(&best).filter(|_| won < best.len());
        Some(Verdict {
            ours: self.our_name.clone(),
            base: self.base_name.clone(),
            better: self.better,
            won,
            cases: best.len(),
            least: place(least),
            median: format!("×{}", in_digits(median(&best))),
            most: place(most),
            crossover: crossover.map(|size| format!("{} {}", self.unit, self.extent(size))),
            settings: bouts.len(),
            lost: bouts.iter().filter(|bout| bout.ratio <= 1.0).count(),
            base_out_of_memory: out_of_memory(&self.base),
            out_of_memory: out_of_memory(&self.ours),
        })
    }

    /// What all of ours have in common, which the sentence need not say.
    fn constant(&self) -> Vec<&(String, Value)> {
        let [first, others @ ..] = self.ours.cells() else { return Vec::new() };
        first.case.iter().filter(|pair| others.iter().all(|other| other.case.contains(pair))).collect()
    }

    fn bouts(&self) -> Vec<Bout<'_>> {
        let measured = |cell: &Cell| match &cell.outcome {
            Outcome::Measured(measured) => (self.value)(measured).filter(|value| *value > 0.0),
            Outcome::OutOfMemory | Outcome::Failed(_) => None,
        };
        self.ours
            .cells()
            .iter()
            .filter_map(|cell| {
                let base = self.base.cells().iter().rfind(|base| same_case(base, cell))?;
                Some(Bout { cell, ratio: measured(base)? / measured(cell)? })
            })
            .collect()
    }

    /// A size, as a square where it is a product.
    fn extent(&self, size: f64) -> String {
        let root = size.sqrt();
        match (self.unit.contains('·'), root.fract() == 0.0) {
            (true, true) => format!("{root}²"),
            (true, false) => label(size),
            (false, _) => size.to_string(),
        }
    }

    /// The least size from which on all are won, where a smaller one is not.
    fn crossover(&self, best: &[&Bout<'_>]) -> Option<f64> {
        let size = |bout: &&&Bout<'_>| (self.size)(bout.cell);
        let lost = best.iter().filter(|bout| bout.ratio <= 1.0).filter_map(|bout| size(&bout)).fold(0.0, f64::max);
        best.iter().filter_map(|bout| size(&bout)).filter(|size| *size > lost).min_by(f64::total_cmp)
    }
}

/// Whether two cells do the same: what a case does not name it does not depend on.
fn same_case(a: &Cell, b: &Cell) -> bool {
    a.case.iter().all(|(key, value)| b.case.iter().all(|(other, theirs)| key != other || value == theirs))
}

fn best_of_each_case<'a>(bouts: &'a [Bout<'a>]) -> Vec<&'a Bout<'a>> {
    let mut best: Vec<&Bout<'_>> = Vec::new();
    for bout in bouts {
        match best.iter_mut().find(|other| other.cell.case == bout.cell.case) {
            Some(other) if other.ratio < bout.ratio => *other = bout,
            Some(_) => {}
            None => best.push(bout),
        }
    }
    best
}

fn median(best: &[&Bout<'_>]) -> f64 {
    let mut ratios: Vec<f64> = best.iter().map(|bout| bout.ratio).collect();
    ratios.sort_by(f64::total_cmp);
    ratios[(ratios.len() - 1) / 2].midpoint(ratios[ratios.len() / 2])
}

/// A number with two digits, or as many as it has before the point.
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

/// The product of two extents of a case.
pub fn product(cell: &Cell, keys: [&str; 2]) -> Option<f64> {
    Some(number(cell, keys[0])? * number(cell, keys[1])?)
}

/// All sentences, as a list where there are several.
pub fn sentences(verdicts: &[Verdict]) -> String {
    match verdicts {
        [verdict] => verdict.sentence(),
        several => several.iter().map(|verdict| format!("- {}", verdict.sentence())).collect::<Vec<_>>().join("\n"),
    }
}

//! Who is faster, or smaller, than whom, and by how much: the sentences under figures.

use super::axis::label;
use super::data::{Data, number};
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

impl Contest<'_> {
    /// One sentence; none where nothing can be compared.
    pub fn sentence(&self) -> Option<String> {
        let bouts = self.bouts();
        let best = best_of_each_case(&bouts);
        let most = best.iter().copied().max_by(|a, b| a.ratio.total_cmp(&b.ratio))?;
        let least = best.iter().copied().min_by(|a, b| a.ratio.total_cmp(&b.ratio))?;
        let won = best.iter().filter(|bout| bout.ratio > 1.0).count();
        let (ours, better, base) = (&self.our_name, self.better, &self.base_name);
        let constant = self.constant();
        let place = |bout: &Bout<'_>| {
            let named = bout.cell.case.iter().chain(&bout.cell.parameters);
            words(named.filter(|pair| !constant.contains(pair)))
        };
        let mut text = if best.len() == 1 {
            format!("{ours} is ×{} as {better} as {base} ({})", times(most.ratio), place(most))
        } else {
            format!(
                "{ours} is {better}er than {base} in {won} of {} cases, from ×{} ({}) to ×{} ({})",
                best.len(),
                times(least.ratio),
                place(least),
                times(most.ratio),
                place(most),
            )
        };
        if let (true, Some(size)) = (won < best.len() && best.len() > 1, self.crossover(&best)) {
            text += &format!(", and always from {} {} on", self.unit, label(size));
        }
        let lost = bouts.iter().filter(|bout| bout.ratio <= 1.0).count();
        if bouts.len() > best.len() {
            text += &format!("; of all {} settings {lost} are not", bouts.len());
        }
        let out_of_memory = |data: &Data<'_>| data.cells().iter().filter(|c| c.outcome == Outcome::OutOfMemory).count();
        match (out_of_memory(&self.base), out_of_memory(&self.ours)) {
            (0, 0) => {}
            (theirs, 0) => text += &format!("; {base} ran out of memory {theirs} times"),
            (theirs, own) => {
                text += &format!("; {base} ran out of memory {theirs} times, ours {own}");
            }
        }
        Some(text + ".")
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

/// A ratio with two digits.
pub fn times(ratio: f64) -> String {
    match ratio {
        10.0.. => format!("{ratio:.0}"),
        1.0..10.0 => format!("{ratio:.1}"),
        _ => format!("{ratio:.2}"),
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

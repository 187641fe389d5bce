//! Positions of values on a logarithmic axis, and its ticks.

use libm::{exp10, log10};

/// The least ratio between the ends of an axis.
const MIN_RATIO: f64 = 1.5;

/// Part of an axis between two ticks, so that labels do not overlap.
const MIN_DISTANCE: f64 = 0.11;

/// A logarithmic axis. Logarithms are libm's, the same on every machine, as pictures are to be.
#[derive(Clone, Copy, Debug)]
pub struct Axis {
    low: f64,
    high: f64,
}

impl Axis {
    /// An axis that holds all positive values with `room` beside them, a part of its length; none without values.
    pub fn around(values: impl Iterator<Item = f64>, room: f64) -> Option<Self> {
        let (low, high) = values
            .filter(|value| value.is_finite() && *value > 0.0)
            .fold((f64::MAX, 0.0), |(low, high): (f64, f64), value| (low.min(value), high.max(value)));
        (high > 0.0).then(|| {
            let (low, high) = (log10(low), log10(high));
            let missing = (log10(MIN_RATIO) - (high - low)).max(0.0);
            let beside = room * (high - low + missing) + 0.5 * missing;
            Self { low: low - beside, high: high + beside }
        })
    }

    /// 0 at the lower end, 1 at the upper.
    pub fn part(&self, value: f64) -> f64 {
        (log10(value) - self.low) / (self.high - self.low)
    }

    /// Round values within, few enough to be read: powers of ten where there are two and more, else steps between.
    pub fn ticks(&self) -> Vec<f64> {
        let decades = self.high - self.low;
        let every = (decades / 5.0).ceil() as i32;
        let powers = (self.low.ceil() as i32..=self.high.floor() as i32)
            .filter(|power| power.rem_euclid(every) == 0)
            .map(|power| exp10(f64::from(power)));
        if decades >= 2.0 {
            return powers.collect();
        }
        if decades >= 0.8 {
            return self.multiples(&[1.0, 2.0, 5.0]);
        }
        self.even()
    }

    fn multiples(&self, of: &[f64]) -> Vec<f64> {
        (self.low.floor() as i32..=self.high.floor() as i32)
            .flat_map(|power| of.iter().map(move |step| step * exp10(f64::from(power))))
            .filter(|tick| (0.0..=1.0).contains(&self.part(*tick)))
            .collect()
    }

    /// Up to ten values at equal distances, fewer where they would stand too close.
    fn even(&self) -> Vec<f64> {
        let (low, high) = (exp10(self.low), exp10(self.high));
        let unit = exp10(log10((high - low) / 4.0).floor());
        let step = [5.0, 2.0, 1.0].into_iter().map(|n| n * unit).find(|step| 4.0 * step <= high - low).unwrap_or(unit);
        let mut ticks: Vec<f64> = Vec::new();
        for tick in ((low / step).ceil() as i64..=(high / step).floor() as i64).map(|n| n as f64 * step) {
            if ticks.last().is_none_or(|last| self.part(tick) - self.part(*last) >= MIN_DISTANCE) {
                ticks.push(tick);
            }
        }
        ticks
    }
}

/// A tick in words: digits where few are needed, else a power of ten.
pub fn label(value: f64) -> String {
    let power = log10(value).floor();
    if !(1e-3..1e5).contains(&value) {
        let (mantissa, power) = (value / exp10(power), superscript(power as i32));
        let mantissa = short(&format!("{mantissa:.1}"));
        return if mantissa == "1" { format!("10{power}") } else { format!("{mantissa}·10{power}") };
    }
    // As many digits as tell neighbours apart.
    short(&format!("{value:.*}", (3.0 - power).clamp(0.0, 6.0) as usize))
}

/// A number without zeros at the end of its decimals.
fn short(text: &str) -> String {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text.to_owned() }
}

fn superscript(power: i32) -> String {
    power
        .to_string()
        .chars()
        .map(|digit| match digit {
            '-' => '⁻',
            '1' => '¹',
            '2' => '²',
            '3' => '³',
            digit => char::from_u32('⁰' as u32 + digit as u32 - '0' as u32).unwrap_or(digit),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(low: f64, high: f64) -> Axis {
        Axis::around([low, high].into_iter(), 0.0).expect("two values")
    }

    #[test]
    fn ticks_are_round_and_few() {
        assert_eq!(
            axis(0.01, 100.0).ticks().iter().copied().map(label).collect::<Vec<_>>(),
            ["0.01", "0.1", "1", "10", "100"]
        );
        assert_eq!(axis(1e-12, 1e-2).ticks().len(), 6);
        assert_eq!(axis(0.9, 21.0).ticks(), [1.0, 2.0, 5.0, 10.0, 20.0]);
        assert_eq!(
            axis(0.97, 1.6).ticks().iter().copied().map(label).collect::<Vec<_>>(),
            ["1", "1.1", "1.2", "1.3", "1.4", "1.5", "1.6"]
        );
    }

    #[test]
    fn ticks_do_not_overlap() {
        let axis = axis(0.042, 0.19);
        let ticks = axis.ticks();
        assert!(ticks.len() >= 4 && ticks.is_sorted(), "{ticks:?}");
        assert!(ticks.windows(2).all(|pair| axis.part(pair[1]) - axis.part(pair[0]) >= MIN_DISTANCE), "{ticks:?}");
    }

    #[test]
    fn labels_are_short() {
        let labels = [0.002, 16384.0, 1e-7, 2.5e-9, 0.1 + 0.2].map(label);
        assert_eq!(labels, ["0.002", "16384", "10⁻⁷", "2.5·10⁻⁹", "0.3"]);
    }

    #[test]
    fn without_positive_values_there_is_no_axis() {
        assert!(Axis::around([0.0, f64::NAN].into_iter(), 0.1).is_none());
        let one = axis(3.0, 3.0);
        assert!((one.part(3.0) - 0.5).abs() < 1e-12);
    }
}

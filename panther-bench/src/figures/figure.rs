//! A figure, and a summary of several.

use super::analysis::comparison::Summary;
use super::draw::chart::Chart;
use super::error::FigureError;

/// Devices that the page has figures of, as in names of figures.
pub const DEVICES: [&str; 2] = ["h200", "cpu"];

/// A figure of the page.
pub struct Figure {
    /// Its name, without `.png`.
    pub name: String,
    /// The suite that measures it.
    pub suite: &'static str,
    /// `cpu` or `h200`.
    pub device: String,
    /// What it shows in sentences, from the numbers.
    pub finding: String,
    chart: Chart,
}

impl Figure {
    pub(super) fn new(name: &str, suite: &'static str, device: &str, chart: Chart, finding: String) -> Self {
        Self { name: name.to_owned(), suite, device: device.to_owned(), finding, chart }
    }

    /// What it shows in a few words.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.chart.title
    }

    /// Machine, days, threads, precision and batch.
    #[must_use]
    pub fn subtitle(&self) -> &str {
        &self.chart.subtitle
    }

    /// Whether there is anything to draw.
    #[must_use]
    pub fn is_measured(&self) -> bool {
        self.chart.is_measured()
    }

    /// The picture as PNG: the same bytes for the same results.
    ///
    /// # Errors
    /// [`FigureError::Font`], [`FigureError::Draw`], [`FigureError::Encode`].
    pub fn png(&self) -> Result<Vec<u8>, FigureError> {
        self.chart.png()
    }
}

/// Something that many figures say together.
pub struct Observation {
    /// Of what.
    pub subject: String,
    /// `cpu` or `h200`.
    pub device: String,
    /// One for each thing that is compared with.
    pub summaries: Vec<Summary>,
}

impl Observation {
    pub(super) fn new(subject: String, device: &str, summaries: Vec<Summary>) -> Self {
        Self { subject, device: device.to_owned(), summaries }
    }
}

/// The name of a figure on a device: the page's GPU is not named.
pub(super) fn on(name: String, device: &str) -> String {
    if device == DEVICES[0] { name } else { format!("{name}_{device}") }
}

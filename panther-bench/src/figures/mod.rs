//! Figures of stored results: which there are, and what each shows.

mod attention;
mod axis;
mod canvas;
mod chart;
mod contest;
mod conv;
mod convert;
mod cqrrpt;
mod data;
mod errors;
mod ladder;
mod linear;
mod marks;
mod pivots;
mod roofline;
mod rsvd;
mod sketch;
mod style;

use std::fs;
use std::path::{Path, PathBuf};

use thiserror::Error;

use self::chart::Chart;
pub use self::contest::Verdict;
use crate::record::Record;

/// Devices that the page has figures of, as in names of figures.
pub const DEVICES: [&str; 2] = ["h200", "cpu"];

/// Why figures cannot be drawn.
#[derive(Debug, Error)]
pub enum FigureError {
    /// The font that ships with this program is broken.
    #[error("DejaVuSans.ttf cannot be read")]
    Font,
    /// The drawing failed.
    #[error("cannot draw: {0}")]
    Draw(String),
    /// The picture cannot be encoded.
    #[error("cannot encode a picture: {0}")]
    Encode(#[from] image::ImageError),
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file holds no results.
    #[error("{path} holds no results: {source}")]
    Json {
        /// Which.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// Two files of a device come from different machines.
    #[error("results of {suite} on {device} come from two machines that cannot be compared: {first} and {second}")]
    TwoMachines {
        /// Of which suite.
        suite: String,
        /// `cpu` or `h200`.
        device: String,
        /// One of them, with its threads.
        first: String,
        /// The other.
        second: String,
    },
}

impl FigureError {
    fn draw(error: impl std::fmt::Display) -> Self {
        Self::Draw(error.to_string())
    }

    pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }
}

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
    fn new(name: &str, suite: &'static str, device: &str, chart: Chart, finding: String) -> Self {
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

/// What a family of figures makes of records and a device.
type Of<T> = fn(&[Record], &str) -> Vec<T>;

/// All figures of the page in its order, those without results too, and those of other devices that there are results of.
///
/// # Errors
/// [`FigureError::TwoMachines`].
pub fn figures(records: &[Record]) -> Result<Vec<Figure>, FigureError> {
    one_machine(records)?;
    let families: [Of<Figure>; 9] = [
        linear::figures,
        attention::figures,
        conv::figures,
        rsvd::figures,
        cqrrpt::figures,
        convert::figures,
        sketch::figures,
        pivots::figures,
        roofline::figures,
    ];
    let devices = devices(records);
    let all = families.iter().flat_map(|family| devices.iter().flat_map(|device| family(records, device)));
    Ok(all.filter(|figure| DEVICES.contains(&figure.device.as_str()) || figure.is_measured()).collect())
}

/// Who is faster than whom on the whole, over all figures of a kind.
///
/// # Errors
/// [`FigureError::TwoMachines`].
pub fn observations(records: &[Record]) -> Result<Vec<Observation>, FigureError> {
    one_machine(records)?;
    let families: [Of<Observation>; 5] =
        [linear::observations, attention::observations, conv::observations, rsvd::observations, cqrrpt::observations];
    let devices = devices(records);
    let all = families.iter().flat_map(|family| devices.iter().flat_map(|device| family(records, device)));
    Ok(all.filter(|observation| !observation.verdicts.is_empty()).collect())
}

/// What observations alone would hide, a sentence or two for a device.
///
/// # Errors
/// [`FigureError::TwoMachines`].
pub fn remarks(records: &[Record]) -> Result<Vec<(String, String)>, FigureError> {
    one_machine(records)?;
    let of = |device: &str| (device.to_owned(), attention::remark(records, device));
    Ok(devices(records).into_iter().map(of).filter(|(_, remark)| !remark.is_empty()).collect())
}

/// Something that many figures say together.
pub struct Observation {
    /// Of what.
    pub subject: String,
    /// `cpu` or `h200`.
    pub device: String,
    /// One for each thing that is compared with.
    pub verdicts: Vec<Verdict>,
}

impl Observation {
    fn new(subject: String, device: &str, verdicts: Vec<Verdict>) -> Self {
        Self { subject, device: device.to_owned(), verdicts }
    }
}

/// Those of the page, and others that there are results of.
fn devices(records: &[Record]) -> Vec<&str> {
    let mut devices = DEVICES.to_vec();
    for record in records {
        if !devices.contains(&record.machine.device.as_str()) {
            devices.push(&record.machine.device);
        }
    }
    devices
}

/// Draws what the files hold, and returns the paths of the pictures.
///
/// # Errors
/// [`FigureError`]: a file that cannot be read, results of two machines, or a folder that cannot be written to.
pub fn plot(files: &[PathBuf], out: &Path) -> Result<Vec<PathBuf>, FigureError> {
    let records = files.iter().map(|file| read(file)).collect::<Result<Vec<_>, _>>()?;
    fs::create_dir_all(out).map_err(FigureError::io(out))?;
    let mut paths = Vec::new();
    for figure in figures(&records)?.iter().filter(|figure| figure.is_measured()) {
        let path = out.join(format!("{}.png", figure.name));
        fs::write(&path, figure.png()?).map_err(FigureError::io(&path))?;
        paths.push(path);
    }
    Ok(paths)
}

/// A file of results.
///
/// # Errors
/// [`FigureError::Io`], [`FigureError::Json`].
pub fn read(path: &Path) -> Result<Record, FigureError> {
    let text = fs::read_to_string(path).map_err(FigureError::io(path))?;
    serde_json::from_str(&text).map_err(|source| FigureError::Json { path: path.to_owned(), source })
}

/// Times of two machines say nothing about methods, so no figure holds both.
fn one_machine(records: &[Record]) -> Result<(), FigureError> {
    let machine = |record: &Record| match record.machine.device.as_str() {
        "cpu" => format!("{} with {} threads", record.machine.name, record.machine.threads),
        _ => record.machine.name.clone(),
    };
    for (i, second) in records.iter().enumerate() {
        let same = |first: &&Record| first.suite == second.suite && first.machine.device == second.machine.device;
        if let Some(first) = records[..i].iter().find(same)
            && machine(first) != machine(second)
        {
            return Err(FigureError::TwoMachines {
                suite: second.suite.clone(),
                device: second.machine.device.clone(),
                first: machine(first),
                second: machine(second),
            });
        }
    }
    Ok(())
}

/// The name of a figure on a device: the page's GPU is not named.
fn on(name: String, device: &str) -> String {
    if device == DEVICES[0] { name } else { format!("{name}_{device}") }
}

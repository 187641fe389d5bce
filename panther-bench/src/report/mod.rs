//! The benchmark page, made from stored results alone: equal results give equal bytes.

mod text;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use self::text::{CHAPTERS, INTRODUCTION, METHOD, REPRODUCTION};
use crate::figures::{Figure, FigureError, Observation, Summary, figures, observations, read, remarks};
use crate::record::{Measured, Outcome, Record};

/// A file of results.
struct Source {
    path: PathBuf,
    record: Record,
}

/// Writes `benchmarks.md` and `benchmarks/*.png` in `docs` from the files in `results`, and returns the paths written. Pictures of figures that
/// are not measured any more are removed.
///
/// # Errors
/// [`FigureError`]: a file that cannot be read or written, or results of two machines.
pub fn report(results: &Path, docs: &Path) -> Result<Vec<PathBuf>, FigureError> {
    let sources = sources(results)?;
    let records: Vec<Record> = sources.iter().map(|source| source.record.clone()).collect();
    let figures = figures(&records)?;
    let pictures = docs.join("benchmarks");
    fs::create_dir_all(&pictures).map_err(FigureError::io(&pictures))?;
    let mut written = Vec::new();
    for figure in &figures {
        let path = pictures.join(format!("{}.png", figure.name));
        if figure.is_measured() {
            fs::write(&path, figure.png()?).map_err(FigureError::io(&path))?;
            written.push(path);
        } else if path.exists() {
            fs::remove_file(&path).map_err(FigureError::io(&path))?;
        }
    }
    let path = docs.join("benchmarks.md");
    let shown = Shown { figures, observations: observations(&records)?, remarks: remarks(&records)? };
    fs::write(&path, page(&sources, docs, &shown)).map_err(FigureError::io(&path))?;
    written.push(path);
    Ok(written)
}

/// The files of a folder, by name.
fn sources(folder: &Path) -> Result<Vec<Source>, FigureError> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(FigureError::io(folder))? {
        let path = entry.map_err(FigureError::io(folder))?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            paths.push(path);
        }
    }
    paths.sort();
    paths.into_iter().map(|path| Ok(Source { record: read(&path)?, path })).collect()
}

/// What results say.
struct Shown {
    figures: Vec<Figure>,
    observations: Vec<Observation>,
    /// By device.
    remarks: Vec<(String, String)>,
}

fn page(sources: &[Source], docs: &Path, shown: &Shown) -> String {
    let figures = &shown.figures;
    let mut page = INTRODUCTION.to_owned() + &contents(figures);
    page += &section("Key observations", &key_observations(shown));
    for chapter in &CHAPTERS {
        let mut of = figures.iter().filter(|figure| figure.suite == chapter.suite && figure.is_measured()).peekable();
        if of.peek().is_some() {
            let text: String = of.map(|figure| figure_text(figure, sources, docs)).collect();
            page += &section(chapter.title, &format!("{}\n{text}", chapter.text));
        }
    }
    page += &section("How it was measured", &(METHOD.to_owned() + &runs(sources)));
    page += &section("What was measured", &machines(sources, docs));
    page += &section("Measure it yourself", REPRODUCTION);
    page += &section("Not measured yet", &missing(figures));
    page
}

/// Links to the chapters.
fn contents(figures: &[Figure]) -> String {
    let measured = |suite: &str| figures.iter().any(|figure| figure.suite == suite && figure.is_measured());
    let chapters = CHAPTERS.iter().filter(|chapter| measured(chapter.suite)).map(|chapter| chapter.title);
    let titles = ["Key observations"].into_iter().chain(chapters);
    let titles = titles.chain(["How it was measured", "What was measured", "Measure it yourself"]);
    let link = |title: &str| format!("[{title}](#{})", title.to_lowercase().replace(' ', "-"));
    format!("\n{}\n", titles.map(link).collect::<Vec<_>>().join(" · "))
}

/// A title and its text; nothing where there is no text.
fn section(title: &str, text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("\n## {title}\n\n{}\n", text.trim_end()) }
}

/// A line a file.
fn machines(sources: &[Source], docs: &Path) -> String {
    let mut text =
        "| results | machine | threads | memory | day | versions | measured | out of memory | failed |\n".to_owned();
    text += "|---|---|---|---|---|---|---|---|---|\n";
    for Source { path, record } in sources {
        let machine = &record.machine;
        let count = |of: fn(&Outcome) -> bool| record.cells.iter().filter(|cell| of(&cell.outcome)).count();
        let threads = if machine.device == "cpu" { machine.threads.to_string() } else { "–".to_owned() };
        let row = [
            link(path, docs),
            machine.name.clone(),
            threads,
            format!("{:.0} GiB", machine.memory as f64 / f64::from(1 << 30)),
            machine.date.clone(),
            machine.versions.join(", "),
            count(|outcome| matches!(outcome, Outcome::Measured(_))).to_string(),
            count(|outcome| matches!(outcome, Outcome::OutOfMemory)).to_string(),
            count(|outcome| matches!(outcome, Outcome::Failed(_))).to_string(),
        ];
        text += &format!("| {} |\n", row.join(" | "));
    }
    text
}

/// A link to a file in the folder of the page; elsewhere its name alone.
fn link(path: &Path, docs: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    match path.strip_prefix(docs) {
        Ok(inside) => {
            let parts: Vec<_> = inside.iter().map(|part| part.to_string_lossy()).collect();
            format!("[`{name}`]({})", parts.join("/"))
        }
        Err(_) => format!("`{name}`"),
    }
}

/// Suites whose figures race nothing, and are summed up by what stands under them.
const QUALITIES: [&str; 4] = ["convert", "sketch", "pivots", "roofline"];

/// Methods of libraries that are in use today.
const LIBRARIES: [&str; 3] = ["torch", "scipy", "sklearn"];

/// A table for each device with a line for each comparison with a library, or with our own dense method where there is none, and what was
/// found of errors.
fn key_observations(Shown { figures, observations, remarks }: &Shown) -> String {
    let mut text = String::new();
    let devices: BTreeSet<&str> = observations.iter().map(|observation| observation.device.as_str()).collect();
    for device in devices.into_iter().rev() {
        let of = observations.iter().filter(|observation| observation.device == device);
        let _ = write!(text, "### {}\n\n{TABLE}", device.to_uppercase());
        text.extend(of.map(|observation| rows(&observation.subject, &telling(&observation.summaries))));
        let qualities = figures.iter().filter(|figure| figure.device == device && !figure.finding.is_empty());
        let qualities = qualities.filter(|figure| QUALITIES.contains(&figure.suite) || figure.name.contains("_error"));
        text.push('\n');
        text.extend(remarks.iter().filter(|(of, _)| of == device).map(|(_, remark)| format!("- {remark}\n")));
        text.extend(qualities.map(|Figure { name, finding, .. }| format!("- `{name}`: {finding}\n")));
        text.push('\n');
    }
    text
}

/// × is how many times as fast or as small.
const TABLE: &str = "\
| method | beside | better in | settings that are | × at the least | × in the median | × at most | in all measured cases from |
|---|---|---|---|---|---|---|---|
";

/// Those beside libraries, or all where there are none.
fn telling(summaries: &[Summary]) -> Vec<&Summary> {
    let of_library = |summary: &&Summary| LIBRARIES.iter().any(|library| summary.base.starts_with(library));
    let beside_libraries: Vec<_> = summaries.iter().filter(of_library).collect();
    if beside_libraries.is_empty() { summaries.iter().collect() } else { beside_libraries }
}

fn rows(subject: &str, summaries: &[&Summary]) -> String {
    let row = |summary: &&Summary| {
        let Summary { candidate, base, won, cases, min, median, max, crossover, settings, lost, .. } = summary;
        let better = settings - lost;
        let always = crossover.as_deref().unwrap_or(if won == cases { "the smallest" } else { "–" });
        format!(
            "| {subject}: {candidate} | {base} | {won} of {cases} | {better} of {settings} | {min} | {median} | {max} | {always} |\n"
        )
    };
    summaries.iter().map(row).collect()
}

/// A figure with what it shows and where that comes from.
fn figure_text(figure: &Figure, sources: &[Source], docs: &Path) -> String {
    let Figure { name, finding, device, suite, .. } = figure;
    let of: Vec<&Source> = sources
        .iter()
        .filter(|source| source.record.suite == *suite && source.record.machine.device == *device)
        .collect();
    let mut facts: Vec<String> = vec![figure.subtitle().to_owned()];
    let versions: BTreeSet<&str> =
        of.iter().flat_map(|source| source.record.machine.versions.iter().map(String::as_str)).collect();
    facts.push(versions.into_iter().collect::<Vec<_>>().join(", "));
    facts.push(of.iter().map(|source| link(&source.path, docs)).collect::<Vec<_>>().join(", "));
    let mut text =
        format!("\n### {} ({})\n\n![{name}](benchmarks/{name}.png)\n\n", figure.title(), device.to_uppercase());
    if !finding.is_empty() {
        let _ = write!(text, "{finding}\n\n");
    }
    let _ = writeln!(text, "<sub>{}</sub>", facts.join("; "));
    text
}

/// How often things were run.
fn runs(sources: &[Source]) -> String {
    let measured = sources.iter().flat_map(|source| &source.record.cells).filter_map(|cell| match &cell.outcome {
        Outcome::Measured(measured) => Some(measured),
        Outcome::OutOfMemory | Outcome::Failed(_) => None,
    });
    let times = measured.flat_map(|Measured { forward, backward, .. }| [forward, backward]);
    let runs: BTreeSet<usize> = times.flatten().map(|time| time.runs).collect();
    match (runs.first(), runs.last()) {
        (Some(least), Some(most)) => format!("- **Runs** of each thing: {least} to {most}, long ones fewer.\n"),
        _ => String::new(),
    }
}

/// Names of figures without results, by the command that measures them.
fn missing(figures: &[Figure]) -> String {
    let mut text = String::new();
    let mut seen = BTreeSet::new();
    for figure in figures.iter().filter(|figure| !figure.is_measured()) {
        if seen.insert((figure.suite, &figure.device)) {
            let same = |other: &&Figure| (other.suite, &other.device) == (figure.suite, &figure.device);
            let names = figures.iter().filter(|other| !other.is_measured()).filter(same);
            let names: Vec<String> = names.map(|figure| format!("`{}`", figure.name)).collect();
            let device = if figure.device == "cpu" { "cpu" } else { "cuda:0" };
            let command = format!("panther-bench run {} --device {device} --full", figure.suite);
            let _ = writeln!(text, "- `{command}` on {}: {}", figure.device, names.join(", "));
        }
    }
    text
}

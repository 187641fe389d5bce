//! The page and its figures, drawn from results that are made up.

mod synthetic;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use panther_bench::compare::{CompareError, compare};
use panther_bench::figures::{FigureError, figures, plot};
use panther_bench::record::{Measured, Outcome, Record};
use panther_bench::report::report;

/// Names that the page is to have for the GPU, and with `_cpu` for a CPU.
fn names_of_both() -> Vec<String> {
    let mut names: Vec<String> = ["rsvd_runtime", "rsvd_error", "rsvd_memory"].map(str::to_owned).to_vec();
    for rows in [8192, 16384] {
        names.extend([format!("cqrrpt_runtime_m{rows}"), format!("cqrrpt_error_m{rows}")]);
    }
    for embed in [128, 256, 512, 1024] {
        for kernel in ["relu", "softmax"] {
            for stem in ["attention_forward_time", "attention_backward_time", "attention_memory"] {
                names.push(format!("{stem}_{embed}_{kernel}"));
            }
        }
    }
    for size in [3, 5, 9] {
        for image in [64, 128, 256] {
            names.extend(["forward", "backward"].map(|pass| format!("conv_{pass}_k{size}_im{image}")));
        }
    }
    names.extend(["sketch_throughput", "pivots", "roofline"].map(str::to_owned));
    names
}

fn expected() -> BTreeSet<String> {
    let both = names_of_both();
    assert_eq!(both.len(), 3 + 4 + 24 + 18 + 3);
    let mut names: BTreeSet<String> = both.iter().map(|name| format!("{name}_cpu")).collect();
    names.extend(both);
    for device in ["h200", "cpu"] {
        names.extend(["forward", "backward"].map(|pass| format!("linear_{pass}_{device}")));
    }
    names.insert("conversion_error_cpu".to_owned());
    names
}

#[test]
fn every_figure_has_its_name_and_says_something() {
    let figures = figures(&synthetic::records()).expect("one machine a device");
    let names: BTreeSet<String> = figures.iter().map(|figure| figure.name.clone()).collect();
    assert_eq!(names, expected());
    assert_eq!(names.len(), figures.len());
    for figure in &figures {
        assert!(figure.is_measured(), "{}", figure.name);
        assert!(
            figure.finding.ends_with('.') && !figure.finding.contains("NaN"),
            "{}: {}",
            figure.name,
            figure.finding
        );
        let machine = synthetic::machine(&figure.device);
        assert!(
            figure.subtitle().contains(&machine.name) && figure.subtitle().contains(&machine.date),
            "{}",
            figure.name
        );
    }
}

#[test]
fn errors_of_layers_stand_under_their_figures() {
    let figures = figures(&synthetic::records()).expect("one machine a device");
    let finding = |name: &str| &figures.iter().find(|figure| figure.name == name).expect("a figure").finding;
    let rounding = "against double precision: dense f32 3.0e-7, ";
    let estimate = "by random features a head: 0.50 with 64, 0.35 with 128, 0.25 with 256.";
    for (name, estimates) in [
        ("linear_forward_cpu", false),
        ("conv_backward_k5_im64", false),
        ("attention_memory_128_relu", false),
        ("attention_forward_time_512_softmax_cpu", true),
    ] {
        assert!(finding(name).contains(rounding), "{name}: {}", finding(name));
        assert_eq!(finding(name).contains(estimate), estimates, "{name}: {}", finding(name));
    }
}

#[test]
fn without_results_all_figures_are_named_and_none_is_measured() {
    let figures = figures(&[]).expect("no machine");
    assert_eq!(figures.iter().map(|figure| figure.name.clone()).collect::<BTreeSet<_>>(), expected());
    assert!(figures.iter().all(|figure| !figure.is_measured() && figure.finding.is_empty()));
}

/// Shares of pixels that are not white, and that are neither white nor grey.
fn inked(png: &[u8]) -> (f64, f64) {
    let image = image::load_from_memory(png).expect("a picture").to_rgb8();
    assert_eq!(image.width(), 1600);
    let share = |of: fn(&[u8; 3]) -> bool| {
        image.pixels().filter(|pixel| of(&pixel.0)).count() as f64 / f64::from(image.width() * image.height())
    };
    (share(|pixel| pixel != &[255; 3]), share(|[red, green, blue]| red != green || green != blue))
}

#[test]
fn pictures_decode_and_hold_lines_in_color() {
    let drawn =
        ["linear_forward_h200", "attention_memory_128_softmax_cpu", "conv_backward_k9_im64", "rsvd_error", "roofline"];
    for figure in figures(&synthetic::records()).expect("one machine a device") {
        if drawn.contains(&figure.name.as_str()) {
            let (ink, color) = inked(&figure.png().expect("a picture"));
            assert!((0.01..0.5).contains(&ink) && color > 0.001, "{}: {ink} {color}", figure.name);
        }
    }
}

#[test]
fn failures_are_drawn() {
    let mut record = synthetic::record("attention", "h200");
    record.cells.retain(|cell| matches!(cell.outcome, Outcome::OutOfMemory | Outcome::Failed(_)));
    let figures = figures(&[record]).expect("one machine");
    let of = |name: &str| figures.iter().find(|figure| figure.name == name).expect("a figure");
    let failed = of("attention_forward_time_128_relu");
    assert!(failed.is_measured());
    assert!(inked(&failed.png().expect("a picture")).0 > 0.005);
}

#[test]
fn another_gpu_has_figures_of_what_was_measured_there() {
    let mut theirs = synthetic::record("linear", "h200");
    theirs.machine.device = "a100".to_owned();
    let records = [synthetic::records(), vec![theirs]].concat();
    let names: BTreeSet<String> =
        figures(&records).expect("one machine a device").iter().map(|figure| figure.name.clone()).collect();
    let more = ["linear_forward_a100", "linear_backward_a100"].map(str::to_owned);
    assert_eq!(names, expected().into_iter().chain(more).collect());
}

#[test]
fn figures_of_two_machines_are_refused() {
    let ours = synthetic::record("linear", "cpu");
    let mut theirs = ours.clone();
    theirs.machine.threads = 1;
    assert!(matches!(figures(&[ours, theirs]), Err(FigureError::TwoMachines { suite, .. }) if suite == "linear"));
}

fn store(folder: &Path, records: &[Record]) {
    fs::create_dir_all(folder).expect("a folder");
    for record in records {
        let path = folder.join(format!("{}_{}.json", record.suite, record.machine.device));
        fs::write(path, serde_json::to_string(record).expect("JSON")).expect("a file");
    }
}

/// All files of a folder and of those in it, with what they hold.
fn contents(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(contents(&path));
        } else {
            files.push((
                path.file_name().expect("a name").to_string_lossy().into_owned(),
                fs::read(&path).expect("a file"),
            ));
        }
    }
    files.sort();
    files
}

#[test]
fn the_page_is_the_same_twice_and_holds_no_placeholder() {
    let suites = ["cqrrpt", "pivots"];
    let records = suites.map(|suite| synthetic::record(suite, "cpu"));
    let folders = [0, 1].map(|_| tempfile::tempdir().expect("a folder"));
    for docs in &folders {
        let results = docs.path().join("benchmarks").join("results");
        store(&results, &records);
        // A picture that no result stands for any more.
        fs::write(docs.path().join("benchmarks").join("rsvd_error_cpu.png"), [0]).expect("a file");
        report(&results, docs.path()).expect("a page");
    }
    let [first, second] = folders.each_ref().map(|docs| contents(docs.path()));
    assert_eq!(first, second);
    let names: Vec<&str> = first.iter().map(|(name, _)| name.as_str()).collect();
    assert!(names.contains(&"cqrrpt_error_m8192_cpu.png") && !names.contains(&"rsvd_error_cpu.png"));
    let page = first.iter().find(|(name, _)| name == "benchmarks.md").expect("a page");
    let page = String::from_utf8(page.1.clone()).expect("text");
    for word in ["TODO", "TBD", "placeholder", "coming soon", "NaN", "inf "] {
        assert!(!page.contains(word), "{word}");
    }
    // Every picture of the page is there, and every other figure is in the list of those that are missing.
    let (measured, missing) = page.split_once("## Not measured yet").expect("what is missing");
    for name in expected() {
        let there = names.contains(&format!("{name}.png").as_str());
        assert_eq!(measured.contains(&format!("](benchmarks/{name}.png)")), there, "{name}");
        assert_eq!(missing.contains(&format!("`{name}`")), !there, "{name}");
    }
    assert!(missing.contains("panther-bench run roofline --device cuda:0"));
    assert!(page.contains("[`cqrrpt_cpu.json`](benchmarks/results/cqrrpt_cpu.json)"));
}

#[test]
fn the_page_of_the_repository_is_what_its_results_make() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let folder = tempfile::tempdir().expect("a folder");
    let results = folder.path().join("benchmarks").join("results");
    fs::create_dir_all(&results).expect("a folder");
    for (name, bytes) in contents(&docs.join("benchmarks").join("results")) {
        fs::write(results.join(name), bytes).expect("a file");
    }
    report(&results, folder.path()).expect("a page");
    let page =
        |docs: &Path| (fs::read(docs.join("benchmarks.md")).expect("a page"), contents(&docs.join("benchmarks")));
    let ((made, pictures), (stored, stored_pictures)) = (page(folder.path()), page(&docs));
    assert!(made == stored, "docs/benchmarks.md is another one: panther-bench report");
    let names = |files: &[(String, Vec<u8>)]| files.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&pictures), names(&stored_pictures));
    for ((name, made), (_, stored)) in pictures.iter().zip(&stored_pictures) {
        assert!(made == stored, "docs/benchmarks/{name} is another one: panther-bench report");
    }
}

#[test]
fn plot_draws_what_the_files_hold() {
    let folder = tempfile::tempdir().expect("a folder");
    store(folder.path(), &[synthetic::record("pivots", "cpu")]);
    let out = folder.path().join("figures");
    let drawn = plot(&[folder.path().join("pivots_cpu.json")], &out).expect("a figure");
    assert_eq!(drawn, [out.join("pivots_cpu.png")]);
    assert!(matches!(plot(&[folder.path().join("none.json")], &out), Err(FigureError::Io { .. })));
    fs::write(folder.path().join("bad.json"), "{}").expect("a file");
    assert!(matches!(plot(&[folder.path().join("bad.json")], &out), Err(FigureError::Json { .. })));
}

fn measured(record: &mut Record, i: usize) -> &mut Measured {
    match &mut record.cells[i].outcome {
        Outcome::Measured(measured) => measured,
        other => panic!("{other:?}"),
    }
}

#[test]
fn compare_finds_what_moved_and_nothing_else() {
    let before = synthetic::record("rsvd", "cpu");
    let mut after = before.clone();
    assert!(compare(&before, &after).expect("one suite").changes.is_empty());

    let third = measured(&mut after, 3);
    third.forward = third.forward.map(|time| synthetic::time(3.0 * time.median));
    // Within the spread.
    let fifth = measured(&mut after, 5);
    fifth.forward = fifth.forward.map(|time| synthetic::time(1.01 * time.median));
    let seventh = measured(&mut after, 7);
    seventh.memory_forward = seventh.memory_forward.map(|bytes| bytes / 2);
    for (name, value) in &mut measured(&mut after, 9).metrics {
        *value *= if name == "error" { 10.0 } else { 1.0 };
    }
    after.cells[11].outcome = Outcome::OutOfMemory;
    after.cells.pop();
    after.machine.threads = 1;

    let found = compare(&before, &after).expect("one suite");
    let moves: Vec<(&str, String)> =
        found.changes.iter().map(|moved| (moved.what.as_str(), format!("{:.2}", moved.ratio))).collect();
    let planted = [("outcome", "inf"), ("error", "10.00"), ("forward", "3.00"), ("memory forward", "0.50")];
    assert_eq!(moves, planted.map(|(what, ratio)| (what, ratio.to_owned())));
    assert_eq!((found.matched, found.unmatched), (before.cells.len() - 1, 1));
    assert!(found.machines.is_some_and(|words| words.contains("threads: 1") && words.contains("threads: 2")));
}

#[test]
fn different_suites_are_not_compared() {
    let (first, second) = (synthetic::record("rsvd", "cpu"), synthetic::record("cqrrpt", "cpu"));
    let refused = CompareError::Suites { first: "rsvd".to_owned(), second: "cqrrpt".to_owned() };
    assert_eq!(compare(&first, &second).err(), Some(refused));
}

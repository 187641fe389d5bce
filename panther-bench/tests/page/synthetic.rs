//! Results that look like measured ones, made from formulas.

use panther_bench::record::{Cell, Machine, Measured, Outcome, Record, Time, Value};

/// Parameters and case as they are stored.
type Pairs<'a> = &'a [(&'a str, u64)];

/// A record of every suite for both devices.
pub fn records() -> Vec<Record> {
    let gpu = ["linear", "attention", "conv", "rsvd", "cqrrpt", "sketch", "pivots", "roofline"];
    let cpu = gpu.into_iter().chain(["convert"]).map(|suite| record(suite, "cpu"));
    gpu.map(|suite| record(suite, "h200")).into_iter().chain(cpu).collect()
}

pub fn machine(device: &str) -> Machine {
    let gpu = device == "h200";
    Machine {
        device: device.to_owned(),
        name: if gpu { "NVIDIA H200" } else { "Some CPU at 2.70 GHz" }.to_owned(),
        threads: 2,
        memory: if gpu { 80 << 30 } else { 8 << 30 },
        date: "2026-11-23".to_owned(),
        versions: vec!["panther 0.1.0".to_owned(), "faer 0.24.4".to_owned()],
    }
}

pub fn record(suite: &str, device: &str) -> Record {
    let cells = match suite {
        "linear" => linear(device),
        "attention" => attention(device),
        "conv" => conv(device),
        "rsvd" => rsvd(device),
        "cqrrpt" => cqrrpt(device),
        "sketch" => sketch(device),
        "convert" => convert(),
        "pivots" => pivots(),
        _ => roofline(device),
    };
    Record { format: 1, suite: suite.to_owned(), machine: machine(device), cells }
}

/// Operations a second, and the least time of a run.
fn speed(device: &str) -> (f64, f64) {
    if device == "h200" { (4e13, 1e-5) } else { (1e11, 1e-6) }
}

fn seconds(device: &str, flops: f64) -> f64 {
    let (speed, least) = speed(device);
    least + flops / speed
}

pub fn time(median: f64) -> Time {
    Time { median, min: 0.97 * median, max: 1.08 * median, runs: 11 }
}

fn layer(forward: f64, bytes: f64) -> Outcome {
    layer_at(forward, bytes, None)
}

/// With its distance from dense attention, where it estimates that.
fn layer_at(forward: f64, bytes: f64, distance: Option<f64>) -> Outcome {
    let distance = distance.map(|distance| ("distance_from_dense".to_owned(), distance));
    Outcome::Measured(Measured {
        forward: Some(time(forward)),
        backward: Some(time(2.9 * forward)),
        memory_forward: Some(bytes as u64),
        memory_backward: Some((2.2 * bytes) as u64),
        metrics: [("error".to_owned(), 3e-7)].into_iter().chain(distance).collect(),
    })
}

fn plain(seconds: f64, bytes: f64, metrics: &[(&str, f64)]) -> Outcome {
    Outcome::Measured(Measured {
        forward: Some(time(seconds)),
        memory_forward: (bytes > 0.0).then_some(bytes as u64),
        metrics: metrics.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect(),
        ..Measured::default()
    })
}

fn numbers(pairs: Pairs<'_>) -> Vec<(String, Value)> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), Value::Whole(*value))).collect()
}

fn cell(case: Pairs<'_>, method: &str, parameters: Pairs<'_>, precision: &str, outcome: Outcome) -> Cell {
    Cell {
        case: numbers(case),
        method: method.to_owned(),
        parameters: numbers(parameters),
        precision: precision.to_owned(),
        outcome,
    }
}

fn worded(mut cell: Cell, key: &str, word: &str) -> Cell {
    cell.case.insert(0, (key.to_owned(), Value::Word(word.to_owned())));
    cell
}

fn linear(device: &str) -> Vec<Cell> {
    let extents: &[u64] =
        if device == "h200" { &[256, 512, 1024, 8192, 16384, 32768, 65536] } else { &[256, 512, 1024, 8192] };
    let mut cells = Vec::new();
    for &input in extents {
        for &output in extents {
            let case = [("in", input), ("out", output), ("batch", 256)];
            let weights = (input * output) as f64;
            let dense = seconds(device, 512.0 * weights);
            let fits = weights < 4e9;
            let outcome = if fits { layer(dense, 4.0 * weights) } else { Outcome::OutOfMemory };
            cells.push(cell(&case, "dense", &[], "f32", outcome));
            if device == "h200" {
                for (precision, faster) in [("tf32", 6.0), ("bf16", 11.0)] {
                    let outcome = layer(1e-5 + dense / faster, 4.0 * weights);
                    cells.push(cell(&case, "dense", &[], precision, outcome));
                }
                cells.push(cell(&case, "torch", &[], "f32", layer(1.1 * dense, 4.0 * weights)));
                cells.push(cell(&case, "torch-bf16", &[], "bf16", layer(1e-5 + 0.08 * dense, 2.0 * weights)));
            }
            for terms in 1..=3 {
                for rank in [16, 32, 64, 128, 256, 512] {
                    let parameters = 2 * terms * rank * (input + output);
                    if parameters < input * output {
                        let sketched = [("num_terms", terms), ("low_rank", rank)];
                        let time = 2.0 * seconds(device, 700.0 * parameters as f64);
                        cells.push(cell(&case, "sketched", &sketched, "f32", layer(time, 4.0 * parameters as f64)));
                        if device == "h200" && terms == 1 && [16, 64].contains(&rank) {
                            let outcome = layer(1.5e-5 + time / 5.0, 4.0 * parameters as f64);
                            cells.push(cell(&case, "sketched", &sketched, "bf16", outcome));
                        }
                    }
                }
            }
        }
    }
    cells
}

fn attention(device: &str) -> Vec<Cell> {
    let lengths: &[u64] = if device == "h200" { &[512, 1024, 2048, 4096, 8192, 16384] } else { &[512, 1024, 2048] };
    let mut cells = Vec::new();
    for embed in [128, 256, 512, 1024] {
        for heads in [4, 8, 16] {
            for &length in lengths {
                for causal in [0, 1] {
                    let case =
                        [("embed", embed), ("heads", heads), ("length", length), ("causal", causal), ("batch", 1)];
                    let (e, n) = (embed as f64, length as f64);
                    let dense = seconds(device, 8.0 * n * e * e + 4.0 * n * n * e + 100.0 * n * n);
                    let bytes = 4.0 * n * n * heads as f64 + 16.0 * n * e;
                    let outcome = if length == 16384 && heads == 16 {
                        Outcome::OutOfMemory
                    } else {
                        layer(dense * if causal == 1 { 0.7 } else { 1.0 }, bytes)
                    };
                    cells.push(cell(&case, "dense", &[], "f32", outcome));
                    for features in [64, 128, 256] {
                        for kernel in ["relu", "softmax"] {
                            let f = features as f64;
                            let forward =
                                3.0 * seconds(device, 8.0 * n * e * e + 8.0 * n * e * f) + 2e-5 * causal as f64;
                            let outcome = if embed == 128 && length == 512 && features == 256 {
                                Outcome::Failed("no such luck".to_owned())
                            } else {
                                let distance = (kernel == "softmax").then_some(4.0 / f.sqrt());
                                layer_at(forward, 16.0 * n * e + 4.0 * n * f, distance)
                            };
                            let case = [&case[..2], &[("features", features)], &case[2..]].concat();
                            cells.push(worded(cell(&case, "randomized", &[], "f32", outcome), "kernel", kernel));
                        }
                    }
                }
            }
        }
    }
    cells
}

fn conv(device: &str) -> Vec<Cell> {
    let channels: &[u64] = if device == "h200" { &[64, 128, 256, 512, 1024, 2048] } else { &[64, 128] };
    let mut cells = Vec::new();
    for kernel in [3, 5, 9] {
        for image in [64, 128, 256] {
            for &input in channels {
                for &output in channels {
                    let case = [
                        ("kernel", kernel),
                        ("image", image),
                        ("in_channels", input),
                        ("out_channels", output),
                        ("batch", 8),
                    ];
                    let pixels = (8 * image * image) as f64;
                    let patch = (kernel * kernel * input) as f64;
                    let dense = seconds(device, 2.0 * pixels * patch * output as f64);
                    let bytes = 4.0 * pixels * (input + output) as f64;
                    let fits = bytes < 4e9;
                    let outcome = if fits { layer(dense, bytes) } else { Outcome::OutOfMemory };
                    cells.push(cell(&case, "dense", &[], "f32", outcome));
                    for terms in 1..=3 {
                        for rank in [8, 16, 32] {
                            let flops = 2.0 * pixels * (terms * rank) as f64 * (patch + output as f64);
                            let sketched = [("num_terms", terms), ("low_rank", rank)];
                            let outcome = layer(2.0 * seconds(device, flops), 1.1 * bytes);
                            let outcome = if fits { outcome } else { Outcome::OutOfMemory };
                            cells.push(cell(&case, "sketched", &sketched, "f32", outcome));
                        }
                    }
                }
            }
        }
    }
    cells
}

fn rsvd(device: &str) -> Vec<Cell> {
    let sizes: &[u64] = if device == "h200" { &[1000, 2048, 4096, 8192, 16384] } else { &[1000, 2048, 4096] };
    let mut cells = Vec::new();
    for (spectrum, precision) in [("polynomial", "f32"), ("exponential", "f64")] {
        for rank in if spectrum == "polynomial" { &[50, 100, 200, 500][..] } else { &[200] } {
            for &size in sizes {
                let (n, k) = (size as f64, *rank as f64);
                for (method, cost, excess) in [
                    ("panther-krylov", 12.0 * n * n * k + 2e10, 3e-4),
                    ("panther-subspace", 8.0 * n * n * k + 1e10, 9.8e-3),
                    ("exact", 20.0 * n * n * n, 0.0),
                    ("torch", 10.0 * n * n * k + 2e10, 9e-3),
                ] {
                    let outcome = if method == "exact" && size == 16384 {
                        Outcome::OutOfMemory
                    } else {
                        let tail = if spectrum == "polynomial" { 0.6 / k.sqrt() } else { 8e-7 };
                        plain(
                            seconds(device, cost),
                            8.0 * n * k * 3.0,
                            &[
                                ("error", tail * (1.0 + excess)),
                                ("error_over_best", 1.0 + excess * (1.0 + n / 1e5)),
                                ("estimate", 1.3 * tail),
                                ("orthogonality", 1e-6),
                            ],
                        )
                    };
                    // The exact one and those to a tolerance have no rank.
                    let ranked = method != "exact" && spectrum == "polynomial";
                    let case = if ranked { &[("size", size), ("rank", *rank)][..] } else { &[("size", size)] };
                    let cell = worded(cell(case, method, &[], precision, outcome), "spectrum", spectrum);
                    let same = |other: &Cell| {
                        (&other.case, &other.method, &other.precision) == (&cell.case, &cell.method, &cell.precision)
                    };
                    if !cells.iter().any(same) {
                        cells.push(cell);
                    }
                }
            }
        }
    }
    cells
}

fn cqrrpt(device: &str) -> Vec<Cell> {
    let columns: &[u64] = if device == "h200" { &[64, 128, 256, 512, 1024, 2048] } else { &[64, 128, 256, 512, 1024] };
    let mut cells = Vec::new();
    for rows in [8192, 16384] {
        for &n in columns {
            for precision in ["f32", "f64"] {
                let flops = (rows * n * n) as f64;
                let unit = if precision == "f32" { 6e-8 } else { 1e-16 };
                for (method, cost) in [("panther", 4.0), ("unpivoted", 9.0), ("pivoted", 40.0)] {
                    let metrics =
                        [("error", 4.0 * unit * f64::sqrt(cost)), ("orthogonality", unit * (n as f64).sqrt())];
                    let outcome = plain(seconds(device, cost * flops), 0.0, &metrics);
                    cells.push(cell(&[("rows", rows), ("columns", n)], method, &[], precision, outcome));
                }
            }
        }
    }
    cells
}

fn sketch(device: &str) -> Vec<Cell> {
    let bandwidth = if device == "h200" { 2.9e12 } else { 1.5e10 };
    let (rows, columns) = (65536, 256);
    let bytes = 4.0 * (rows * columns) as f64;
    let copy = plain(2.0 * bytes / bandwidth, 0.0, &[("bytes", 2.0 * bytes), ("flops", 0.0)]);
    let mut cells = vec![cell(&[("rows", rows), ("columns", columns)], "copy", &[], "f32", copy)];
    for sketched in [256, 512, 1024, 2048] {
        for (i, family) in ["gaussian", "rademacher", "uniform", "sparse_sign", "count_sketch", "sparse_rows", "srht"]
            .iter()
            .enumerate()
        {
            let slower = if i < 3 { 0.1 * sketched as f64 } else { 1.5 + i as f64 };
            let metrics = [("bytes", bytes), ("flops", 2.0 * bytes)];
            let case = [("rows", rows), ("columns", columns), ("sketched", sketched)];
            let outcome = plain(slower * bytes / bandwidth, 0.0, &metrics);
            cells.push(worded(cell(&case, "panther", &[], "f32", outcome), "family", family));
        }
    }
    cells
}

fn convert() -> Vec<Cell> {
    let mut cells = Vec::new();
    for (spectrum, decay) in [("flat", 0.1), ("polynomial", 0.5), ("exponential", 2.0)] {
        for rank in [16, 32, 64, 128, 256] {
            let kept = rank as f64 / 512.0;
            let best = (1.0 - kept) * (-decay * 4.0 * kept).exp();
            for (method, factor) in [("sketch", 2.5), ("least_squares", 1.3), ("rsvd", 1.01), ("exact", 1.0)] {
                for terms in if method == "exact" { 1..=1 } else { 1..=3 } {
                    let error = (factor * best / (terms as f64).powf(0.2)).max(best);
                    let metrics = [("error", error), ("best", best), ("parameters_kept", kept * terms as f64 / 3.0)];
                    let parameters = [("num_terms", terms), ("low_rank", rank)];
                    let outcome = plain(0.01, 0.0, &metrics);
                    cells.push(worded(cell(&[], method, &parameters, "f32", outcome), "spectrum", spectrum));
                }
            }
        }
    }
    cells
}

fn roofline(device: &str) -> Vec<Cell> {
    let slower = if device == "h200" { 1.0 } else { 1e-3 };
    let ceiling = |method: &str, bytes: f64, flops: f64| {
        let outcome = plain(1e-3, 0.0, &[("bytes", slower * bytes), ("flops", slower * flops)]);
        worded(cell(&[], method, &[], "f32", outcome), "kernel", method)
    };
    let mut cells = vec![ceiling("copy", 2.9e9, 0.0), ceiling("gemm", 8e8, 5.1e10)];
    for (kernel, intensity, share) in [
        ("sparse_sign", 0.5, 0.6),
        ("count_sketch", 0.12, 0.8),
        ("srht", 2.3, 0.5),
        ("gaussian", 100.0, 0.7),
        ("attention", 30.0, 0.4),
        ("convolution", 60.0, 0.5),
        ("linear", 12.0, 0.6),
        ("pivoted QR", 4.0, 0.1),
        ("Cholesky QR", 40.0, 0.6),
        ("softmax", 0.6, 0.9),
    ] {
        let speed = slower * f64::min(2.9e12 * intensity, 5.1e13) * share;
        let outcome = plain(1e-3, 0.0, &[("flops", 1e-3 * speed), ("bytes", 1e-3 * speed / intensity)]);
        cells.push(worded(cell(&[], "panther", &[], "f32", outcome), "kernel", kernel));
    }
    cells
}

fn pivots() -> Vec<Cell> {
    let mut cells = Vec::new();
    for (i, family) in ["gaussian", "polynomial", "exponential", "kahan", "spiked"].iter().enumerate() {
        for k in [8, 16, 32, 64, 128] {
            for (method, worse) in [("panther", 1.04), ("classical", 1.0)] {
                let spread = worse * (1.1 + 0.1 * i as f64 + 0.001 * k as f64);
                let metrics = [
                    ("r_norm_ratio", if method == "panther" { 1.0 + 0.02 * (1 + i) as f64 } else { 1.0 }),
                    ("sigma_ratio_least", 1.0 / spread),
                    ("sigma_ratio_greatest", spread),
                ];
                let outcome = plain(1e-2, 0.0, &metrics);
                cells.push(worded(cell(&[("k", k)], method, &[], "f64", outcome), "family", family));
            }
        }
    }
    cells
}

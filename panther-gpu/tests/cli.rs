//! The examples as their users meet them, with a device and without one: files in, files out, exit codes, one-line errors.

#[path = "../../panther-linalg/tests/cli/bench.rs"]
mod bench;

use faer::{Mat, Par};
use ndarray::{Array1, Array2, array};
use panther_gpu::Device;
use panther_linalg::{CqrrptOptions, RsvdOptions, Target, cqrrpt, rsvd};
use serde_json::Value;

use bench::{Bench, assert_close, low_rank, norm, random};

/// Whether there is something to run on.
fn has_device() -> bool {
    match Device::new(0) {
        Ok(_) => true,
        Err(none) => {
            println!("skipped: no CUDA device ({none})");
            false
        }
    }
}

fn as_faer(a: &Array2<f64>) -> Mat<f64> {
    Mat::from_fn(a.nrows(), a.ncols(), |i, j| a[(i, j)])
}

#[test]
fn help_tells_of_the_device() {
    let bench = Bench::new();
    for (name, option) in [("gpu-svd", "--rank"), ("gpu-qr", "--gamma")] {
        let run = bench.run(name, "--help");
        assert_eq!((run.code, run.stderr.as_str()), (0, ""));
        for word in ["Randomized", name, option, "--device", "cuda:0", "--seed", "--json", "--out"] {
            assert!(run.stdout.contains(word), "'{word}' not in\n{}", run.stdout);
        }
    }
}

#[test]
fn bad_files_and_options_are_refused_before_a_device_is_asked_for() {
    let bench = Bench::new();
    bench.run("gpu-svd", "missing.npy --rank 1").assert_refused("missing.npy");
    bench.run("gpu-qr", "missing.npy").assert_refused("missing.npy");
    bench.text("a.csv", "1,2").run("gpu-qr", "a.csv").assert_refused(".npy");
    bench.npy(&random(6, 4)).run("gpu-svd", "a.npy").assert_refused("--rank");
    for device in ["cpu", "cuda:", "cuda:x", "cuda:-1", "0"] {
        bench.run("gpu-svd", &format!("a.npy --rank 2 --device {device}")).assert_refused("--device");
        bench.run("gpu-qr", &format!("a.npy --device {device}")).assert_refused("--device");
    }
}

#[test]
fn a_device_that_is_not_there_is_refused() {
    let bench = Bench::new();
    bench.npy(&random(6, 4));
    bench.run("gpu-svd", "a.npy --rank 2 --device cuda:4096 --out out").assert_refused("CUDA");
    bench.run("gpu-qr", "a.npy --device cuda:4096 --out out").assert_refused("CUDA");
    assert_eq!(bench.names("."), ["a.npy"]);
}

#[test]
fn the_photograph_needs_no_arguments() {
    if !has_device() {
        return;
    }
    let bench = Bench::new();
    let run = bench.run("gpu-svd", "");
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    for label in ["512 × 512, f32", "rank", "singular values", "estimate", "true", "best possible", "exact SVD"] {
        assert!(run.stdout.contains(label), "'{label}' not in\n{}", run.stdout);
    }
    assert_eq!(bench.names("panther-out"), ["S.npy", "U.npy", "V.npy", "compressed.png"]);
    let run = bench.run("gpu-qr", "--device cuda");
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    assert_eq!(bench.names("panther-out"), ["P.npy", "Q.npy", "R.npy", "S.npy", "U.npy", "V.npy", "compressed.png"]);
}

#[test]
fn svd_is_that_of_the_cpu() {
    if !has_device() {
        return;
    }
    let bench = Bench::new();
    let a = random(120, 70);
    let report = bench.npy(&a).run("gpu-svd", "a.npy --rank 9 --seed 5 --out out --json").json();
    let options = RsvdOptions { seed: 5, ..RsvdOptions::default() };
    let cpu = rsvd(&as_faer(&a), Target::Rank(9), &options, Par::Seq).unwrap();
    assert_eq!(bench.names("out"), ["S.npy", "U.npy", "V.npy"]);
    let s: Array1<f64> = bench.read("S.npy");
    assert_eq!(s.len(), 9);
    // The draws are the same, and what is made of them differs by rounding.
    let allowed = 1e4 * f64::EPSILON * cpu.s[0];
    assert!(s.iter().zip(&cpu.s).all(|(here, there)| (here - there).abs() <= allowed), "{s}, not {:?}", cpu.s);
    let error = norm(&(&a - &bench.svd_product()));
    assert!(error <= report["error_estimate"].as_f64().unwrap(), "{error:e}");
    assert_eq!((&report["dtype"], &report["rank"]), (&"f64".into(), &cpu.rank.into()));
    assert_eq!((&report["passes"], &report["fallback"]), (&cpu.passes.into(), &cpu.path.to_string().into()));

    let a = low_rank(40, 25);
    assert_eq!(bench.npy(&a).run("gpu-svd", "a.npy --tol 1e-9 --out out --json").json()["tolerance_met"], true);
    assert_close(&a, &bench.svd_product());
}

#[test]
fn qr_is_that_of_the_cpu() {
    if !has_device() {
        return;
    }
    let bench = Bench::new();
    let a = random(400, 20);
    let report = bench.npy(&a).run("gpu-qr", "a.npy --seed 5 --out out --json").json();
    let options = CqrrptOptions { seed: 5, ..CqrrptOptions::default() };
    let cpu = cqrrpt(as_faer(&a).as_ref(), &options, Par::Seq).unwrap();
    assert_eq!(bench.names("out"), ["P.npy", "Q.npy", "R.npy"]);
    assert_close(&a, &bench.qr_product());
    let p: Array1<i64> = bench.read("P.npy");
    assert!(p.iter().map(|&j| j as usize).eq(cpu.permutation.iter().copied()), "{p}, not {:?}", cpu.permutation);
    assert_eq!((&report["dtype"], &report["rank"]), (&"f64".into(), &20.into()));
    assert_eq!((&report["passes"], &report["fallback"]), (&cpu.passes.into(), &cpu.fallback.to_string().into()));

    let a = low_rank(300, 30);
    assert_eq!(bench.npy(&a).run("gpu-qr", "a.npy --out out --json").json()["rank"], 3);
    assert_close(&a, &bench.qr_product());
}

#[test]
fn sparse_and_zero_matrices() {
    if !has_device() {
        return;
    }
    let bench = Bench::new();
    let sparse = "%%MatrixMarket matrix coordinate real symmetric\n3 3 4\n1 1 2\n2 1 -1.5e0\n3 3 4\n3 2 1\n";
    let a = array![[2.0, -1.5, 0.0], [-1.5, 0.0, 1.0], [0.0, 1.0, 4.0]];
    bench.text("a.mtx", sparse).run("gpu-svd", "a.mtx --rank 3 --out out --json").json();
    assert_close(&a, &bench.svd_product());
    bench.run("gpu-qr", "a.mtx --out out --json").json();
    assert_close(&a, &bench.qr_product());

    bench.npy(&Array2::<f64>::zeros((5, 3)));
    assert_eq!(bench.run("gpu-svd", "a.npy --rank 2 --out out --json").json()["rank"], 0);
    assert_eq!(bench.read::<Array2<f64>>("U.npy").dim(), (5, 0));
}

#[test]
fn what_the_cpu_refuses_is_refused() {
    if !has_device() {
        return;
    }
    let bench = Bench::new();
    let mut a = random(8, 6);
    a[(3, 4)] = f64::NAN;
    bench.npy(&a).run("gpu-svd", "a.npy --rank 2 --out out").assert_refused("row 3, column 4");
    bench.run("gpu-qr", "a.npy --out out").assert_refused("row 3, column 4");
    bench.npy(&random(6, 4)).run("gpu-svd", "a.npy --rank 5 --out out").assert_refused("rank");
    bench.npy(&Array2::<f64>::zeros((0, 4))).run("gpu-qr", "a.npy").assert_refused("0×4");
    // A sparse matrix which the device cannot hold with its zeros.
    let huge = "%%MatrixMarket matrix coordinate real general\n16777216 1048576 1\n1 1 2\n";
    bench.text("a.mtx", huge).run("gpu-svd", "a.mtx --rank 1").assert_refused("memory");
    assert_eq!(bench.names("."), ["a.mtx", "a.npy"]);
}

#[test]
fn a_tolerance_that_was_not_met_exits_with_3() {
    if !has_device() {
        return;
    }
    let bench = Bench::new();
    let run = bench.npy(&random(20, 10)).run("gpu-svd", "a.npy --tol 1e-30 --out out --json");
    assert_eq!((run.code, run.stderr.lines().count()), (3, 1), "{}", run.stderr);
    let report: Value = serde_json::from_str(run.stdout.lines().last().unwrap()).unwrap();
    assert_eq!(report["tolerance_met"], false);
}

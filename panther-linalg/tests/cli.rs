//! The examples as their users meet them: files in, files out, exit codes, one-line errors.

#[path = "cli/bench.rs"]
mod bench;

use std::fs;
use std::path::Path;

use ndarray::{Array1, Array2, ShapeBuilder, array};
use ndarray_npy::write_npy;
use serde_json::Value;

use bench::{Bench, assert_close, low_rank, norm, random};

#[test]
fn the_photograph_needs_no_arguments() {
    let bench = Bench::new();
    let run = bench.run("svd", "");
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    for label in ["512 × 512, f32", "rank", "singular values", "estimate", "true", "best possible", "exact SVD"] {
        assert!(run.stdout.contains(label), "'{label}' not in\n{}", run.stdout);
    }
    assert_eq!(bench.names("panther-out"), ["S.npy", "U.npy", "V.npy", "compressed.png"]);
    let picture = image::open(bench.path("panther-out/compressed.png")).unwrap();
    assert_eq!((picture.width(), picture.height()), (512, 512));

    let run = bench.run("qr", "");
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    assert_eq!(bench.names("panther-out"), ["P.npy", "Q.npy", "R.npy", "S.npy", "U.npy", "V.npy", "compressed.png"]);
}

#[test]
fn svd_writes_factors_of_the_matrix() {
    let bench = Bench::new();
    let a = low_rank(40, 25);
    let report = bench.npy(&a).run("svd", "a.npy --rank 3 --out out --json").json();
    assert_eq!(bench.names("out"), ["S.npy", "U.npy", "V.npy"]);
    assert_close(&a, &bench.svd_product());
    assert_eq!(report["shape"], serde_json::json!([40, 25]));
    assert_eq!((&report["dtype"], &report["rank"]), (&"f64".into(), &3.into()));
    assert!(report["tolerance_met"].is_null());
    for key in ["seconds", "error_estimate", "failure_probability", "passes"] {
        assert!(report[key].is_number(), "{key}: {}", report[key]);
    }
    assert!(report["fallback"].is_string());
}

#[test]
fn qr_writes_factors_of_the_matrix() {
    let bench = Bench::new();
    let a = random(400, 20);
    let report = bench.npy(&a).run("qr", "a.npy --out out --json").json();
    assert_eq!(bench.names("out"), ["P.npy", "Q.npy", "R.npy"]);
    assert_close(&a, &bench.qr_product());
    assert_eq!((&report["dtype"], &report["rank"]), (&"f64".into(), &20.into()));
    assert!(report["error_estimate"].is_number() && report["fallback"].is_string() && report["passes"].is_number());
}

#[test]
fn the_rank_is_found() {
    let bench = Bench::new();
    let a = low_rank(300, 30);
    bench.npy(&a);
    assert_eq!(bench.run("svd", "a.npy --rank 10 --json").json()["rank"], 3);
    assert_eq!(bench.run("svd", "a.npy --tol 1e-9 --out out --json").json()["tolerance_met"], true);
    assert_close(&a, &bench.svd_product());
    assert_eq!(bench.run("qr", "a.npy --out out --json").json()["rank"], 3);
    assert_close(&a, &bench.qr_product());
}

#[test]
fn the_order_of_storage_does_not_matter() {
    let bench = Bench::new();
    let a = low_rank(30, 50);
    let mut fortran = Array2::zeros(a.dim().f());
    fortran.assign(&a);
    bench.npy(&fortran).run("svd", "a.npy --rank 3 --out out --json").json();
    assert_close(&a, &bench.svd_product());
    bench.run("qr", "a.npy --out out --json").json();
    assert_close(&a, &bench.qr_product());
}

#[test]
fn factors_have_the_precision_of_the_matrix() {
    let bench = Bench::new();
    let a = low_rank(30, 20).mapv(|x| x as f32);
    assert_eq!(bench.npy(&a).run("svd", "a.npy --rank 3 --out out --json").json()["dtype"], "f32");
    let (u, s, v): (Array2<f32>, Array1<f32>, Array2<f32>) =
        (bench.read("U.npy"), bench.read("S.npy"), bench.read("V.npy"));
    let error = (&a - (u * s).dot(&v.t())).mapv(f64::from);
    assert!(norm(&error) < 1e-5 * norm(&a.mapv(f64::from)));
    bench.run("qr", "a.npy --out out --json").json();
    assert_eq!(bench.read::<Array2<f32>>("Q.npy").dim(), (30, 3));
}

#[test]
fn whole_numbers_are_read_exactly() {
    let bench = Bench::new();
    let a = Array2::from_shape_fn((6, 4), |(i, j)| (i * j) as i32 - 5);
    assert_eq!(bench.npy(&a).run("svd", "a.npy --rank 4 --out out --json").json()["dtype"], "f64");
    assert_close(&a.mapv(f64::from), &bench.svd_product());
    bench.npy(&array![[1_i64, (1 << 53) + 1]]).run("svd", "a.npy --rank 1").assert_refused("2^53");
}

#[test]
fn a_zero_matrix_has_empty_factors() {
    let bench = Bench::new();
    bench.npy(&Array2::<f64>::zeros((5, 3)));
    let report = bench.run("svd", "a.npy --rank 2 --out out --json").json();
    assert_eq!((&report["rank"], &report["error_estimate"]), (&0.into(), &0.0.into()));
    let (u, s, v): (Array2<f64>, Array1<f64>, Array2<f64>) =
        (bench.read("U.npy"), bench.read("S.npy"), bench.read("V.npy"));
    assert_eq!((u.dim(), s.dim(), v.dim()), ((5, 0), 0, (3, 0)));

    assert_eq!(bench.run("qr", "a.npy --out out --json").json()["rank"], 0);
    let (q, r, p): (Array2<f64>, Array2<f64>, Array1<i64>) =
        (bench.read("Q.npy"), bench.read("R.npy"), bench.read("P.npy"));
    assert_eq!((q.dim(), r.dim(), p.dim()), ((5, 0), (0, 3), 3));
}

#[test]
fn matrix_market_sparse() {
    let bench = Bench::new();
    let symmetric =
        "%%MatrixMarket matrix coordinate real symmetric\n% a comment\n\n3 3 4\n1 1 2\n2 1 -1.5e0\n3 3 4\n3 2 1\n";
    bench.text("a.mtx", symmetric).run("svd", "a.mtx --rank 3 --out out --json").json();
    let a = array![[2.0, -1.5, 0.0], [-1.5, 0.0, 1.0], [0.0, 1.0, 4.0]];
    assert_close(&a, &bench.svd_product());
    bench.run("qr", "a.mtx --out out --json").json();
    assert_close(&a, &bench.qr_product());

    let pattern = "%%MatrixMarket matrix coordinate pattern general\n2 3 2\n1 3\n2 1\n";
    bench.text("A.MTX", pattern).run("svd", "A.MTX --rank 2 --out out --json").json();
    assert_close(&array![[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]], &bench.svd_product());
}

#[test]
fn matrix_market_dense() {
    let bench = Bench::new();
    let general = "%%MatrixMarket matrix array real general\r\n2 3\r\n1\r\n2\r\n3\r\n4\r\n5\r\n7\r\n";
    bench.text("a.mtx", general).run("svd", "a.mtx --rank 2 --out out --json").json();
    assert_close(&array![[1.0, 3.0, 5.0], [2.0, 4.0, 7.0]], &bench.svd_product());

    let skew = "%%MatrixMarket matrix array integer skew-symmetric\n3 3\n1\n2\n3\n";
    bench.text("a.mtx", skew).run("svd", "a.mtx --rank 3 --out out --json").json();
    assert_close(&array![[0.0, -1.0, -2.0], [1.0, 0.0, -3.0], [2.0, 3.0, 0.0]], &bench.svd_product());
}

#[test]
fn bad_matrix_market_files_are_refused() {
    let bench = Bench::new();
    for (content, word) in [
        ("", "empty"),
        ("hello\n", "%%MatrixMarket"),
        ("%%MatrixMarket matrix coordinate complex general\n1 1 1\n1 1 2 3\n", "complex"),
        ("%%MatrixMarket matrix coordinate real general\n99999999999999999999999 3 1\n1 1 2\n", "line 2"),
        ("%%MatrixMarket matrix coordinate real general\n9999999999999999 9999999999999999 1\n1 1 2\n", "memory"),
        ("%%MatrixMarket matrix coordinate real general\n2 2 1\n3 1 2\n", "outside"),
        ("%%MatrixMarket matrix coordinate real general\n2 2 1\n0 1 2\n", "line 3"),
        ("%%MatrixMarket matrix coordinate real general\n2 2 2\n1 1 2\n", "2 entries"),
        ("%%MatrixMarket matrix coordinate real symmetric\n2 3 1\n1 1 2\n", "square"),
        ("%%MatrixMarket matrix array real general\n2 2\n1\n2\nx\n4\n", "'x'"),
        ("%%MatrixMarket matrix array real general\n9999999999 9999999999\n1\n", "entries"),
        ("%%MatrixMarket matrix array real general\n1 2\n1\nnan\n", "finite"),
        ("%%MatrixMarket matrix coordinate real general\n2 2 1\n1 1 inf\n", "finite"),
    ] {
        bench.text("a.mtx", content).run("svd", "a.mtx --rank 1 --out out").assert_refused(word);
    }
    assert_eq!(bench.names("."), ["a.mtx"]);
}

#[test]
fn pictures_are_read_by_their_luminance() {
    let bench = Bench::new();
    let picture = image::RgbImage::from_fn(30, 20, |x, y| image::Rgb([(8 * x) as u8, 128, (12 * y) as u8]));
    picture.save(bench.path("a.png")).unwrap();
    picture.save(bench.path("a.JPG")).unwrap();
    for file in ["a.png", "a.JPG"] {
        let report = bench.run("svd", &format!("{file} --rank 5 --out out --json")).json();
        assert_eq!((&report["shape"], &report["dtype"]), (&serde_json::json!([20, 30]), &"f32".into()));
        assert_eq!(bench.names("out"), ["S.npy", "U.npy", "V.npy", "compressed.png"]);
    }
}

#[test]
fn bad_files_are_refused() {
    let bench = Bench::new();
    bench.run("svd", "missing.npy --rank 1").assert_refused("missing.npy");
    bench.run("qr", "missing.npy").assert_refused("missing.npy");
    bench.text("a.csv", "1,2").run("qr", "a.csv").assert_refused(".npy");
    bench.text("a.npy", "hello").run("qr", "a.npy").assert_refused("a.npy");
    bench.text("a.png", "hello").run("svd", "a.png --rank 1").assert_refused("a.png");
    fs::create_dir(bench.path("folder.npy")).unwrap();
    bench.run("qr", "folder.npy").assert_refused("folder.npy");

    write_npy(bench.path("a.npy"), &array![1.0, 2.0]).unwrap();
    bench.run("qr", "a.npy").assert_refused("two-dimensional");
    write_npy(bench.path("a.npy"), &ndarray::Array3::<f64>::zeros((2, 2, 2))).unwrap();
    bench.run("qr", "a.npy").assert_refused("two-dimensional");

    bench.npy(&random(4, 3));
    let bytes = fs::read(bench.path("a.npy")).unwrap();
    fs::write(bench.path("a.npy"), &bytes[..bytes.len() - 1]).unwrap();
    bench.run("qr", "a.npy").assert_refused("bytes");
    fs::write(bench.path("a.npy"), &bytes[..40]).unwrap();
    bench.run("qr", "a.npy").assert_refused("a.npy");
}

#[test]
fn bad_matrices_are_refused() {
    let bench = Bench::new();
    for value in [f64::NAN, f64::INFINITY] {
        let mut a = random(8, 6);
        a[(3, 4)] = value;
        bench.npy(&a).run("svd", "a.npy --rank 2 --out out").assert_refused("row 3, column 4");
        bench.run("qr", "a.npy --out out").assert_refused("row 3, column 4");
    }
    bench.npy(&Array2::<f64>::zeros((0, 4))).run("svd", "a.npy --rank 1").assert_refused("0×4");
    bench.npy(&Array2::<f32>::zeros((4, 0))).run("qr", "a.npy").assert_refused("4×0");
    assert_eq!(bench.names("."), ["a.npy"]);
}

#[test]
fn bad_options_are_refused() {
    let bench = Bench::new();
    bench.npy(&random(6, 4));
    for (options, word) in [
        ("", "--rank"),
        ("--rank 0", "rank"),
        ("--rank 5", "rank"),
        ("--rank -1", "--rank"),
        ("--rank two", "--rank"),
        ("--rank 2 --tol 0.1", "--tol"),
        ("--tol 0", "toler"),
        ("--tol -0.5", "toler"),
        ("--tol 1.5", "toler"),
        ("--tol nan", "toler"),
        ("--rank 2 --sketch sobol", "--sketch"),
        ("--rank 2 --threads 0", "--threads"),
        ("--rank 2 --seed x", "--seed"),
        ("--rank 2 --frobnicate", "--frobnicate"),
    ] {
        bench.run("svd", &format!("a.npy {options} --out out")).assert_refused(word);
    }
    for (options, word) in
        [("--gamma 0.5", "gamma"), ("--gamma nan", "gamma"), ("--vec-nnz 0", "vec_nnz"), ("--rank 3", "--rank")]
    {
        bench.run("qr", &format!("a.npy {options} --out out")).assert_refused(word);
    }
    bench.run("svd", "a.npy --rank 2 --out a.npy").assert_refused("a.npy");
    assert_eq!(bench.names("."), ["a.npy"]);
}

#[test]
fn every_family_of_sketches_works() {
    let bench = Bench::new();
    let a = low_rank(60, 50);
    bench.npy(&a);
    for family in ["gaussian", "rademacher", "sparse-sign", "count-sketch", "srht"] {
        let options = "--rank 5 --oversampling 4 --power-iterations 1 --seed 7";
        bench.run("svd", &format!("a.npy {options} --sketch {family} --out out --json")).json();
        assert_close(&a, &bench.svd_product());
    }
}

#[test]
fn a_tolerance_that_was_not_met_exits_with_3() {
    let bench = Bench::new();
    let a = random(20, 10);
    let run = bench.npy(&a).run("svd", "a.npy --tol 1e-30 --out out --json");
    assert_eq!((run.code, run.stderr.lines().count()), (3, 1), "{}", run.stderr);
    assert!(run.stderr.contains("not met"));
    let report: Value = serde_json::from_str(run.stdout.lines().last().unwrap()).unwrap();
    assert_eq!(report["tolerance_met"], false);
    assert_close(&a, &bench.svd_product());
}

#[test]
fn threads_do_not_change_a_byte() {
    let bench = Bench::new();
    bench.npy(&random(700, 300));
    for (name, options) in [("svd", "--rank 40"), ("svd", "--tol 0.5"), ("qr", "")] {
        let bytes = |threads| {
            bench.run(name, &format!("a.npy {options} --threads {threads} --out out --json")).json();
            let out = bench.path("out");
            let bytes: Vec<Vec<u8>> = bench.names("out").iter().map(|file| read(&out, file)).collect();
            fs::remove_dir_all(out).unwrap();
            bytes
        };
        assert!(bytes(1) == bytes(2), "{name} {options}");
    }
}

fn read(folder: &Path, name: &str) -> Vec<u8> {
    fs::read(folder.join(name)).unwrap()
}

#[test]
fn a_matrix_without_out_is_not_written() {
    let bench = Bench::new();
    let run = bench.npy(&random(12, 9)).run("svd", "a.npy --rank 2");
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    assert!(run.stdout.contains("best possible"));
    assert_eq!(bench.names("."), ["a.npy"]);
}

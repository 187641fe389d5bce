//! A folder to run the examples in, and what their files hold.

use std::env::consts::EXE_EXTENSION;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Once;

use ndarray::{Array1, Array2};
use ndarray_npy::{ReadNpyExt, WritableElement, read_npy, write_npy};
use serde_json::Value;
use tempfile::TempDir;

/// `cargo test` builds the examples beside the folder of its own executables, but not when targets are named.
fn example(name: &str) -> PathBuf {
    static BUILT: Once = Once::new();
    let tests = std::env::current_exe().unwrap();
    let profile = tests.ancestors().nth(2).unwrap();
    let path = profile.join("examples").join(name).with_extension(EXE_EXTENSION);
    BUILT.call_once(|| {
        if !path.exists() {
            build_examples(profile);
        }
    });
    path
}

fn build_examples(profile: &Path) {
    let name = profile.file_name().unwrap().to_str().unwrap();
    let status = Command::new(env!("CARGO"))
        .args(["build", "--package", env!("CARGO_PKG_NAME"), "--examples", "--profile"])
        .arg(if name == "debug" { "dev" } else { name })
        .arg("--target-dir")
        .arg(profile.parent().unwrap())
        .status();
    assert!(status.unwrap().success());
}

pub struct Run {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    pub fn json(&self) -> Value {
        assert_eq!(self.code, 0, "{}", self.stderr);
        serde_json::from_str(self.stdout.lines().last().unwrap()).unwrap()
    }

    /// Exit code 2, nothing but one line on stderr, and the word that tells what is wrong.
    pub fn assert_refused(&self, word: &str) {
        assert_eq!(self.code, 2, "{}{}", self.stdout, self.stderr);
        assert_eq!(self.stdout, "");
        assert_eq!(self.stderr.lines().count(), 1, "{}", self.stderr);
        assert!(self.stderr.starts_with("error: ") && self.stderr.contains(word), "'{word}' not in {}", self.stderr);
    }
}

/// A folder with the input, and `out` in it for the results.
pub struct Bench {
    folder: TempDir,
}

impl Bench {
    pub fn new() -> Self {
        Self { folder: TempDir::new().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn npy<T: WritableElement>(&self, a: &Array2<T>) -> &Self {
        write_npy(self.path("a.npy"), a).unwrap();
        self
    }

    pub fn text(&self, name: &str, content: &str) -> &Self {
        fs::write(self.path(name), content).unwrap();
        self
    }

    /// Runs an example in the folder.
    pub fn run(&self, name: &str, arguments: &str) -> Run {
        let arguments = arguments.split_whitespace();
        let Output { status, stdout, stderr } =
            Command::new(example(name)).args(arguments).current_dir(self.folder.path()).output().unwrap();
        Run {
            code: status.code().unwrap(),
            stdout: String::from_utf8(stdout).unwrap(),
            stderr: String::from_utf8(stderr).unwrap(),
        }
    }

    pub fn read<T: ReadNpyExt>(&self, name: &str) -> T {
        read_npy(self.path("out").join(name)).unwrap()
    }

    pub fn names(&self, folder: &str) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.path(folder))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// U·diag(S)·Vᵀ of the factors written, after checking that they are what they claim to be.
    pub fn svd_product(&self) -> Array2<f64> {
        let (u, s, v): (Array2<f64>, Array1<f64>, Array2<f64>) =
            (self.read("U.npy"), self.read("S.npy"), self.read("V.npy"));
        assert!(s.iter().all(|&s| s >= 0.0) && s.as_slice().unwrap().is_sorted_by(|a, b| a >= b), "{s}");
        assert_orthonormal(&u);
        assert_orthonormal(&v);
        (u * s).dot(&v.t())
    }

    /// Q·R of the factors written, with the columns where they were in A.
    pub fn qr_product(&self) -> Array2<f64> {
        let (q, r, p): (Array2<f64>, Array2<f64>, Array1<i64>) =
            (self.read("Q.npy"), self.read("R.npy"), self.read("P.npy"));
        assert_orthonormal(&q);
        assert!(r.indexed_iter().all(|((i, j), &x)| i <= j || x == 0.0));
        let product = q.dot(&r);
        let mut a = Array2::zeros(product.dim());
        for (j, &column) in p.iter().enumerate() {
            a.column_mut(column as usize).assign(&product.column(j));
        }
        a
    }
}

pub fn norm(a: &Array2<f64>) -> f64 {
    a.iter().map(|x| x * x).sum::<f64>().sqrt()
}

fn assert_orthonormal(q: &Array2<f64>) {
    let error = norm(&(q.t().dot(q) - Array2::<f64>::eye(q.ncols())));
    assert!(error < 1e-13, "‖QᵀQ − I‖ = {error:e}");
}

pub fn assert_close(a: &Array2<f64>, b: &Array2<f64>) {
    let error = norm(&(a - b));
    assert!(error <= 1e-12 * norm(a), "error {error:e}");
}

/// Entries between −1 and 1, from a linear congruential generator.
pub fn random(m: usize, n: usize) -> Array2<f64> {
    let mut state = 1_u64;
    Array2::from_shape_simple_fn((m, n), || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
    })
}

/// A matrix of rank 3.
pub fn low_rank(m: usize, n: usize) -> Array2<f64> {
    random(m, 3).dot(&random(3, n))
}

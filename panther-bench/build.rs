//! Tells the program which compiler it was built with.

use std::process::Command;

fn main() {
    let compiler = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let version = Command::new(compiler).arg("--version").output();
    let version = version.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    // "rustc 1.95.0 (…)": its name and number.
    let version = version.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
    println!("cargo:rustc-env=PANTHER_COMPILER={version}");
    println!("cargo:rerun-if-changed=build.rs");
}

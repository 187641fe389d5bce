//! Tests of the content of the grids.

use panther_bench::record::Value;

use super::{DeviceKind, Key, Preset, Suite};

const KINDS: [DeviceKind; 2] = [DeviceKind::Cpu, DeviceKind::Gpu];

fn keys(suite: Suite, kind: DeviceKind, preset: Preset) -> Vec<Key> {
    suite.tasks(kind, preset).iter().map(|task| task.key()).collect()
}

/// How many keys of a method have these values; a name that a key has not does not matter to it.
fn count(keys: &[Key], method: &str, wanted: &[(&str, Value)]) -> usize {
    let fits = |key: &&Key| {
        key.method() == method && wanted.iter().all(|(name, value)| key.value(name).is_none_or(|found| found == value))
    };
    keys.iter().filter(fits).count()
}

#[test]
fn no_cell_is_measured_twice() {
    for suite in Suite::ALL {
        for kind in KINDS {
            for preset in [Preset::Quick, Preset::Standard, Preset::Full] {
                let mut names: Vec<_> = suite.tasks(kind, preset).iter().map(|task| task.key().to_string()).collect();
                let count = names.len();
                names.sort_unstable();
                names.dedup();
                assert_eq!(names.len(), count, "{suite:?} {kind:?} {preset:?}");
            }
        }
    }
}

#[test]
fn quick_grid_has_both_sides_of_every_figure() {
    for kind in KINDS {
        let keys = |suite| keys(suite, kind, Preset::Quick);
        let linear = keys(Suite::Linear);
        assert!(count(&linear, "dense", &[]) >= 2 && count(&linear, "sketched", &[]) >= 2);
        let attention = keys(Suite::Attention);
        for embed in [128, 256, 512, 1024_usize] {
            for kernel in ["relu", "softmax"] {
                for causal in [0, 1_usize] {
                    let wanted = [("embed", embed.into()), ("kernel", kernel.into()), ("causal", causal.into())];
                    for method in ["dense", "randomized"] {
                        assert!(count(&attention, method, &wanted) >= 2 - causal, "{kind:?} {method} {wanted:?}");
                    }
                }
            }
        }
        let conv = keys(Suite::Conv);
        for kernel in [3, 5, 9_usize] {
            for image in [64, 128, 256_usize] {
                let wanted = [("kernel", kernel.into()), ("image", image.into())];
                let counts = ["dense", "sketched"].map(|method| count(&conv, method, &wanted));
                assert!(counts.iter().all(|&count| count >= 1), "{kind:?} {wanted:?}");
            }
        }
        let rsvd = keys(Suite::Rsvd);
        for spectrum in ["polynomial", "exponential"] {
            for method in ["panther-krylov", "panther-subspace"] {
                assert!(count(&rsvd, method, &[("spectrum", spectrum.into())]) >= 2, "{method} {spectrum}");
            }
            assert!(count(&rsvd, "exact", &[("spectrum", spectrum.into())]) >= 1);
        }
        let cqrrpt = keys(Suite::Cqrrpt);
        for rows in [8192, 16384_usize] {
            for method in ["panther", "unpivoted", "pivoted"] {
                assert!(count(&cqrrpt, method, &[("rows", rows.into())]) >= 4, "{rows} {method}");
            }
        }
        assert!(count(&keys(Suite::Sketch), "copy", &[]) == 1 && count(&keys(Suite::Sketch), "panther", &[]) == 7);
        let roofline = keys(Suite::Roofline);
        assert!(count(&roofline, "copy", &[]) == 1 && count(&roofline, "gemm", &[]) >= 1);
        assert!(["panther", "classical"].iter().all(|method| count(&keys(Suite::Pivots), method, &[]) == 15));
    }
    let convert = keys(Suite::Convert, DeviceKind::Cpu, Preset::Quick);
    for spectrum in ["Kaiming uniform", "i^-1/2", "1/i"] {
        for method in ["sketch", "least_squares", "rsvd", "exact"] {
            assert!(count(&convert, method, &[("spectrum", spectrum.into())]) >= 2, "{method} {spectrum}");
        }
    }
}

#[test]
fn full_grids_are_complete_on_a_gpu() {
    let full = |suite| keys(suite, DeviceKind::Gpu, Preset::Full);
    let linear = full(Suite::Linear);
    assert_eq!(count(&linear, "dense", &[]), 3 * 49);
    assert_eq!(count(&linear, "sketched", &[("in", 65536.into()), ("out", 65536.into())]), 18 + 4);
    // 2Tk·(256 + 256) below 256²: k = 16 with one to three terms, k = 32 with one; in three precisions where k = 16 and T = 1.
    assert_eq!(count(&linear, "sketched", &[("in", 256.into()), ("out", 256.into())]), 4 + 2);
    let attention = full(Suite::Attention);
    assert_eq!(count(&attention, "randomized", &[]), 4 * 2 * 9 * 6 * 2);
    assert_eq!(count(&attention, "dense", &[]), 4 * 3 * 6 * 2);
    let conv = full(Suite::Conv);
    assert_eq!((count(&conv, "dense", &[]), count(&conv, "sketched", &[])), (9 * 36, 9 * 36 * 9));
    assert_eq!(count(&full(Suite::Cqrrpt), "panther", &[("rows", 16384.into())]), 6 * 2);
}

#[test]
fn cpu_grids_omit_only_large_cells() {
    let linear = keys(Suite::Linear, DeviceKind::Cpu, Preset::Full);
    assert_eq!(count(&linear, "dense", &[]), 16);
    let conv = keys(Suite::Conv, DeviceKind::Cpu, Preset::Full);
    let corner = [("kernel", 9.into()), ("image", 256.into())];
    assert_eq!((count(&conv, "dense", &corner), count(&conv, "sketched", &corner)), (1, 9));
    assert!(keys(Suite::Convert, DeviceKind::Gpu, Preset::Full).is_empty());
}

//! The example `convert` on files: what it writes, what it leaves as it was, what it refuses.

#[allow(dead_code, reason = "its main is not called here")]
#[path = "../../examples/convert.rs"]
mod convert;
mod files;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;

use panther_nn::NnError;
use panther_nn::backend::Storage;
use panther_nn::checkpoint::{Checkpoint, LayerInfo, LayerKind, read_state, write_state};
use panther_nn::cpu::Cpu;
use panther_nn::layers::{Layer, Linear, SkLinear, SkLinearOptions};
use panther_nn::state::State;
use safetensors::tensor::Dtype;
use serde_json::Value;
use tempfile::TempDir;

use crate::files::{Tensor, Tensors, decoded, model, read, tensor, write};

/// Runs the example: exit code, standard output, standard error.
fn run(arguments: &[&str]) -> (u8, String, String) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let all = ["convert"].iter().chain(arguments).map(OsString::from);
    let code = convert::run(all, &mut out, &mut err);
    (code, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
}

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(self.0.path()).unwrap().map(|f| f.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Runs the example from one file here to another, and expects success and JSON.
    fn convert(&self, from: &str, to: &str, arguments: &[&str]) -> Value {
        let (code, out, err) = self.run(from, to, arguments, true);
        assert_eq!((code, err.as_str()), (0, ""), "{out}");
        serde_json::from_str(out.lines().last().unwrap()).unwrap()
    }

    fn run(&self, from: &str, to: &str, arguments: &[&str], json: bool) -> (u8, String, String) {
        let (from, to) = (self.path(from), self.path(to));
        let mut all = vec![from.to_str().unwrap(), to.to_str().unwrap()];
        all.extend(arguments);
        all.extend(json.then_some("--json"));
        run(&all)
    }

    /// Expects exit code 2, one line, and nothing changed in the folder.
    fn refuse(&self, from: &str, to: &str, arguments: &[&str]) -> String {
        let contents = |folder: &Self| -> Vec<(String, Option<Vec<u8>>)> {
            folder.names().into_iter().map(|name| (name.clone(), fs::read(folder.path(&name)).ok())).collect()
        };
        let before = contents(self);
        let (code, out, err) = self.run(from, to, arguments, true);
        assert_eq!((code, out.as_str()), (2, ""), "{err}");
        assert!(err.starts_with("error: ") && err.ends_with('\n') && err.lines().count() == 1, "{err:?}");
        assert!(before == contents(self), "{err}");
        err
    }
}

/// The relative error of a converted layer, from what the files hold.
fn error_of(before: &Tensor, after: &Tensors, layer: &str, terms: usize, transposed: bool) -> f64 {
    let dense = decoded(before);
    let get = |name: &str| decoded(&after[&format!("{layer}.{name}")]);
    let (s1, u1) = (get("S1s"), get("U1s"));
    let shape = &before.1;
    let (d_out, d_in) = if transposed { (shape[1], shape[0]) } else { (shape[0], shape[1..].iter().product()) };
    let mut product = vec![0.0; d_in * d_out];
    if shape.len() == 4 {
        for (j, (i, o)) in
            (0..s1.len() / d_in).flat_map(|j| (0..d_in).flat_map(move |i| (0..d_out).map(move |o| (j, (i, o)))))
        {
            product[i * d_out + o] += s1[j * d_in + i] * u1[j * d_out + o];
        }
    } else {
        let (s2, u2) = (get("S2s"), get("U2s"));
        let k = s1.len() / d_in / terms;
        for (t, j) in (0..terms).flat_map(|t| (0..k).map(move |j| (t, j))) {
            for (i, o) in (0..d_in).flat_map(|i| (0..d_out).map(move |o| (i, o))) {
                let (down, up) = ((t * d_in + i) * k + j, (t * k + j) * d_out + o);
                product[i * d_out + o] += s1[down] * u1[up] + u2[down] * s2[up];
            }
        }
    }
    let (mut error, mut size) = (0.0, 0.0);
    for (i, o) in (0..d_in).flat_map(|i| (0..d_out).map(move |o| (i, o))) {
        let w = if transposed { dense[i * d_out + o] } else { dense[o * d_in + i] };
        error += (w - product[i * d_out + o] / (2 * terms) as f64).powi(2);
        size += w * w;
    }
    (error / size).sqrt()
}

fn names(report: &Value, list: &str) -> Vec<String> {
    report[list].as_array().unwrap().iter().map(|layer| layer["name"].as_str().unwrap().to_owned()).collect()
}

fn reason(report: &Value, name: &str) -> String {
    let kept = report["kept"].as_array().unwrap();
    let found = kept.iter().find(|tensor| tensor["name"] == name).unwrap_or_else(|| panic!("{name} was not kept"));
    found["reason"].as_str().unwrap().to_owned()
}

#[test]
fn weights_become_factors_and_all_else_stays_byte_for_byte() {
    for (dtype, exact) in [(Dtype::F32, 1e-5), (Dtype::F64, 1e-12), (Dtype::F16, 1e-5), (Dtype::BF16, 1e-5)] {
        let folder = Folder::new();
        let before = model(dtype);
        write(&folder.path("in.safetensors"), &before, &[("format", "pt"), ("about", "a test")]);
        for choice in [
            &["--num-terms", "2", "--low-rank", "2"][..],
            &["--budget", "0.4"],
            &["--error", "0.1"],
            &["--budget", "0.5", "--method", "least-squares", "--seed", "5"],
            &["--num-terms", "1", "--low-rank", "2", "--method", "sketch"],
        ] {
            let report = folder.convert("in.safetensors", "out.safetensors", choice);
            let (after, metadata) = read(&folder.path("out.safetensors"));
            let layers = names(&report, "layers");
            let mut expected = before.clone();
            for layer in report["layers"].as_array().unwrap() {
                let name = layer["name"].as_str().unwrap();
                let dense = expected.remove(&format!("{name}.weight")).unwrap();
                let terms = layer["num_terms"].as_u64().unwrap() as usize;
                let error = error_of(&dense, &after, name, terms, false);
                let reported = layer["relative_error"].as_f64().unwrap();
                assert!((error - reported).abs() < exact, "{dtype} {choice:?} {name}: {error} {reported}");
                if choice[0] == "--error" {
                    assert!(reported <= 0.1);
                }
                let factors: Vec<_> =
                    after.iter().filter(|(n, _)| n.starts_with(&format!("{name}.")) && n.ends_with('s')).collect();
                let factors: Vec<_> = factors.into_iter().filter(|(n, _)| !n.ends_with("bias")).collect();
                assert!(factors.iter().all(|(_, tensor)| tensor.0 == dtype));
                let stored: usize = factors.iter().map(|(_, tensor)| tensor.1.iter().product::<usize>()).sum();
                assert_eq!(layer["parameters_after"], stored);
                assert_eq!(layer["bytes_after"], stored * dtype.bitsize() / 8);
                assert!(stored < dense.1.iter().product());
                for (factor, tensor) in factors {
                    expected.insert(factor.clone(), tensor.clone());
                }
            }
            // Nothing but the factors is new, and nothing but the weights is gone.
            assert_eq!(expected.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>());
            assert!(expected == after, "{dtype} {choice:?}: bytes of other tensors changed");
            let wanted = ["h.0.mlp.fc1", "h.0.mlp.fc2", "h.1.mlp.fc1", "h.1.mlp.fc2", "patch_embed.proj"];
            assert_eq!(layers, wanted, "{dtype} {choice:?}");
            for (name, why) in [
                ("transformer.wte.weight", "embedding"),
                ("transformer.wpe.weight", "embedding"),
                ("embeddings.token_type.weight", "embedding"),
                ("lm_head.weight", "tied"),
                ("h.0.ln.weight", "not_a_weight"),
                ("h.0.attn.in_proj_weight", "not_a_weight"),
                ("mask.weight", "not_a_weight"),
                ("nothing.weight", "not_a_weight"),
                ("time.weight", "not_a_weight"),
            ] {
                assert_eq!(reason(&report, name), why, "{name}");
            }
            assert_eq!(reason(&report, "head.weight"), "no_gain");
            if choice[0] == "--budget" {
                let (count, of) = (&report["candidate_parameters_after"], &report["candidate_parameters_before"]);
                let fraction: f64 = choice[1].parse().unwrap();
                assert!(count.as_f64().unwrap() <= fraction * of.as_f64().unwrap());
            }
            let total = |tensors: &Tensors| tensors.values().map(|t| t.2.len()).sum::<usize>();
            assert_eq!(report["bytes_before"], total(&before));
            assert_eq!(report["bytes_after"], total(&after));
            assert_eq!((metadata["format"].as_str(), metadata["about"].as_str()), ("pt", "a test"));
            let infos = LayerInfo::read_all(&metadata.into_iter().collect());
            assert_eq!(infos.len(), layers.len());
            assert_eq!(infos["patch_embed.proj"].kind, LayerKind::SkConv2d);
            assert_eq!(infos["h.0.mlp.fc1"].kind, LayerKind::SkLinear);
            assert!(!infos["h.0.mlp.fc1"].transposed);
            assert_eq!(folder.names(), ["in.safetensors", "out.safetensors"]);
        }
    }
}

#[test]
fn what_is_written_depends_on_the_seed_alone() {
    let folder = Folder::new();
    write(&folder.path("in.safetensors"), &model(Dtype::F32), &[("b", "1"), ("a", "2"), ("c", "3")]);
    let bytes = |name: &str, seed: &str| {
        folder.convert("in.safetensors", name, &["--budget", "0.4", "--method", "sketch", "--seed", seed]);
        fs::read(folder.path(name)).unwrap()
    };
    assert_eq!(bytes("a.safetensors", "1"), bytes("b.safetensors", "1"));
    assert_ne!(bytes("a.safetensors", "1"), bytes("b.safetensors", "2"));
}

#[test]
fn regular_expressions_and_transposition_choose() {
    let folder = Folder::new();
    let before = model(Dtype::F32);
    write(&folder.path("in.safetensors"), &before, &[]);
    let size = ["--num-terms", "1", "--low-rank", "4"];
    let with = |more: &[&str]| folder.convert("in.safetensors", "out.safetensors", &[&size, more].concat());
    let report = with(&["--include", r"fc\d\.weight$", "--exclude", r"^h\.1\."]);
    assert_eq!(names(&report, "layers"), ["h.0.mlp.fc1", "h.0.mlp.fc2"]);
    assert_eq!(reason(&report, "h.1.mlp.fc1.weight"), "not_selected");
    let report = with(&["--transposed", "--include", "fc1"]);
    let (after, metadata) = read(&folder.path("out.safetensors"));
    // 160×40 is in×out now.
    assert_eq!(after["h.0.mlp.fc1.S1s"].1, [1, 160, 4]);
    assert_eq!(after["h.0.mlp.fc1.S2s"].1, [1, 4, 40]);
    let error = error_of(&before["h.0.mlp.fc1.weight"], &after, "h.0.mlp.fc1", 1, true);
    assert!((error - report["layers"][0]["relative_error"].as_f64().unwrap()).abs() < 1e-5);
    assert!(LayerInfo::read_all(&metadata.into_iter().collect())["h.0.mlp.fc1"].transposed);
    let nothing = with(&["--include", "no such name"]);
    assert!(names(&nothing, "layers").is_empty());
    assert!(read(&folder.path("out.safetensors")).0 == before);
}

#[test]
fn converted_files_load_into_layers() {
    let folder = Folder::new();
    let cpu = Cpu::default();
    let dense = Linear::<f32, _>::new(&cpu, 50, 30, true, 3).unwrap();
    let mut state = State::new();
    dense.save("fc", &mut state).unwrap();
    write_state(&folder.path("in.safetensors"), &state, &BTreeMap::new()).unwrap();
    assert_eq!(read_state::<f32>(&folder.path("in.safetensors")).unwrap(), state);
    folder.convert("in.safetensors", "out.safetensors", &["--num-terms", "1", "--low-rank", "8"]);
    let info = LayerInfo::read_all(Checkpoint::open(&folder.path("out.safetensors")).unwrap().metadata())["fc"];
    let options = SkLinearOptions { num_terms: info.num_terms, low_rank: info.low_rank, bias: true, seed: 0 };
    let mut layer = SkLinear::<f32, _>::new(&cpu, 50, 30, options).unwrap();
    layer.load("fc", &read_state(&folder.path("out.safetensors")).unwrap()).unwrap();
    let x = cpu.upload(&[3, 50], (0..150).map(|x| (x as f32).sin()).collect()).unwrap();
    let (y, exact) = (layer.forward(&x).unwrap(), dense.forward(&x).unwrap());
    let norm = |x: &mut dyn Iterator<Item = f32>| x.map(|x| x * x).sum::<f32>().sqrt();
    let error = norm(&mut y.as_slice().iter().zip(exact.as_slice()).map(|(a, b)| a - b));
    // Half of the rank of a random matrix holds most of it.
    assert!(error < 0.5 * norm(&mut exact.as_slice().iter().copied()), "{error}");
}

#[test]
fn sharded_checkpoints_are_read_and_written() {
    let folder = Folder::new();
    let all = model(Dtype::BF16);
    let mut shards = [Tensors::new(), Tensors::new()];
    let mut map = BTreeMap::new();
    for (i, (name, tensor)) in all.iter().enumerate() {
        shards[i % 2].insert(name.clone(), tensor.clone());
        map.insert(name.clone(), format!("model-{}.safetensors", i % 2));
    }
    for (i, shard) in shards.iter().enumerate() {
        write(&folder.path(&format!("model-{i}.safetensors")), shard, &[("format", "pt")]);
    }
    let index = |map: &BTreeMap<String, String>| {
        let json = serde_json::json!({ "metadata": { "total_size": 1 }, "weight_map": map });
        fs::write(folder.path("model.safetensors.index.json"), json.to_string()).unwrap();
    };
    index(&map);
    let size = ["--num-terms", "1", "--low-rank", "4", "--exclude", "head"];
    // 1. The same as from one file.
    write(&folder.path("one.safetensors"), &all, &[("format", "pt")]);
    folder.convert("model.safetensors.index.json", "merged.safetensors", &size);
    folder.convert("one.safetensors", "expected.safetensors", &size);
    let expected = read(&folder.path("expected.safetensors"));
    assert!(read(&folder.path("merged.safetensors")) == expected);
    // 2. And as several files again.
    folder.convert("model.safetensors.index.json", "small.safetensors.index.json", &size);
    let written = Checkpoint::open(&folder.path("small.safetensors.index.json")).unwrap();
    let shards: Vec<_> = written.shards().iter().map(|p| p.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(shards, ["small-00001-of-00002.safetensors", "small-00002-of-00002.safetensors"]);
    let tensors: Tensors = written
        .tensors()
        .iter()
        .map(|(name, entry)| (name.clone(), (entry.dtype, entry.shape.clone(), written.bytes(name).unwrap())))
        .collect();
    assert!(tensors == expected.0);
    let json: Value = serde_json::from_slice(&fs::read(folder.path("small.safetensors.index.json")).unwrap()).unwrap();
    let total: usize = expected.0.values().map(|t| t.2.len()).sum();
    assert_eq!(json["metadata"]["total_size"], total);
    // 3. Shards are inputs that must not be written over, and the index must be right.
    let same = folder.refuse("model.safetensors.index.json", "model-1.safetensors", &size);
    assert!(same.contains("must not be the input"), "{same}");
    map.insert("steps".to_owned(), "model-7.safetensors".to_owned());
    index(&map);
    assert!(folder.refuse("model.safetensors.index.json", "x.safetensors", &size).contains("model-7.safetensors"));
    map.insert("steps".to_owned(), "model-0.safetensors".to_owned());
    map.insert("ghost".to_owned(), "model-1.safetensors".to_owned());
    index(&map);
    let missing = folder.refuse("model.safetensors.index.json", "x.safetensors", &size);
    assert!(missing.contains("missing"), "{missing}");
    fs::write(folder.path("model.safetensors.index.json"), "{\"weight_map\": 3}").unwrap();
    assert!(folder.refuse("model.safetensors.index.json", "x.safetensors", &size).contains("index"));
    fs::remove_file(folder.path("model-0.safetensors")).unwrap();
    index(&map);
    assert!(folder.refuse("model.safetensors.index.json", "x.safetensors", &size).contains("cannot read"));
}

#[test]
fn damaged_files_are_refused_and_nothing_is_written() {
    let folder = Folder::new();
    write(&folder.path("good.safetensors"), &model(Dtype::F32), &[]);
    fs::write(folder.path("out.safetensors"), "precious").unwrap();
    let good = fs::read(folder.path("good.safetensors")).unwrap();
    let header = u64::from_le_bytes(good[..8].try_into().unwrap()) as usize;
    let edited = |from: &str, to: &str| {
        let text = String::from_utf8(good[8..8 + header].to_vec()).unwrap();
        let text = text.replacen(from, to, 1);
        assert_eq!(text.len(), header, "{from} {to}");
        [&good[..8], text.as_bytes(), &good[8 + header..]].concat()
    };
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("empty", vec![]),
        ("five bytes", good[..5].to_vec()),
        ("half a header", good[..8 + header / 2].to_vec()),
        ("no data", good[..8 + header].to_vec()),
        ("a byte short", good[..good.len() - 1].to_vec()),
        ("a byte long", [&good[..], &[0]].concat()),
        ("huge header", [&u64::MAX.to_le_bytes()[..], &good[8..]].concat()),
        ("header of a gigabyte", [&(1u64 << 30).to_le_bytes()[..], &good[8..]].concat()),
        ("not json", edited("{", "(")),
        ("unknown type", edited("\"F32\"", "\"Q32\"")),
        ("narrower type", edited("\"F32\"", "\"I16\"")),
        ("other shape", edited("[120,40]", "[121,40]")),
        ("negative shape", edited("[120,40]", "[-20,40]")),
        ("not utf-8", [&good[..8], &[0xff; 20], &good[28..]].concat()),
        ("text", b"this is a text and no checkpoint at all".to_vec()),
    ];
    for (name, bytes) in cases {
        fs::write(folder.path("bad.safetensors"), bytes).unwrap();
        let error = folder.refuse("bad.safetensors", "out.safetensors", &["--budget", "0.5"]);
        assert!(error.contains("bad.safetensors"), "{name}: {error}");
        let typed = Checkpoint::open(&folder.path("bad.safetensors")).unwrap_err();
        assert!(matches!(typed, NnError::Malformed { .. }), "{name}: {typed}");
    }
    assert!(folder.refuse("absent.safetensors", "out.safetensors", &["--budget", "0.5"]).contains("cannot read"));
    assert_eq!(fs::read(folder.path("out.safetensors")).unwrap(), b"precious");
}

#[test]
fn bad_choices_are_refused_and_nothing_is_written() {
    let folder = Folder::new();
    let mut tensors = model(Dtype::F32);
    write(&folder.path("in.safetensors"), &tensors, &[]);
    fs::write(folder.path("out.safetensors"), "precious").unwrap();
    fs::create_dir(folder.path("folder")).unwrap();
    let refuse = |arguments: &[&str]| folder.refuse("in.safetensors", "out.safetensors", arguments);
    for (arguments, words) in [
        (&["--num-terms", "0", "--low-rank", "4"][..], &["num_terms", "h.0.mlp.fc1.weight"][..]),
        (&["--num-terms", "1", "--low-rank", "0"], &["low_rank", "h.0.mlp.fc1.weight"]),
        (&["--num-terms", "1", "--low-rank", "41"], &["low_rank", "h.0.mlp.fc1.weight", "40"]),
        (&["--num-terms", "1", "--low-rank", "4294967296"], &["low_rank"]),
        (&["--num-terms", "-1", "--low-rank", "4"], &["-1"]),
        (&["--num-terms", "1"], &["--low-rank"]),
        (&["--low-rank", "1"], &["--num-terms"]),
        (&["--budget", "0"], &["budget", "0"]),
        (&["--budget", "1.5"], &["budget", "1.5"]),
        (&["--budget", "nan"], &["budget"]),
        (&["--budget", "0.001"], &["budget must be at least"]),
        (&["--error", "-0.5"], &["error", "-0.5"]),
        (&["--error", "1"], &["error"]),
        (&["--error", "0.1", "--budget", "0.1"], &["--error"]),
        (&["--budget", "0.5", "--include", "("], &["--include"]),
        (&["--budget", "0.5", "--method", "magic"], &["magic"]),
        (&[], &["--budget"]),
    ] {
        let error = refuse(arguments);
        assert!(words.iter().all(|word| error.contains(word)), "{arguments:?}: {error}");
    }
    let good = ["--budget", "0.5"];
    assert!(folder.refuse("in.safetensors", "in.safetensors", &good).contains("must not be the input"));
    assert!(folder.refuse("in.safetensors", "./in.safetensors", &good).contains("must not be the input"));
    assert!(folder.refuse("in.safetensors", "folder", &good).contains("directory"));
    assert!(folder.refuse("in.safetensors", "absent/out.safetensors", &good).contains("cannot write"));
    assert!(folder.refuse("folder", "out.safetensors", &good).contains("not a file"));
    // A number that is not finite, in one of the weights.
    tensors.get_mut("h.1.mlp.fc2.weight").unwrap().2[..4].copy_from_slice(&f32::NAN.to_le_bytes());
    write(&folder.path("in.safetensors"), &tensors, &[]);
    let error = refuse(&good);
    assert!(error.contains("h.1.mlp.fc2.weight") && error.contains("finite"), "{error}");
    let excluded = folder.convert("in.safetensors", "out.safetensors", &["--budget", "0.5", "--exclude", "fc2"]);
    assert_eq!(names(&excluded, "layers"), ["h.0.mlp.fc1", "h.1.mlp.fc1", "patch_embed.proj"]);
}

#[test]
fn states_say_what_is_missing_or_mistyped() {
    let folder = Folder::new();
    let mut tensors = Tensors::new();
    tensors.insert("fc.weight".to_owned(), (Dtype::I32, vec![3, 4], vec![0; 48]));
    tensors.insert("half.weight".to_owned(), tensor(Dtype::F16, &[3, 4], 1));
    write(&folder.path("in.safetensors"), &tensors, &[]);
    let state = read_state::<f32>(&folder.path("in.safetensors")).unwrap();
    let mut layer = Linear::<f32, _>::new(&Cpu::default(), 4, 3, false, 1).unwrap();
    let mistyped = layer.load("fc", &state).unwrap_err();
    assert_eq!(mistyped, NnError::TensorType { name: "fc.weight".to_owned(), got: "I32".to_owned() });
    assert!(matches!(layer.load("other", &state), Err(NnError::MissingTensor { .. })));
    layer.load("half", &state).unwrap();
    let exact: Vec<f32> = decoded(&tensors["half.weight"]).iter().map(|x| *x as f32).collect();
    assert_eq!(layer.weight().as_slice(), exact);
    let absent = Checkpoint::open(&folder.path("in.safetensors")).unwrap().bytes("absent").unwrap_err();
    assert_eq!(absent, NnError::MissingFromFile { path: folder.path("in.safetensors"), name: "absent".to_owned() });
}

#[test]
fn the_table_names_every_layer() {
    let folder = Folder::new();
    write(&folder.path("in.safetensors"), &model(Dtype::F16), &[]);
    let (code, out, _) = folder.run("in.safetensors", "out.safetensors", &["--error", "0.2"], false);
    assert_eq!(code, 0);
    for word in ["layer", "shape", "before", "after", "error", "h.0.mlp.fc1", "160×40", "40×8×5×5", "kept, embedding"]
    {
        assert!(out.contains(word), "{word}: {out}");
    }
    assert_eq!(run(&["--help"]).0, 0);
}

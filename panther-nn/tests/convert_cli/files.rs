//! Checkpoint files, written and read with the safetensors crate alone.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;

use half::{bf16, f16};
use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};

/// A tensor of a file: type, shape, bytes.
pub type Tensor = (Dtype, Vec<usize>, Vec<u8>);
pub type Tensors = BTreeMap<String, Tensor>;

pub fn write(path: &Path, tensors: &Tensors, metadata: &[(&str, &str)]) {
    let views = tensors
        .iter()
        .map(|(name, (dtype, shape, bytes))| (name.as_str(), TensorView::new(*dtype, shape.clone(), bytes).unwrap()));
    let metadata: HashMap<String, String> = metadata.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
    fs::write(path, serialize(views, Some(metadata)).unwrap()).unwrap();
}

pub fn read(path: &Path) -> (Tensors, HashMap<String, String>) {
    let bytes = fs::read(path).unwrap();
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let tensors = file
        .iter()
        .map(|(name, view)| (name.to_owned(), (view.dtype(), view.shape().to_vec(), view.data().to_vec())))
        .collect();
    // Aligned, so that every reader can map them.
    for info in header.tensors().values() {
        assert_eq!(info.data_offsets.0 % (info.dtype.bitsize() / 8).max(1), 0);
    }
    (tensors, header.metadata().clone().unwrap_or_default())
}

/// Values in (−1, 1) that a few waves make: matrices of them decay.
fn numbers(shape: &[usize], seed: usize) -> Vec<f64> {
    let last = *shape.last().unwrap();
    let entry = |e: usize| {
        let (i, j) = ((e / last) as f64, (e % last) as f64);
        (1..6).map(|w| ((w + seed) as f64 * (i * 0.013 + 0.7) * (j * 0.017 + 0.3)).sin() / (w * w) as f64).sum::<f64>()
            + 0.01 * ((e * 7919 + seed * 104_729) % 1009) as f64 / 1009.0
    };
    (0..shape.iter().product()).map(entry).collect()
}

fn encoded(dtype: Dtype, numbers: &[f64]) -> Vec<u8> {
    let one = |x: &f64| match dtype {
        Dtype::F16 => f16::from_f64(*x).to_le_bytes().to_vec(),
        Dtype::BF16 => bf16::from_f64(*x).to_le_bytes().to_vec(),
        Dtype::F32 => (*x as f32).to_le_bytes().to_vec(),
        _ => x.to_le_bytes().to_vec(),
    };
    numbers.iter().flat_map(one).collect()
}

pub fn decoded((dtype, _, bytes): &Tensor) -> Vec<f64> {
    let size = dtype.bitsize() / 8;
    let one = |b: &[u8]| match dtype {
        Dtype::F16 => f16::from_le_bytes(b.try_into().unwrap()).to_f64(),
        Dtype::BF16 => bf16::from_le_bytes(b.try_into().unwrap()).to_f64(),
        Dtype::F32 => f64::from(f32::from_le_bytes(b.try_into().unwrap())),
        _ => f64::from_le_bytes(b.try_into().unwrap()),
    };
    bytes.chunks(size).map(one).collect()
}

pub fn tensor(dtype: Dtype, shape: &[usize], seed: usize) -> Tensor {
    (dtype, shape.to_vec(), encoded(dtype, &numbers(shape, seed)))
}

/// A small transformer with a convolution before it.
pub fn model(dtype: Dtype) -> Tensors {
    let mut tensors = Tensors::new();
    let mut add = |name: &str, shape: &[usize]| {
        let seed = tensors.len();
        tensors.insert(name.to_owned(), tensor(dtype, shape, seed));
    };
    add("transformer.wte.weight", &[90, 40]);
    add("transformer.wpe.weight", &[64, 40]);
    add("embeddings.token_type.weight", &[50, 40]);
    add("patch_embed.proj.weight", &[40, 8, 5, 5]);
    add("patch_embed.proj.bias", &[40]);
    for block in 0..2 {
        add(&format!("h.{block}.attn.in_proj_weight"), &[120, 40]);
        add(&format!("h.{block}.mlp.fc1.weight"), &[160, 40]);
        add(&format!("h.{block}.mlp.fc1.bias"), &[160]);
        add(&format!("h.{block}.mlp.fc2.weight"), &[40, 160]);
        add(&format!("h.{block}.ln.weight"), &[40]);
    }
    add("time.weight", &[7, 3, 5]);
    add("head.weight", &[2, 40]);
    let tied = tensors["transformer.wte.weight"].clone();
    tensors.insert("lm_head.weight".to_owned(), tied);
    tensors.insert("steps".to_owned(), (Dtype::I64, vec![3], (0..24).collect()));
    tensors.insert("mask.weight".to_owned(), (Dtype::U8, vec![20, 20], vec![7; 400]));
    tensors.insert("scalar".to_owned(), (Dtype::BOOL, vec![], vec![1]));
    tensors.insert("nothing.weight".to_owned(), (dtype, vec![0, 30], vec![]));
    tensors
}

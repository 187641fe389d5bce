//! All files of kernels compile for Hopper devices, in both precisions. Needs NVRTC, and no device.

use std::collections::BTreeSet;
use std::path::Path;

use crate::runtime::kernel::{KernelFile, compile};
use crate::runtime::libraries::probe_compiler;
use crate::{gemm, layers, matrix, qr, sketch, svd};

/// Every file that is launched from somewhere.
const FILES: [KernelFile; 35] = [
    gemm::bfloat16::KERNELS,
    gemm::product::KERNELS,
    layers::convolution::KERNELS,
    layers::elementwise::KERNELS,
    layers::gather::KERNELS,
    layers::linear_attention::CAUSAL_SCAN,
    layers::linear_attention::STATES,
    layers::linear_attention::backward::GRADIENTS,
    layers::linear_attention::forward::OUTPUTS,
    layers::loss::KERNELS,
    layers::normalization::KERNELS,
    layers::optimizer::KERNELS,
    layers::pooling::KERNELS,
    layers::reductions::KERNELS,
    layers::sinusoids::KERNELS,
    layers::row_marks::KERNELS,
    layers::softmax::KERNELS,
    matrix::entries::KERNELS,
    matrix::norms::KERNELS,
    matrix::permute::KERNELS,
    matrix::report::KERNELS,
    matrix::view::KERNELS,
    qr::cholesky::KERNELS,
    qr::column_pivoting::KERNELS,
    qr::pivoted_reduction::KERNELS,
    qr::triangular::KERNELS,
    sketch::dense::KERNELS,
    sketch::random_fill::KERNELS,
    sketch::less_uniform::KERNELS,
    sketch::sparse_sign::KERNELS,
    sketch::srht::KERNELS,
    sketch::tiling::KERNELS,
    svd::jacobi::EXCHANGED,
    svd::jacobi::RESIDENT,
    svd::signs::KERNELS,
];

fn tensor_core_files() -> impl Iterator<Item = KernelFile> {
    gemm::tensor_cores::KERNELS.into_iter().flatten()
}

#[test]
fn kernel_files_compile() {
    if let Err(missing) = probe_compiler() {
        println!("skipped: {missing}");
        return;
    }
    for file in FILES {
        for real in ["float", "double"] {
            compile(file, real, (9, 0)).unwrap();
        }
    }
    for file in tensor_core_files() {
        compile(file, "float", (9, 0)).unwrap();
    }
}

/// The names of the files in a folder and below it, without their extension.
fn names(folder: &Path, prefix: &str, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = format!("{prefix}{}", path.file_stem().unwrap().to_str().unwrap());
        if path.is_dir() {
            names(&path, &format!("{name}/"), found);
        } else if path.extension().is_some_and(|extension| extension == "cu") {
            found.insert(name);
        }
    }
}

#[test]
fn kernel_files_are_all_listed() {
    let mut found = BTreeSet::new();
    names(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/kernels")), "", &mut found);
    let mut listed: BTreeSet<String> = FILES.iter().map(|file| file.name.to_owned()).collect();
    listed.insert("gemm/tensor_cores".to_owned());
    assert_eq!(found, listed);
}

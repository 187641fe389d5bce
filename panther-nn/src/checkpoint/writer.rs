//! Writing files whole or not at all.

use std::collections::BTreeMap;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use safetensors::Dtype;
use safetensors::tensor::TensorInfo;
use tempfile::NamedTempFile;

use super::file_error;
use super::header::header_bytes;
use crate::NnError;

/// A finished file under a temporary name beside the one it is meant for. Dropped without [`commit`](Self::commit), it
/// vanishes.
pub(crate) struct Staged {
    file: NamedTempFile,
    target: PathBuf,
}

impl Staged {
    /// Gives the file its name. What was there under that name is replaced at this moment.
    pub(crate) fn commit(self) -> Result<(), NnError> {
        self.file.persist(&self.target).map(drop).map_err(|error| file_error("write", &self.target)(error.error))
    }
}

/// The folder that a file is in.
pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."))
}

/// An open temporary file beside `path`.
fn temporary(path: &Path) -> Result<NamedTempFile, NnError> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".panther-");
    // Readable by whom the file under its own name would be, not by its owner alone.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(folder_of(path)).map_err(file_error("write", path))
}

/// Any file.
pub(crate) fn stage_bytes(path: &Path, bytes: &[u8]) -> Result<Staged, NnError> {
    let mut file = temporary(path)?;
    file.write_all(bytes).and_then(|()| file.as_file().sync_all()).map_err(file_error("write", path))?;
    Ok(Staged { file, target: path.to_owned() })
}

/// A safetensors file. `bytes` is asked for one tensor after the other, so that only one need be in memory.
pub(crate) fn stage(
    path: &Path,
    metadata: &BTreeMap<String, String>,
    tensors: Vec<(String, Dtype, Vec<usize>)>,
    mut bytes: impl FnMut(&str) -> Result<Vec<u8>, NnError>,
) -> Result<Staged, NnError> {
    let infos = arranged(tensors);
    let header = header_bytes(metadata, &infos).map_err(|error| NnError::File {
        action: "write",
        path: path.to_owned(),
        reason: error.to_string(),
    })?;
    let mut file = temporary(path)?;
    let mut writer = BufWriter::with_capacity(1 << 20, file.as_file_mut());
    writer.write_all(&header).map_err(file_error("write", path))?;
    for (name, _) in &infos {
        writer.write_all(&bytes(name)?).map_err(file_error("write", path))?;
    }
    writer.flush().and_then(|()| writer.get_ref().sync_all()).map_err(file_error("write", path))?;
    drop(writer);
    Ok(Staged { file, target: path.to_owned() })
}

/// Where each tensor comes to lie: the widest types first, so that all are aligned, then by name.
fn arranged(mut tensors: Vec<(String, Dtype, Vec<usize>)>) -> Vec<(String, TensorInfo)> {
    tensors.sort_by(|(name, dtype, _), (other, other_dtype, _)| other_dtype.cmp(dtype).then_with(|| name.cmp(other)));
    let mut offset = 0;
    let place = |(name, dtype, shape): (String, Dtype, Vec<usize>)| {
        let start = offset;
        offset += shape.iter().product::<usize>() * dtype.bitsize() / 8;
        (name, TensorInfo { dtype, shape, data_offsets: (start, offset) })
    };
    tensors.into_iter().map(place).collect()
}

//! Reading checkpoints, tensor by tensor.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use safetensors::Dtype;
use serde::Deserialize;

use super::header::read_header;
use super::{FloatType, file_error};
use crate::NnError;
use crate::Scalar;
use crate::state::HostTensor;

/// What a file says of one tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorEntry {
    /// The type of its values.
    pub dtype: Dtype,
    /// The extents.
    pub shape: Vec<usize>,
    /// Bytes of its values.
    pub bytes: usize,
    /// Which of the files holds it.
    pub(crate) shard: usize,
    start: u64,
}

/// A checkpoint of one safetensors file or of several with an index. Only the headers are held; tensors are read when asked
/// for.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    path: PathBuf,
    shards: Vec<PathBuf>,
    tensors: BTreeMap<String, TensorEntry>,
    metadata: BTreeMap<String, String>,
}

/// `model.safetensors.index.json`.
#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

impl Checkpoint {
    /// Opens a safetensors file, or the index (`….json`) of a sharded one: a `weight_map` from names to files beside it.
    ///
    /// # Errors
    /// [`NnError::File`], [`NnError::Malformed`] for what is truncated or corrupt, and [`NnError::MissingFromFile`] where a
    /// tensor is not in the file that the index names.
    pub fn open(path: &Path) -> Result<Self, NnError> {
        let is_index = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
        let mut checkpoint =
            Self { path: path.to_owned(), shards: Vec::new(), tensors: BTreeMap::new(), metadata: BTreeMap::new() };
        if !is_index {
            checkpoint.add_shard(path.to_owned())?;
            return Ok(checkpoint);
        }
        let Index { weight_map } = read_index(path)?;
        let mut names: Vec<&String> = weight_map.values().collect();
        names.sort_unstable();
        names.dedup();
        for name in &names {
            checkpoint.add_shard(path.with_file_name(name))?;
        }
        for (name, file) in &weight_map {
            let shard = names.binary_search(&file).ok();
            if checkpoint.tensors.get(name).is_none_or(|tensor| Some(tensor.shard) != shard) {
                return Err(NnError::MissingFromFile { path: path.with_file_name(file), name: name.clone() });
            }
        }
        Ok(checkpoint)
    }

    fn add_shard(&mut self, path: PathBuf) -> Result<(), NnError> {
        let header = read_header(&path)?;
        let shard = self.shards.len();
        for (name, info) in header.metadata.tensors() {
            let (start, end) = info.data_offsets;
            let entry = TensorEntry {
                dtype: info.dtype,
                shape: info.shape.clone(),
                bytes: end - start,
                shard,
                start: header.data_start + start as u64,
            };
            if let Some(other) = self.tensors.insert(name.clone(), entry) {
                let reason = format!("tensor {name:?} is also in {}", self.shards[other.shard].display());
                return Err(NnError::Malformed { path, reason });
            }
        }
        for (key, value) in header.metadata.metadata().iter().flatten() {
            self.metadata.entry(key.clone()).or_insert_with(|| value.clone());
        }
        self.shards.push(path);
        Ok(())
    }

    /// The file or index that was opened.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The files that hold the tensors.
    #[must_use]
    pub fn shards(&self) -> &[PathBuf] {
        &self.shards
    }

    /// All tensors, by name.
    #[must_use]
    pub const fn tensors(&self) -> &BTreeMap<String, TensorEntry> {
        &self.tensors
    }

    /// What the file holds in words beside its tensors; of several files the first that has a key.
    #[must_use]
    pub const fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    /// What the file says of a tensor.
    ///
    /// # Errors
    /// [`NnError::MissingFromFile`].
    pub fn entry(&self, name: &str) -> Result<&TensorEntry, NnError> {
        self.tensors
            .get(name)
            .ok_or_else(|| NnError::MissingFromFile { path: self.path.clone(), name: name.to_owned() })
    }

    /// A tensor as it stands in the file.
    ///
    /// # Errors
    /// [`NnError::MissingFromFile`], [`NnError::File`].
    pub fn bytes(&self, name: &str) -> Result<Vec<u8>, NnError> {
        let entry = self.entry(name)?;
        let path = &self.shards[entry.shard];
        // Opened anew each time, so that several threads can read.
        let mut file = File::open(path).map_err(file_error("read", path))?;
        file.seek(SeekFrom::Start(entry.start)).map_err(file_error("read", path))?;
        let mut bytes = vec![0; entry.bytes];
        file.read_exact(&mut bytes).map_err(file_error("read", path))?;
        Ok(bytes)
    }

    /// The values of a tensor of a floating-point type, rounded to T.
    ///
    /// # Errors
    /// As [`bytes`](Self::bytes), and [`NnError::TensorType`].
    pub fn values<T: Scalar>(&self, name: &str) -> Result<HostTensor<T>, NnError> {
        let entry = self.entry(name)?;
        let float = FloatType::from_dtype(entry.dtype)
            .ok_or_else(|| NnError::TensorType { name: name.to_owned(), got: entry.dtype.to_string() })?;
        Ok(HostTensor { shape: entry.shape.clone(), values: float.decode(&self.bytes(name)?) })
    }
}

fn read_index(path: &Path) -> Result<Index, NnError> {
    let json = std::fs::read(path).map_err(file_error("read", path))?;
    serde_json::from_slice(&json).map_err(|error| NnError::Malformed {
        path: path.to_owned(),
        reason: format!("not the index of a sharded checkpoint: {error}"),
    })
}

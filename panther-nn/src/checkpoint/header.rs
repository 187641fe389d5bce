//! The header of a safetensors file: its length in eight bytes, then JSON.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use safetensors::tensor::{Metadata, TensorInfo};

use super::file_error;
use crate::NnError;

/// Headers longer than this are refused, as the safetensors crate does.
const LONGEST: u64 = 100_000_000;

/// What a file says about itself, checked against its length.
pub(super) struct Header {
    pub(super) metadata: Metadata,
    /// Bytes before the first tensor.
    pub(super) data_start: u64,
}

/// Reads the header alone.
pub(super) fn read_header(path: &Path) -> Result<Header, NnError> {
    let malformed = |reason: String| NnError::Malformed { path: path.to_owned(), reason };
    let mut file = File::open(path).map_err(file_error("read", path))?;
    let about = file.metadata().map_err(file_error("read", path))?;
    if !about.is_file() {
        return Err(malformed("not a file".to_owned()));
    }
    let mut length = [0; 8];
    if about.len() < 8 {
        return Err(malformed(format!("truncated: {} bytes cannot hold a header", about.len())));
    }
    file.read_exact(&mut length).map_err(file_error("read", path))?;
    let length = u64::from_le_bytes(length);
    if length > LONGEST {
        return Err(malformed(format!("not a safetensors file: its header would be {length} bytes long")));
    }
    if length > about.len() - 8 {
        return Err(malformed(format!("truncated: a header of {length} bytes in a file of {}", about.len())));
    }
    let mut json = vec![0; length as usize];
    file.read_exact(&mut json).map_err(file_error("read", path))?;
    let metadata: Metadata =
        serde_json::from_slice(&json).map_err(|error| malformed(format!("the header is corrupt: {error}")))?;
    let (data_start, data) = (8 + length, metadata.data_len() as u64);
    match data_start.checked_add(data) {
        Some(end) if end == about.len() => Ok(Header { metadata, data_start }),
        Some(end) if end < about.len() => Err(malformed(format!("{} bytes behind the last tensor", about.len() - end))),
        _ => Err(malformed(format!(
            "truncated: tensors of {data} bytes, of which {} are there",
            about.len() - data_start
        ))),
    }
}

/// The length and the JSON, padded with spaces to a multiple of eight. Metadata stands first and in alphabetical order, so
/// that equal content is equal bytes.
pub(super) fn header_bytes(
    metadata: &BTreeMap<String, String>,
    tensors: &[(String, TensorInfo)],
) -> Result<Vec<u8>, serde_json::Error> {
    let mut parts = Vec::with_capacity(tensors.len() + 1);
    if !metadata.is_empty() {
        parts.push(format!("\"__metadata__\":{}", serde_json::to_string(metadata)?));
    }
    for (name, info) in tensors {
        parts.push(format!("{}:{}", serde_json::to_string(name)?, serde_json::to_string(info)?));
    }
    let mut json = format!("{{{}}}", parts.join(",")).into_bytes();
    json.resize(json.len().next_multiple_of(8), b' ');
    let mut bytes = (json.len() as u64).to_le_bytes().to_vec();
    bytes.append(&mut json);
    Ok(bytes)
}

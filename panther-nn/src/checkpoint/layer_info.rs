//! What a sketched layer needs beside its tensors, in the metadata of its file.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The key of the metadata under which all layers stand, as one JSON object by name.
const KEY: &str = "panther.layers";

/// Which layer the tensors are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LayerKind {
    /// [`SkLinear`](crate::layers::SkLinear): `S1s`, `S2s`, `U1s`, `U2s`.
    SkLinear,
    /// The sketched convolution: `S1s`, `U1s`.
    SkConv2d,
}

/// What stands in the metadata of a file for one sketched layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerInfo {
    /// Which layer.
    pub kind: LayerKind,
    /// T.
    pub num_terms: usize,
    /// k.
    pub low_rank: usize,
    /// Whether the dense weight was in×out.
    pub transposed: bool,
}

impl LayerInfo {
    /// All layers that a file's metadata tells of, by name. What is no such JSON is as good as nothing.
    #[must_use]
    pub fn read_all(metadata: &BTreeMap<String, String>) -> BTreeMap<String, Self> {
        metadata.get(KEY).and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default()
    }

    /// Adds layers to a file's metadata, beside those that are there.
    pub fn write_all(layers: BTreeMap<String, Self>, metadata: &mut BTreeMap<String, String>) {
        let mut all = Self::read_all(metadata);
        all.extend(layers);
        if let Ok(json) = serde_json::to_string(&all) {
            metadata.insert(KEY.to_owned(), json);
        }
    }
}

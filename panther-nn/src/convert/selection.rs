//! Which tensors of a checkpoint are weights to convert.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

use serde::Serialize;

use super::weight::WeightLayout;
use crate::NnError;
use crate::checkpoint::{Checkpoint, FloatType, TensorEntry};
use crate::state::join;

/// Why a tensor stays as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Not called `….weight`, not a matrix or a stack of convolution kernels, or not of a floating-point type.
    NotAWeight,
    /// Not included, or excluded.
    NotSelected,
    /// An embedding table, by its name.
    Embedding,
    /// Another tensor of the file holds the same bytes.
    Tied,
    /// The names of its factors are taken by other tensors.
    NamesTaken,
    /// The factors would be no fewer values.
    NoGain,
    /// No factors of fewer values are near enough.
    ErrorNotMet,
    /// The budget buys more if it stays dense.
    WorthItsBudget,
    /// Its factors are larger than its type can hold.
    Overflow,
}

impl Reason {
    pub(super) const ALL: [Self; 9] = [
        Self::NotAWeight,
        Self::NotSelected,
        Self::Embedding,
        Self::Tied,
        Self::NamesTaken,
        Self::NoGain,
        Self::ErrorNotMet,
        Self::WorthItsBudget,
        Self::Overflow,
    ];

    /// Whether it was a weight that could have been converted.
    pub(super) const fn is_candidate(self) -> bool {
        matches!(self, Self::NoGain | Self::ErrorNotMet | Self::WorthItsBudget | Self::Overflow)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAWeight => "no weight of a linear layer or convolution",
            Self::NotSelected => "not selected",
            Self::Embedding => "embedding by its name",
            Self::Tied => "tied to another tensor",
            Self::NamesTaken => "names of the factors taken",
            Self::NoGain => "nothing gained",
            Self::ErrorNotMet => "error not met by fewer numbers",
            Self::WorthItsBudget => "worth its budget as it is",
            Self::Overflow => "factors too large for the type",
        })
    }
}

/// A weight to convert.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    /// The name of its tensor.
    pub(super) tensor: String,
    /// That without `.weight`.
    pub(super) layer: String,
    pub(super) shape: Vec<usize>,
    pub(super) layout: WeightLayout,
    pub(super) float: FloatType,
    /// (d_in, d_out).
    pub(super) dimensions: (usize, usize),
}

/// The weights to convert, and why each of the others is none.
pub(super) fn select(
    checkpoint: &Checkpoint,
    transposed: bool,
    chosen: &dyn Fn(&str) -> bool,
) -> Result<(Vec<Candidate>, BTreeMap<String, Reason>), NnError> {
    let (mut candidates, mut kept) = (Vec::new(), BTreeMap::new());
    for (name, entry) in checkpoint.tensors() {
        let reason = match candidate(name, entry, transposed) {
            None => Reason::NotAWeight,
            Some(_) if !chosen(name) => Reason::NotSelected,
            Some(candidate) if entry.shape.len() == 2 && is_embedding(&candidate.layer) => Reason::Embedding,
            Some(candidate) if takes_names(&candidate, checkpoint) => Reason::NamesTaken,
            Some(candidate) => {
                candidates.push(candidate);
                continue;
            }
        };
        kept.insert(name.clone(), reason);
    }
    let tied = tied(checkpoint, &candidates)?;
    let (tied, free): (Vec<_>, Vec<_>) = candidates.into_iter().partition(|c| tied.contains(&c.tensor));
    kept.extend(tied.into_iter().map(|candidate| (candidate.tensor, Reason::Tied)));
    Ok((free, kept))
}

fn candidate(name: &str, entry: &TensorEntry, transposed: bool) -> Option<Candidate> {
    let layer = if name == "weight" { "" } else { name.strip_suffix(".weight")? };
    let float = FloatType::from_dtype(entry.dtype)?;
    let layout = match (entry.shape.len(), transposed) {
        (4, _) => WeightLayout::Conv2d,
        (_, true) => WeightLayout::InOut,
        (_, false) => WeightLayout::OutIn,
    };
    let dimensions = layout.dimensions(&entry.shape).filter(|&(d_in, d_out)| d_in > 0 && d_out > 0)?;
    Some(Candidate {
        tensor: name.to_owned(),
        layer: layer.to_owned(),
        shape: entry.shape.clone(),
        layout,
        float,
        dimensions,
    })
}

/// The last part of the layer's name that is no number holds `embed`, or has among its words (as in `position_table`) one of those that embedding tables go by.
fn is_embedding(layer: &str) -> bool {
    const WORDS: [&str; 13] = [
        "emb",
        "wte",
        "wpe",
        "tok",
        "token",
        "tokens",
        "pos",
        "position",
        "positions",
        "positional",
        "vocab",
        "shared",
        "codebook",
    ];
    let part = layer.rsplit('.').find(|part| part.parse::<usize>().is_err()).unwrap_or("").to_lowercase();
    part.contains("embed") || part == "relative_attention_bias" || part.split('_').any(|word| WORDS.contains(&word))
}

fn takes_names(candidate: &Candidate, checkpoint: &Checkpoint) -> bool {
    ["S1s", "S2s", "U1s", "U2s"].iter().any(|name| checkpoint.tensors().contains_key(&join(&candidate.layer, name)))
}

/// The tensors of the candidates' types and lengths whose bytes another of them holds too. Hashes stand for the bytes: should two of the 2⁶⁴ agree by
/// chance, a weight stays dense that need not.
fn tied(checkpoint: &Checkpoint, candidates: &[Candidate]) -> Result<HashSet<String>, NnError> {
    let kind = |entry: &TensorEntry| (entry.dtype.to_string(), entry.bytes);
    let mut alike: BTreeMap<_, Vec<&str>> = BTreeMap::new();
    for (name, entry) in checkpoint.tensors() {
        alike.entry(kind(entry)).or_default().push(name);
    }
    let wanted: BTreeSet<_> =
        candidates.iter().map(|c| checkpoint.entry(&c.tensor).map(kind)).collect::<Result<_, _>>()?;
    alike.retain(|kind, names| names.len() > 1 && wanted.contains(kind));
    let mut tied = HashSet::new();
    for names in alike.values() {
        let mut first: HashMap<u64, &str> = HashMap::new();
        for name in names {
            let mut hasher = DefaultHasher::new();
            checkpoint.bytes(name)?.hash(&mut hasher);
            if let Some(other) = first.insert(hasher.finish(), name) {
                tied.extend([other.to_owned(), (*name).to_owned()]);
            }
        }
    }
    Ok(tied)
}

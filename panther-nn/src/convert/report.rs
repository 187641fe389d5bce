//! What a conversion cost and saved.

use std::fmt;

use serde::Serialize;

use super::weight::stored_per_term;
use super::{DenseWeight, Reason};
use crate::Scalar;
use crate::checkpoint::{FloatType, LayerKind};

/// One weight before and after.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ConversionReport {
    /// T.
    pub num_terms: usize,
    /// k.
    pub low_rank: usize,
    /// ‖M − M̂‖_F/‖M‖_F, or with inputs ‖X(M − M̂)‖_F/‖XM‖_F: measured, the rounding of the factors included.
    pub relative_error: f64,
    /// Values of the dense weight.
    pub parameters_before: usize,
    /// Values stored in its place, fixed factors counted.
    pub parameters_after: usize,
    /// Bytes of the dense weight.
    pub bytes_before: usize,
    /// Bytes stored in its place.
    pub bytes_after: usize,
}

impl ConversionReport {
    pub(super) fn new<T: Scalar>(
        weight: &DenseWeight<T>,
        num_terms: usize,
        low_rank: usize,
        storage: FloatType,
        relative_error: f64,
    ) -> Self {
        let (d_in, d_out) = weight.dimensions();
        let (before, after) = (d_in * d_out, num_terms * low_rank * stored_per_term((d_in, d_out)));
        Self {
            num_terms,
            low_rank,
            relative_error,
            parameters_before: before,
            parameters_after: after,
            bytes_before: before * storage.bytes(),
            bytes_after: after * storage.bytes(),
        }
    }
}

/// A weight of a checkpoint that became sketched.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LayerReport {
    /// The name of the layer: that of its weight without `.weight`.
    pub name: String,
    /// What it became.
    pub kind: LayerKind,
    /// The shape of the dense weight.
    pub shape: Vec<usize>,
    /// The type of the weight and of its factors.
    pub dtype: String,
    /// What it cost and saved.
    #[serde(flatten)]
    pub conversion: ConversionReport,
}

/// A tensor of a checkpoint that stayed as it was.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct KeptTensor {
    /// Its name.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Why.
    pub reason: Reason,
}

/// What became of a checkpoint.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CheckpointReport {
    /// What became sketched, by name.
    pub layers: Vec<LayerReport>,
    /// What stayed, by name.
    pub kept: Vec<KeptTensor>,
    /// Values of the weights that could have become sketched, those included that did not gain by it: what a budget is a
    /// fraction of.
    pub candidate_parameters_before: usize,
    /// Values stored in their place.
    pub candidate_parameters_after: usize,
    /// Values of all tensors.
    pub parameters_before: usize,
    /// Values of all tensors written.
    pub parameters_after: usize,
    /// Bytes of all tensors.
    pub bytes_before: usize,
    /// Bytes of all tensors written.
    pub bytes_after: usize,
}

impl fmt::Display for CheckpointReport {
    /// A table of the layers, then a line for what stayed for each reason, and the totals.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.layers.iter().map(|layer| layer.name.len()).max().unwrap_or(0).max("layer".len());
        writeln!(
            f,
            "{:width$}  {:>16}  {:>5}  {:>9}  {:>12}  {:>12}  {:>10}",
            "layer", "shape", "type", "terms×rank", "before", "after", "error"
        )?;
        for LayerReport { name, shape, dtype, conversion, .. } in &self.layers {
            let shape = shape.iter().map(ToString::to_string).collect::<Vec<_>>().join("×");
            let size = format!("{}×{}", conversion.num_terms, conversion.low_rank);
            let (before, after) = (conversion.parameters_before, conversion.parameters_after);
            let error = conversion.relative_error;
            writeln!(
                f,
                "{name:width$}  {shape:>16}  {dtype:>5}  {size:>10}  {before:>12}  {after:>12}  {error:>10.3e}"
            )?;
        }
        for reason in Reason::ALL {
            let names: Vec<&str> =
                self.kept.iter().filter(|tensor| tensor.reason == reason).map(|tensor| tensor.name.as_str()).collect();
            match names.as_slice() {
                [] => {}
                [name] => writeln!(f, "kept, {reason}: {name}")?,
                [first, .., last] => writeln!(f, "kept, {reason}: {} tensors, {first} … {last}", names.len())?,
            }
        }
        writeln!(
            f,
            "{} of {} weights converted: {} → {} parameters of these weights",
            self.layers.len(),
            self.layers.len() + self.kept.iter().filter(|tensor| tensor.reason.is_candidate()).count(),
            self.candidate_parameters_before,
            self.candidate_parameters_after,
        )?;
        write!(
            f,
            "whole file: {} → {} parameters, {} → {} bytes",
            self.parameters_before, self.parameters_after, self.bytes_before, self.bytes_after
        )
    }
}

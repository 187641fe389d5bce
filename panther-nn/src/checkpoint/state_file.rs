//! States of models from and to files.

use std::collections::BTreeMap;
use std::path::Path;

use super::{Checkpoint, FloatType, stage};
use crate::state::State;
use crate::{NnError, Scalar};

/// All tensors of a checkpoint (a safetensors file, or the index of a sharded one), rounded to T. Those that are not of a
/// floating-point type are an error only once a model asks for them.
///
/// # Errors
/// As [`Checkpoint::open`].
pub fn read_state<T: Scalar>(path: &Path) -> Result<State<T>, NnError> {
    let checkpoint = Checkpoint::open(path)?;
    let mut state = State::new();
    for (name, entry) in checkpoint.tensors() {
        if FloatType::from_dtype(entry.dtype).is_some() {
            let tensor = checkpoint.values(name)?;
            state.insert(name.clone(), &tensor.shape, tensor.values);
        } else {
            state.insert_other(name.clone(), entry.dtype.to_string());
        }
    }
    Ok(state)
}

/// Writes a safetensors file in the type of T, whole or not at all.
///
/// # Errors
/// [`NnError::File`].
pub fn write_state<T: Scalar>(
    path: &Path,
    state: &State<T>,
    metadata: &BTreeMap<String, String>,
) -> Result<(), NnError> {
    let float = FloatType::of::<T>();
    let tensors = state.iter().map(|(name, tensor)| (name.to_owned(), float.dtype(), tensor.shape.clone())).collect();
    stage(path, metadata, tensors, |name| Ok(float.encode(state.tensor(name)?.values.as_slice())))?.commit()
}

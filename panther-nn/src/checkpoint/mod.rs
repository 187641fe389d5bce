//! Checkpoints: safetensors files, single or sharded with an index, read tensor by tensor and written whole or not at all.
//!
//! ```
//! use panther_nn::backend::Storage;
//! use panther_nn::checkpoint::{read_state, write_state};
//! use panther_nn::cpu::Cpu;
//! use panther_nn::layers::{Layer, Linear};
//! use panther_nn::state::State;
//!
//! # let folder = tempfile::tempdir().unwrap();
//! # let path = folder.path().join("model.safetensors");
//! let cpu = Cpu::default();
//! let layer = Linear::<f32, _>::new(&cpu, 4, 3, true, 7)?;
//! let mut state = State::new();
//! layer.save("fc", &mut state)?;
//! write_state(&path, &state, &Default::default())?;
//! assert_eq!(read_state::<f32>(&path)?, state);
//! # Ok::<(), panther_nn::NnError>(())
//! ```

mod float_type;
mod header;
mod layer_info;
mod reader;
mod state_file;
mod writer;

pub use float_type::FloatType;
pub use layer_info::{LayerInfo, LayerKind};
pub use reader::{Checkpoint, TensorEntry};
pub use safetensors::Dtype;
pub use state_file::{read_state, write_state};
pub(crate) use writer::{Staged, folder_of, stage, stage_bytes};

use std::path::Path;

use crate::NnError;

/// An error of the operating system as ours.
pub(crate) fn file_error(action: &'static str, path: &Path) -> impl Fn(std::io::Error) -> NnError {
    move |error| NnError::File { action, path: path.to_owned(), reason: error.to_string() }
}

//! The values of a model by name, on the host: what a checkpoint holds.

use std::collections::BTreeMap;

use crate::backend::Backend;
use crate::{NnError, Parameter, Scalar};

/// One tensor on the host, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct HostTensor<T> {
    /// The extents.
    pub shape: Vec<usize>,
    /// The values in row-major order.
    pub values: Vec<T>,
}

/// Tensors by name, in the names of PyTorch's state dict: `prefix.weight` and so on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State<T> {
    tensors: BTreeMap<String, HostTensor<T>>,
    /// Names and types of what the file holds beside values of a floating-point type.
    others: BTreeMap<String, String>,
}

/// `prefix.name`, or `name` where there is no prefix.
#[must_use]
pub fn join(prefix: &str, name: &str) -> String {
    if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") }
}

impl<T: Scalar> State<T> {
    /// Nothing yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { tensors: BTreeMap::new(), others: BTreeMap::new() }
    }

    /// All tensors, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &HostTensor<T>)> {
        self.tensors.iter().map(|(name, tensor)| (name.as_str(), tensor))
    }

    /// Whether there is a tensor of this name.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// Adds a tensor, or replaces it.
    pub fn insert(&mut self, name: String, shape: &[usize], values: Vec<T>) {
        self.tensors.insert(name, HostTensor { shape: shape.to_vec(), values });
    }

    /// Remembers a tensor that is not of a floating-point type, so that asking for it says so.
    pub(crate) fn insert_other(&mut self, name: String, kind: String) {
        self.others.insert(name, kind);
    }

    /// A tensor that must be there.
    ///
    /// # Errors
    /// [`NnError::MissingTensor`], and [`NnError::TensorType`] where the file that the state came from holds integers or the
    /// like by this name.
    pub fn tensor(&self, name: &str) -> Result<&HostTensor<T>, NnError> {
        self.tensors.get(name).ok_or_else(|| match self.others.get(name) {
            Some(got) => NnError::TensorType { name: name.to_owned(), got: got.clone() },
            None => NnError::MissingTensor { name: name.to_owned() },
        })
    }

    /// The values of a tensor that must be there, in the given shape.
    ///
    /// # Errors
    /// As [`tensor`](Self::tensor), and [`NnError::TensorShape`].
    pub fn values(&self, name: &str, shape: &[usize]) -> Result<&[T], NnError> {
        let tensor = self.tensor(name)?;
        if tensor.shape != shape {
            return Err(NnError::TensorShape {
                name: name.to_owned(),
                expected: shape.to_vec(),
                got: tensor.shape.clone(),
            });
        }
        Ok(&tensor.values)
    }

    /// Adds the values of a parameter.
    ///
    /// # Errors
    /// Where the copy from the device fails.
    pub fn insert_parameter<B: Backend>(
        &mut self,
        backend: &B,
        name: String,
        parameter: &Parameter<T, B>,
    ) -> Result<(), NnError> {
        let values = backend.download(&parameter.value)?;
        self.insert(name, B::shape(&parameter.value), values);
        Ok(())
    }

    /// Replaces the values of a parameter by those of this name.
    ///
    /// # Errors
    /// As [`values`](Self::values).
    pub fn load_parameter<B: Backend>(
        &self,
        backend: &B,
        name: &str,
        parameter: &mut Parameter<T, B>,
    ) -> Result<(), NnError> {
        let shape = B::shape(&parameter.value).to_vec();
        parameter.value = backend.upload(&shape, self.values(name, &shape)?.to_vec())?;
        Ok(())
    }
}

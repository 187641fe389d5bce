//! Finished tensors on the disk, until the file that they go to can be written.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::NnError;
use crate::checkpoint::{file_error, folder_of};

/// An unnamed temporary file in the folder of the output: what is converted need not stay in memory, and vanishes with it.
pub(super) struct Spool {
    output: PathBuf,
    inner: Mutex<Inner>,
}

struct Inner {
    file: File,
    end: u64,
    /// Where the bytes of a tensor start and how many they are.
    places: BTreeMap<String, (u64, usize)>,
}

impl Spool {
    pub(super) fn new(output: &Path) -> Result<Self, NnError> {
        let file = tempfile::tempfile_in(folder_of(output)).map_err(file_error("write", output))?;
        let inner = Mutex::new(Inner { file, end: 0, places: BTreeMap::new() });
        Ok(Self { output: output.to_owned(), inner })
    }

    pub(super) fn put(&self, name: String, bytes: &[u8]) -> Result<(), NnError> {
        let mut inner = self.locked();
        let start = inner.end;
        let place = SeekFrom::Start(start);
        inner.file.seek(place).and_then(|_| inner.file.write_all(bytes)).map_err(file_error("write", &self.output))?;
        inner.end += bytes.len() as u64;
        inner.places.insert(name, (start, bytes.len()));
        Ok(())
    }

    /// The bytes of a tensor that was put there.
    pub(super) fn take(&self, name: &str) -> Result<Option<Vec<u8>>, NnError> {
        let mut inner = self.locked();
        let Some((start, length)) = inner.places.remove(name) else { return Ok(None) };
        let mut bytes = vec![0; length];
        inner
            .file
            .seek(SeekFrom::Start(start))
            .and_then(|_| inner.file.read_exact(&mut bytes))
            .map_err(file_error("read", &self.output))?;
        Ok(Some(bytes))
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, Inner> {
        // A panic elsewhere leaves nothing half done here.
        self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

//! The text as values: one for each character that occurs.

use panther_nn::NnError;
use panther_nn::state::HostTensor;
use panther_nn::train::{Batches, rows};

const TEXT: &str = include_str!("../../assets/genesis.txt");

/// The part of the text that is trained with; the rest tests.
const TRAINING: f64 = 0.9;

/// The first book of Moses, character by character.
pub struct Text {
    alphabet: Vec<char>,
    training: Vec<usize>,
    test: Vec<usize>,
}

/// Windows of characters and the character that follows each.
pub struct Windows {
    /// batch×length.
    pub characters: HostTensor<usize>,
    pub next: Vec<usize>,
}

impl Text {
    pub fn new() -> Self {
        let mut alphabet: Vec<char> = TEXT.chars().collect();
        alphabet.sort_unstable();
        alphabet.dedup();
        let mut training = values(&alphabet, TEXT);
        let test = training.split_off((TRAINING * training.len() as f64) as usize);
        Self { alphabet, training, test }
    }

    /// Different characters.
    pub fn symbols(&self) -> usize {
        self.alphabet.len()
    }

    /// Characters to train with, and to test.
    pub fn lengths(&self) -> (usize, usize) {
        (self.training.len(), self.test.len())
    }

    /// What a text is as values; characters that do not occur are left out.
    pub fn encode(&self, text: &str) -> Vec<usize> {
        values(&self.alphabet, text)
    }

    pub fn decode(&self, values: &[usize]) -> String {
        values.iter().map(|number| self.alphabet[*number]).collect()
    }

    /// Batches of windows of `length` from the training text in random order, without end.
    pub fn training(
        &self,
        length: usize,
        batch: usize,
        seed: u64,
    ) -> Result<impl Iterator<Item = Result<Windows, NnError>>, NnError> {
        let batches = Batches::new((self.training.len() - 1) / length, batch, seed)?;
        Ok((0..).flat_map(move |epoch| batches.epoch(epoch)).map(move |batch| windows(&self.training, length, &batch)))
    }

    /// Windows over the first part of the test text.
    pub fn test(&self, length: usize, count: usize) -> Result<Windows, NnError> {
        let held = (self.test.len() - 1) / length;
        windows(&self.test, length, &(0..count.min(held)).collect::<Vec<_>>())
    }
}

fn values(alphabet: &[char], text: &str) -> Vec<usize> {
    text.chars().filter_map(|c| alphabet.binary_search(&c).ok()).collect()
}

fn windows(text: &[usize], length: usize, chosen: &[usize]) -> Result<Windows, NnError> {
    let characters = HostTensor { shape: vec![chosen.len(), length], values: rows(text, length, chosen)? };
    Ok(Windows { characters, next: rows(&text[1..], length, chosen)? })
}

//! The handwritten digits, and the part of them that is held back for the test.

use std::error::Error;

use panther_nn::NnError;
use panther_nn::backend::Backend;
use panther_nn::train::{rows, stratified_split};

/// Rows and columns of an image.
pub const SIDE: usize = 8;

/// Images row by row, pixels from 0 to 1, with the digits they show.
pub struct Images {
    pixels: Vec<f32>,
    digits: Vec<usize>,
}

impl Images {
    /// All images that ship with this crate.
    fn read() -> Result<Self, Box<dyn Error>> {
        let (mut pixels, mut digits) = (Vec::new(), Vec::new());
        for line in include_str!("../../assets/digits.csv").lines() {
            let values = line.split(',').map(str::parse).collect::<Result<Vec<u8>, _>>()?;
            let (digit, image) = values.split_last().ok_or("an empty line in digits.csv")?;
            pixels.extend(image.iter().map(|pixel| f32::from(*pixel) / 16.0));
            digits.push(usize::from(*digit));
        }
        Ok(Self { pixels, digits })
    }

    /// Three quarters of each digit to train with, and the rest to test.
    pub fn split(seed: u64) -> Result<(Self, Self), Box<dyn Error>> {
        let all = Self::read()?;
        let (train, test) = stratified_split(&all.digits, 0.75, seed)?;
        Ok((all.take(&train)?, all.take(&test)?))
    }

    fn take(&self, examples: &[usize]) -> Result<Self, NnError> {
        Ok(Self { pixels: rows(&self.pixels, SIDE * SIDE, examples)?, digits: rows(&self.digits, 1, examples)? })
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.digits.len()
    }

    /// Some of the images, n×1×8×8, and their digits.
    pub fn batch<B: Backend>(&self, backend: &B, examples: &[usize]) -> Result<(B::Tensor<f32>, Vec<usize>), NnError> {
        let Self { pixels, digits } = self.take(examples)?;
        Ok((backend.upload(&[examples.len(), 1, SIDE, SIDE], pixels)?, digits))
    }
}

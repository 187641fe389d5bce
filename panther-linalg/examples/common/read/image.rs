//! Pictures: their luminance, as a matrix of numbers between 0 and 1.

use std::path::Path;

use image::{DynamicImage, ImageReader};

use super::{Dense, Matrix, Order, ReadError};

pub const PHOTOGRAPH_NAME: &str = "assets/astronaut.png";

const PHOTOGRAPH: &[u8] = include_bytes!("../../../assets/astronaut.png");

pub fn photograph() -> Result<Matrix, ReadError> {
    luminance(&image::load_from_memory(PHOTOGRAPH)?)
}

/// The content decides what the file is, not its name.
pub fn read(path: &Path) -> Result<Matrix, ReadError> {
    luminance(&ImageReader::open(path)?.with_guessed_format()?.decode()?)
}

fn luminance(picture: &DynamicImage) -> Result<Matrix, ReadError> {
    let pixels = picture.to_luma32f();
    let (nrows, ncols) = (pixels.height() as usize, pixels.width() as usize);
    Ok(Matrix::Picture(Dense { nrows, ncols, order: Order::RowMajor, entries: pixels.into_raw() }))
}

//! The picture that the factors make.

use std::io::{self, Write};

use faer::Mat;
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder};
use panther_linalg::{Real, Rsvd};

/// UΣVᵀ as an 8-bit greyscale PNG.
pub fn write<T: Real>(out: &mut impl Write, result: &Rsvd<T>) -> io::Result<()> {
    let Rsvd { u, s, v, .. } = result;
    let scaled = Mat::from_fn(u.nrows(), s.len(), |i, j| T::from_f64(u[(i, j)].to_f64() * s[j].to_f64()));
    let pixels = scaled * v.transpose();
    let (height, width) = (pixels.nrows(), pixels.ncols());
    let bytes: Vec<u8> = (0..height).flat_map(|i| (0..width).map(move |j| (i, j))).map(|at| grey(pixels[at])).collect();
    // A picture that was decoded has sides below 2³².
    PngEncoder::new(out)
        .write_image(&bytes, width as u32, height as u32, ExtendedColorType::L8)
        .map_err(io::Error::other)
}

fn grey<T: Real>(luminance: T) -> u8 {
    (luminance.to_f64().clamp(0.0, 1.0) * 255.0).round() as u8
}

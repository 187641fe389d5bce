//! A canvas in pixels of the finished picture, and its PNG.

use crate::figures::error::FigureError;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{FontStyle, FontTransform, register_font};

const FONT: &str = "DejaVu Sans";

/// Everything is drawn this many times larger and averaged: plotters smooths no thick lines.
const OVERSAMPLING: u32 = 2;

/// Red, green and blue have sixteen shades this far apart: files are half as large, and nobody sees it.
const SHADE: usize = 17;

/// Plotters counts a size from the ascent to the descent; this is how far these are apart in DejaVu Sans, in ems.
const HEIGHT_OF_EM: f64 = 1.164;

/// A position, in pixels from the left and from the top.
pub type Position = (f64, f64);

/// Which part of a text is at its position.
#[derive(Clone, Copy)]
pub enum Align {
    Left,
    Centre,
    Right,
}

/// What a picture is drawn on.
pub struct Canvas<'a> {
    area: DrawingArea<BitMapBackend<'a>, Shift>,
}

impl Canvas<'_> {
    /// A text whose capitals are centred at the height of `at`; `size` is that of its em.
    pub fn text(&self, text: &str, at: Position, size: f64, align: Align) -> Result<(), FigureError> {
        // Plotters' baseline is half a size below the position; a capital is 0.73 ems high.
        let lift = (0.5 * HEIGHT_OF_EM - 0.365) * size;
        self.draw(&Text::new(text, pixels((at.0, at.1 - lift)), style(size, align, FontTransform::None)))
    }

    /// A text centred at `at` that reads upwards.
    pub fn text_upwards(&self, text: &str, at: Position, size: f64) -> Result<(), FigureError> {
        let lift = (0.5 * HEIGHT_OF_EM - 0.365) * size;
        self.draw(&Text::new(text, pixels((at.0 - lift, at.1)), style(size, Align::Centre, FontTransform::Rotate270)))
    }

    /// A line through positions.
    pub fn line(&self, positions: &[Position], color: RGBColor, width: f64) -> Result<(), FigureError> {
        let positions: Vec<_> = positions.iter().copied().map(pixels).collect();
        self.draw(&PathElement::new(positions, color.stroke_width(length(width))))
    }

    /// A filled polygon.
    pub fn polygon(&self, positions: &[Position], color: RGBColor) -> Result<(), FigureError> {
        let positions: Vec<_> = positions.iter().copied().map(pixels).collect();
        self.draw(&Polygon::new(positions, color.filled()))
    }

    /// A filled disc.
    pub fn disc(&self, centre: Position, radius: f64, color: RGBColor) -> Result<(), FigureError> {
        self.draw(&Circle::new(pixels(centre), length(radius), color.filled()))
    }

    fn draw<'e, E>(&self, element: &'e E) -> Result<(), FigureError>
    where
        &'e E: plotters::element::PointCollection<'e, (i32, i32)>,
        E: for<'b> plotters::element::Drawable<BitMapBackend<'b>>,
    {
        self.area.draw(element).map_err(FigureError::draw)
    }
}

/// How wide a text of this size is.
pub fn width(text: &str, size: f64) -> Result<f64, FigureError> {
    load_font()?;
    let font = (FONT, size * HEIGHT_OF_EM * f64::from(OVERSAMPLING)).into_font();
    let (width, _) = font.box_size(text).map_err(FigureError::draw)?;
    Ok(f64::from(width) / f64::from(OVERSAMPLING))
}

/// The same letters on every machine: no font is looked for.
fn load_font() -> Result<(), FigureError> {
    let font = include_bytes!("../../../../panther-nn/assets/DejaVuSans.ttf");
    register_font(FONT, FontStyle::Normal, font).map_err(|_| FigureError::Font)
}

/// A picture of this many pixels as PNG.
pub fn png(
    (width, height): (u32, u32),
    paint: impl FnOnce(&Canvas<'_>) -> Result<(), FigureError>,
) -> Result<Vec<u8>, FigureError> {
    load_font()?;
    let large = (width * OVERSAMPLING, height * OVERSAMPLING);
    let mut bytes = vec![u8::MAX; 3 * large.0 as usize * large.1 as usize];
    {
        let area = BitMapBackend::with_buffer(&mut bytes, large).into_drawing_area();
        let canvas = Canvas { area };
        paint(&canvas)?;
        canvas.area.present().map_err(FigureError::draw)?;
    }
    let small = averaged(&bytes, width as usize, height as usize);
    let mut png = Vec::new();
    PngEncoder::new_with_quality(&mut png, CompressionType::Best, FilterType::NoFilter).write_image(
        &small,
        width,
        height,
        ExtendedColorType::Rgb8,
    )?;
    Ok(png)
}

/// Means of squares of OVERSAMPLING pixels, to the nearest shade.
fn averaged(large: &[u8], width: usize, height: usize) -> Vec<u8> {
    let n = OVERSAMPLING as usize;
    let mut small = Vec::with_capacity(3 * width * height);
    for y in 0..height {
        for x in 0..width {
            for channel in 0..3 {
                let at = |dx, dy| usize::from(large[3 * ((n * y + dy) * n * width + n * x + dx) + channel]);
                let sum: usize = (0..n * n).map(|i| at(i % n, i / n)).sum();
                small.push(((sum / (n * n) + SHADE / 2) / SHADE * SHADE) as u8);
            }
        }
    }
    small
}

fn pixels((x, y): Position) -> (i32, i32) {
    let scale = f64::from(OVERSAMPLING);
    ((x * scale).round() as i32, (y * scale).round() as i32)
}

fn length(pixels: f64) -> u32 {
    (pixels * f64::from(OVERSAMPLING)).round() as u32
}

fn style(size: f64, align: Align, turned: FontTransform) -> TextStyle<'static> {
    let horizontal = match align {
        Align::Left => HPos::Left,
        Align::Centre => HPos::Center,
        Align::Right => HPos::Right,
    };
    let font = (FONT, size * HEIGHT_OF_EM * f64::from(OVERSAMPLING)).into_font().transform(turned);
    TextStyle::from(font).color(&BLACK).pos(Pos::new(horizontal, VPos::Top))
}

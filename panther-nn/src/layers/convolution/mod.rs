//! Convolutions, dense and sketched, and pooling.

mod conv2d;
mod pooling;
mod sk_conv2d;
mod window;

pub use conv2d::Conv2d;
pub use pooling::{AvgPool2d, MaxPool2d};
pub use sk_conv2d::{SkConv2d, SkConv2dOptions};
pub use window::{Padding, Window};

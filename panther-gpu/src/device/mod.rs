//! Devices: their memory, copies, graphs and clock.

mod allocation;
pub(crate) mod buffer;
mod graph;
mod handle;
mod memory;
mod name;
mod timing;
mod transfer;
pub(crate) mod unwritten;

pub use buffer::Buffer;
pub use graph::Graph;
pub use handle::Device;
pub use name::{DeviceName, UnknownDeviceName};

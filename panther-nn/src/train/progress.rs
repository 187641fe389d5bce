//! Progress bars.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar on standard error with the steps done, the time left and the loss; nothing where that is no terminal.
#[derive(Debug)]
pub struct Progress(ProgressBar);

impl Progress {
    /// A bar for so many steps of something.
    #[must_use]
    pub fn new(what: &str, steps: usize) -> Self {
        let bar = ProgressBar::new(steps as u64);
        let template = "{prefix} {wide_bar} {pos}/{len}, {eta} left, loss {msg}";
        bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_prefix(what.to_owned());
        Self(bar)
    }

    /// One step more, with the loss that it had.
    pub fn advance(&self, loss: f64) {
        self.0.set_message(format!("{loss:.4}"));
        self.0.inc(1);
    }
}

impl Drop for Progress {
    /// The bar leaves the screen.
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

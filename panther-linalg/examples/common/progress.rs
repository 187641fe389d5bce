//! A sign of life during long work.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// Runs `work` behind a spinner with the time elapsed (nothing is drawn unless stderr is a terminal), and times it.
pub fn timed<R>(message: &'static str, work: impl FnOnce() -> R) -> (R, Duration) {
    let style = ProgressStyle::with_template("{spinner} {msg} {elapsed}");
    let spinner = ProgressBar::new_spinner().with_message(message);
    spinner.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
    spinner.enable_steady_tick(Duration::from_millis(100));
    let clock = Instant::now();
    let result = work();
    let elapsed = clock.elapsed();
    spinner.finish_and_clear();
    (result, elapsed)
}

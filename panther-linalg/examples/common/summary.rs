//! What a program reads about a decomposition.

use serde::Serialize;

use super::error::CliError;

#[derive(Serialize)]
pub struct Summary {
    pub shape: (usize, usize),
    pub dtype: &'static str,
    pub rank: usize,
    pub seconds: f64,
    pub error_estimate: f64,
    pub failure_probability: f64,
    pub tolerance_met: Option<bool>,
    pub passes: usize,
    pub fallback: String,
    pub norm: f64,
    pub orthogonality: f64,
    pub seed: u64,
    pub threads: usize,
    /// What decomposed, for people.
    #[serde(skip)]
    pub machine: String,
}

impl Summary {
    /// ‖A − Â‖_F / ‖A‖_F, 0 for a zero matrix.
    pub fn relative(&self, error: f64) -> f64 {
        if self.norm == 0.0 { 0.0 } else { error / self.norm }
    }

    /// One line of JSON.
    pub fn to_json(&self) -> Result<String, CliError> {
        let mut line = serde_json::to_string(self).map_err(std::io::Error::from)?;
        line.push('\n');
        Ok(line)
    }
}

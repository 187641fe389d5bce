//! Attention: the softmax of scores, attention through random features, and rows that must not be read.

mod attention_marks;
mod linear_attention;
mod row_marks;
mod softmax;

pub(crate) use attention_marks::{AttentionMarks, Positions};
pub(crate) use linear_attention::AttentionSizes;
pub use linear_attention::{Arithmetic, Attended, AttentionInputs, AttentionKernel, LinearAttention};
pub use row_marks::{Dependence, Marked, RowMarks};
pub(crate) use row_marks::{HIDDEN, TAINTED, check_mask, dependent_rows, marked_rows, rows_of_marks};
pub(crate) use softmax::score_sizes;
pub use softmax::{KeysSeen, Softmax};

//! What the page says that no number changes.

/// A family of figures, and how to read them.
pub struct Chapter {
    pub suite: &'static str,
    pub title: &'static str,
    pub text: &'static str,
}

pub const CHAPTERS: [Chapter; 9] = [
    Chapter {
        suite: "linear",
        title: "Linear layers",
        text: "`Linear` of in × out features beside `SkLinear`, whose weight is the mean of \
               2·`num_terms` products of rank `low_rank`, wherever that has fewer parameters. Above each panel stands how many times as \
               fast the fastest sketched layer is; a low rank is fast and loses the most, so choose it by error \
               (below, *Conversion*), not by time.",
    },
    Chapter {
        suite: "attention",
        title: "Attention",
        text: "`MultiHeadAttention` beside `RandMultiHeadAttention`, whose cost grows with the length instead of \
               its square. Dense attention has no features, so its lines are the same in each row. Memory is the \
               peak beyond what was held before, weights not counted. Distances from dense attention are those of fresh weights and \
               of inputs that are independent normal numbers, which is the hard case: attention is spread over all positions, so \
               that outputs are small, and the variance of softmax features grows like exp(‖q + k‖² ÷ √d), d the columns of a \
               head. ReLU features estimate nothing: they are an attention of their own.",
    },
    Chapter {
        suite: "conv",
        title: "Convolutions",
        text: "`Conv2d` beside `SkConv2d`, over input and output channels; images keep their size.",
    },
    Chapter {
        suite: "rsvd",
        title: "Randomized SVD",
        text: "`rsvd` by block Krylov iteration and by subspace iteration. Matrices with σᵢ = 1/i are decomposed \
               to a rank, those of exponential decay to a tolerance of 10⁻⁶; only the first 2048 σᵢ are not \
               zero. The exact SVD stands beside them where it is feasible; the best possible error is that of \
               the exact SVD cut to the rank.",
    },
    Chapter {
        suite: "cqrrpt",
        title: "Pivoted QR",
        text: "`cqrrpt`, which pivots, beside QR without pivots and QR with them: classical pivoting on a CPU, \
               `pivoted_qr` on a GPU, whose libraries have none. Errors are of reconstruction, ‖AP − QR‖ ÷ ‖A‖, \
               and of orthogonality, ‖QᵀQ − I‖, in the Frobenius norm.",
    },
    Chapter {
        suite: "convert",
        title: "Conversion",
        text: "What a dense weight loses when it is replaced by sketched factors, by how these are found; this \
               is the host's work on every machine.",
    },
    Chapter {
        suite: "sketch",
        title: "Sketches",
        text: "How many bytes a second each family reads and writes, drawing included. A copy of A reads and \
               writes as fast as the memory allows: no sketch is faster than its line, and the dense families \
               multiply.",
    },
    Chapter {
        suite: "pivots",
        title: "Quality of pivots",
        text: "‖R₂₂‖ after k columns over that of classical pivoting: below 1 is better. |Rᵢᵢ| ÷ σᵢ says how \
               well the diagonal tells the singular values: 1 is perfect.",
    },
    Chapter {
        suite: "roofline",
        title: "Roofline",
        text: "The line is what a copy and a dense product reach on the same device.",
    },
];

pub const INTRODUCTION: &str = "\
# Benchmarks

`panther-bench report` makes this page and its figures of the measurements in [`benchmarks/results`](benchmarks/results): every number below is
computed from them, and none is written by hand. No figure compares two machines.

The page that this one follows showed two GPUs, a T4 and a P100. In their place stand the devices that were measured here, each by its
own name; figures without a device in their name are the H100's, those of a CPU end in `_cpu`.

Key observations compare the best setting of each case with the libraries that are in use today, and say from where on it always wins and where
it loses the most. What stands under the figures compares with Panther's own dense methods too, and says how many settings do not win.
Machines, versions and how it was measured stand at the end.
";

pub const METHOD: &str = "\
- **Time** is the median of repeated runs after warming up, by events on the device's stream on a GPU and by a monotonic clock on a CPU; the files
  hold the fastest and the slowest too. Inputs are there before the clock starts, results stay where they are made.
- **Backward** is forward and backward together, gradients of parameters and of inputs included.
- **Memory** is the peak beyond what was held before: on a CPU counted by the allocator, on a GPU by the pool that everything
  is allocated from; what libraries keep from their first use on does not count.
- **Errors** are measured in the same run as the time beside which they stand. That of a layer is ‖y − ŷ‖ ÷ ‖ŷ‖ of its output y on a part of
  the input, ŷ computed in double precision from the same draws: what rounding costs, not what sketching does.
- **What did not fit** into memory is a cross at the upper edge, what failed a plus. A panel that nothing was measured of says so.
- **Sentences under figures** compare the fastest setting with the dense one case by case; the number of settings that are not faster stands
  beside, so that a single fast one does not speak for all.
";

pub const REPRODUCTION: &str = "\
```sh
cargo build --release -p panther-bench
target/release/panther-bench run all --device cpu                       # or --device cuda:0; into panther-out/results
python panther-bench/baselines/baselines.py panther-out/results/linear_cpu.json    # PyTorch, SciPy, scikit-learn on the same cases
target/release/panther-bench plot panther-out/results/*.json             # the figures of your machine, into panther-out/figures
target/release/panther-bench compare panther-out/results/linear_cpu.json docs/benchmarks/results/linear_cpu.json
target/release/panther-bench report                                      # this page, from docs/benchmarks/results
```

`--quick` takes two minutes on two cores and puts something into every figure; `--full` measures the whole grids as far as the device does them;
without either the grids are thinned. A run that is interrupted loses nothing and continues where it was.
";

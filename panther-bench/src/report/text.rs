//! The fixed text of the page.

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
               fast the fastest sketched layer is as Panther's own dense one in f32; a low rank is fast and loses the most, so choose it \
               by error (below, *Conversion*), not by time. In tf32 and bf16 products may round their factors of f32 to so \
               many bits; bf16 takes tf32 where rounding costs more than it saves, as with 128 rows.",
    },
    Chapter {
        suite: "attention",
        title: "Attention",
        text: "`MultiHeadAttention` beside `RandMultiHeadAttention`, whose cost grows with the length instead of \
               its square. Dense attention has no features, so its lines are the same in all columns of a row. Memory is the \
               peak beyond what was held before, weights not counted; what the output and the projections of query, key and value take is \
               part of it. Panther's own dense attention writes its scores to memory and on a GPU takes longer than PyTorch's fused \
               one where sequences are long, the more so the narrower the heads: what counts there is the comparison with `torch`. \
               Distances from dense attention are those of fresh weights and of inputs that are independent normal numbers, which \
               is the hard case: attention is spread over all positions, so that outputs are small, and the variance of softmax \
               features grows like exp(‖q + k‖² ÷ √d), d the columns of a head. ReLU features estimate nothing: they are an attention \
               of their own.",
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
               zero. The exact SVD stands beside them where it is feasible (faer's on a CPU, Panther's own Jacobi rotations on a \
               GPU); the best possible error is that of the exact SVD cut to the rank. Where the \
               basis would be as large as the matrix, as that of block Krylov for rank 500 of 1000², `rsvd` computes the \
               exact one itself, on one thread so that its bytes do not depend on threads, and checks it: up to twice as long as faer's.",
    },
    Chapter {
        suite: "cqrrpt",
        title: "Pivoted QR",
        text: "`cqrrpt`, which pivots, beside QR without pivots and QR with them: classical pivoting on a CPU, \
               `pivoted_qr` on a GPU, as cuSOLVER has none. PyTorch's does not pivot. Errors are of reconstruction, ‖AP − QR‖ ÷ ‖A‖, \
               and of orthogonality, ‖QᵀQ − I‖, in the Frobenius norm.",
    },
    Chapter {
        suite: "convert",
        title: "Conversion",
        text: "What a dense weight loses when it is replaced by sketched factors, by how these are found; this \
               is the host's work on every machine. An error of 1 is that of a weight of zeros. `sketch` is the original package's way, \
               random factors; `least_squares` fits one factor to the weight; `rsvd` is what the converter does unless told \
               otherwise; `exact` cuts the exact SVD.",
    },
    Chapter {
        suite: "sketch",
        title: "Sketches",
        text: "Bytes of A and of S·A over the time that S·A takes, drawing of S included. The line is a copy of A; what reads \
               all of A stays below it. SparseRows reads some rows only, and the dense families multiply: beside the dense \
               product stands what drawing costs them.",
    },
    Chapter {
        suite: "pivots",
        title: "Quality of pivots",
        text: "Of `pivoted_qr`, square matrices: ‖R₂₂‖ after k columns over that of classical pivoting; below 1 is better. \
               |Rᵢᵢ| ÷ σᵢ says how well the diagonal tells the singular values: 1 is perfect. On a CPU pivots come from \
               sketches. A matrix that fits into the shared memory of a GPU is pivoted classically there, as these are: a ratio of 1 \
               says that it is done right. Kahan's columns are equally long but for rounding, which decides there. Under exponential \
               decay faer's norms, which it downdates until the longest has fallen to √ε of what it was, are off from step 330 on, and \
               choose other columns than norms that are computed anew. Where classical pivoting leaves nothing there is no ratio.",
    },
    Chapter {
        suite: "roofline",
        title: "Roofline",
        text: "The line is what a copy and a dense product reach on the same device. A kernel's floor is the time that its \
               bytes or its operations take at that rate. What else takes time on a GPU: in `cqrrpt` pivoting the sketch, whose blocks \
               wait for each other once a column; in `rsvd` the SVD of the small factor and orthonormalisation; in small layers \
               launches, and products that do not fill the device; in convolutions f32 without tensor cores; in sketches drawing, sums in \
               shared memory, and launches.",
    },
];

pub const INTRODUCTION: &str = "\
# Benchmarks

`panther-bench report` makes this page and its figures of the measurements in [`benchmarks/results`](benchmarks/results): every number in the
table and under the figures is computed from them. No figure compares two machines.

The original package's page has figures for two GPUs, a T4 and a P100. In their place stands an H200, beside a CPU with two threads. Figures of
the CPU end in `_cpu`; those of linear layers name their device, and all others are the H200's. Linear layers were measured on an H100 too, in an
earlier state of the code: dense products in f32 were cuBLAS's there. PyTorch's convolutions on the H200 are not all: the smaller ones, and most with as
many input as output channels.

Key observations compare with the libraries that are in use today, or with Panther's own dense methods where none was measured: of layers the
fastest setting of `num_terms` and `low_rank` in each case. They say where it loses the most, and from which size on it wins in all cases that
were measured: – where it loses one of the largest. What stands under the figures compares with the dense methods too, and says how many settings do not win.
Machines, versions and how it was measured stand at the end.

In short: sketched layers are for large layers. Beside PyTorch in bf16 their forward pass wins every case only from the size on that stands in the last
column, and small ones lose. Randomized attention is for long sequences and for training; on a GPU its forward pass alone rarely saves memory. Of
the two range finders subspace iteration is the faster one on a GPU, and block Krylov iteration the more accurate. CQRRPT loses on the GPU where
2048 columns have four rows each, and wins all other cases beside PyTorch's QR. The
fastest settings of the largest layers keep a thousandth of their parameters: what that costs in accuracy stands under [Conversion](#conversion),
and whether a model can bear it only the model tells.
";

pub const METHOD: &str = "\
- **Time** is the median of repeated runs after warming up, by events on the device's stream on a GPU and by a monotonic clock on a CPU; the files
  hold the fastest and the slowest too. Inputs are there before the clock starts, results stay where they are made.
- **Backward** is forward and backward together, gradients of parameters and of inputs included.
- **Memory** is the peak beyond what was held before: on a CPU counted by the allocator, on a GPU by the pool that everything
  is allocated from; what libraries keep from their first use on does not count.
- **Errors** are measured in the same run as the time beside which they stand. That of a layer is ‖y − ŷ‖ ÷ ‖ŷ‖ of its output y, ŷ computed in
  double precision from the same draws: what rounding costs, not what sketching does. Its input is the timed one for linear
  layers (8 rows of it on the H100), 512 positions for attention, and an image twice as wide as the kernel for convolutions.
- **f32** on an H200 is made on tensor cores where products are large, factors split in two and sums leaving them every 32 terms: as exact as f32,
  and twice as fast. PyTorch's f32 is without TF32.
- **Libraries**: `torch` is PyTorch's `Linear`, `Conv2d` (cuDNN may try its algorithms), three projections, `scaled_dot_product_attention` and one projection
  more, `svd_lowrank` with 10 columns more and two power iterations, and `linalg.qr`; eager, in full f32, or with everything in bf16 (`torch-bf16`).
  `scipy` is `sparse.linalg.svds`, converged, and pivoted `linalg.qr`; `sklearn` is `randomized_svd` at its defaults.
- **Small cases** on a GPU measure the host: a step takes as long as its kernels take to launch, and PyTorch launches more. A win there is not the
  sketch's; compare linear layers and convolutions with Panther's dense ones under the figures. The CPU is shared with others: ratios within
  some tens of percent are noise there; from one week to the next the median of a suite moved by up to 27 %, and single results several times.
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

// Sums that kernels report, a share for each block.

// A block's share of the sum of the squares of x.
extern "C" __global__ void partial_squares(const real *x, u64 down, u64 right, u64 rows, u64 columns, double *sums) {
    __shared__ double scratch[WARP];
    bool by_rows = right == 1 && down != 1;
    u64 fast = by_rows ? columns : rows;
    double sum = 0;
    FOR_EACH(k, rows * columns) {
        u64 a, b;
        split(k, fast, a, b);
        double y = x[by_rows ? b * down + a : a * down + b * right];
        sum += y * y;
    }
    sum = block_sum(sum, scratch);
    if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}

// A block's share of ‖G − I‖²_F, of the symmetric G whose upper triangle is given.
extern "C" __global__ void partial_defect(const real *g, u64 ldg, u64 n, double *sums) {
    __shared__ double scratch[WARP];
    double sum = 0;
    FOR_EACH(k, n * n) {
        u64 i, j;
        split(k, n, i, j);
        double x = g[i + j * ldg];
        sum += i < j ? 2 * x * x : i == j ? (x - 1) * (x - 1) : 0.0;
    }
    sum = block_sum(sum, scratch);
    if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}

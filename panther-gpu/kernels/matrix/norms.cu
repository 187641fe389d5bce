// Norms of a matrix, its rows and its columns.

// What a first look at a matrix tells: the largest |entry|, the sum of the squares, and whether all are finite.
//
// A block's share of (factor·a)'s largest entry, sum of squares and count of entries that are not finite, into
// result[SUMMARY·block ...]. The first of those entries, in column-major order, into `first`, which starts as all ones.
extern "C" __global__ void survey(const real *a, u64 down, u64 right, u64 rows, u64 columns, double factor, double *result,
                                  u64 *first) {
    __shared__ double scratch[WARP];
    double largest = 0, squares = 0, bad = 0;
    auto look = [&](real entry) {
        double x = entry;
        bool finite = isfinite(entry);
        x = finite ? fabs(x * factor) : 0.0;
        bad += finite ? 0.0 : 1.0;
        largest = x > largest ? x : largest;
        squares += x * x;
    };
    const bool by_rows = right == 1 && down != 1;
    const u64 fast = by_rows ? columns : rows, count = rows * columns, step = (u64)gridDim.x * blockDim.x;
    const u64 start = (u64)blockIdx.x * blockDim.x + threadIdx.x;
    auto entry = [&](u64 k) {
        u64 along, across;
        split(k, fast, along, across);
        return by_rows ? a[across * down + along] : a[along * down + across * right];
    };
    if ((by_rows ? down == columns : down == 1 && right == rows)) {
        // No gaps: four loads on their way at a time.
        u64 k = start;
        for (; k + 3 * step < count; k += 4 * step) {
            real x[4];
#pragma unroll
            for (int l = 0; l < 4; l++) x[l] = a[k + l * step];
#pragma unroll
            for (int l = 0; l < 4; l++) look(x[l]);
        }
        for (; k < count; k += step) look(a[k]);
    } else {
        for (u64 k = start; k < count; k += step) look(entry(k));
    }
    if (bad > 0) {
        for (u64 k = start; k < count; k += step) {
            if (!isfinite(entry(k))) {
                u64 along, across;
                split(k, fast, along, across);
                atomicMin(first, by_rows ? along * rows + across : across * rows + along);
            }
        }
    }
    squares = block_sum(squares, scratch);
    bad = block_sum(bad, scratch);
    largest = block_max(largest, 0.0, scratch);
    if (threadIdx.x == 0) {
        result[SUMMARY * blockIdx.x + LARGEST] = largest;
        result[SUMMARY * blockIdx.x + SQUARES] = squares;
        result[SUMMARY * blockIdx.x + NOT_FINITE] = bad;
    }
}

// A block a row: the sum of the squares of r[i, i...].
extern "C" __global__ void row_energies(const real *r, u64 ldr, u64 columns, double *energies) {
    __shared__ double scratch[WARP];
    u64 i = blockIdx.x;
    double sum = 0;
    for (u64 j = i + threadIdx.x; j < columns; j += blockDim.x) {
        double x = r[i + j * ldr];
        sum += x * x;
    }
    sum = block_sum(sum, scratch);
    if (threadIdx.x == 0) energies[i] = sum;
}

// A block a column: Σ over the rows of u[i, j]².
extern "C" __global__ void column_energies(const real *u, u64 ldu, u64 rows, double *energies) {
    __shared__ double scratch[WARP];
    const real *column = u + blockIdx.x * ldu;
    double sum = 0;
    for (u64 i = threadIdx.x; i < rows; i += blockDim.x) {
        double x = column[i];
        sum += x * x;
    }
    sum = block_sum(sum, scratch);
    if (threadIdx.x == 0) energies[blockIdx.x] = sum;
}

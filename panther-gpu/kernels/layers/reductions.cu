// Sums in a fixed order: shares first, then the shares one after another.

// shares[s][c] = Σ x[r][c] over the rows of share s. Blocks of COLUMNS×LANES threads, one for COLUMNS columns of a share.
extern "C" __global__ void sum_rows(const real *x, u64 rows, u64 width, u64 share, real *shares) {
    __shared__ real sums[LANES][COLUMNS + 1];
    u64 column = (u64)blockIdx.x * COLUMNS + threadIdx.x;
    u64 first = (u64)blockIdx.y * share, last = first + share < rows ? first + share : rows;
    real sum = 0;
    if (column < width) {
        for (u64 row = first + threadIdx.y; row < last; row += LANES) sum += x[row * width + column];
    }
    sums[threadIdx.y][threadIdx.x] = sum;
    __syncthreads();
    if (threadIdx.y == 0 && column < width) {
        real total = 0;
        for (u32 lane = 0; lane < LANES; lane++) total += sums[lane][threadIdx.x];
        shares[(u64)blockIdx.y * width + column] = total;
    }
}

// shares[s][c] = Σ x[b][c][p] over share s of the pairs (b, p): a block each.
extern "C" __global__ void sum_channels(const real *x, u64 batch, u64 channels, u64 plane, u64 share, real *shares) {
    __shared__ real scratch[WARP];
    u64 channel = blockIdx.x, count = batch * plane;
    u64 first = (u64)blockIdx.y * share, last = first + share < count ? first + share : count;
    real sum = 0;
    // Image by image, so that there is no division in the loop.
    for (u64 image = first / plane; image * plane < last; image++) {
        u64 start = image * plane;
        u64 from = first > start ? first - start : 0, to = last - start < plane ? last - start : plane;
        const real *numbers = x + (image * channels + channel) * plane;
        for (u64 p = from + threadIdx.x; p < to; p += blockDim.x) sum += numbers[p];
    }
    sum = block_sum(sum, scratch);
    if (threadIdx.x == 0) shares[(u64)blockIdx.y * channels + channel] = sum;
}

// sum[c] += Σ shares[s·stride + c].
extern "C" __global__ void add_shares(const real *shares, u64 count, u64 stride, u64 width, real *sum) {
    FOR_EACH(c, width) {
        real total = 0;
        for (u64 s = 0; s < count; s++) total += shares[s * stride + c];
        sum[c] += total;
    }
}

// A share of Σ x² for each block.
extern "C" __global__ void squares(const real *x, u64 count, double *shares) {
    __shared__ double scratch[WARP];
    double sum = 0;
    FOR_EACH(i, count) sum += (double)x[i] * (double)x[i];
    sum = block_sum(sum, scratch);
    if (threadIdx.x == 0) shares[blockIdx.x] = sum;
}

// One block: total[0] = factor·Σ x.
extern "C" __global__ void sum_doubles(const double *x, u64 count, double factor, double *total) {
    __shared__ double scratch[WARP];
    double sum = 0;
    FOR_EACH(i, count) sum += x[i];
    sum = block_sum(sum, scratch);
    if (threadIdx.x == 0) total[0] = factor * sum;
}

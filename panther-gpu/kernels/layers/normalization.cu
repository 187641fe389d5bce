// Normalisation of rows: x̂ = (x·scale − mean)·inverse; scale, mean and inverse are kept of each row. A block a row.

extern "C" __global__ void normalize(const real *x, const real *weight, const real *bias, u64 rows, u64 width,
                                     double epsilon, real *y, real *moments) {
    __shared__ real scratch[WARP];
    for (u64 row = blockIdx.x; row < rows; row += gridDim.x) {
        const real *from = x + row * width;
        real *to = y + row * width;
        real largest = 0;
        for (u64 i = threadIdx.x; i < width; i += blockDim.x) {
            real size = fabs(from[i]);
            largest = size > largest ? size : largest;
        }
        largest = block_max(largest, real(0), scratch);
        // Squares of numbers up to the fourth root of the largest one are summed as they are.
        real scale = largest > sqrt(sqrt(HIGHEST)) ? real(1) / largest : real(1);
        // From the first number on, so that a row of equal numbers has that mean and variance 0. The products are rounded on
        // their own for the same end.
        real first = from[0] * scale, sum = 0;
        for (u64 i = threadIdx.x; i < width; i += blockDim.x) sum += rounded_product(from[i], scale) - first;
        real mean = first + block_sum(sum, scratch) / real(width);
        real squares = 0;
        for (u64 i = threadIdx.x; i < width; i += blockDim.x) {
            real difference = rounded_product(from[i], scale) - mean;
            squares += difference * difference;
        }
        squares = block_sum(squares, scratch);
        double variance = (double)(squares / real(width)) + epsilon * (double)scale * (double)scale;
        double root = 1.0 / sqrt(variance);
        real inverse = root < (double)HIGHEST ? real(root) : HIGHEST;
        for (u64 i = threadIdx.x; i < width; i += blockDim.x) {
            to[i] = fma((rounded_product(from[i], scale) - mean) * inverse, weight[i], bias[i]);
        }
        if (threadIdx.x == 0) {
            moments[3 * row] = scale;
            moments[3 * row + 1] = mean;
            moments[3 * row + 2] = inverse;
        }
    }
}

// dx = (g − mean(g) − x̂·mean(g·x̂))/σ with g = dy·w.
extern "C" __global__ void normalize_backward(const real *x, const real *moments, const real *weight, const real *dy,
                                              u64 rows, u64 width, real *dx) {
    __shared__ real scratch[WARP];
    real per_count = real(1) / real(width);
    for (u64 row = blockIdx.x; row < rows; row += gridDim.x) {
        const real *numbers = x + row * width, *by_y = dy + row * width;
        real scale = moments[3 * row], mean = moments[3 * row + 1], inverse = moments[3 * row + 2];
        real sum = 0, along = 0;
        for (u64 i = threadIdx.x; i < width; i += blockDim.x) {
            real g = rounded_product(by_y[i], weight[i]);
            sum += g;
            along += g * (rounded_product(numbers[i], scale) - mean);
        }
        real mean_g = block_sum(sum, scratch) * per_count;
        along = block_sum(along, scratch) * inverse * per_count;
        for (u64 i = threadIdx.x; i < width; i += blockDim.x) {
            real normal = (rounded_product(numbers[i], scale) - mean) * inverse;
            real g = rounded_product(by_y[i], weight[i]);
            dx[row * width + i] = inverse * scale * (g - mean_g - normal * along);
        }
    }
}

// shares[s][0][c] = Σ dy·x̂ and shares[s][1][c] = Σ dy over the rows of share s, a block of COLUMNS×LANES threads for COLUMNS columns.
extern "C" __global__ void normalize_gradients(const real *x, const real *moments, const real *dy, u64 rows, u64 width,
                                               u64 share, real *shares) {
    __shared__ real sums[2][LANES][COLUMNS + 1];
    u64 column = (u64)blockIdx.x * COLUMNS + threadIdx.x;
    u64 first = (u64)blockIdx.y * share, last = first + share < rows ? first + share : rows;
    real dw = 0, db = 0;
    if (column < width) {
        for (u64 row = first + threadIdx.y; row < last; row += LANES) {
            real g = dy[row * width + column];
            real normal = (rounded_product(x[row * width + column], moments[3 * row]) - moments[3 * row + 1]) * moments[3 * row + 2];
            dw = fma(normal, g, dw);
            db += g;
        }
    }
    sums[0][threadIdx.y][threadIdx.x] = dw;
    sums[1][threadIdx.y][threadIdx.x] = db;
    __syncthreads();
    if (threadIdx.y < 2 && column < width) {
        real total = 0;
        for (u32 lane = 0; lane < LANES; lane++) total += sums[threadIdx.y][lane][threadIdx.x];
        shares[((u64)blockIdx.y * 2 + threadIdx.y) * width + column] = total;
    }
}

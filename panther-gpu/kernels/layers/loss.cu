// Losses with their gradients, in double precision.

// −Σ q·ln softmax(x) of each row with its gradient times `weight`, a block a row. A negative target's row does not count.
extern "C" __global__ void cross_entropy(const real *logits, const i64 *targets, u64 rows, u64 classes, double smoothing,
                                         double weight, real *gradient, double *losses) {
    __shared__ double scratch[WARP];
    for (u64 row = blockIdx.x; row < rows; row += gridDim.x) {
        const real *x = logits + row * classes;
        real *g = gradient + row * classes;
        i64 target = targets[row];
        if (target < 0) {
            for (u64 i = threadIdx.x; i < classes; i += blockDim.x) g[i] = 0;
            if (threadIdx.x == 0) losses[row] = 0;
            continue;
        }
        double largest = -HIGHEST;
        for (u64 i = threadIdx.x; i < classes; i += blockDim.x) largest = (double)x[i] > largest ? (double)x[i] : largest;
        largest = block_max(largest, (double)-HIGHEST, scratch);
        double sum = 0, below = 0;
        for (u64 i = threadIdx.x; i < classes; i += blockDim.x) {
            sum += exp((double)x[i] - largest);
            below += (double)x[i] - largest;
        }
        sum = block_sum(sum, scratch);
        below = block_sum(below, scratch);
        double shared = smoothing / (double)classes, log_sum = log(sum);
        for (u64 i = threadIdx.x; i < classes; i += blockDim.x) {
            double wanted = (i64)i == target ? 1.0 - smoothing + shared : shared;
            g[i] = real(weight * (exp((double)x[i] - largest) / sum - wanted));
        }
        if (threadIdx.x == 0) {
            // −ln pᵢ = ln Σ eˣ − xᵢ, both less the largest.
            double loss = (1.0 - smoothing) * (log_sum - ((double)x[target] - largest));
            if (smoothing > 0) loss += shared * ((double)classes * log_sum - below);
            losses[row] = loss;
        }
    }
}

// gradient = 2·weight·(y − t), and a share of Σ (y − t)² for each block.
extern "C" __global__ void squared_error(const real *y, const real *t, u64 count, double weight, real *gradient, double *shares) {
    __shared__ double scratch[WARP];
    double sum = 0;
    FOR_EACH(i, count) {
        double difference = (double)y[i] - (double)t[i];
        sum += difference * difference;
        gradient[i] = real(2.0 * weight * difference);
    }
    sum = block_sum(sum, scratch);
    if (threadIdx.x == 0) shares[blockIdx.x] = sum;
}

// The softmax of attention scores, a block a row.

// scores: batch×heads×rows×keys. Row r of a head sees the first `first_sees` + r + 1 keys, or all where that is negative.
// `penalty`, batch×penalty_width, is added to the scores where `has_penalty` is not 0.
extern "C" __global__ void softmax(real *scores, u64 total_rows, u64 heads, u64 rows, u64 keys, i64 first_sees,
                                   u32 has_penalty, const real *penalty, u64 penalty_width) {
    __shared__ real scratch[WARP];
    real nothing = -INFINITE;
    for (u64 at = blockIdx.x; at < total_rows; at += gridDim.x) {
        real *row = scores + at * keys;
        u64 seen = keys;
        if (first_sees >= 0) {
            u64 count = (u64)first_sees + at % rows + 1;
            seen = count < keys ? count : keys;
        }
        const real *added = has_penalty ? penalty + at / (heads * rows) * penalty_width : row;
        real largest = nothing;
        for (u64 i = threadIdx.x; i < keys; i += blockDim.x) {
            if (i >= seen) {
                row[i] = 0;
                continue;
            }
            // Finite first: an overflow in a product is ±∞ or, where two met, NaN.
            real s = row[i];
            s = s > -HIGHEST ? s : -HIGHEST;
            s = s > HIGHEST ? HIGHEST : s;
            if (has_penalty) s += added[i];
            row[i] = s;
            largest = s > largest ? s : largest;
        }
        largest = block_max(largest, nothing, scratch);
        real sum = 0;
        for (u64 i = threadIdx.x; i < seen; i += blockDim.x) {
            real e = largest == nothing ? real(0) : exp(row[i] - largest);
            row[i] = e;
            sum += e;
        }
        sum = block_sum(sum, scratch);
        real inverse = largest == nothing ? real(0) : real(1) / sum;
        for (u64 i = threadIdx.x; i < seen; i += blockDim.x) row[i] *= inverse;
    }
}

// g = p·(g − Σ p·g).
extern "C" __global__ void softmax_backward(const real *p, real *gradient, u64 rows, u64 keys) {
    __shared__ real scratch[WARP];
    for (u64 at = blockIdx.x; at < rows; at += gridDim.x) {
        const real *own = p + at * keys;
        real *g = gradient + at * keys, sum = 0;
        for (u64 i = threadIdx.x; i < keys; i += blockDim.x) sum += own[i] * g[i];
        sum = block_sum(sum, scratch);
        for (u64 i = threadIdx.x; i < keys; i += blockDim.x) g[i] = own[i] * (g[i] - sum);
    }
}

// The sum of what the blocks of a product each found.

// out = factor·Σ parts, or += with `add`. Parts lie one behind the other, each without gaps and by rows if `out` is.
extern "C" __global__ void sum_parts(real *out, u64 down, u64 right, u64 rows, u64 columns, const real *parts, u64 count,
                                     real factor, u32 add) {
    FOR_EACH(k, rows * columns) {
        real sum = 0;
#pragma unroll 8
        for (u64 s = 0; s < count; ++s) sum += parts[s * rows * columns + k];
        u64 along, across;
        split(k, right == 1 ? columns : rows, along, across);
        real *slot = right == 1 ? out + across * down + along : out + along * down + across * right;
        *slot = add ? *slot + factor * sum : factor * sum;
    }
}
